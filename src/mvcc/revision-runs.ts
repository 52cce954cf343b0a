/**
 * Storage for the superseded revisions of keys: many short ascending runs of {main, sub, tombstone}
 * in a few large typed arrays, so that a million keys with history cost 12 bytes per revision and
 * nothing to the garbage collector.
 *
 * A run is named by a handle and its length; its capacity is the next power of two. Runs of a chunk
 * or less share chunks and are recycled by size; longer ones have a chunk to themselves.
 * The owner keeps handle and length; this class only moves entries.
 */

import { assert } from "../base/assert.ts";

const CHUNK_BITS = 15;
const CHUNK_ENTRIES = 1 << CHUNK_BITS;

interface Chunk {
  readonly mains: Float64Array;
  /** sub * 2, plus 1 for a tombstone: enough for transactions of 2^31 changes. */
  readonly marks: Uint32Array;
}

/** Handle of a run without entries. */
export const NO_RUN = 0;

export class RevisionRuns {
  readonly #chunks: (Chunk | undefined)[] = [];
  /** Free handles of runs, by log2 of capacity. */
  readonly #free: (number[] | undefined)[] = [];
  /** Indexes of chunks that large runs gave back. */
  readonly #freeChunks: number[] = [];
  #bump = CHUNK_ENTRIES;
  #bumpChunk = 0;

  copy(): RevisionRuns {
    const copy = new RevisionRuns();
    for (const chunk of this.#chunks) {
      copy.#chunks.push(chunk && { mains: chunk.mains.slice(), marks: chunk.marks.slice() });
    }
    for (const handles of this.#free) copy.#free.push(handles?.slice());
    copy.#freeChunks.push(...this.#freeChunks);
    copy.#bump = this.#bump;
    copy.#bumpChunk = this.#bumpChunk;
    return copy;
  }

  /** Appends to the run and returns its handle, which may have changed. */
  append(handle: number, length: number, main: number, sub: number, tombstone: boolean): number {
    let target = handle;
    if (length === 0) target = this.#allocate(1);
    else if ((length & (length - 1)) === 0) target = this.#grow(handle, length);
    const chunk = this.#chunkOf(target);
    const at = offsetOf(target) + length;
    chunk.mains[at] = main;
    chunk.marks[at] = sub * 2 + (tombstone ? 1 : 0);
    return target;
  }

  main(handle: number, at: number): number {
    return this.#chunkOf(handle).mains[offsetOf(handle) + at] as number;
  }

  sub(handle: number, at: number): number {
    return Math.floor((this.#chunkOf(handle).marks[offsetOf(handle) + at] as number) / 2);
  }

  isTombstone(handle: number, at: number): boolean {
    return (this.#chunkOf(handle).marks[offsetOf(handle) + at] as number) % 2 === 1;
  }

  /** Index of the last entry whose main is not above `main`, or -1. */
  floor(handle: number, length: number, main: number): number {
    if (length === 0) return -1;
    const mains = this.#chunkOf(handle).mains;
    const start = offsetOf(handle);
    let low = start;
    let high = start + length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((mains[middle] as number) <= main) low = middle + 1;
      else high = middle;
    }
    return low - 1 - start;
  }

  /** Drops the first `count` entries of `length`; returns the handle of what remains. */
  dropFirst(handle: number, length: number, count: number): number {
    if (count === 0) return handle;
    const rest = length - count;
    if (rest === 0) {
      this.#release(handle, capacityFor(length));
      return NO_RUN;
    }
    const source = this.#chunkOf(handle);
    const from = offsetOf(handle) + count;
    const target = capacityFor(rest) === capacityFor(length) ? handle : this.#allocate(rest);
    const chunk = this.#chunkOf(target);
    const at = offsetOf(target);
    if (chunk === source) {
      chunk.mains.copyWithin(at, from, from + rest);
      chunk.marks.copyWithin(at, from, from + rest);
    } else {
      chunk.mains.set(source.mains.subarray(from, from + rest), at);
      chunk.marks.set(source.marks.subarray(from, from + rest), at);
    }
    if (target !== handle) this.#release(handle, capacityFor(length));
    return target;
  }

  #chunkOf(handle: number): Chunk {
    return this.#chunks[Math.floor(handle / CHUNK_ENTRIES)] as Chunk;
  }

  #grow(handle: number, length: number): number {
    const target = this.#allocate(length + 1);
    const source = this.#chunkOf(handle);
    const from = offsetOf(handle);
    const chunk = this.#chunkOf(target);
    const at = offsetOf(target);
    chunk.mains.set(source.mains.subarray(from, from + length), at);
    chunk.marks.set(source.marks.subarray(from, from + length), at);
    this.#release(handle, length);
    return target;
  }

  #allocate(length: number): number {
    const capacity = capacityFor(length);
    if (capacity > CHUNK_ENTRIES) return this.#addChunk(capacity) * CHUNK_ENTRIES;
    const recycled = this.#free[log2(capacity)]?.pop();
    if (recycled !== undefined) return recycled;
    if (this.#bump + capacity > CHUNK_ENTRIES) this.#retireBump();
    const handle = this.#bumpChunk * CHUNK_ENTRIES + this.#bump;
    this.#bump += capacity;
    return handle;
  }

  /** Gives the rest of the current chunk to the free lists and opens a new one. */
  #retireBump(): void {
    while (this.#bump < CHUNK_ENTRIES) {
      const piece = this.#bump & -this.#bump;
      this.#release(this.#bumpChunk * CHUNK_ENTRIES + this.#bump, piece);
      this.#bump += piece;
    }
    this.#bumpChunk = this.#addChunk(CHUNK_ENTRIES);
    // Handle 0 means "no run": the very first entry is never given out.
    this.#bump = this.#bumpChunk === 0 ? 1 : 0;
  }

  #addChunk(entries: number): number {
    const chunk = { mains: new Float64Array(entries), marks: new Uint32Array(entries) };
    const index = this.#freeChunks.pop() ?? this.#chunks.length;
    this.#chunks[index] = chunk;
    return index;
  }

  #release(handle: number, capacity: number): void {
    assert(handle !== NO_RUN, "release of no run");
    if (capacity > CHUNK_ENTRIES) {
      const index = Math.floor(handle / CHUNK_ENTRIES);
      this.#chunks[index] = undefined;
      this.#freeChunks.push(index);
      return;
    }
    (this.#free[log2(capacity)] ??= []).push(handle);
  }
}

function offsetOf(handle: number): number {
  return handle % CHUNK_ENTRIES;
}

function log2(capacity: number): number {
  return 31 - Math.clz32(capacity);
}

function capacityFor(length: number): number {
  return length <= 1 ? 1 : 2 ** (32 - Math.clz32(length - 1));
}
