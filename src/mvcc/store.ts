/**
 * The multi-version store: every change of every key, addressed by revision.
 *
 * Writes happen between `beginWrite` and `endWrite`, in one synchronous stretch; all changes of
 * the stretch share one main revision, `currentRevision + 1`, with sub-revisions in order. A stretch
 * without changes leaves the revision as it is. Reads between two stretches see whole transactions
 * only; reads inside a stretch see what it has written so far.
 *
 * A wide write is made in slices (`writeInSteps`). Between them the index is ahead of what is shown:
 * readers get `currentRevision`, and look keys up at that revision (`findAt`, `countAt`), as if
 * nothing had happened. Its records are staged and reach the backend when all of them are there,
 * in one transaction.
 *
 * Invariants: the index names exactly the records of the "key" bucket that compaction has not
 * dropped; `compactRevision` < `currentRevision` + 1; revisions never go down, not even over a
 * crash in the middle of a compaction.
 *
 * Keys are latin1 strings. No clock and no timers: `runCompaction` and hash jobs do a bounded piece
 * of work per call. Checks of user input are in requests/.
 */

import { EtcdError } from "../api/errors.ts";
import { type Backend, KEY_BUCKET, META_BUCKET, type Place } from "../backend/index.ts";
import { assert } from "../base/assert.ts";
import type { TreeCursor } from "../base/btree.ts";
import type { LeaseID, Revision } from "../base/ids.ts";
import type { Slice, Steps } from "../base/slice.ts";
import {
  type CompactionProgress,
  type CompactionStep,
  Compactor,
  type Observed,
} from "./compaction.ts";
import { HashJob, HashStorage } from "./hash.ts";
import { KeyIndex } from "./key-index.ts";
import {
  KeyValueView,
  sizeKeyValue,
  sizeTombstone,
  writeKeyValue,
  writeTombstone,
} from "./key-value.ts";
import { type LeaseHooks, NO_LEASE } from "./lease-hooks.ts";
import { type CompactMarks, readCompactMarks, SCHEDULED_COMPACT_KEY } from "./meta.ts";
import { type KeyHistory, type LoadedState, loadState, type RestoreReport } from "./restore.ts";
import {
  encodeRevisionKey,
  REVISION_KEY_BYTES,
  RevisionKey,
  writeRevisionKey,
} from "../base/revision-key.ts";
import { RecordFinder } from "./record-finder.ts";
import { StagedWrite } from "./staged-write.ts";

/** One change of a write, for watchers. */
export interface Change {
  readonly key: string;
  readonly main: Revision;
  readonly tombstone: boolean;
  /** The stored record; for a tombstone it holds only the key. */
  readonly record: Uint8Array;
  /** The key's change before this one, if the key existed; otherwise `previousMain` is 0. */
  readonly previousMain: Revision;
  readonly previousSub: number;
}

/** Gets the changes of a write when it ends. */
export type ChangeObserver = (revision: Revision, changes: readonly Change[]) => void;

/** Gets the changes of a write that is made in slices. */
export interface StepObserver {
  /** Some of the changes, in order. Nobody may be told before the write has ended. */
  collect(revision: Revision, changes: readonly Change[]): void;
  /** The write has ended; its revision, or the one before if it has changed nothing. */
  ended(revision: Revision): void;
}

export interface WriteResult<T> {
  /** What a response shows. */
  readonly revision: Revision;
  readonly result: T;
}

export interface StoreOptions {
  readonly backend: Backend;
  readonly leases: LeaseHooks;
}

const NEVER_COMPACTED = -1;
/** Staged records that cost as much to hand to the backend as one costs to make. */
const FLUSHED_PER_UNIT = 4;

export class Store {
  #backend: Backend;
  readonly leases: LeaseHooks;
  #index = new KeyIndex();
  #currentRevision: Revision = 1;
  #compactRevision: Revision = NEVER_COMPACTED;
  readonly hashes = new HashStorage();
  readonly #compactor: Compactor = new Compactor(this);

