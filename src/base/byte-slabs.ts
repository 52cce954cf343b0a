/**
 * Byte strings behind one another in a few large pieces of memory outside of the heap, where
 * thousands of them cost the collector nothing. Who appends writes the bytes himself, so that
 * nothing is encoded twice.
 *
 * Bytes stay as they are once something else is appended. Slabs go back to the pool by `recycle`,
 * except those of which somebody has got a view.
 */
import { assert } from "./assert.ts";
import { EMPTY_BYTES, viewAsBuffer } from "./bytes.ts";
import { NumberRows } from "./number-rows.ts";

/** A piece of memory; lent when a view of it may be anywhere. */
export interface Slab {
  readonly memory: Buffer;
  isLent: boolean;
}

/** Few byte strings need little memory: the first slab has this size, the next twice as much. */
const FIRST_SLAB_BYTES = 4 * 1024;
/** Unless the pool says otherwise. */
const DEFAULT_SLAB_BYTES = 256 * 1024;
/** Slabs kept for the next ones who append: about what two batches of small puts take. */
const MAX_POOLED_SLABS = 32;

/** Slabs of the full size that nobody uses. */
export class SlabPool {
  readonly slabBytes: number;
  readonly #free: Slab[] = [];

  /** Slabs grow up to `slabBytes`. What is larger than a half of it gets memory of its own. */
  constructor(slabBytes = DEFAULT_SLAB_BYTES) {
    this.slabBytes = slabBytes;
  }

  take(): Slab {
    return this.#free.pop() ?? newSlab(this.slabBytes);
  }

  give(slab: Slab): void {
    const fits = slab.memory.length === this.slabBytes && this.#free.length < MAX_POOLED_SLABS;
    if (fits && !slab.isLent) this.#free.push(slab);
  }
}

/** Of each byte string. */
const SLAB = 0;
const START = 1;
const END = 2;
const PLACE_FIELDS = 3;

export class ByteSlabs {
  /** What was appended or located last: `bytes[start, end)`. */
  bytes: Buffer = viewAsBuffer(EMPTY_BYTES);
  start = 0;
  end = 0;
  readonly #pool: SlabPool | undefined;
  readonly #slabBytes: number;
  readonly #slabs: Slab[];
  readonly #places: NumberRows;
  #length: number;
  /** The slab that is being filled, and how far; it is not always the last one. */
  #open = -1;
  #openAt = 0;
  #isShared: boolean;

  /**
   * Empty, or a snapshot of `from`, which is never appended to: what `from` appends later does not
   * show in it.
   */
  constructor(pool: SlabPool | undefined, from?: ByteSlabs) {
    this.#pool = pool;
    this.#slabBytes = pool?.slabBytes ?? DEFAULT_SLAB_BYTES;
    this.#slabs = from === undefined ? [] : from.#slabs;
    this.#places = from === undefined ? new NumberRows(PLACE_FIELDS) : from.#places;
    this.#length = from === undefined ? 0 : from.#length;
    this.#isShared = from !== undefined;
    if (from !== undefined) from.#isShared = true;
  }

  get length(): number {
    return this.#length;
  }

  /** Room for one more, at `bytes[start, end)`: to be written before anything else is appended. */
  append(size: number): void {
    if (size > this.#slabBytes / 2) {
      this.#slabs.push(newSlab(size));
      this.#place(this.#slabs.length - 1, 0, size);
      return;
    }
    const open = this.#slabs[this.#open];
    if (open === undefined || this.#openAt + size > open.memory.length) this.#openNext(size);
    this.#place(this.#open, this.#openAt, this.#openAt + size);
    this.#openAt += size;
  }

  /** Sets `bytes`, `start` and `end`. They are for this stretch only: see `view`. */
  locate(index: number): void {
    assert(index >= 0 && index < this.#length, "there is no such byte string");
    const places = this.#places;
    this.bytes = this.#slabOf(index).memory;
    this.start = places.get(index, START);
    this.end = places.get(index, END);
  }

  /** As `locate`, for bytes that may be kept. */
  lend(index: number): void {
    this.locate(index);
    this.#slabOf(index).isLent = true;
  }

  /** Gives the memory back; nothing may be located any more. */
  recycle(): void {
    this.#length = 0;
    if (this.#isShared || this.#pool === undefined) return;
    for (const slab of this.#slabs.splice(0)) this.#pool.give(slab);
  }

  #openNext(size: number): void {
    const last = this.#slabs[this.#open];
    const grown = last === undefined ? FIRST_SLAB_BYTES : last.memory.length * 2;
    const wanted = Math.max(grown, size);
    const isFull = wanted >= this.#slabBytes;
    this.#slabs.push(isFull ? (this.#pool?.take() ?? newSlab(this.#slabBytes)) : newSlab(wanted));
    this.#open = this.#slabs.length - 1;
    this.#openAt = 0;
  }

  #slabOf(index: number): Slab {
    return this.#slabs[this.#places.get(index, SLAB)] as Slab;
  }

  #place(slab: number, start: number, end: number): void {
    const places = this.#places;
    const row = places.add();
    places.set(row, SLAB, slab);
    places.set(row, START, start);
    places.set(row, END, end);
    this.#length++;
    this.bytes = (this.#slabs[slab] as Slab).memory;
    this.start = start;
    this.end = end;
  }
}

function newSlab(bytes: number): Slab {
  return { memory: Buffer.allocUnsafeSlow(bytes), isLent: false };
}
