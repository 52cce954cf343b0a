/**
 * Software transactional memory: a function reads and writes keys as if it were alone; it is run
 * again when somebody else interfered.
 *
 *     await stm(client, async (txn) => {
 *       const from = Number((await txn.getText("a")) ?? "0");
 *       txn.put("a", String(from - 1));
 *       txn.put("b", String(Number((await txn.getText("b")) ?? "0") + 1));
 *     });
 */
import type { Compare } from "../../api/gen/rpc.ts";
import { latin1FromBytes, utf8FromBytes } from "../../base/bytes.ts";
import type { LeaseID, Revision } from "../../base/ids.ts";
import { optionNames } from "../../base/known-options.ts";
import { checkLimits, mustBeFunction, mustBeID, namedIn } from "../arguments.ts";
import { toBytes } from "../bytes.ts";
import { compare } from "../compare.ts";
import { isErrorKind } from "../errors.ts";
import type { KeyClient } from "../namespace/namespace.ts";
import type { KeyValue } from "../key-value.ts";
import { type Op, op } from "../op.ts";
import { type Bytes, CALL_OPTIONS, type CallOptions, checkOptions } from "../options.ts";
import type { TxnResponse } from "../responses.ts";

/**
 * - serializableSnapshot: all reads are of one revision, and nothing that was read or written has
 *   changed since. Excludes lost updates and write skew.
 * - serializable: as above, but a key that was only written may have changed.
 * - repeatableReads: reads may be of different revisions; none of them has changed at the end.
 * - readCommitted: no checks.
 */
export type Isolation =
  | "serializableSnapshot"
  | "serializable"
  | "repeatableReads"
  | "readCommitted";

export interface StmOptions extends CallOptions {
  /** Default "serializableSnapshot". */
  readonly isolation?: Isolation | undefined;
  /** Keys that will be read: fetched together at the beginning. */
  readonly prefetch?: readonly Bytes[] | undefined;
}

/** For `namedIn`. */
const ISOLATIONS: Readonly<Record<Isolation, Isolation>> = {
  serializableSnapshot: "serializableSnapshot",
  serializable: "serializable",
  repeatableReads: "repeatableReads",
  readCommitted: "readCommitted",
};

const STM_OPTIONS = optionNames<StmOptions>({ ...CALL_OPTIONS, isolation: true, prefetch: true });
const STM_PUT_OPTIONS = optionNames<{ readonly lease?: LeaseID | undefined }>({ lease: true });

interface Write {
  readonly key: Uint8Array;
  /** Undefined: a deletion. */
  readonly value: Uint8Array | undefined;
  readonly lease: LeaseID;
}

interface Read {
  readonly key: Uint8Array;
  readonly kv: KeyValue | undefined;
}

/** What the function gets. Not to be used after it has returned. */
export class StmTxn {
  readonly #client: KeyClient;
  readonly #options: CallOptions;
  readonly #isolation: Isolation;
  /** By key as latin1. */
  readonly #reads = new Map<string, Read>();
  readonly #writes = new Map<string, Write>();
  /** Fetched, but not read by the function yet. */
  readonly #prefetched = new Map<string, Read>();
  /** Of the first read; 0 before it. */
  #snapshot: Revision = 0;

  constructor(client: KeyClient, options: CallOptions, isolation: Isolation) {
    this.#client = client;
    this.#options = options;
    this.#isolation = isolation;
  }

  /** The value that the transaction sees, its own writes included; undefined if there is none. */
  async get(key: Bytes): Promise<Uint8Array | undefined> {
    const bytes = toBytes(key, "key");
    const write = this.#writes.get(latin1FromBytes(bytes));
    return write === undefined ? (await this.#read(bytes))?.value : write.value;
  }

  async getText(key: Bytes): Promise<string | undefined> {
    const value = await this.get(key);
    return value === undefined ? undefined : utf8FromBytes(value);
  }

  /** Modification revision of the stored key; 0 if there is none. */
  async revision(key: Bytes): Promise<Revision> {
    return (await this.#read(toBytes(key, "key")))?.modRevision ?? 0;
  }

  put(key: Bytes, value: Bytes, options: { readonly lease?: LeaseID | undefined } = {}): void {
    checkOptions("put", options, STM_PUT_OPTIONS);
    const bytes = toBytes(key, "key");
    this.#writes.set(latin1FromBytes(bytes), {
      key: bytes,
      value: toBytes(value, "value"),
      lease: mustBeID("lease", options.lease ?? 0n),
    });
  }

  delete(key: Bytes): void {
    const bytes = toBytes(key, "key");
    this.#writes.set(latin1FromBytes(bytes), { key: bytes, value: undefined, lease: 0n });
  }

