/**
 * Executes puts, deletions and compactions: the part of apply that changes the key space. Whatever
 * can fail fails before the first write, for the same reason on every member.
 */

import { EtcdError } from "../../api/errors.ts";
import type { CompactionRequest, DeleteRangeRequest, PutRequest } from "../../api/gen/rpc.ts";
import { latin1FromBytes } from "../../base/bytes.ts";
import type { Revision } from "../../base/ids.ts";
import { KeyValueView } from "../key-value.ts";
import { NO_LEASE } from "../lease-hooks.ts";
import type { Store } from "../store.ts";
import { rangeEndOf } from "./key-range.ts";

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
  const { deleted, previous } = deleteRangeInWrite(store, request);
  return { revision: store.endWrite(), deleted, previous };
}

/** A deletion inside an open write. */
export function deleteRangeInWrite(store: Store, request: DeleteRangeRequest): DeleteRangeResult {
  const begin = latin1FromBytes(request.key);
  const end = rangeEndOf(request.rangeEnd);
  const previous = request.prevKv ? readRange(store, begin, end) : NONE;
  let deleted: number;
  if (end === undefined) deleted = store.deleteKey(begin) ? 1 : 0;
  else deleted = store.deleteRange(begin, end);
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

function readRange(store: Store, begin: string, end: string | undefined): Uint8Array[] {
  const records: Uint8Array[] = [];
  const index = store.index;
  const bound = end ?? `${begin}\0`;
  for (const cursor = index.seek(begin); cursor.valid; cursor.next()) {
    if (bound !== "" && cursor.key >= bound) break;
    if (index.cursorLatest(cursor)) records.push(store.readRecord(index.main, index.sub));
  }
  return records;
}
