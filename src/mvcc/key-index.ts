/**
 * The key index: for every key that the history knows, the revisions at which it changed.
 *
 * Keys are latin1 strings. A directory finds single keys; a counted B+tree knows their order. The
 * tree's value is a record number shifted left by one, plus 1 while the key is live, so that live
 * keys are counted in O(log n). Records are columns of typed arrays.
 * A record holds the latest change inline and the superseded ones as a run of `RevisionRuns`.
 * Version `DELETED` says that the latest change is a tombstone; version and create revision restart
 * with the next put (what etcd calls a new generation).
 *
 * Methods that look something up leave the answer in the fields `main`, `sub`, `createRevision` and
 * `version`, which the next call overwrites: the hot path allocates nothing.
 */

import { assert } from "../base/assert.ts";
import { CountedTree, type TreeCursor } from "../base/btree.ts";
import type { Revision } from "../base/ids.ts";
import { ABSENT, KeyDirectory } from "./key-directory.ts";
import type { KeyValueView } from "./key-value.ts";
import { CREATE, MAIN, RestoreBatch, STRIDE, SUB, VERSION } from "./restore-batch.ts";
import { NO_RUN, RevisionRuns } from "./revision-runs.ts";
import { orderInSteps } from "../base/order-in-steps.ts";

const DELETED = -1;

const CHUNK_BITS = 13;
const CHUNK_MASK = (1 << CHUNK_BITS) - 1;

/** What remains of a key's history after a compaction. */
export type KeepRule =
  /** The latest change at or below the revision, and a tombstone only at the revision itself. */
  | "compaction"
  /** The same without tombstones: what hashes have counted since etcd's first releases. */
  | "hash";

class RecordChunk {
  /** Four numbers side by side for each record: one cache line. */
  readonly cells: Float64Array;
  readonly run: Uint32Array;
  readonly runLength: Uint32Array;

  /** Empty, or a copy of `from`. */
  constructor(from?: RecordChunk) {
    this.cells = from?.cells.slice() ?? new Float64Array(STRIDE << CHUNK_BITS);
    this.run = from?.run.slice() ?? new Uint32Array(1 << CHUNK_BITS);
    this.runLength = from?.runLength.slice() ?? new Uint32Array(1 << CHUNK_BITS);
  }
}

export class KeyIndex {
  #tree = new CountedTree();
  #directory = new KeyDirectory();
  #chunks: RecordChunk[] = [];
  #freeRecords: number[] = [];
  #records = 0;
  #runs = new RevisionRuns();
  /** From the first `restore` to `finishRestore`. */
  #batch: RestoreBatch | undefined;

  /** Answers of the last look-up. */
  main: Revision = 0;
  sub = 0;
  createRevision: Revision = 0;
  version = 0;

  /** Another index of the same history: what changes in one does not show in the other. */
  copy(): KeyIndex {
    const copy = new KeyIndex();
    copy.#tree = this.#tree.copy();
    copy.#directory = this.#directory.copy();
    copy.#chunks = this.#chunks.map((chunk) => new RecordChunk(chunk));
    copy.#freeRecords = this.#freeRecords.slice();
    copy.#records = this.#records;
    copy.#runs = this.#runs.copy();
    return copy;
  }

  /** Keys that exist at the latest revision. */
  get liveKeys(): number {
    return this.#tree.weight;
  }

  /** Keys with any history, deleted ones included. */
  get size(): number {
    return this.#tree.size;
  }

  /**
   * Records a put. True if the key was live; then `main` and `sub` tell the change before.
   * `createRevision` and `version` are those of the new state.
   */
  put(key: string, main: Revision, sub: number): boolean {
    const value = this.#find(key);
    if (value < 0) {
      this.#tree.set(key, this.#addRecord(key, main, sub, main, 1) * 2 + 1);
      this.createRevision = main;
      this.version = 1;
      return false;
    }
    const id = value >>> 1;
    const chunk = this.#chunks[id >>> CHUNK_BITS] as RecordChunk;
    const at = id & CHUNK_MASK;
    const live = (value & 1) === 1;
    this.#supersede(chunk, at, main, sub, !live);
    if (live) {
      this.createRevision = chunk.cells[at * STRIDE + CREATE] as number;
      this.version = (chunk.cells[at * STRIDE + VERSION] as number) + 1;
    } else {
      this.createRevision = main;
      this.version = 1;
      chunk.cells[at * STRIDE + CREATE] = main;
      this.#tree.set(key, id * 2 + 1);
    }
    chunk.cells[at * STRIDE + VERSION] = this.version;
    return live;
  }

