/** A store with a fake lessor, and short words for requests, for tests of this layer. */

import { KeyValue } from "../../api/gen/kv.ts";
import {
  Compare,
  DeleteRangeRequest,
  PutRequest,
  RangeRequest,
  type RequestOp,
  TxnRequest,
} from "../../api/gen/rpc.ts";
import type { Backend } from "../../backend/types.ts";
import { bytesFromLatin1, latin1FromBytes } from "../../base/bytes.ts";
import type { LeaseID } from "../../base/ids.ts";
import { Slice, type Steps } from "../../base/slice.ts";
import type { CompactionResult } from "../compaction.ts";
import type { KeyValueHash } from "../hash.ts";
import { type LeaseHooks, NO_LEASE } from "../lease-hooks.ts";
import { Store } from "../store.ts";
import { MemoryBackend } from "./memory-backend.ts";

export class FakeLessor implements LeaseHooks {
  readonly #leases = new Map<LeaseID, Set<string>>();
  readonly #byKey = new Map<string, LeaseID>();

  grant(id: LeaseID): void {
    this.#leases.set(id, new Set());
  }

  keysOf(id: LeaseID): string[] {
    return [...(this.#leases.get(id) ?? [])].sort();
  }

  exists(id: LeaseID): boolean {
    return this.#leases.has(id);
  }

  attach(id: LeaseID, key: string): void {
    this.#leases.get(id)?.add(key);
    this.#byKey.set(key, id);
  }

  detach(id: LeaseID, key: string): void {
    this.#leases.get(id)?.delete(key);
    if (this.#byKey.get(key) === id) this.#byKey.delete(key);
  }

  leaseOf(key: string): LeaseID {
    return this.#byKey.get(key) ?? NO_LEASE;
  }
}

export interface World<B extends Backend = MemoryBackend> {
  readonly store: Store;
  readonly lessor: FakeLessor;
  readonly backend: B;
}

export function openWorld(): World {
  return worldOn(new MemoryBackend());
}

/** A restored store on a backend, as after a restart; `leases` were granted before. */
export function worldOn<B extends Backend>(backend: B, leases: readonly LeaseID[] = []): World<B> {
  const lessor = new FakeLessor();
  for (const id of leases) lessor.grant(id);
  const store = new Store({ backend, leases: lessor });
  store.restore();
  return { store, lessor, backend };
}

/** A KeyValue with text in place of bytes. */
export interface TextKeyValue {
  readonly key: string;
  readonly value: string;
  readonly create: number;
  readonly mod: number;
  readonly version: number;
  readonly lease: LeaseID;
}

export function textOf(record: Uint8Array): TextKeyValue {
  return textOfKeyValue(KeyValue.decode(record));
}

export function textOfKeyValue(kv: KeyValue): TextKeyValue {
  return {
    key: latin1FromBytes(kv.key),
    value: latin1FromBytes(kv.value),
    create: kv.createRevision,
    mod: kv.modRevision,
    version: kv.version,
    lease: kv.lease,
  };
}

export function keysOf(records: Iterable<Uint8Array>): string[] {
  return Array.from(records, (record) => textOf(record).key);
}

type Extra<T> = Omit<Partial<T>, "key" | "value" | "rangeEnd">;

export function putRequest(key: string, value: string, extra: Extra<PutRequest> = {}): PutRequest {
  const [keyBytes, valueBytes] = [bytesFromLatin1(key), bytesFromLatin1(value)];
  return PutRequest.create({ key: keyBytes, value: valueBytes, ...extra });
}

export function rangeRequest(key: string, end = "", extra: Extra<RangeRequest> = {}): RangeRequest {
  const [keyBytes, rangeEnd] = [bytesFromLatin1(key), bytesFromLatin1(end)];
  return RangeRequest.create({ key: keyBytes, rangeEnd, ...extra });
}

export function deleteRequest(key: string, end = "", prevKv = false): DeleteRangeRequest {
  const [keyBytes, rangeEnd] = [bytesFromLatin1(key), bytesFromLatin1(end)];
  return DeleteRangeRequest.create({ key: keyBytes, rangeEnd, prevKv });
}

export function txnRequest(
  success: readonly RequestOp[],
  compare: readonly Compare[] = [],
  failure: readonly RequestOp[] = [],
): TxnRequest {
  return TxnRequest.create({
    success: [...success],
    compare: [...compare],
    failure: [...failure],
  });
}

export function putOp(key: string, value: string, extra: Extra<PutRequest> = {}): RequestOp {
  return { request: { case: "requestPut", value: putRequest(key, value, extra) } };
}

export function rangeOp(key: string, end = "", extra: Extra<RangeRequest> = {}): RequestOp {
  return { request: { case: "requestRange", value: rangeRequest(key, end, extra) } };
}

export function deleteOp(key: string, end = "", prevKv = false): RequestOp {
  return { request: { case: "requestDeleteRange", value: deleteRequest(key, end, prevKv) } };
}

export function txnOp(request: TxnRequest): RequestOp {
  return { request: { case: "requestTxn", value: request } };
}

export function compare(
  key: string,
  target: number,
  result: number,
  targetUnion: Compare["targetUnion"],
  end = "",
): Compare {
  const [keyBytes, rangeEnd] = [bytesFromLatin1(key), bytesFromLatin1(end)];
  return Compare.create({ key: keyBytes, target, result, targetUnion, rangeEnd });
}

/** Runs all physical compaction to its end, in small slices. */
export function finishCompactions(store: Store, maxRecords = 7): CompactionResult[] {
  const results: CompactionResult[] = [];
  while (store.compactionPending) {
    const step = store.runCompaction(maxRecords);
    if (step.state === "finished") results.push(step.result);
  }
  return results;
}

export function hashOf(store: Store, revision = 0, maxRecords = 5): KeyValueHash {
  const job = store.hashByRevision(revision);
  for (;;) {
    const result = job.step(maxRecords);
    if (result !== undefined) return result;
  }
}

/** Drives work in slices of a size that may change from one to the next. */
export class Stepper<T> {
  readonly slice: Slice = new Slice(0);
  readonly #steps: Steps<T>;

  constructor(begin: (slice: Slice) => Steps<T>) {
    this.#steps = begin(this.slice);
  }

  /** Does about `units` of work; the result once it is there. */
  step(units: number): T | undefined {
    this.slice.left = units;
    const step = this.#steps.next();
    return step.done === true ? step.value : undefined;
  }
}
