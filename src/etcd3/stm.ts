/**
 * Software transactions: reads are remembered, writes are kept until the end, and both are
 * committed as one conditional transaction that is tried again when somebody was faster.
 */
import { ComparatorBuilder } from "./comparator-builder.ts";
import { STMConflictError } from "./errors.ts";
import { type KeyPrefix, NO_PREFIX, Range, toBuffer } from "./keys.ts";
import type {
  IDeleteRangeRequest,
  IDeleteRangeResponse,
  IKeyValue,
  IPutRequest,
  IPutResponse,
  IRangeRequest,
  IRangeResponse,
  IRequestOp,
} from "./messages/kv.ts";
import type { ICallOptions } from "./options.ts";
import { SingleRangeBuilder } from "./range-builders.ts";
import type { KVClient } from "./rpc-clients.ts";
import { DeleteBuilder, PutBuilder } from "./write-builders.ts";

/**
 * - ReadCommitted: commits whatever was read meanwhile.
 * - RepeatableReads: what was read is unchanged at the commit.
 * - Serializable: also, all reads are of one revision.
 * - SerializableSnapshot: also, what is written was not written since the first read.
 */
export const Isolation = {
  SerializableSnapshot: 0,
  Serializable: 1,
  RepeatableReads: 2,
  ReadCommitted: 3,
} as const;
export type Isolation = (typeof Isolation)[keyof typeof Isolation];

export interface ISTMOptions {
  /** How often a transaction is tried again. Default 3. */
  retries: number;
  /** Keys to read beforehand. */
  prefetch: string[];
  /** Default SerializableSnapshot. */
  isolation: Isolation;
  callOptions?: ICallOptions;
}

export class SoftwareTransaction {
  readonly #options: ISTMOptions;
  readonly #namespace: KeyPrefix;
  readonly #kv: KVClient;
  #attempt: Attempt;

  constructor(options: ISTMOptions, namespace: KeyPrefix, kv: KVClient) {
    this.#options = options;
    this.#namespace = namespace;
    this.#kv = kv;
    this.#attempt = new Attempt(options, namespace, kv);
  }