  /** Records a deletion; false if the key is not live. `main` and `sub`: the change before. */
  tombstone(key: string, main: Revision, sub: number): boolean {
    const value = this.#find(key);
    if (value < 0 || (value & 1) === 0) return false;
    const id = value >>> 1;
    const chunk = this.#chunks[id >>> CHUNK_BITS] as RecordChunk;
    const at = id & CHUNK_MASK;
    this.#supersede(chunk, at, main, sub, false);
    chunk.cells[at * STRIDE + VERSION] = DELETED;
    this.#tree.set(key, id * 2);
    return true;
  }

  /**
   * Takes over a stored change at start-up, the one of which `view` tells where its key lies in
   * `bytes`. Changes must come in order of revision, and nothing else may be asked before
   * `finishRestore`.
   */
  restore(
    bytes: Uint8Array,
    view: Pick<KeyValueView, "keyStart" | "keyEnd" | "createRevision" | "version">,
    main: Revision,
    sub: number,
    tombstone: boolean,
  ): void {
    this.#batch ??= new RestoreBatch();
    const { keyStart, keyEnd, createRevision } = view;
    if (!this.#batch.hasRoom(keyEnd - keyStart)) {
      this.#enter(this.#batch);
      this.#batch.hasRoom(keyEnd - keyStart);
    }
    const version = tombstone ? DELETED : view.version;
    this.#batch.add(bytes, keyStart, keyEnd, main, sub, createRevision, version);
  }

  #enter(batch: RestoreBatch): void {
    // Looking at what was read keeps the compiler from leaving it out.
    assert(this.#readAhead(batch) >= 0, "revisions are not negative");
    const { keys, ends, hashes, cells, count } = batch;
    let start = 0;
    for (let i = 0; i < count; i++) {
      const end = ends[i] as number;
      const hash = hashes[i] as number;
      const id = this.#directory.getOrAdd(keys, start, end, hash, this.#records);
      start = end;
      const cell = i * STRIDE;
      const main = cells[cell + MAIN] as number;
      const sub = cells[cell + SUB] as number;
      const createRevision = cells[cell + CREATE] as number;
      const version = cells[cell + VERSION] as number;
      if (id === this.#records) {
        this.#records++;
        this.#fillRecord(id, main, sub, createRevision, version);
        continue;
      }
      const chunk = this.#chunks[id >>> CHUNK_BITS] as RecordChunk;
      const at = id & CHUNK_MASK;
      this.#supersede(chunk, at, main, sub, chunk.cells[at * STRIDE + VERSION] === DELETED);
      chunk.cells[at * STRIDE + CREATE] = createRevision;
      chunk.cells[at * STRIDE + VERSION] = version;
    }
    batch.count = 0;
  }

