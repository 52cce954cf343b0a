/**
 * HashKV: CRC-32C over the history up to a revision, equal on all members that agree, whatever
 * their physical compaction has removed so far.
 *
 * Covered are the bucket's name and then key and value of each record, in order, except:
 * records above the revision; records at or below the compact revision that a compaction at the
 * revision would drop; tombstones of the compact revision itself, which old releases of etcd did
 * not keep. Where it would drop everything, etcd leaves out none of the records that are there.
 * Half-way through a compaction that would tell how far it is, and members that agree would be
 * taken for corrupt; so what the compaction is going to remove counts as removed.
 */

import { KEY_BUCKET, type ReadView } from "../backend/index.ts";
import { bytesFromUtf8, copyBytes } from "../base/bytes.ts";
import { crc32c, crc32cRange } from "../base/crc32c.ts";
import type { Revision } from "../base/ids.ts";
import { type Slice, type Steps, unitsOfBytes } from "../base/slice.ts";
import type { KeepRule, KeyIndex } from "./key-index.ts";
import { keyOf } from "./key-value.ts";
import { isTombstone, mainOf, subOf } from "../base/revision-key.ts";
import { scanRecords } from "./scan-records.ts";
import type { Store } from "./store.ts";

export interface KeyValueHash {
  readonly hash: number;
  readonly revision: Revision;
  readonly compactRevision: Revision;
}

/** Hashes of compactions that are remembered for comparing members. */
const MAX_STORED_HASHES = 10;

/** The hashes that the last compactions computed on the way, by revision. */
export class HashStorage {
  readonly #hashes: KeyValueHash[] = [];

