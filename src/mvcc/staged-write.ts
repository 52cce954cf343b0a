/**
 * The records of a write that is made in slices. They stay here until all of them are there, so
 * that nothing of a half-made write is in the backend. Handing them over may take several slices,
 * too: then commits are held meanwhile, so that no transaction has a part of them. Also remembers
 * which keys came to life or died, for counts of the state before the write.
 */
import { type Backend, KEY_BUCKET, type Place } from "../backend/index.ts";
import { ByteSlabs } from "../base/byte-slabs.ts";
import { copyRange, EMPTY_BYTES } from "../base/bytes.ts";
import type { Revision } from "../base/ids.ts";
import { RevisionKey } from "../base/revision-key.ts";

/** Keys in ascending order whose being there changed in the same way. */
interface Run {
  readonly keys: string[];
  /** What each key adds to a count of the state before: 1 for a deleted, -1 for a new one. */
  readonly weight: 1 | -1;
}

const PUT = 0;
const TOMBSTONE = 1;

/** As a place: that of the record which was appended or found last. */
export class StagedWrite implements Place {
  bytes: Uint8Array = EMPTY_BYTES;
  start = 0;
  end = 0;
  readonly #main: Revision;
  /** Of each change one byte, what it is, and then its record. */
  readonly #changes = new ByteSlabs(undefined);
  readonly #runs: Run[] = [];
  readonly #key = new RevisionKey();
  #flushed = 0;
  /** Set while a part of the records is in the backend. Half a write must never be committed. */
  #releaseCommits: (() => void) | undefined;

  /** `main` is the revision of the write. */
  constructor(main: Revision) {
    this.#main = main;
  }

  get isFlushed(): boolean {
    return this.#flushed === this.#changes.length;
  }

  /** Makes room for the next record, which is to be written at once. */
  append(isTombstone: boolean, recordBytes: number): this {
    this.#changes.append(1 + recordBytes);
    this.#changes.bytes[this.#changes.start] = isTombstone ? TOMBSTONE : PUT;
    return this.#show();
  }

  /** Records count from 0. They stay where they are. */
  find(sub: number): this {
    this.#changes.locate(sub);
    return this.#show();
  }

  #show(): this {
    this.bytes = this.#changes.bytes;
    this.start = this.#changes.start + 1;
    this.end = this.#changes.end;
    return this;
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
    const end = Math.min(this.#changes.length, begin + count);
    if (end < this.#changes.length) this.#releaseCommits ??= backend.holdCommits();
    for (; this.#flushed < end; this.#flushed++) {
      const { bytes, start, end: stop } = this.find(this.#flushed);
      const key = this.#key.of(this.#main, this.#flushed, bytes[start - 1] === TOMBSTONE);
      const place = backend.putInto(KEY_BUCKET, key, stop - start);
      copyRange(place.bytes, place.start, bytes, start, stop);
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
