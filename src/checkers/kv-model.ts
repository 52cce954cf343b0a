/**
 * The key space of etcd as the users' guides describe it, without anything that makes it fast or
 * durable: the state that the checkers replay histories on.
 *
 * Invariants: `revision` grows by one with each request that changes a key, and never otherwise; a
 * request that changes nothing leaves no trace. `rollback` restores exactly the state at `mark`.
 */
import type { Revision } from "../base/ids.ts";
import type {
  CompareRequest,
  DeleteRequest,
  GetRequest,
  KeyValueSeen,
  KVRequest,
  KVResult,
  OperationRequest,
  OperationResult,
  PutRequest,
} from "./history.ts";

/** One change of one key. */
export interface ModelEvent {
  readonly type: "put" | "delete";
  readonly key: string;
  /** After the change; undefined for a delete. */
  readonly kv: KeyValueSeen | undefined;
  /** Before the change; undefined if the key did not exist. */
  readonly prev: KeyValueSeen | undefined;
}

export interface Applied {
  readonly result: OperationResult;
  /** In the order of the changes; all of one revision. */
  readonly events: readonly ModelEvent[];
}

export interface ModelState {
  readonly revision: Revision;
  readonly kvs: readonly KeyValueSeen[];
}

/** The state of a new cluster. */
export const EMPTY_STATE: ModelState = { revision: 1, kvs: [] };

interface Undo {
  readonly key: string;
  readonly before: KeyValueSeen | undefined;
  readonly revision: Revision;
}

export class KVModel {
  #revision: Revision;
  readonly #keys: Map<string, KeyValueSeen>;
  readonly #undo: Undo[] = [];
  #events: ModelEvent[] = [];

  constructor(state: ModelState = EMPTY_STATE) {
    this.#revision = state.revision;
    this.#keys = new Map(state.kvs.map((kv) => [kv.key, kv]));
  }

  get revision(): Revision {
    return this.#revision;
  }

  /** A place to come back to. */
  mark(): number {
    return this.#undo.length;
  }

  rollback(mark: number): void {
    for (let entry = this.#undo.length; entry > mark; entry--) {
      const undo = this.#undo.pop();
      if (undo === undefined) return;
      if (undo.before === undefined) this.#keys.delete(undo.key);
      else this.#keys.set(undo.key, undo.before);
      this.#revision = undo.revision;
    }
  }

  get(key: string): KeyValueSeen | undefined {
    return this.#keys.get(key);
  }

  /** Keys of the range in their order; one key without `end`. */
  range(key: string, end: string | undefined): KeyValueSeen[] {
    if (end === undefined) {
      const kv = this.#keys.get(key);
      return kv === undefined ? [] : [kv];
    }
    const found: KeyValueSeen[] = [];
    for (const kv of this.#keys.values()) {
      if (kv.key >= key && kv.key < end) found.push(kv);
    }
    return found.sort((a, b) => (a.key < b.key ? -1 : 1));
  }

