/**
 * Rebuilds the key index and the keys' leases from the "key" bucket, in slices, in order of
 * revision. The latest record of a key decides its state and lease.
 */

import { type Backend, KEY_BUCKET, type VisitInPlace } from "../backend/types.ts";
import type { LeaseID, Revision } from "../base/ids.ts";
import { KeyIndex } from "./key-index.ts";
import { KeyValueView } from "./key-value.ts";
import { NO_LEASE } from "./lease-hooks.ts";
import { checkRevisionKey, isTombstone, mainOf, subOf } from "./revision.ts";

export interface RestoreReport {
  /** Records in the "key" bucket. */
  readonly records: number;
  readonly currentRevision: Revision;
  /** Keys whose lease does not exist; they stay without one. */
  readonly orphans: readonly { readonly key: string; readonly lease: LeaseID }[];
  /** The compaction that the last run left unfinished and that goes on now. */
  readonly resumedCompaction: Revision | undefined;
}

export interface History {
  readonly index: KeyIndex;
  readonly leases: ReadonlyMap<string, LeaseID>;
  /** 1 without records. */
  readonly lastRevision: Revision;
  readonly records: number;
}

export function* loadHistory(backend: Backend, recordsPerStep: number): Generator<void, History> {
  const index = new KeyIndex();
  const leases = new Map<string, LeaseID>();
  const view = new KeyValueView();
  let lastRevision = 1;
  let records = 0;
  let next: Uint8Array | undefined = Buffer.alloc(0);
  while (next !== undefined) {
    const start: Uint8Array = next;
    let budget = recordsPerStep;
    next = undefined;
    scanKeyBucket(backend, start, (bytes, from, to, record, begin, end) => {
      if (budget-- <= 0) {
        next = bytes.subarray(from, to);
        return false;
      }
      checkRevisionKey(bytes, from, to);
      const { key, createRevision, version, lease } = view.load(record, begin, end);
      const tombstone = isTombstone(bytes, from, to);
      lastRevision = mainOf(bytes, from);
      index.restore(key, lastRevision, subOf(bytes, from), createRevision, version, tombstone);
      if (!tombstone && lease !== NO_LEASE) leases.set(key, lease);
      else if (leases.size > 0) leases.delete(key);
      records++;
      return true;
    });
    if (next !== undefined) yield;
  }
  yield* index.finishRestore(recordsPerStep);
  return { index, leases, lastRevision, records };
}

function scanKeyBucket(backend: Backend, start: Uint8Array, visit: VisitInPlace): void {
  if (backend.scanInPlace !== undefined) {
    backend.scanInPlace(KEY_BUCKET, start, undefined, visit);
    return;
  }
  backend.scan(KEY_BUCKET, start, undefined, (key, record) =>
    visit(key, 0, key.length, record, 0, record.length),
  );
}