  /** Hashes the keys, and reads what `#enter` will want to know of them. The result means nothing. */
  #readAhead({ keys, ends, hashes, marks, count }: RestoreBatch): number {
    const directory = this.#directory;
    let start = 0;
    for (let i = 0; i < count; i++) {
      const end = ends[i] as number;
      hashes[i] = directory.hashOf(keys, start, end);
      start = end;
    }
    for (let i = 0; i < count; i++) marks[i] = directory.peek(hashes[i] as number);
    let sum = 0;
    for (let i = 0; i < count; i++) {
      const id = marks[i] as number;
      if (id === ABSENT) continue;
      const { cells } = this.#chunks[id >>> CHUNK_BITS] as RecordChunk;
      sum += directory.keyOf(id).length + (cells[(id & CHUNK_MASK) * STRIDE] as number);
    }
    return sum;
  }

  /** The string that the index keeps for this key; the given one if it has none. */
  ownText(key: string): string {
    const id = this.#directory.get(key);
    return id === ABSENT ? key : this.#directory.keyOf(id);
  }

  /** Puts the restored keys in order, in slices. */
  *finishRestore(keysPerStep: number): Generator<void, void> {
    if (this.#batch !== undefined) this.#enter(this.#batch);
    this.#batch = undefined;
    const keys: string[] = [];
    for (let id = 0; id < this.#records; id++) {
      keys.push(this.#directory.keyOf(id));
      if (keys.length % keysPerStep === 0) yield;
    }
    const order = yield* orderInSteps(keys, keysPerStep);
    this.#tree = yield* CountedTree.fromSorted(
      order.length,
      (at) => keys[order[at] as number] as string,
      (at) => this.#valueOf(order[at] as number),
      keysPerStep,
    );
  }

  /** Looks up the latest state; false if the key does not exist. Sets all four fields. */
  findLatest(key: string): boolean {
    const value = this.#find(key);
    if (value < 0 || (value & 1) === 0) return false;
    this.#loadLatest(value >>> 1);
    return true;
  }

  /** Looks up the change that made the key's state at `revision`. Sets `main` and `sub`. */
  findAt(key: string, revision: Revision): boolean {
    const value = this.#find(key);
    return value >= 0 && this.#loadAt(value, revision);
  }

  /** Live keys in [begin, end) at the latest revision; `end` "" is unbounded. O(log n). */
  countLatest(begin: string, end: string): number {
    if (end !== "" && end <= begin) return 0;
    return (end === "" ? this.#tree.weight : this.#tree.rank(end)) - this.#tree.rank(begin);
  }

  /** A cursor over all keys in [begin, end), `end` "" unbounded; ask `cursorAt` or `cursorLatest` at each. */
  seek(begin: string, end = ""): TreeCursor {
    return this.#tree.seek(begin, end);
  }

  /** As `findLatest` for the key under the cursor. */
  cursorLatest(cursor: TreeCursor): boolean {
    if ((cursor.value & 1) === 0) return false;
    this.#loadLatest(cursor.value >>> 1);
    return true;
  }

  /** As `findAt` for the key under the cursor. */
  cursorAt(cursor: TreeCursor, revision: Revision): boolean {
    return this.#loadAt(cursor.value, revision);
  }

  /** True if the change {main, sub} of `key` outlives a compaction at `revision`. */
  keeps(key: string, main: Revision, sub: number, revision: Revision, rule: KeepRule): boolean {
    const value = this.#find(key);
    if (value < 0) return false;
    return this.#loadKept(value, revision, rule) && this.main === main && this.sub === sub;
  }

  /** True if any change of the key under the cursor outlives a compaction at `revision`. */
  cursorKeepsAny(cursor: TreeCursor, revision: Revision, rule: KeepRule): boolean {
    return this.#loadKept(cursor.value, revision, rule);
  }

  /** Forgets what a compaction at `revision` drops of `key`. */
  compact(key: string, revision: Revision): void {
    const value = this.#find(key);
    if (value < 0) return;
    const id = value >>> 1;
    const chunk = this.#chunks[id >>> CHUNK_BITS] as RecordChunk;
    const at = id & CHUNK_MASK;
    const length = chunk.runLength[at] as number;
    const run = chunk.run[at] as number;
    const kept = this.#loadKept(value, revision, "compaction");
    if ((chunk.cells[at * STRIDE + MAIN] as number) <= revision) {
      this.#dropRun(chunk, at, length);
      if (!kept) this.#removeRecord(key, id);
      return;
    }
    const floor = this.#runs.floor(run, length, revision);
    this.#dropRun(chunk, at, kept ? floor : floor + 1);
  }

  /** The key's tree value, or -1. */
  #find(key: string): number {
    const id = this.#directory.get(key);
    return id === ABSENT ? -1 : this.#valueOf(id);
  }

  #valueOf(id: number): number {
    const chunk = this.#chunks[id >>> CHUNK_BITS] as RecordChunk;
    return id * 2 + (chunk.cells[(id & CHUNK_MASK) * STRIDE + VERSION] === DELETED ? 0 : 1);
  }

  #loadLatest(id: number): void {
    const chunk = this.#chunks[id >>> CHUNK_BITS] as RecordChunk;
    const at = id & CHUNK_MASK;
    this.main = chunk.cells[at * STRIDE + MAIN] as number;
    this.sub = chunk.cells[at * STRIDE + SUB] as number;
    this.createRevision = chunk.cells[at * STRIDE + CREATE] as number;
    this.version = chunk.cells[at * STRIDE + VERSION] as number;
  }

  #loadAt(value: number, revision: Revision): boolean {
    return this.#loadFloor(value, revision) === "put";
  }

  #loadKept(value: number, revision: Revision, rule: KeepRule): boolean {
    const found = this.#loadFloor(value, revision);
    if (found === "tombstone") return rule === "compaction" && this.main === revision;
    return found === "put";
  }

  /** Loads the latest change at or below `revision`. */
  #loadFloor(value: number, revision: Revision): "put" | "tombstone" | "none" {
    const id = value >>> 1;
    const chunk = this.#chunks[id >>> CHUNK_BITS] as RecordChunk;
    const at = id & CHUNK_MASK;
    const latest = chunk.cells[at * STRIDE + MAIN] as number;
    if (latest <= revision) {
      this.main = latest;
      this.sub = chunk.cells[at * STRIDE + SUB] as number;
      return (value & 1) === 1 ? "put" : "tombstone";
    }
    const run = chunk.run[at] as number;
    const floor = this.#runs.floor(run, chunk.runLength[at] as number, revision);
    if (floor < 0) return "none";
    this.main = this.#runs.main(run, floor);
    this.sub = this.#runs.sub(run, floor);
    return this.#runs.isTombstone(run, floor) ? "tombstone" : "put";
  }

  /** Moves the latest change to the run and puts {main, sub} in its place. */
  #supersede(
    chunk: RecordChunk,
    at: number,
    main: Revision,
    sub: number,
    wasTombstone: boolean,
  ): void {
    const lastMain = chunk.cells[at * STRIDE + MAIN] as number;
    const lastSub = chunk.cells[at * STRIDE + SUB] as number;
    assert(main > lastMain || (main === lastMain && sub > lastSub), "revisions of a key ascend");
    const length = chunk.runLength[at] as number;
    const run = chunk.run[at] as number;
    chunk.run[at] = this.#runs.append(run, length, lastMain, lastSub, wasTombstone);
    chunk.runLength[at] = length + 1;
    chunk.cells[at * STRIDE + MAIN] = main;
    chunk.cells[at * STRIDE + SUB] = sub;
    this.main = lastMain;
    this.sub = lastSub;
  }

  #dropRun(chunk: RecordChunk, at: number, count: number): void {
    const length = chunk.runLength[at] as number;
    if (count <= 0) return;
    chunk.run[at] = this.#runs.dropFirst(chunk.run[at] as number, length, count);
    chunk.runLength[at] = length - count;
  }

  #addRecord(
    key: string,
    main: Revision,
    sub: number,
    createRevision: Revision,
    version: number,
  ): number {
    const id = this.#freeRecords.pop() ?? this.#records++;
    this.#fillRecord(id, main, sub, createRevision, version);
    this.#directory.add(key, id);
    return id;
  }

  #fillRecord(
    id: number,
    main: Revision,
    sub: number,
    createRevision: Revision,
    version: number,
  ): void {
    if (id >>> CHUNK_BITS === this.#chunks.length) this.#chunks.push(new RecordChunk());
    const chunk = this.#chunks[id >>> CHUNK_BITS] as RecordChunk;
    const at = id & CHUNK_MASK;
    chunk.cells[at * STRIDE + MAIN] = main;
    chunk.cells[at * STRIDE + SUB] = sub;
    chunk.cells[at * STRIDE + CREATE] = createRevision;
    chunk.cells[at * STRIDE + VERSION] = version;
    chunk.run[at] = NO_RUN;
    chunk.runLength[at] = 0;
  }

  #removeRecord(key: string, id: number): void {
    this.#tree.delete(key);
    this.#directory.delete(key, id);
    this.#freeRecords.push(id);
  }
}
