/**
 * Executes range requests. Records stay encoded from the file to the response.
 *
 * `RangeExecution` works in slices at the revision that was current when it began, so that a range
 * over millions of keys neither blocks the loop nor sees half of a transaction: it pins its
 * revision against physical compaction. `executeRange` is the same in one go.
 * At the latest revision `count` comes from the tree's counters; at older ones each key is looked at.
 */

import { EtcdError } from "../../api/errors.ts";
import {
  type RangeRequest,
  RangeRequest_SortOrder,
  RangeRequest_SortTarget,
} from "../../api/gen/rpc.ts";
import { compareBytes, EMPTY_BYTES, latin1FromBytes } from "../../base/bytes.ts";
import type { Revision } from "../../base/ids.ts";
import { charge, ENDLESS, finish, type Slice, type Steps, unitsOfBytes } from "../../base/slice.ts";
import type { KeyIndex } from "../key-index.ts";
import { KeyValueView, withoutValue } from "../key-value.ts";
import type { RecordFinder } from "../record-finder.ts";
import { NO_RECORDS, OneRecord, RecordList, type Records } from "../record-list.ts";
import { sortInSteps } from "../../base/sort-in-steps.ts";
import type { Store } from "../store.ts";
import { rangeEndOf } from "./key-range.ts";
import { LateRecords } from "./late-records.ts";

export interface RangeResult {
  /** The store's revision, not the one read at. */
  readonly revision: Revision;
  readonly kvs: Records;
  /** True if the limit cut something off. */
  readonly more: boolean;
  /** Keys in the range, whatever limit and revision filters leave of them. */
  readonly count: number;
  /** What comes after `kvs`, to be read when it leaves; the owner of the result closes it. */
  readonly late?: LateRecords | undefined;
}

/** Matches sorted or merged between two looks at the slice, and what that costs. */
const SORTED_PER_STEP = 1000;
const UNITS_PER_SORT_STEP = 1000;
/** Records that a result has memory for before it knows them. */
const FORESEEN_RECORDS = 4096;
/** What a match costs more when its record must be read and taken apart. */
const UNITS_OF_RECORD = 3;

/** The latest state of one key, latin1. */
export function executeGet(store: Store, key: string): RangeResult {
  return readKey(store, key, 0, store.readRevision);
}

/** Throws "compacted" and "future revision". */
export function executeRange(store: Store, request: RangeRequest): RangeResult {
  if (request.rangeEnd.length === 0 && isPlain(request)) {
    return readKey(store, latin1FromBytes(request.key), request.revision, store.readRevision);
  }
  return finish(new RangeExecution(store, request).run(ENDLESS));
}

/**
 * As `executeRange`, in slices. `current` is the latest revision that the range may see, and not
 * later than the store's.
 */
export function* rangeInSteps(
  store: Store,
  request: RangeRequest,
  slice: Slice,
  current: Revision,
): Steps<RangeResult> {
  if (request.rangeEnd.length === 0 && isPlain(request)) {
    const result = readKey(store, latin1FromBytes(request.key), request.revision, current);
    slice.left -= 1 + unitsOfBytes(result.kvs.bytes);
    return result;
  }
  const execution = new RangeExecution(store, request, { current });
  try {
    return yield* execution.run(slice);
  } finally {
    execution.close();
  }
}

/** The revision that a request reads at. Throws "compacted" and "future revision". */
function revisionToRead(store: Store, revision: Revision, current: Revision): Revision {
  if (revision > current) throw new EtcdError("futureRevision");
  if (revision <= 0) return current;
  if (revision < store.compactRevision) throw new EtcdError("compacted");
  return revision;
}

/** No filters: a get of one key needs no more than a look-up. */
function isPlain(request: RangeRequest): boolean {
  return !request.keysOnly && !request.countOnly && !hasFilter(request);
}

function hasFilter(request: RangeRequest): boolean {
  return (
    request.minModRevision !== 0 ||
    request.maxModRevision !== 0 ||
    request.minCreateRevision !== 0 ||
    request.maxCreateRevision !== 0
  );
}

function readKey(store: Store, key: string, asked: Revision, current: Revision): RangeResult {
  const revision = revisionToRead(store, asked, current);
  const index = store.index;
  const found = store.indexShows(revision) ? index.findLatest(key) : index.findAt(key, revision);
  if (!found) return { revision: current, kvs: NO_RECORDS, more: false, count: 0 };
  const record = store.readRecord(index.main, index.sub);
  return { revision: current, kvs: new OneRecord(record), more: false, count: 1 };
}

/** A key that matched, with what filters and sorting look at. */
interface Match {
  readonly main: Revision;
  readonly sub: number;
  readonly createRevision: Revision;
  readonly version: number;
  readonly value: Uint8Array;
}

export interface RangeOptions {
  /** The latest revision that the range may see; default: the store's. */
  readonly current?: Revision;
  /** Bytes of records that the result holds; without it there are no late records. */
  readonly keepBytes?: number;
  /** The result's count may be anything: no need to walk what comes after the limit. */
  readonly withoutCount?: boolean;
}