  #writing = false;
  #subRevision = 0;
  readonly #changes: Change[] = [];
  /** Set while somebody watches; without it, writes keep no list of changes. */
  observer: ChangeObserver | undefined = undefined;
  /** The same for writes in slices, which are listed only while `observer` is set. */
  stepObserver: StepObserver | undefined = undefined;
  /** The records of the write in slices that is open. */
  #staged: StagedWrite | undefined;
  /** Between two slices of a write: readers must not see it. */
  #suspended = false;
  #changesMade = 0;
  readonly #view = new KeyValueView();

  readonly #pins = new Set<{ readonly revision: Revision }>();
  readonly #writeKey = new RevisionKey();
  readonly #lookupKey = Buffer.alloc(REVISION_KEY_BYTES);

  /** An empty store; call `restore` before use. */
  constructor(options: StoreOptions) {
    this.#backend = options.backend;
    this.leases = options.leases;
  }

  get backend(): Backend {
    return this.#backend;
  }

  get index(): KeyIndex {
    return this.#index;
  }

  /** Revision of the last finished write; 1 when nothing was ever written. */
  get currentRevision(): Revision {
    return this.#currentRevision;
  }

  /** Last compaction's revision, -1 if there was none. Older revisions cannot be read. */
  get compactRevision(): Revision {
    return this.#compactRevision;
  }

  /** What a read sees now: inside a write that has changed something, the write's revision. */
  get readRevision(): Revision {
    return this.#currentRevision + (this.#subRevision > 0 && !this.#suspended ? 1 : 0);
  }

  /** Keys that exist. */
  get liveKeys(): number {
    return this.#index.liveKeys + (this.#suspended ? (this.#staged?.correction("", "") ?? 0) : 0);
  }

  /** Puts and deletions since the start: what applying has cost. */
  get changesMade(): number {
    return this.#changesMade;
  }

  /** A write in slices is under way. */
  get isSuspended(): boolean {
    return this.#suspended;
  }

  /** Records of such a write are in the backend, which commits nothing before it has ended. */
  get isFlushing(): boolean {
    return this.#staged?.isFlushing === true;
  }

  /** True if the index's latest state is that of `revision`. */
  indexShows(revision: Revision): boolean {
    return revision === this.#currentRevision + (this.#subRevision > 0 ? 1 : 0);
  }

  /** As the index's `findLatest`, for the state at `revision`: sets all four fields. */
  findAt(key: string, revision: Revision): boolean {
    const index = this.#index;
    if (this.indexShows(revision)) return index.findLatest(key);
    return index.findAt(key, revision) && this.#loadFields();
  }

  /** The same for the key under a cursor of the index. */
  cursorAt(cursor: TreeCursor, revision: Revision): boolean {
    const index = this.#index;
    if (this.indexShows(revision)) return index.cursorLatest(cursor);
    return index.cursorAt(cursor, revision) && this.#loadFields();
  }

