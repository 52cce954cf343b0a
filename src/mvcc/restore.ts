/**
 * Rebuilds the key index and the keys' leases from the "key" bucket, in slices, in order of
 * revision. The latest record of a key decides its state and lease. Nothing that is in use changes:
 * the result is for `Store.adopt`.
 */

import type { Reader } from "../backend/index.ts";
import { copyBytes } from "../base/bytes.ts";
import type { LeaseID, Revision } from "../base/ids.ts";
import { KeyIndex } from "./key-index.ts";
import { KeyValueView } from "./key-value.ts";
import { type LeaseAttachments, NO_LEASE } from "./lease-hooks.ts";
import { type CompactMarks, readCompactMarks } from "./meta.ts";
import { checkRevisionKey, isTombstone, mainOf, subOf } from "../base/revision-key.ts";
import { scanRecords } from "./scan-records.ts";

export interface RestoreReport {
  /** Records in the "key" bucket. */
  readonly records: number;
  readonly currentRevision: Revision;
  /** Keys whose lease does not exist; they stay without one. */
  readonly orphans: readonly { readonly key: string; readonly lease: LeaseID }[];
  /** The compaction that the last run left unfinished and that goes on now. */
  readonly resumedCompaction: Revision | undefined;
}

/** The content of a backend, in the form that a store works with. */
export interface LoadedState {
  readonly index: KeyIndex;
  /** Of the last change; 1 without records. */
  readonly lastRevision: Revision;
  readonly marks: CompactMarks;
  readonly records: number;
  readonly orphans: RestoreReport["orphans"];
}

/**
 * Loads from `backend`, pausing after each `recordsPerStep` records, and attaches the keys to
 * `leases`, which are those of the same backend. Throws when a record is damaged.
 */
export function* loadState(
  backend: Reader,
  leases: LeaseAttachments,
  recordsPerStep: number,
): Generator<void, LoadedState> {
  const { keyLeases, ...history } = yield* loadHistory(backend, recordsPerStep);
  const orphans: { key: string; lease: LeaseID }[] = [];
  let budget = recordsPerStep;
  for (const [key, lease] of keyLeases) {
    if (leases.exists(lease)) leases.attach(lease, key);
    else orphans.push({ key, lease });
    if (--budget > 0) continue;
    budget = recordsPerStep;
    yield;
  }
  return { ...history, marks: readCompactMarks(backend), orphans };
}

interface History {
  readonly index: KeyIndex;
  readonly keyLeases: ReadonlyMap<string, LeaseID>;
  readonly lastRevision: Revision;
  readonly records: number;
}

function* loadHistory(backend: Reader, recordsPerStep: number): Generator<void, History> {
  const index = new KeyIndex();
  const keyLeases = new Map<string, LeaseID>();
  const view = new KeyValueView();
  let lastRevision = 1;
  let records = 0;
  let next: Uint8Array | undefined = Buffer.alloc(0);
  while (next !== undefined) {
    const start: Uint8Array = next;
    let budget = recordsPerStep;
    next = undefined;
    scanRecords(backend, start, undefined, (bytes, from, to, record, begin, end) => {
      if (budget-- <= 0) {
        next = copyBytes(bytes.subarray(from, to));
        return false;
      }
      checkRevisionKey(bytes, from, to);
      const { key, createRevision, version, lease } = view.load(record, begin, end);
      const tombstone = isTombstone(bytes, from, to);
      lastRevision = mainOf(bytes, from);
      index.restore(key, lastRevision, subOf(bytes, from), createRevision, version, tombstone);
      if (!tombstone && lease !== NO_LEASE) keyLeases.set(key, lease);
      else if (keyLeases.size > 0) keyLeases.delete(key);
      records++;
      return true;
    });
    if (next !== undefined) yield;
  }
  yield* index.finishRestore(recordsPerStep);
  return { index, keyLeases, lastRevision, records };
}
