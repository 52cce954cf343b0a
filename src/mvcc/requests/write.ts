/**
 * Executes puts, deletions and compactions: the part of apply that changes the key space. Whatever
 * can fail fails before the first write, for the same reason on every member.
 */

import { EtcdError } from "../../api/errors.ts";
import type { CompactionRequest, DeleteRangeRequest, PutRequest } from "../../api/gen/rpc.ts";
import { latin1FromBytes } from "../../base/bytes.ts";
import type { Revision } from "../../base/ids.ts";
import { ENDLESS, finish, type Slice, type Steps, unitsOfBytes } from "../../base/slice.ts";
import { KeyValueView } from "../key-value.ts";
import { NO_LEASE } from "../lease-hooks.ts";
import type { Store } from "../store.ts";
import { rangeEndOf, UNBOUNDED } from "./key-range.ts";

export interface PutResult {
  readonly revision: Revision;
  /** The encoded KeyValue before the put, if asked for and there was one. */
  readonly previous: Uint8Array | undefined;
}

export interface DeleteRangeResult {
  readonly revision: Revision;
  readonly deleted: number;
  /** The encoded KeyValues before, if asked for, in key order. */
  readonly previous: readonly Uint8Array[];
}

const NONE: readonly Uint8Array[] = [];
const view = new KeyValueView();

/** Throws "lease not found" and, for the ignore flags, "key not found". */
export function executePut(store: Store, request: PutRequest): PutResult {
  if (request.lease !== NO_LEASE && !store.leases.exists(request.lease)) {
    throw new EtcdError("leaseNotFound");
  }
  const key = latin1FromBytes(request.key);
  const previous = readPrevious(store, key, request);
  store.beginWrite();
  writePut(store, key, request, previous);
  return { revision: store.endWrite(), previous: request.prevKv ? previous : undefined };
}

/** A put inside an open write. Throws "key not found" before it changes anything. */
export function putInWrite(store: Store, request: PutRequest): PutResult {
  const key = latin1FromBytes(request.key);
  const previous = readPrevious(store, key, request);
  writePut(store, key, request, previous);
  return { revision: store.readRevision, previous: request.prevKv ? previous : undefined };
}

export function executeDeleteRange(store: Store, request: DeleteRangeRequest): DeleteRangeResult {
  store.beginWrite();
  const { deleted, previous } = finish(deleteRangeInWrite(store, request, ENDLESS));
  return { revision: store.endWrite(), deleted, previous };
}

/** True for a request that may touch many keys: `deleteRangeInSteps` does it. */
export function isWideDeletion(request: DeleteRangeRequest): boolean {
  return request.rangeEnd.length > 0;
}

/** See `Store.writeInSteps`. */
export function* deleteRangeInSteps(
  store: Store,
  request: DeleteRangeRequest,
  slice: Slice,
): Steps<DeleteRangeResult> {
  const deletion = deleteRangeInWrite(store, request, slice);
  const { revision, result } = yield* store.writeInSteps(deletion, slice);
  return { revision, deleted: result.deleted, previous: result.previous };
}

/** Deletes keys in one write in slices, as when a lease ends. Missing keys are skipped. */
export function* deleteKeysInSteps(
  store: Store,
  keys: readonly string[],
  slice: Slice,
): Steps<void> {
  yield* store.writeInSteps(store.deleteEach(keys, slice), slice);
}

/** A deletion inside an open write. */
export function* deleteRangeInWrite(
  store: Store,
  request: DeleteRangeRequest,
  slice: Slice,
): Steps<DeleteRangeResult> {
  const end = rangeEndOf(request.rangeEnd);
  const begin = latin1FromBytes(request.key);
  if (end === undefined) return deleteKeyInWrite(store, begin, request.prevKv);
  const previous = request.prevKv ? yield* readRange(store, begin, end, slice) : NONE;
  const deleted = yield* store.deleteRange(begin, end, slice);
  return { revision: store.readRevision, deleted, previous };
}

/** The same for one key; `prevKv`: what it was is wanted. */
export function deleteKeyInWrite(store: Store, key: string, prevKv: boolean): DeleteRangeResult {
  const isWanted = prevKv && store.index.findLatest(key);
  const previous = isWanted ? [store.readRecord(store.index.main, store.index.sub)] : NONE;
  const deleted = store.deleteKey(key) ? 1 : 0;
  return { revision: store.readRevision, deleted, previous };
}

/** Logical compaction. Returns the header's revision. Throws "compacted" and "future revision". */
export function executeCompaction(store: Store, request: CompactionRequest): Revision {
  store.compact(request.revision);
  return store.currentRevision;
}

function readPrevious(store: Store, key: string, request: PutRequest): Uint8Array | undefined {
  const mustExist = request.ignoreValue || request.ignoreLease;
  if (!mustExist && !request.prevKv) return undefined;
  if (store.index.findLatest(key)) return store.readRecord(store.index.main, store.index.sub);
  if (mustExist) throw new EtcdError("keyNotFound");
  return undefined;
}

function writePut(
  store: Store,
  key: string,
  request: PutRequest,
  previous: Uint8Array | undefined,
): void {
  if (previous === undefined || !(request.ignoreValue || request.ignoreLease)) {
    store.put(key, request.value, request.lease);
    return;
  }
  view.load(previous);
  const value = request.ignoreValue ? view.value : request.value;
  store.put(key, value, request.ignoreLease ? view.lease : request.lease);
}

function* readRange(
  store: Store,
  begin: string,
  end: string,
  slice: Slice,
): Steps<readonly Uint8Array[]> {
  const records: Uint8Array[] = [];
  let next: string | undefined = begin;
  while (next !== undefined) {
    next = readSome(store, next, end, slice, records);
    if (next !== undefined) yield;
  }
  return records;
}

/** Reads until the slice is used up; then returns where to go on. */
function readSome(
  store: Store,
  begin: string,
  end: string,
  slice: Slice,
  records: Uint8Array[],
): string | undefined {
  const index = store.index;
  for (const cursor = index.seek(begin); cursor.valid; cursor.next()) {
    if (end !== UNBOUNDED && cursor.key >= end) break;
    if (slice.left-- <= 0) return cursor.key;
    if (!index.cursorLatest(cursor)) continue;
    const record = store.readRecord(index.main, index.sub);
    slice.left -= unitsOfBytes(record.length);
    records.push(record);
  }
  return undefined;
}