  /** Keys in [begin, end), "" unbounded, at `revision`; undefined if only a walk can tell. */
  countAt(revision: Revision, begin: string, end: string): number | undefined {
    const staged = this.#staged;
    if (this.indexShows(revision)) return this.#index.countLatest(begin, end);
    if (staged === undefined || revision !== this.#currentRevision) return undefined;
    return this.#index.countLatest(begin, end) + staged.correction(begin, end);
  }

  /** Loads the state from the backend, in one go. Also after a crash in a compaction. */
  restore(backend: Backend = this.#backend): RestoreReport {
    const steps = this.restoreSteps(backend, Number.POSITIVE_INFINITY);
    for (;;) {
      const step = steps.next();
      if (step.done === true) return step.value;
    }
  }

  /**
   * As `restore`, pausing after each `recordsPerStep` records. The store shows the old state until
   * the last step, which swaps in the new one. No compaction or write may happen in between.
   */
  *restoreSteps(backend: Backend, recordsPerStep: number): Generator<void, RestoreReport> {
    return this.adopt(yield* loadState(backend, this.leases, recordsPerStep), backend);
  }

  /**
   * Replaces the store's state by one that was loaded aside from what `backend` holds now. Writes
   * to the backend when a compaction has to go on. Reads and hash jobs that began before keep to
   * the old state or fail cleanly; compactions that were under way are forgotten, those that the
   * new state has scheduled begin.
   */
  adopt(state: LoadedState, backend: Backend = this.#backend): RestoreReport {
    assert(!this.#writing, "restore inside a write");
    const { marks } = state;
    this.#backend = backend;
    this.#index = state.index;
    this.#compactor.reset();
    this.hashes.clear();
    this.#compactRevision = marks.finished ?? NEVER_COMPACTED;
    // Compaction may have removed the newest changes, tombstones, before the crash: the compaction
    // revisions are lower bounds of what the cluster has seen.
    this.#currentRevision = Math.max(
      state.lastRevision,
      this.#compactRevision,
      marks.scheduled ?? 0,
    );
    return {
      records: state.records,
      currentRevision: this.#currentRevision,
      orphans: state.orphans,
      resumedCompaction: this.#resumeCompaction(marks),
    };
  }

  /** What it holds, with these leases of keys; undefined amid a write or a compaction. */
  history(keyLeases: KeyHistory["keyLeases"]): KeyHistory | undefined {
    if (this.#writing || this.#compactor.pending) return undefined;
    const compacted = this.#compactRevision;
    return {
      index: this.#index.copy(),
      keyLeases,
      lastRevision: this.#currentRevision,
      compactRevision: compacted === NEVER_COMPACTED ? undefined : compacted,
    };
  }

  /** The record of the change at {main, sub}, which the index knows. Do not change the bytes. */
  readRecord(main: Revision, sub: number): Uint8Array {
    if (main > this.#currentRevision && this.#staged !== undefined) {
      return viewOf(this.#staged.find(sub));
    }
    writeRevisionKey(this.#lookupKey, main, sub);
    const record = this.#backend.get(KEY_BUCKET, this.#lookupKey);
    // The text of an assertion is made before it is looked at: too dear for each read.
    if (record === undefined) assert(false, `the key bucket lacks revision ${main}/${sub}`);
    return record;
  }

  /** For reading many records in one synchronous stretch that writes nothing. */
  recordFinder(): RecordFinder {
    return new RecordFinder(this.#backend, this.#currentRevision, this.#staged, this.#lookupKey);
  }

  beginWrite(): void {
    assert(!this.#writing, "a write is open already");
    this.#writing = true;
  }

  /** Writes a put. The lease, unless `NO_LEASE`, must exist. */
  put(key: string, value: Uint8Array, lease: LeaseID): void {
    assert(this.#writing, "put outside a write");
    const main = this.#currentRevision + 1;
    const sub = this.#subRevision++;
    const index = this.#index;
    const existed = index.put(key, main, sub);
    const previousMain = existed ? index.main : 0;
    const previousSub = index.sub;
    const { createRevision, version } = index;
    const size = sizeKeyValue(key, createRevision, main, version, value, lease);
    const { bytes, end } = this.#roomFor(main, sub, false, size);
    writeKeyValue(bytes, end, key, createRevision, main, version, value, lease);
    if (!existed) this.#staged?.noteLiveness(key, -1);
    if (this.observer !== undefined) {
      const record = this.#written(main, sub, false);
      this.#changes.push({ key, main, tombstone: false, record, previousMain, previousSub });
    }
    const oldLease = existed ? this.leases.leaseOf(key) : NO_LEASE;
    if (oldLease !== lease) {
      if (oldLease !== NO_LEASE) this.leases.detach(oldLease, key);
      if (lease !== NO_LEASE) this.leases.attach(lease, key);
    }
  }

  /** Writes a tombstone; false if the key does not exist. */
  deleteKey(key: string): boolean {
    assert(this.#writing, "delete outside a write");
    const main = this.#currentRevision + 1;
    const sub = this.#subRevision;
    const index = this.#index;
    if (!index.tombstone(key, main, sub)) return false;
    this.#subRevision++;
    const previousMain = index.main;
    const previousSub = index.sub;
    const { bytes, end } = this.#roomFor(main, sub, true, sizeTombstone(key));
    writeTombstone(bytes, end, key);
    this.#staged?.noteLiveness(key, 1);
    if (this.observer !== undefined) {
      const record = this.#written(main, sub, true);
      this.#changes.push({ key, main, tombstone: true, record, previousMain, previousSub });
    }
    const lease = this.leases.leaseOf(key);
    if (lease !== NO_LEASE) this.leases.detach(lease, key);
    return true;
  }

  /**
   * Deletes all keys in [begin, end), "" unbounded, in key order, inside a write. Returns how many
   * there were.
   */
  *deleteRange(begin: string, end: string, slice: Slice): Steps<number> {
    let deleted = 0;
    let next: string | undefined = begin;
    while (next !== undefined) {
      const keys: string[] = [];
      next = this.#liveKeysFrom(next, end, slice, keys);
      for (const key of keys) this.deleteKey(key);
      deleted += keys.length;
      if (slice.isUsedUp && next !== undefined) yield;
    }
    return deleted;
  }

  /** Collects live keys until the slice is used up; then returns where to go on. */
  #liveKeysFrom(begin: string, end: string, slice: Slice, keys: string[]): string | undefined {
    for (const cursor = this.#index.seek(begin); cursor.valid; cursor.next()) {
      if (end !== "" && cursor.key >= end) break;
      if (slice.left-- <= 0) return cursor.key;
      if (this.#index.cursorLatest(cursor)) keys.push(cursor.key);
    }
    return undefined;
  }

  /** Ends the write and tells the observer. Returns the revision that a response shows. */
  endWrite(): Revision {
    assert(this.#writing, "no write is open");
    this.#writing = false;
    if (this.#subRevision === 0) return this.#currentRevision;
    this.#subRevision = 0;
    this.#currentRevision++;
    if (this.#changes.length > 0) {
      const changes = this.#changes.splice(0);
      this.observer?.(this.#currentRevision, changes);
    }
    return this.#currentRevision;
  }

  /**
   * One write in slices: `work` makes its changes with `put` and `deleteKey` and pauses where it
   * likes, and nobody sees anything of it before the end. It may fail only before its first change.
   * Nothing else may write meanwhile.
   *
   * Once `isFlushing`, it holds the backend's commits. They go on behind the stretch of the last
   * step; if the steps are not run to their end, never.
   */
  *writeInSteps<T>(work: Steps<T>, slice: Slice): Steps<WriteResult<T>> {
    this.beginWrite();
    const main = this.#currentRevision + 1;
    const staged = new StagedWrite(main);
    this.#staged = staged;
    for (;;) {
      const step = work.next();
      this.#collectChanges(main);
      if (step.done === true) {
        yield* this.#flush(staged, slice);
        this.#staged = undefined;
        const revision = this.endWrite();
        this.stepObserver?.ended(revision);
        return { revision, result: step.value };
      }
      yield* this.#suspend();
    }
  }

  *#flush(staged: StagedWrite, slice: Slice): Steps<void> {
    while (!staged.isFlushed) {
      if (slice.isUsedUp) yield* this.#suspend();
      const records = Math.max(1, slice.left) * FLUSHED_PER_UNIT;
      slice.left -= Math.ceil(staged.flush(this.#backend, records) / FLUSHED_PER_UNIT);
    }
  }

  *#suspend(): Steps<void> {
    this.#suspended = true;
    yield;
    this.#suspended = false;
  }

  #collectChanges(main: Revision): void {
    if (this.#changes.length > 0) this.stepObserver?.collect(main, this.#changes.splice(0));
  }

  /** Where the record of a change is to be written, at once. */
  #roomFor(main: Revision, sub: number, isTombstone: boolean, bytes: number): Place {
    this.#changesMade++;
    if (this.#staged !== undefined) return this.#staged.append(isTombstone, bytes);
    return this.#backend.putInto(KEY_BUCKET, this.#writeKey.of(main, sub, isTombstone), bytes);
  }

  /** The record that was written there. */
  #written(main: Revision, sub: number, isTombstone: boolean): Uint8Array {
    if (this.#staged !== undefined) return viewOf(this.#staged.find(sub));
    const record = this.#backend.get(KEY_BUCKET, this.#writeKey.of(main, sub, isTombstone));
    assert(record !== undefined, "what was written is there");
    return record;
  }

  /** Completes what the index has found at an older revision, by its record. */
  #loadFields(): boolean {
    const index = this.#index;
    const { createRevision, version } = this.#view.load(this.readRecord(index.main, index.sub));
    index.createRevision = createRevision;
    index.version = version;
    return true;
  }

  /** Deletes keys in one write, as the lessor does when a lease ends. Missing keys are skipped. */
  deleteKeys(keys: readonly string[]): Revision {
    this.beginWrite();
    for (const key of keys) this.deleteKey(key);
    return this.endWrite();
  }

  /** The same inside a write in slices. */
  *deleteEach(keys: readonly string[], slice: Slice): Steps<void> {
    for (const key of keys) {
      if (slice.left-- <= 0) yield;
      this.deleteKey(key);
    }
  }

  /**
   * Logical compaction: revisions below `revision` cannot be read from now on. The records go in
   * the calls of `runCompaction` that follow. Throws "compacted" and "future revision".
   */
  compact(revision: Revision): void {
    if (revision <= this.#compactRevision) throw new EtcdError("compacted");
    if (revision > this.#currentRevision) throw new EtcdError("futureRevision");
    const marks = readCompactMarks(this.#backend);
    this.#schedule(revision, marks.scheduled === marks.finished);
  }

  /**
   * Does at most about `maxRecords` records' worth of physical compaction; the part of it that
   * changes the index goes through `indexWork`.
   */
  runCompaction(maxRecords: number, indexWork?: Observed): CompactionStep {
    return this.#compactor.step(maxRecords, indexWork);
  }

  get compaction(): CompactionProgress | undefined {
    return this.#compactor.progress;
  }

  get compactionPending(): boolean {
    return this.#compactor.pending;
  }

  /** Starts a HashKV over the history up to `revision` (0: all). Throws as `compact` does. */
  hashByRevision(revision: Revision): HashJob {
    // A compaction at 0 leaves a hash of revision 0, which is not what a request for 0 means.
    const stored = revision === 0 ? undefined : this.hashes.find(revision);
    if (stored !== undefined) return HashJob.known(stored);
    if (revision > 0 && revision < this.#compactRevision) throw new EtcdError("compacted");
    if (revision > this.#currentRevision) throw new EtcdError("futureRevision");
    return HashJob.start(this, revision === 0 ? this.#currentRevision : revision);
  }

  /** Keeps the history at `revision` and above readable by compaction jobs yet to start. */
  pin(revision: Revision): () => void {
    const pin = { revision };
    this.#pins.add(pin);
    return () => {
      this.#pins.delete(pin);
    };
  }

  /** True if a running read needs history that a compaction at `revision` drops. */
  isPinnedBelow(revision: Revision): boolean {
    for (const pin of this.#pins) if (pin.revision < revision) return true;
    return false;
  }

  #schedule(revision: Revision, previousCompleted: boolean): void {
    const previous = this.#compactRevision;
    this.#compactRevision = revision;
    const mark = encodeRevisionKey(revision, 0, false);
    this.#backend.put(META_BUCKET, SCHEDULED_COMPACT_KEY, mark);
    this.#compactor.add({ revision, previousRevision: previous, previousCompleted });
  }

  #resumeCompaction(marks: CompactMarks): Revision | undefined {
    const scheduled = marks.scheduled;
    if (scheduled === undefined || scheduled <= this.#compactRevision) return undefined;
    this.#schedule(scheduled, false);
    return scheduled;
  }
}

function viewOf({ bytes, start, end }: Place): Uint8Array {
  return bytes.subarray(start, end);
}
