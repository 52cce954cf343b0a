/**
 * The rules of the store in their plainest form: the whole key space is copied for every revision.
 * Slow, obvious, and what the real store is compared with.
 */

import { EtcdError } from "../../api/errors.ts";
import type {
  Compare,
  DeleteRangeRequest,
  PutRequest,
  RangeRequest,
  RequestOp,
  TxnRequest,
} from "../../api/gen/rpc.ts";
import { latin1FromBytes } from "../../base/bytes.ts";
import type { TextKeyValue } from "./harness.ts";

type State = ReadonlyMap<string, TextKeyValue>;

export interface ModelEvent {
  readonly type: "put" | "delete";
  readonly key: string;
  readonly revision: number;
  readonly kv: TextKeyValue | undefined;
  readonly previous: TextKeyValue | undefined;
}

export interface ModelRange {
  readonly kvs: readonly TextKeyValue[];
  readonly more: boolean;
  readonly count: number;
  readonly revision: number;
}

export type ModelOp =
  | { readonly kind: "range"; readonly range: ModelRange }
  | { readonly kind: "put"; readonly revision: number; readonly previous: TextKeyValue | undefined }
  | {
      readonly kind: "deleteRange";
      readonly revision: number;
      readonly deleted: number;
      readonly previous: readonly TextKeyValue[];
    }
  | { readonly kind: "txn"; readonly succeeded: boolean; readonly ops: readonly ModelOp[] };

function inRange(key: string, request: { key: Uint8Array; rangeEnd: Uint8Array }): boolean {
  const begin = latin1FromBytes(request.key);
  const end = latin1FromBytes(request.rangeEnd);
  if (end === "") return key === begin;
  return key >= begin && (end === "\0" || key < end);
}

function select(state: State, request: { key: Uint8Array; rangeEnd: Uint8Array }): TextKeyValue[] {
  const found = [...state.values()].filter((kv) => inRange(kv.key, request));
  return found.sort((a, b) => (a.key < b.key ? -1 : a.key > b.key ? 1 : 0));
}

const SORT_FIELDS = ["key", "version", "create", "mod", "value"] as const;

export class ModelStore {
  /** states[r] is the key space at revision r; 0 is unused. */
  readonly states: State[] = [new Map(), new Map()];
  readonly events: ModelEvent[] = [];
  compactRevision = -1;
  #open: Map<string, TextKeyValue> = new Map();
  #changes = 0;

  get revision(): number {
    return this.states.length - 1;
  }

  range(request: RangeRequest): ModelRange {
    return this.#range(this.states.at(-1) as State, this.revision, request);
  }

  put(request: PutRequest, leases: ReadonlySet<bigint>): ModelOp {
    if (request.lease !== 0n && !leases.has(request.lease)) throw new EtcdError("leaseNotFound");
    this.#checkIgnore(request);
    return this.#write(() => this.#put(request));
  }

  deleteRange(request: DeleteRangeRequest): ModelOp {
    return this.#write(() => this.#delete(request));
  }

  txn(request: TxnRequest, leases: ReadonlySet<bigint>): ModelOp {
    const before = this.states.at(-1) as State;
    const plan = (txn: TxnRequest): { succeeded: boolean; run: () => ModelOp[] } => {
      const succeeded = txn.compare.every((compare) => this.#holds(before, compare));
      const steps = (succeeded ? txn.success : txn.failure).map((op) => this.#plan(op, plan));
      return { succeeded, run: () => steps.map((step) => step()) };
    };
    const check = (txn: TxnRequest): void => {
      const succeeded = txn.compare.every((compare) => this.#holds(before, compare));
      for (const op of succeeded ? txn.success : txn.failure) this.#checkOp(op, leases, check);
    };
    check(request);
    const { succeeded, run } = plan(request);
    return this.#write(() => ({ kind: "txn", succeeded, ops: run() }));
  }

  compact(revision: number): void {
    if (revision <= this.compactRevision) throw new EtcdError("compacted");
    if (revision > this.revision) throw new EtcdError("futureRevision");
    this.compactRevision = revision;
  }

  /** Forgets what a crash lost: everything above `revision`. */
  truncate(revision: number, compactRevision: number): void {
    this.states.length = revision + 1;
    const lost = this.events.findIndex((event) => event.revision > revision);
    if (lost >= 0) this.events.length = lost;
    this.compactRevision = compactRevision;
  }

  #plan(
    op: RequestOp,
    plan: (txn: TxnRequest) => { succeeded: boolean; run: () => ModelOp[] },
  ): () => ModelOp {
    const request = op.request;
    switch (request?.case) {
      case "requestRange":
        return () => ({
          kind: "range",
          range: this.#range(this.#open, this.#writeRevision, request.value),
        });
      case "requestPut":
        return () => this.#put(request.value);
      case "requestDeleteRange":
        return () => this.#delete(request.value);
      default: {
        const inner = plan((request as { value: TxnRequest }).value);
        return () => ({ kind: "txn", succeeded: inner.succeeded, ops: inner.run() });
      }
    }
  }

  #checkOp(op: RequestOp, leases: ReadonlySet<bigint>, check: (txn: TxnRequest) => void): void {
    if (op.request?.case === "requestRange" && op.request.value.revision !== 0) {
      if (op.request.value.revision > this.revision) throw new EtcdError("futureRevision");
      if (op.request.value.revision < this.compactRevision) throw new EtcdError("compacted");
    } else if (op.request?.case === "requestPut") {
      this.#checkIgnore(op.request.value);
      const { lease } = op.request.value;
      if (lease !== 0n && !leases.has(lease)) throw new EtcdError("leaseNotFound");
    } else if (op.request?.case === "requestTxn") {
      check(op.request.value);
    }
  }

  get #writeRevision(): number {
    return this.revision + (this.#changes > 0 ? 1 : 0);
  }

  #write(body: () => ModelOp): ModelOp {
    this.#open = new Map(this.states.at(-1) as State);
    this.#changes = 0;
    const result = body();
    if (this.#changes > 0) this.states.push(this.#open);
    this.#changes = 0;
    return result;
  }

  #checkIgnore(request: PutRequest): void {
    if (!request.ignoreValue && !request.ignoreLease) return;
    const state = this.states.at(-1) as State;
    if (!state.has(latin1FromBytes(request.key))) throw new EtcdError("keyNotFound");
  }