  /** Fetches keys in one request, at one revision. */
  async prefetch(keys: readonly Bytes[]): Promise<void> {
    if (keys.length === 0) return;
    const all = keys.map((key) => toBytes(key, "key"));
    const answer = await this.#client.kv
      .txn()
      .do(...all.map((key) => op.get(key)))
      .commit(this.#options);
    this.adopt(all, answer);
  }

  /** Takes answers of gets, all of one revision, as what later reads see. */
  adopt(keys: readonly Uint8Array[], answer: TxnResponse): void {
    for (const [i, key] of keys.entries()) {
      this.#prefetched.set(latin1FromBytes(key), { key, kv: answer.get(i).kv });
    }
    if (this.#isSnapshot) this.#snapshot = answer.revision;
  }

  /** Undefined when there was nothing to check or write. */
  async commit(): Promise<TxnResponse | undefined> {
    if (this.#writes.size === 0 && (this.#isSnapshot || this.#reads.size === 0)) return undefined;
    return this.#client.kv
      .txn()
      .if(...this.#conditions())
      .do(...this.#operations())
      .otherwise(...this.readKeys.map((key) => op.get(key)))
      .commit(this.#options);
  }

  /** What the function has read, in the order of the answers of a commit that failed. */
  get readKeys(): readonly Uint8Array[] {
    return [...this.#reads.values()].map(({ key }) => key);
  }

  get #isSnapshot(): boolean {
    return this.#isolation === "serializableSnapshot" || this.#isolation === "serializable";
  }

  async #read(key: Uint8Array): Promise<KeyValue | undefined> {
    const name = latin1FromBytes(key);
    const known = this.#reads.get(name);
    if (known !== undefined && this.#isolation !== "readCommitted") return known.kv;
    const fetched = this.#prefetched.get(name);
    this.#prefetched.delete(name);
    if (fetched !== undefined) {
      this.#reads.set(name, fetched);
      return fetched.kv;
    }
    const revision = this.#isSnapshot ? this.#snapshot : 0;
    const answer = await this.#client.kv.get(key, { ...this.#options, revision });
    // Reads that ran side by side keep to the snapshot of the first that was answered.
    if (this.#isSnapshot && revision === 0 && this.#snapshot !== 0) return this.#read(key);
    if (this.#isSnapshot && this.#snapshot === 0) this.#snapshot = answer.revision;
    this.#reads.set(name, { key, kv: answer.kv });
    return answer.kv;
  }

  #conditions(): Compare[] {
    if (this.#isolation === "readCommitted") return [];
    const conditions = [...this.#reads.values()].map(({ key, kv }) =>
      compare.modRevision(key).equal(kv?.modRevision ?? 0),
    );
    if (this.#isolation !== "serializableSnapshot" || this.#snapshot === 0) return conditions;
    for (const { key } of this.#writes.values()) {
      conditions.push(compare.modRevision(key).less(this.#snapshot + 1));
    }
    return conditions;
  }

  #operations(): Op[] {
    return [...this.#writes.values()].map(({ key, value, lease }) =>
      value === undefined ? op.delete(key) : op.put(key, value, { lease }),
    );
  }
}

/**
 * Runs `body` until it has had the keys for itself, and returns what it returned. `body` may run
 * several times, so it should do nothing but read and write through `txn`; what it throws ends the
 * transaction and changes nothing. Deadline and signal are for all runs together. A commit whose
 * fate is unknown is not repeated: see `EtcdClientError.outcomeUnknown`.
 *
 * The keys read, and the keys written, may be as many as a transaction's operations (128).
 */
export async function stm<T>(
  client: KeyClient,
  body: (txn: StmTxn) => Promise<T> | T,
  options: StmOptions = {},
): Promise<T> {
  checkOptions("stm", options, STM_OPTIONS);
  mustBeFunction("body", body);
  const { isolation: name = "serializableSnapshot", prefetch = [], signal, ...call } = options;
  const isolation = namedIn("isolation", name, ISOLATIONS);
  checkLimits(options);
  const { clock } = client;
  const endMs = call.timeoutMs === undefined ? undefined : clock.nowMs() + call.timeoutMs;
  let conflict: { readonly keys: readonly Uint8Array[]; readonly answer: TxnResponse } | undefined;
  for (;;) {
    const timeoutMs = endMs === undefined ? undefined : Math.max(0, endMs - clock.nowMs());
    const txn = new StmTxn(client, { ...call, signal, timeoutMs }, isolation);
    if (conflict === undefined) await txn.prefetch(prefetch);
    else txn.adopt(conflict.keys, conflict.answer);
    try {
      const result = await body(txn);
      const answer = await txn.commit();
      if (answer === undefined || answer.succeeded) return result;
      conflict = { keys: txn.readKeys, answer };
    } catch (error) {
      // The snapshot that was read has been compacted; the next run reads a newer one.
      if (!isErrorKind(error, "compacted")) throw error;
      conflict = undefined;
    }
  }
}
