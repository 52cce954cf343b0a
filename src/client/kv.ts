/** Keys and values: get, put, delete, transactions, compaction, and walks over large ranges. */
import { CompactionRequest, type CompactionResponse } from "../api/gen/rpc.ts";
import type { Revision } from "../base/ids.ts";
import { optionNames } from "../base/known-options.ts";
import { mustBeWhole } from "./arguments.ts";
import { nextKey, RANGE_OPTIONS, type RangeOptions, toKeyRange } from "./bytes.ts";
import { isErrorKind } from "./errors.ts";
import type { KeyValue } from "./key-value.ts";
import type { CompactOptions, KVCalls } from "./kv-calls.ts";
import {
  type DeleteOptions,
  deleteRequest,
  type GetOptions,
  type PutOptions,
  putRequest,
  rangeRequest,
} from "./op.ts";
import { type Bytes, CALL_OPTIONS, type CallOptions, checkOptions } from "./options.ts";
import { DeleteResponse, GetResponse, PutResponse } from "./responses.ts";
import { Txn } from "./txn.ts";

/** Keys of one page when no size is given: small enough for one turn of a server's loop. */
const DEFAULT_PAGE_SIZE = 1000;

export interface PageOptions extends RangeOptions, CallOptions {
  /** Keys of one page. Default 1000. */
  readonly pageSize?: number | undefined;
  /** Revision of all pages; default: the newest when the first page is read. */
  readonly revision?: Revision | undefined;
  readonly serializable?: boolean | undefined;
  readonly keysOnly?: boolean | undefined;
}

const PAGE_OPTIONS = optionNames<PageOptions>({
  ...CALL_OPTIONS,
  ...RANGE_OPTIONS,
  pageSize: true,
  revision: true,
  serializable: true,
  keysOnly: true,
});

export class KV {
  readonly #calls: KVCalls;

  constructor(calls: KVCalls) {
    this.#calls = calls;
  }

  /** Reads a key, or with `prefix`, `fromKey` or `rangeEnd` a range of keys. */
  async get(key: Bytes, options: GetOptions & CallOptions = {}): Promise<GetResponse> {
    const request = rangeRequest(key, options);
    return new GetResponse(await this.#calls.range(request, options));
  }

  /** Writes a key. Not sent again when its fate is unknown. */
  async put(
    key: Bytes,
    value: Bytes,
    options: PutOptions & CallOptions = {},
  ): Promise<PutResponse> {
    const request = putRequest(key, value, options);
    return new PutResponse(await this.#calls.put(request, options));
  }

  /** Removes a key or a range of keys. Not sent again when its fate is unknown. */
  async delete(key: Bytes, options: DeleteOptions & CallOptions = {}): Promise<DeleteResponse> {
    const request = deleteRequest(key, options);
    return new DeleteResponse(await this.#calls.deleteRange(request, options));
  }

  /** Begins a transaction. */
  txn(): Txn {
    return new Txn(this.#calls);
  }

  /** Forgets the history before `revision`. */
  async compact(revision: Revision, options: CompactOptions = {}): Promise<CompactionResponse> {
    const request = CompactionRequest.create({
      revision: mustBeWhole("revision", revision),
      physical: options.physical ?? false,
    });
    return this.#calls.compact(request, options);
  }

  /**
   * The keys of a range in ascending order, read page by page at one revision: a consistent view
   * without holding it in memory. Fails with kind "compacted" if that revision is compacted
   * meanwhile. Deadlines hold for each page.
   */
  async *iterate(key: Bytes, options: PageOptions = {}): AsyncGenerator<KeyValue, void, void> {
    for await (const page of this.pages(key, options)) yield* page.kvs;
  }

  /** As `iterate`, a page at a time; there is at least one page, which may be empty. */
  async *pages(key: Bytes, options: PageOptions = {}): AsyncGenerator<GetResponse, void, void> {
    checkOptions("pages", options, PAGE_OPTIONS);
    const { pageSize = DEFAULT_PAGE_SIZE, prefix, fromKey, rangeEnd, ...others } = options;
    if (!(pageSize >= 1)) throw new RangeError("pageSize must be at least 1");
    const range = toKeyRange(key, { prefix, fromKey, rangeEnd });
    let revision = options.revision ?? 0;
    let from = range.key;
    for (;;) {
      const page = await this.#page(from, {
        ...others,
        rangeEnd: range.rangeEnd,
        limit: pageSize,
        revision,
      });
      yield page;
      const last = page.kvs.at(-1);
      if (!page.more || last === undefined) return;
      if (revision === 0) revision = page.revision;
      from = nextKey(last.key);
    }
  }

  async #page(from: Uint8Array, options: GetOptions & CallOptions): Promise<GetResponse> {
    try {
      return await this.get(from, options);
    } catch (error) {
      // The member that answers this page may lag behind the one that answered the first.
      if (options.serializable !== true || !isErrorKind(error, "futureRevision")) throw error;
      return this.get(from, { ...options, serializable: false });
    }
  }
}
