/**
 * The records of a write that is made in slices. They stay here until all of them are there, so
 * that nothing of a half-made write is in the backend. Handing them over may take several slices,
 * too: then commits are held meanwhile, so that no transaction has a part of them. Also remembers
 * which keys came to life or died, for counts of the state before the write.
 */
import { type Backend, KEY_BUCKET } from "../backend/index.ts";
import { assert } from "../base/assert.ts";
import type { Revision } from "../base/ids.ts";
import { encodeRevisionKey } from "../base/revision-key.ts";

/** Keys in ascending order whose being there changed in the same way. */
interface Run {
  readonly keys: string[];
  /** What each key adds to a count of the state before: 1 for a deleted, -1 for a new one. */
  readonly weight: 1 | -1;
}

export class StagedWrite {
  readonly #main: Revision;
  readonly #records: Uint8Array[] = [];
  readonly #isTombstone: boolean[] = [];
  readonly #runs: Run[] = [];
  #flushed = 0;
  /** Set while a part of the records is in the backend. Half a write must never be committed. */
  #releaseCommits: (() => void) | undefined;

  /** `main` is the revision of the write. */
  constructor(main: Revision) {
    this.#main = main;
  }

  /** Records in order of their sub-revisions, from 0. */
  get size(): number {
    return this.#records.length;
  }

  get isFlushed(): boolean {
    return this.#flushed === this.#records.length;
  }

  push(record: Uint8Array, isTombstone: boolean): void {
    this.#records.push(record);
    this.#isTombstone.push(isTombstone);
  }

  record(sub: number): Uint8Array {
    const record = this.#records[sub];
    assert(record !== undefined, `the write has no change ${sub}`);
    return record;
  }

  noteLiveness(key: string, weight: 1 | -1): void {
    const run = this.#runs.at(-1);
    const last = run?.keys.at(-1);
    if (run !== undefined && run.weight === weight && last !== undefined && last < key) {
      run.keys.push(key);
    } else this.#runs.push({ keys: [key], weight });
  }

  /** To add to a count of live keys in [begin, end), "" unbounded, to get that before the write. */
  correction(begin: string, end: string): number {
    let sum = 0;
    for (const { keys, weight } of this.#runs) {
      const upTo = end === "" ? keys.length : lowerBound(keys, end);
      sum += weight * Math.max(0, upTo - lowerBound(keys, begin));
    }
    return sum;
  }

  /** Some of the records are in the backend. */
  get isFlushing(): boolean {
    return this.#flushed > 0;
  }

  /**
   * Hands up to `count` records to the backend; returns how many there were. Behind the stretch of
   * the last of them they may be committed.
   */
  flush(backend: Backend, count: number): number {
    const begin = this.#flushed;
    const end = Math.min(this.#records.length, begin + count);
    if (end < this.#records.length) this.#releaseCommits ??= backend.holdCommits();
    for (; this.#flushed < end; this.#flushed++) {
      const sub = this.#flushed;
      const bucketKey = encodeRevisionKey(this.#main, sub, this.#isTombstone[sub] === true);
      backend.put(KEY_BUCKET, bucketKey, this.#records[sub] as Uint8Array);
    }
    if (this.isFlushed) this.#releaseCommits?.();
    return end - begin;
  }
}

function lowerBound(keys: readonly string[], key: string): number {
  let low = 0;
  for (let high = keys.length; low < high; ) {
    const middle = (low + high) >>> 1;
    if ((keys[middle] as string) < key) low = middle + 1;
    else high = middle;
  }
  return low;
}