  /** Keys attached to the lease. */
  attached(lease: string): KeyValueSeen[] {
    return [...this.#keys.values()]
      .filter((kv) => kv.lease === lease)
      .sort((a, b) => (a.key < b.key ? -1 : 1));
  }

  /** The whole state, keys in their order. */
  state(): ModelState {
    const kvs = [...this.#keys.values()].sort((a, b) => (a.key < b.key ? -1 : 1));
    return { revision: this.#revision, kvs };
  }

  /** Carries out a request. A get of an old revision is the caller's to direct. */
  apply(request: OperationRequest): Applied {
    this.#events = [];
    const revision = this.#revision + 1;
    const result: OperationResult =
      request.kind === "revoke" ? this.#revoke(request.lease) : this.#run(request, revision);
    if (this.#events.length > 0) this.#revision = revision;
    return { result, events: this.#events };
  }

  #run(request: KVRequest, revision: Revision): KVResult {
    switch (request.kind) {
      case "get":
        return this.#get(request);
      case "put":
        return this.#put(request, revision);
      case "delete":
        return this.#delete(request);
      case "txn": {
        const succeeded = request.compares.every((each) => this.#holds(each));
        const branch = succeeded ? request.success : request.failure;
        return { kind: "txn", succeeded, results: branch.map((each) => this.#run(each, revision)) };
      }
    }
  }

  #get({ key, end, limit }: GetRequest): KVResult {
    const all = this.range(key, end);
    return { kind: "get", kvs: limit === undefined ? all : all.slice(0, limit), count: all.length };
  }

  #put({ key, value, lease, prevKV }: PutRequest, revision: Revision): KVResult {
    const prev = this.#keys.get(key);
    const kv: KeyValueSeen = {
      key,
      value,
      createRevision: prev?.createRevision ?? revision,
      modRevision: revision,
      version: (prev?.version ?? 0) + 1,
      lease: lease ?? "",
    };
    this.#change(key, kv, prev);
    return { kind: "put", prevKV: prevKV === true ? prev : undefined };
  }

  #delete({ key, end, prevKV }: DeleteRequest): KVResult {
    const gone = this.range(key, end);
    for (const kv of gone) this.#change(kv.key, undefined, kv);
    return { kind: "delete", deleted: gone.length, prevKVs: prevKV === true ? gone : [] };
  }

  #revoke(lease: string): OperationResult {
    for (const kv of this.attached(lease)) this.#change(kv.key, undefined, kv);
    return { kind: "revoke" };
  }

  #change(key: string, kv: KeyValueSeen | undefined, prev: KeyValueSeen | undefined): void {
    this.#undo.push({ key, before: prev, revision: this.#revision });
    if (kv === undefined) this.#keys.delete(key);
    else this.#keys.set(key, kv);
    this.#events.push({ type: kv === undefined ? "delete" : "put", key, kv, prev });
  }

  #holds(compare: CompareRequest): boolean {
    const kvs = this.range(compare.key, compare.end);
    if (kvs.length > 0) return kvs.every((kv) => relates(kv[compare.target], compare));
    // A missing key has no value to compare with, and zero for every number.
    return compare.target !== "value" && relates(0, compare);
  }
}

function relates(actual: string | number, { relation, operand }: CompareRequest): boolean {
  switch (relation) {
    case "=":
      return actual === operand;
    case "!=":
      return actual !== operand;
    case ">":
      return actual > operand;
    case "<":
      return actual < operand;
  }
}

export function sameKeyValue(a: KeyValueSeen | undefined, b: KeyValueSeen | undefined): boolean {
  if (a === undefined || b === undefined) return a === b;
  return (
    a.key === b.key &&
    a.value === b.value &&
    a.createRevision === b.createRevision &&
    a.modRevision === b.modRevision &&
    a.version === b.version &&
    a.lease === b.lease
  );
}

function sameKeyValues(a: readonly KeyValueSeen[], b: readonly KeyValueSeen[]): boolean {
  return a.length === b.length && a.every((kv, i) => sameKeyValue(kv, b[i]));
}

/** True if a client would be told the same. */
export function sameResult(a: OperationResult, b: OperationResult): boolean {
  switch (a.kind) {
    case "get":
      return b.kind === "get" && a.count === b.count && sameKeyValues(a.kvs, b.kvs);
    case "put":
      return b.kind === "put" && sameKeyValue(a.prevKV, b.prevKV);
    case "delete":
      return b.kind === "delete" && a.deleted === b.deleted && sameKeyValues(a.prevKVs, b.prevKVs);
    case "txn":
      return (
        b.kind === "txn" &&
        a.succeeded === b.succeeded &&
        a.results.length === b.results.length &&
        a.results.every((each, i) => sameResult(each, b.results[i] as KVResult))
      );
    case "revoke":
      return b.kind === "revoke";
  }
}