  /** Newest last. */
  list(): readonly KeyValueHash[] {
    return [...this.#hashes];
  }

  find(revision: Revision): KeyValueHash | undefined {
    return this.#hashes.find((hash) => hash.revision === revision);
  }

  /** The store's content has been replaced: its compactions were others. */
  clear(): void {
    this.#hashes.length = 0;
  }

  add(hash: KeyValueHash): void {
    this.#hashes.push(hash);
    this.#hashes.sort((a, b) => a.revision - b.revision);
    if (this.#hashes.length > MAX_STORED_HASHES) this.#hashes.shift();
  }
}

/** Finds out, in slices, whether a compaction at a revision would keep any change at all. */
export class KeepProbe {
  readonly #index: KeyIndex;
  readonly #revision: Revision;
  readonly #rule: KeepRule;
  #next = "";

  constructor(index: KeyIndex, revision: Revision, rule: KeepRule) {
    this.#index = index;
    this.#revision = revision;
    this.#rule = rule;
  }

  /** Looks at up to `maxKeys` keys; undefined means that more calls are needed. */
  step(maxKeys: number): boolean | undefined {
    const cursor = this.#index.seek(this.#next);
    for (let budget = maxKeys; cursor.valid; cursor.next()) {
      if (budget-- <= 0) {
        this.#next = cursor.key;
        return undefined;
      }
      if (this.#index.cursorKeepsAny(cursor, this.#revision, this.#rule)) return true;
    }
    return false;
  }
}

/** The running checksum. Records are added in order of revision. */
export class HistoryHasher {
  #crc = crc32c(bytesFromUtf8(KEY_BUCKET.name));
  readonly #revision: Revision;
  readonly #compactRevision: Revision;

  constructor(revision: Revision, compactRevision: Revision) {
    this.#revision = revision;
    this.#compactRevision = compactRevision;
  }

  /** True if `add` needs to know whether the record outlives a compaction. */
  asksForKeep(main: Revision): boolean {
    return main <= this.#compactRevision;
  }

  /** True if the record is part of the hash. `kept` counts only where `asksForKeep`. */
  covers(main: Revision, tombstone: boolean, kept: boolean): boolean {
    if (main > this.#revision) return false;
    if (main <= this.#compactRevision && !kept) return false;
    return !(main === this.#compactRevision && tombstone);
  }

  /** A record that the hash covers, or a piece of one: first the bucket's key, then the record. */
  add(bytes: Uint8Array, start: number, end: number): void {
    this.#crc = crc32cRange(bytes, start, end, this.#crc);
  }

  result(): KeyValueHash {
    return {
      hash: this.#crc,
      revision: this.#revision,
      compactRevision: this.#compactRevision,
    };
  }
}

/** Runs a hash job in slices. */
export function* hashInSteps(job: HashJob, slice: Slice): Steps<KeyValueHash> {
  for (;;) {
    const before = job.units;
    const result = job.step(Math.max(1, slice.left));
    slice.left -= job.units - before;
    if (result !== undefined) return result;
    if (slice.isUsedUp) yield;
  }
}

/** One HashKV request in progress: call `step` until `result` is there, or `close`. */
export class HashJob {
  #result: KeyValueHash | undefined;
  #work: HashWork | undefined;

  private constructor(result: KeyValueHash | undefined, work: HashWork | undefined) {
    this.#result = result;
    this.#work = work;
  }

  static known(result: KeyValueHash): HashJob {
    return new HashJob(result, undefined);
  }

  static start(store: Store, revision: Revision): HashJob {
    return new HashJob(undefined, new HashWork(store, revision));
  }

  get result(): KeyValueHash | undefined {
    return this.#result;
  }

  /** What the job has cost so far. */
  get units(): number {
    return this.#work?.units ?? 0;
  }

  /** Hashes up to `maxRecords` records, fewer large ones; returns the result when done. */
  step(maxRecords: number): KeyValueHash | undefined {
    if (this.#work !== undefined) this.#result = this.#work.step(maxRecords);
    if (this.#result !== undefined) this.close();
    return this.#result;
  }

  /** Gives up unfinished work. */
  close(): void {
    this.#work?.close();
    this.#work = undefined;
  }
}

class HashWork {
  readonly #index: KeyIndex;
  readonly #view: ReadView;
  readonly #unpin: () => void;
  readonly #revision: Revision;
  readonly #compactRevision: Revision;
  readonly #hasher: HistoryHasher;
  readonly #probe: KeepProbe;
  #keepsAny: boolean | undefined;
  #next: Uint8Array = Buffer.alloc(0);
  units = 0;

  constructor(store: Store, revision: Revision) {
    this.#index = store.index;
    this.#view = store.backend.openView();
    this.#unpin = store.pin(revision);
    this.#revision = revision;
    this.#compactRevision = store.compactRevision;
    this.#hasher = new HistoryHasher(revision, this.#compactRevision);
    this.#probe = new KeepProbe(store.index, revision, "hash");
  }

  step(maxRecords: number): KeyValueHash | undefined {
    if (this.#keepsAny === undefined) {
      this.#keepsAny = this.#probe.step(maxRecords);
      this.units += this.#keepsAny === undefined ? maxRecords : 1;
      return undefined;
    }
    let budget = maxRecords;
    let done = true;
    const hasher = this.#hasher;
    scanRecords(this.#view, this.#next, undefined, (bytes, from, to, record, begin, end) => {
      const main = mainOf(bytes, from);
      if (main > this.#revision) return false;
      if (budget-- <= 0) {
        this.#next = copyBytes(bytes.subarray(from, to));
        done = false;
        return false;
      }
      budget -= unitsOfBytes(end - begin);
      const kept =
        !hasher.asksForKeep(main) ||
        this.#isKept(keyOf(record, begin, end), main, subOf(bytes, from));
      if (!hasher.covers(main, isTombstone(bytes, from, to), kept)) return true;
      hasher.add(bytes, from, to);
      hasher.add(record, begin, end);
      return true;
    });
    this.units += maxRecords - budget;
    return done ? this.#hasher.result() : undefined;
  }

  close(): void {
    this.#view.close();
    this.#unpin();
  }

  #isKept(key: string, main: Revision, sub: number): boolean {
    return this.#keepsAny === true
      ? this.#index.keeps(key, main, sub, this.#revision, "hash")
      : this.#index.keeps(key, main, sub, this.#compactRevision, "compaction");
  }
}