export class RangeExecution {
  readonly #store: Store;
  readonly #request: RangeRequest;
  readonly #index: KeyIndex;
  /** Revision that the range reads at. */
  readonly #revision: Revision;
  readonly #currentRevision: Revision;
  readonly #end: string;
  readonly #unpin: () => void;
  readonly #view = new KeyValueView();
  readonly #sorted: boolean;
  /** Matches after which the walk may stop: one more than the limit, to know about `more`. */
  readonly #enough: number;
  /** Whether matches are looked into, to filter or to sort them. */
  readonly #examining: boolean;
  /** What matched, where matches are looked into until they are in order. */
  #matches: Match[] = [];
  /** Revisions of what matched. */
  #mains: number[] = [];
  #subs: number[] = [];
  readonly #kvs: RecordList;
  #next: string;
  #count = 0;
  /** True if the whole range must be walked, because only that gives the count. */
  readonly #counting: boolean;
  #more = false;
  /** Bytes of records that the result may still hold; what is beyond becomes late records. */
  #keepBytes: number;
  #late: LateRecords | undefined;

  /** Throws "compacted" and "future revision". */
  constructor(store: Store, request: RangeRequest, options: RangeOptions = {}) {
    const { keepBytes } = options;
    this.#keepBytes = request.keysOnly
      ? Number.POSITIVE_INFINITY
      : (keepBytes ?? Number.POSITIVE_INFINITY);
    const current = options.current ?? store.readRevision;
    this.#store = store;
    this.#request = request;
    this.#index = store.index;
    this.#revision = revisionToRead(store, request.revision, current);
    this.#currentRevision = current;
    this.#next = latin1FromBytes(request.key);
    this.#end = rangeEndOf(request.rangeEnd) ?? `${this.#next}\0`;
    const { sortOrder, sortTarget, limit, countOnly } = request;
    const byKey = sortTarget === RangeRequest_SortTarget.KEY;
    this.#sorted = byKey ? sortOrder === RangeRequest_SortOrder.DESCEND : true;
    this.#examining = hasFilter(request) || (this.#sorted && !byKey);
    if (countOnly) this.#enough = 0;
    else this.#enough = limit > 0 && this.#mayStopEarly() ? limit + 1 : Number.POSITIVE_INFINITY;
    const count = options.withoutCount ? 0 : store.countAt(this.#revision, this.#next, this.#end);
    this.#counting = count === undefined;
    this.#count = count ?? 0;
    this.#kvs = new RecordList(Math.min(limit > 0 ? limit : this.#count, FORESEEN_RECORDS));
    this.#unpin = store.pin(this.#revision);
  }

  /**
   * Runs until the result is there, pausing when the slice is used up. Throws "leader changed",
   * which tells clients to try again, if a snapshot has replaced the store's content since the
   * start. A failed or given up execution must be closed.
   */
  *run(slice: Slice): Steps<RangeResult> {
    slice.left--;
    if (this.#sorted || this.#examining) {
      while (!this.#collect(slice)) yield* this.#pause();
      yield* this.#order(slice);
      while (!this.#read(slice)) yield* this.#pause();
    } else {
      while (!this.#readAlong(slice)) yield* this.#pause();
    }
    const late = this.#late;
    if (late === undefined) this.close();
    const result = {
      revision: this.#currentRevision,
      kvs: this.#kvs,
      more: this.#more,
      count: this.#count,
    };
    return late === undefined ? result : { ...result, late };
  }

  *#pause(): Steps<void> {
    yield;
    if (this.#store.index === this.#index) return;
    this.close();
    throw new EtcdError("leaderChanged");
  }

  /** Gives up unfinished work. */
  close(): void {
    this.#unpin();
  }

  /**
   * Results in the order of the walk may be cut while walking; others after sorting only. With a
   * target but no order, etcd cuts first and sorts what is left, unless there is a filter.
   */
  #mayStopEarly(): boolean {
    if (!this.#sorted) return true;
    const unordered = this.#request.sortOrder === RangeRequest_SortOrder.NONE;
    return unordered && !hasFilter(this.#request);
  }

  /** Reads what matches as it comes. False when the slice was used up before the end. */
  #readAlong(slice: Slice): boolean {
    const index = this.#index;
    const { limit } = this.#request;
    const finder = this.#store.recordFinder();
    const cursor = index.seek(this.#next, this.#end);
    for (; cursor.valid; cursor.next()) {
      const enough = this.#more || this.#enough === 0;
      if (enough && !this.#counting) break;
      if (slice.left-- <= 0) {
        this.#next = cursor.key;
        return false;
      }
      if (!index.cursorAt(cursor, this.#revision)) continue;
      if (this.#counting) this.#count++;
      if (enough) continue;
      if (limit > 0 && this.#taken === limit) this.#more = true;
      else this.#take(finder, index.main, index.sub, slice);
    }
    return true;
  }

  /** Where results are not in the order of the keys. False when the slice was used up. */
  #collect(slice: Slice): boolean {
    const index = this.#index;
    const mains = this.#mains;
    const subs = this.#subs;
    let finder: RecordFinder | undefined;
    const cursor = index.seek(this.#next, this.#end);
    for (; cursor.valid; cursor.next()) {
      const enough = mains.length + this.#matches.length >= this.#enough;
      if (enough && !this.#counting) break;
      if (slice.left-- <= 0) {
        this.#next = cursor.key;
        return false;
      }
      if (!index.cursorAt(cursor, this.#revision)) continue;
      if (this.#counting) this.#count++;
      if (enough) continue;
      if (!this.#examining) {
        mains.push(index.main);
        subs.push(index.sub);
        continue;
      }
      finder ??= this.#store.recordFinder();
      const match = this.#examine(slice, finder);
      if (match !== undefined) this.#matches.push(match);
    }
    return true;
  }

  /** The match that the index has just found; undefined if a filter drops it. */
  #examine(slice: Slice, finder: RecordFinder): Match | undefined {
    const { main, sub } = this.#index;
    const { sortTarget, minCreateRevision, maxCreateRevision } = this.#request;
    const { minModRevision, maxModRevision } = this.#request;
    if (maxModRevision !== 0 && main > maxModRevision) return undefined;
    if (minModRevision !== 0 && main < minModRevision) return undefined;
    const byMod = sortTarget === RangeRequest_SortTarget.MOD;
    const byKey = sortTarget === RangeRequest_SortTarget.KEY;
    const needsRecord =
      (this.#sorted && !byKey && !byMod) || minCreateRevision !== 0 || maxCreateRevision !== 0;
    if (!needsRecord) return { main, sub, createRevision: 0, version: 0, value: EMPTY_BYTES };
    finder.find(main, sub);
    slice.left -= UNITS_OF_RECORD + unitsOfBytes(finder.end - finder.start);
    const view = this.#view.load(finder.bytes, finder.start, finder.end);
    const { createRevision, version } = view;
    if (maxCreateRevision !== 0 && createRevision > maxCreateRevision) return undefined;
    if (minCreateRevision !== 0 && createRevision < minCreateRevision) return undefined;
    const value = sortTarget === RangeRequest_SortTarget.VALUE ? view.value : EMPTY_BYTES;
    return { main, sub, createRevision, version, value };
  }

  *#order(slice: Slice): Steps<void> {
    if (this.#sorted) {
      const { sortTarget, sortOrder } = this.#request;
      if (sortTarget === RangeRequest_SortTarget.KEY) {
        this.#matches.reverse();
        this.#mains.reverse();
        this.#subs.reverse();
      } else {
        const compare = comparatorFor(sortTarget);
        const descend = sortOrder === RangeRequest_SortOrder.DESCEND;
        const order: typeof compare = descend ? (a, b) => compare(b, a) : compare;
        const sorting = sortInSteps(this.#matches, SORTED_PER_STEP, order);
        this.#matches = yield* charge(sorting, UNITS_PER_SORT_STEP, slice);
      }
    }
    for (const { main, sub } of this.#matches) {
      this.#mains.push(main);
      this.#subs.push(sub);
    }
    this.#matches = [];
    const limit = this.#request.limit;
    if (limit > 0 && this.#mains.length > limit) {
      this.#mains.length = limit;
      this.#more = true;
    }
  }

  /** False when the slice was used up before the end. */
  #read(slice: Slice): boolean {
    const mains = this.#mains;
    const subs = this.#subs;
    const finder = this.#store.recordFinder();
    for (let at = this.#taken; at < mains.length; at++) {
      if (slice.left <= 0) return false;
      this.#take(finder, mains[at] as number, subs[at] as number, slice);
    }
    return true;
  }

  /** Records of the result so far. */
  get #taken(): number {
    return this.#kvs.length + (this.#late?.count ?? 0);
  }

  /** Adds a record to the result. */
  #take(finder: RecordFinder, main: Revision, sub: number, slice: Slice): void {
    const kvs = this.#kvs;
    finder.find(main, sub);
    const { bytes, start, end } = finder;
    slice.left -= 1 + unitsOfBytes(end - start);
    this.#keepBytes -= end - start;
    if (this.#keepBytes < 0 && kvs.length > 0) this.#addLate(main, sub, end - start);
    else if (this.#request.keysOnly) {
      addWhole(kvs, withoutValue(bytes.subarray(start, end), this.#view));
    } else kvs.add(bytes, start, end);
  }

  /** Once one record is late, all after it are: `keepBytes` never grows. */
  #addLate(main: Revision, sub: number, bytes: number): void {
    this.#late ??= new LateRecords(this.#store, this.#unpin);
    this.#late.add(main, sub, bytes);
  }
}

function addWhole(kvs: RecordList, record: Uint8Array): void {
  kvs.add(record, 0, record.length);
}

function comparatorFor(target: RangeRequest_SortTarget): (a: Match, b: Match) => number {
  switch (target) {
    case RangeRequest_SortTarget.VERSION:
      return (a, b) => a.version - b.version;
    case RangeRequest_SortTarget.CREATE:
      return (a, b) => a.createRevision - b.createRevision;
    case RangeRequest_SortTarget.MOD:
      return (a, b) => a.main - b.main;
    default:
      return (a, b) => compareBytes(a.value, b.value);
  }
}