  #put(request: PutRequest): ModelOp {
    const key = latin1FromBytes(request.key);
    const before = this.#open.get(key);
    this.#changes++;
    const revision = this.states.length;
    const kv = {
      key,
      value: request.ignoreValue ? (before?.value ?? "") : latin1FromBytes(request.value),
      create: before?.create ?? revision,
      mod: revision,
      version: (before?.version ?? 0) + 1,
      lease: request.ignoreLease ? (before?.lease ?? 0n) : request.lease,
    };
    this.#open.set(key, kv);
    this.events.push({ type: "put", key, revision, kv, previous: before });
    return { kind: "put", revision, previous: request.prevKv ? before : undefined };
  }

  #delete(request: DeleteRangeRequest): ModelOp {
    const doomed = select(this.#open, request);
    for (const previous of doomed) {
      this.#open.delete(previous.key);
      this.#changes++;
      const revision = this.states.length;
      this.events.push({ type: "delete", key: previous.key, revision, kv: undefined, previous });
    }
    const revision = this.#writeRevision;
    const previous = request.prevKv ? doomed : [];
    return { kind: "deleteRange", revision, deleted: doomed.length, previous };
  }

  #range(latest: State, current: number, request: RangeRequest): ModelRange {
    if (request.revision > current) throw new EtcdError("futureRevision");
    if (request.revision > 0 && request.revision < this.compactRevision) {
      throw new EtcdError("compacted");
    }
    const old = request.revision > 0 && request.revision !== current;
    const state = old ? (this.states[request.revision] as State) : latest;
    const all = select(state, request);
    const count = all.length;
    if (request.countOnly) return { kvs: [], more: false, count, revision: current };
    let kvs = all;
    const { limit, sortTarget, sortOrder } = request;
    const filters =
      request.minModRevision + request.maxModRevision + request.minCreateRevision !== 0 ||
      request.maxCreateRevision !== 0;
    if (limit > 0 && sortOrder === 0 && !filters) kvs = kvs.slice(0, limit + 1);
    kvs = kvs.filter((kv) => passes(kv, request));
    const field = SORT_FIELDS[sortTarget] as (typeof SORT_FIELDS)[number];
    if (field !== "key" || sortOrder !== 0) {
      const sign = sortOrder === 2 ? -1 : 1;
      kvs.sort((a, b) => (a[field] < b[field] ? -sign : a[field] > b[field] ? sign : 0));
    }
    const more = limit > 0 && kvs.length > limit;
    if (more) kvs = kvs.slice(0, limit);
    if (request.keysOnly) kvs = kvs.map((kv) => ({ ...kv, value: "" }));
    return { kvs, more, count, revision: current };
  }

  #holds(state: State, compare: Compare): boolean {
    const targets = ["version", "createRevision", "modRevision", "value", "lease"] as const;
    const fields = ["version", "create", "mod", "value", "lease"] as const;
    const found = select(state, compare);
    if (found.length === 0 && compare.target === 3) return false;
    const missing = { key: "", value: "", create: 0, mod: 0, version: 0, lease: 0n };
    const target = targets[compare.target];
    const field = fields[compare.target] as (typeof fields)[number];
    const union = compare.targetUnion;
    let wanted: string | number | bigint = field === "value" ? "" : field === "lease" ? 0n : 0;
    if (union !== undefined && union.case === target) {
      wanted = union.case === "value" ? latin1FromBytes(union.value) : union.value;
    }
    return (found.length === 0 ? [missing] : found).every((kv) => {
      const have = kv[field];
      const results = [have === wanted, have > wanted, have < wanted, have !== wanted];
      return results[compare.result] ?? true;
    });
  }
}

function passes(kv: TextKeyValue, request: RangeRequest): boolean {
  const { minModRevision, maxModRevision, minCreateRevision, maxCreateRevision } = request;
  return (
    (minModRevision === 0 || kv.mod >= minModRevision) &&
    (maxModRevision === 0 || kv.mod <= maxModRevision) &&
    (minCreateRevision === 0 || kv.create >= minCreateRevision) &&
    (maxCreateRevision === 0 || kv.create <= maxCreateRevision)
  );
}