  /** Calls `fn`, again after a conflict, and commits. Rejects with `STMConflictError` in the end. */
  async transact<T>(fn: (tx: this) => T | PromiseLike<T>): Promise<T> {
    for (let left = this.#options.retries; ; left--) {
      this.#attempt = new Attempt(this.#options, this.#namespace, this.#kv);
      const value = await fn(this);
      if (await this.#attempt.commit()) return value;
      if (left === 0) throw new STMConflictError();
    }
  }

  get(key: string | Buffer): SingleRangeBuilder {
    return new SingleRangeBuilder(this.#attempt, this.#namespace, key);
  }

  put(key: string | Buffer): PutBuilder {
    return new PutBuilder(this.#attempt, this.#namespace, key);
  }

  delete(): DeleteBuilder {
    return new DeleteBuilder(this.#attempt, this.#namespace);
  }
}

type Write =
  | { readonly kind: "put"; readonly key: Buffer; readonly request: IPutRequest }
  | { readonly kind: "delete"; readonly key: Buffer; readonly request: IDeleteRangeRequest }
  | { readonly kind: "deleteRange"; readonly range: Range; readonly request: IDeleteRangeRequest };

interface Read {
  readonly key: Buffer;
  readonly response: IRangeResponse;
}

const READ_OPTIONS = [
  "revision",
  "range_end",
  "min_mod_revision",
  "max_mod_revision",
  "min_create_revision",
  "max_create_revision",
] as const;

/** One run of a transaction: stands in for the key-value service. */
class Attempt {
  readonly #options: ISTMOptions;
  readonly #kv: KVClient;
  readonly #reads = new Map<string, Promise<IRangeResponse>>();
  readonly #done: Read[] = [];
  readonly #writes: Write[] = [];
  /** Settles the revision of all reads, in the levels that have one. */
  #first: Promise<IRangeResponse> | undefined;

  constructor(options: ISTMOptions, namespace: KeyPrefix, kv: KVClient) {
    this.#options = options;
    this.#kv = kv;
    if (!this.#hasOneRevision) return;
    for (const key of options.prefetch) {
      this.range({ key: namespace.add(toBuffer(key)) }).catch(() => undefined);
    }
  }

  get #hasOneRevision(): boolean {
    return this.#options.isolation <= Isolation.Serializable;
  }

  readonly range = async (request: IRangeRequest): Promise<IRangeResponse> => {
    refuse("read", request, READ_OPTIONS);
    const key = request.key as Buffer;
    const written = this.#written(key);
    if (written !== undefined) return written;
    const name = key.toString("latin1");
    let read = this.#reads.get(name);
    if (read === undefined) {
      read = this.#read({ ...request });
      this.#reads.set(name, read);
    }
    return read;
  };

  async #read(request: IRangeRequest): Promise<IRangeResponse> {
    if (!this.#hasOneRevision) return this.#remember(request);
    if (this.#first === undefined) {
      this.#first = this.#remember(request);
      return this.#first;
    }
    request.revision = (await this.#first).header.revision;
    request.serializable = true;
    return this.#remember(request);
  }

  async #remember(request: IRangeRequest): Promise<IRangeResponse> {
    const response = await this.#kv.range(request);
    this.#done.push({ key: request.key as Buffer, response });
    return response;
  }

  readonly put = async (request: IPutRequest): Promise<IPutResponse> => {
    refuse("put", request, ["lease", "prev_kv"]);
    const key = request.key as Buffer;
    this.#forgetWrites(key);
    this.#writes.push({ kind: "put", key, request: { ...request } });
    return {} as IPutResponse;
  };

  readonly deleteRange = async (request: IDeleteRangeRequest): Promise<IDeleteRangeResponse> => {
    refuse("delete", request, ["prev_kv"]);
    const { key = Buffer.alloc(0), range_end: end } = request;
    if (end !== undefined && end.length > 0) {
      const range = new Range(key, end);
      this.#writes.push({ kind: "deleteRange", range, request: { ...request } });
    } else {
      this.#forgetWrites(key);
      this.#writes.push({ kind: "delete", key, request: { ...request } });
    }
    return { deleted: "1", prev_kvs: [] } as unknown as IDeleteRangeResponse;
  };

  /** A later write of a key replaces an earlier one: etcd takes a key once in a transaction. */
  #forgetWrites(key: Buffer): void {
    const at = this.#writes.findIndex((w) => w.kind !== "deleteRange" && w.key.equals(key));
    if (at >= 0) this.#writes.splice(at, 1);
  }

  /** What this transaction itself has made of a key. */
  #written(key: Buffer): IRangeResponse | undefined {
    for (const write of this.#writes.toReversed()) {
      const isHit =
        write.kind === "deleteRange" ? write.range.includes(key) : write.key.equals(key);
      if (!isHit) continue;
      const value = write.kind === "put" ? (write.request.value ?? Buffer.alloc(0)) : undefined;
      const kvs = value === undefined ? [] : [{ key, value } as IKeyValue];
      return { kvs, more: false, count: String(kvs.length) } as unknown as IRangeResponse;
    }
    return undefined;
  }

  /** False: somebody else has changed what this depends on. */
  async commit(): Promise<boolean> {
    const { isolation, callOptions } = this.#options;
    const txn = new ComparatorBuilder(this.#kv, NO_PREFIX);
    if (isolation === Isolation.SerializableSnapshot) this.#requireOwnWrites(txn);
    if (isolation !== Isolation.ReadCommitted) {
      for (const { key, response } of this.#done) {
        txn.and(key, "Mod", "==", response.kvs[0]?.mod_revision ?? 0);
      }
    }
    const ops = this.#writes.map(
      ({ kind, request }): IRequestOp =>
        kind === "put" ? { request_put: request } : { request_delete_range: request },
    );
    const { succeeded } = await txn
      .then(...ops)
      .options(callOptions)
      .commit();
    return succeeded;
  }

  /** What is written must not have been written since the oldest of what was read. */
  #requireOwnWrites(txn: ComparatorBuilder): void {
    const revisions = this.#done.flatMap(({ response }) =>
      response.kvs.map((kv) => Number(kv.mod_revision)),
    );
    if (revisions.length === 0) return;
    const behind = Math.min(...revisions) + 1;
    for (const write of this.#writes) {
      if (write.kind === "deleteRange") {
        throw new Error("You cannot delete ranges in the SerializableSnapshot isolation level");
      }
      txn.and(write.key, "Mod", "<", behind);
    }
  }
}

function refuse<T extends object>(what: string, request: T, names: readonly (keyof T)[]): void {
  for (const name of names) {
    if (request[name] === undefined) continue;
    throw new Error(
      `"${String(name)}" is not supported in ${what} requests within STM transactions`,
    );
  }
}
