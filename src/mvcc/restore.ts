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
import {
  checkRevisionKey,
  encodeRevisionKey,
  isTombstone,
  mainOf,
  subOf,
} from "../base/revision-key.ts";
import { scanRecords } from "./scan-records.ts";

export interface RestoreReport {
  /** That were read. */
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

/** What the records of a store's "key" bucket add up to, for a store over a copy of its backend. */
export interface KeyHistory {
  readonly index: KeyIndex;
  readonly keyLeases: ReadonlyMap<string, LeaseID>;
  /** Of the last change; 1 without records. */
  readonly lastRevision: Revision;
  /** Of the last compaction, which was done; undefined if there was none. */
  readonly compactRevision: Revision | undefined;
}

interface Loaded extends Omit<KeyHistory, "compactRevision"> {
  readonly records: number;
}

/**
 * Loads from `backend`, pausing after each `recordsPerStep` records, and attaches the keys to
 * `leases`, which are those of the same backend. Throws when a record is damaged. Nothing is
 * read of the records that `known` is about, if it is of this backend as it is.
 */
export function* loadState(
  backend: Reader,
  leases: LeaseAttachments,
  recordsPerStep: number,
  known?: KeyHistory,
): Generator<void, LoadedState> {
  const marks = readCompactMarks(backend);
  const { keyLeases, index, lastRevision, records } =
    known !== undefined && isStateOf(backend, marks, known)
      ? { ...known, index: known.index.copy(), records: 0 }
      : yield* loadRecords(backend, recordsPerStep);
  const orphans: { key: string; lease: LeaseID }[] = [];
  let budget = recordsPerStep;
  for (const [key, lease] of keyLeases) {
    if (leases.exists(lease)) leases.attach(lease, index.ownText(key));
    else orphans.push({ key, lease });
    if (--budget > 0) continue;
    budget = recordsPerStep;
    yield;
  }
  return { index, lastRevision, marks, records, orphans };
}

/** Copies of one backend's history have the same records when they end and begin at the same ones. */
function isStateOf(
  backend: Reader,
  marks: CompactMarks,
  { lastRevision, compactRevision }: KeyHistory,
): boolean {
  if (marks.scheduled !== compactRevision || marks.finished !== compactRevision) return false;
  let newest = 0;
  scanRecords(backend, encodeRevisionKey(lastRevision, 0, false), undefined, (bytes, from) => {
    newest = mainOf(bytes, from);
    return newest === lastRevision;
  });
  return newest === lastRevision;
}

function* loadRecords(backend: Reader, recordsPerStep: number): Generator<void, Loaded> {
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
      view.load(record, begin, end);
      const tombstone = isTombstone(bytes, from, to);
      lastRevision = mainOf(bytes, from);
      index.restore(record, view, lastRevision, subOf(bytes, from), tombstone);
      if (!tombstone && view.lease !== NO_LEASE) keyLeases.set(view.key, view.lease);
      else if (keyLeases.size > 0) keyLeases.delete(view.key);
      records++;
      return true;
    });
    if (next !== undefined) yield;
  }
  yield* index.finishRestore(recordsPerStep);
  return { index, keyLeases, lastRevision, records };
}
