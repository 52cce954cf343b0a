/**
 * The writes of one batch to one bucket, kept sorted. Revision keys that arrive in ascending order
 * (the key bucket) go to slabs, each key before its value, and are found by comparing numbers;
 * everything else, deletes included, goes to a map that is sorted when it is scanned.
 *
 * Invariants: the run is strictly ascending; an entry of the map overrides the run. The run only
 * grows, and the map is copied before a write once it is shared, so that `snapshot` is cheap.
 */

import { ByteSlabs, type SlabPool } from "../base/byte-slabs.ts";
import { copyRange, EMPTY_BYTES, latin1FromBytes } from "../base/bytes.ts";
import { NumberRows } from "../base/number-rows.ts";
import { isPackable, keyBytesOf, mainOf, packedSubOf } from "../base/revision-key.ts";
import { DELETE, type OpSource, PUT } from "./bolt/tree-merge.ts";
import type { Place } from "./types.ts";

/** A put, or a delete when `value` is undefined. */
export interface BufferedEntry {
  /** The key as latin1: sorts as the bytes do. */
  readonly text: string;
  readonly key: Uint8Array;
  readonly value: Uint8Array | undefined;
}

/** Of each key of the run: the main revision, and sub * 2 + (1 for a tombstone). */
const MAIN = 0;
const PACKED_SUB = 1;
const REVISION_FIELDS = 2;

/** As a place: that of the value which was put or found last. */
export class WriteBuffer implements Place {
  bytes: Uint8Array = EMPTY_BYTES;
  start = 0;
  end = 0;
  readonly #revisions: NumberRows;
  /** The keys and values of the run. */
  readonly #run: ByteSlabs;
  #others: Map<string, BufferedEntry>;
  #othersShared: boolean;
  #sorted: readonly BufferedEntry[] | undefined;
  #deletes: number;

  /** Empty, or a snapshot of `from`: later writes to `from` do not show in it. */
  constructor(pool: SlabPool | undefined, from?: WriteBuffer) {
    this.#revisions = from === undefined ? new NumberRows(REVISION_FIELDS) : from.#revisions;
    this.#run = new ByteSlabs(pool, from === undefined ? undefined : from.#run);
    this.#others = from === undefined ? new Map() : from.#others;
    this.#sorted = from === undefined ? undefined : from.#sorted;
    this.#deletes = from === undefined ? 0 : from.#deletes;
    this.#othersShared = from !== undefined;
    if (from !== undefined) from.#othersShared = true;
  }

  get isEmpty(): boolean {
    return this.#run.length === 0 && this.#others.size === 0;
  }

  /** For keys that usually arrive in order. Copies the key; the value is the caller's to write. */
  putSequential(key: Uint8Array, valueBytes: number): void {
    if (isPackable(key) && this.#isAscending(mainOf(key), packedSubOf(key))) {
      this.#append(key, valueBytes);
      if (this.#others.size > 0) this.#forget(key);
      return;
    }
    const value = Buffer.allocUnsafe(valueBytes);
    this.put(Buffer.from(key), value);
    this.#showWhole(value);
  }

  put(key: Uint8Array, value: Uint8Array): void {
    this.#set({ text: latin1FromBytes(key), key, value });
  }

  delete(key: Uint8Array): void {
    this.#deletes++;
    this.#set({ text: latin1FromBytes(key), key, value: undefined });
  }

  /** True: it is at this place; null: deleted here; undefined: this buffer does not know the key. */
  find(key: Uint8Array): true | null | undefined {
    if (this.#others.size > 0) {
      const entry = this.#others.get(latin1FromBytes(key));
      if (entry !== undefined) {
        if (entry.value === undefined) return null;
        this.#showWhole(entry.value);
        return true;
      }
    }
    const index = this.#indexOf(key);
    if (index < 0) return undefined;
    this.#run.lend(index);
    this.#show(key.length);
    return true;
  }

  /** The value; null when deleted here; undefined when this buffer does not know the key. */
  get(key: Uint8Array): Uint8Array | null | undefined {
    const found = this.find(key);
    return found === true ? this.bytes.subarray(this.start, this.end) : found;
  }

  /** A position at the first entry whose key is not less than `start`. */
  cursor(start: Uint8Array): BufferCursor {
    const sorted = this.#sortedOthers();
    const text = latin1FromBytes(start);
    let low = 0;
    for (let high = sorted.length; low < high; ) {
      const middle = (low + high) >>> 1;
      if ((sorted[middle] as BufferedEntry).text < text) low = middle + 1;
      else high = middle;
    }
    const at = { run: this.#runPosition(start), others: low };
    return new BufferCursor(this.#run, this.#revisions, sorted, at, this.#deletes > 0);
  }

  /** All operations for a tree merge. The buffer must not be written any more. */
  ops(): OpSource {
    return this.cursor(EMPTY_BYTES);
  }

  /** Nobody uses the buffer any more. */
  recycle(): void {
    this.#run.recycle();
  }

  #isAscending(main: number, sub: number): boolean {
    const last = this.#run.length - 1;
    if (last < 0) return true;
    const lastMain = this.#revisions.get(last, MAIN);
    return main > lastMain || (main === lastMain && sub > this.#revisions.get(last, PACKED_SUB));
  }

  #append(key: Uint8Array, valueBytes: number): void {
    const row = this.#revisions.add();
    this.#revisions.set(row, MAIN, mainOf(key));
    this.#revisions.set(row, PACKED_SUB, packedSubOf(key));
    const run = this.#run;
    run.append(key.length + valueBytes);
    copyRange(run.bytes, run.start, key, 0, key.length);
    this.#show(key.length);
  }

  /** Of the place in the run, behind the key. */
  #show(keyBytes: number): void {
    this.bytes = this.#run.bytes;
    this.start = this.#run.start + keyBytes;
    this.end = this.#run.end;
  }

  #showWhole(value: Uint8Array): void {
    this.bytes = value;
    this.start = 0;
    this.end = value.length;
  }

  #set(entry: BufferedEntry): void {
    if (this.#othersShared) {
      this.#others = new Map(this.#others);
      this.#othersShared = false;
    }
    this.#others.set(entry.text, entry);
    this.#sorted = undefined;
  }

  /** The run now holds a newer value than the map. */
  #forget(key: Uint8Array): void {
    const text = latin1FromBytes(key);
    if (!this.#others.has(text)) return;
    if (this.#othersShared) {
      this.#others = new Map(this.#others);
      this.#othersShared = false;
    }
    this.#others.delete(text);
    this.#sorted = undefined;
  }

  #sortedOthers(): readonly BufferedEntry[] {
    this.#sorted ??= [...this.#others.values()].sort((a, b) => (a.text < b.text ? -1 : 1));
    return this.#sorted;
  }

  /** Of a key of the run, or -1. */
  #indexOf(key: Uint8Array): number {
    const { length } = this.#run;
    if (length === 0 || !isPackable(key)) return -1;
    const main = mainOf(key);
    // Most look-ups are for what was written long before.
    if (main < this.#revisions.get(0, MAIN)) return -1;
    const sub = packedSubOf(key);
    const index = this.#lowerBound(main, sub);
    return index < length && this.#isAt(index, main, sub) ? index : -1;
  }

  #isAt(index: number, main: number, sub: number): boolean {
    const revisions = this.#revisions;
    return revisions.get(index, MAIN) === main && revisions.get(index, PACKED_SUB) === sub;
  }

  #runPosition(start: Uint8Array): number {
    const run = this.#run;
    if (run.length === 0 || start.length === 0) return 0;
    if (isPackable(start)) return this.#lowerBound(mainOf(start), packedSubOf(start));
    let low = 0;
    for (let high = run.length; low < high; ) {
      const middle = (low + high) >>> 1;
      run.locate(middle);
      const keyEnd = run.start + this.#keyBytes(middle);
      if (run.bytes.compare(start, 0, start.length, run.start, keyEnd) < 0) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  #keyBytes(index: number): number {
    return keyBytesOf(this.#revisions.get(index, PACKED_SUB));
  }

  #lowerBound(main: number, sub: number): number {
    const revisions = this.#revisions;
    const { length } = this.#run;
    // One revision per key is the rule: then the distance is the index.
    const guess = main - revisions.get(0, MAIN);
    if (guess >= 0 && guess < length && this.#isAt(guess, main, sub)) return guess;
    let low = 0;
    for (let high = length; low < high; ) {
      const middle = (low + high) >>> 1;
      const middleMain = revisions.get(middle, MAIN);
      const isBelow =
        middleMain < main || (middleMain === main && revisions.get(middle, PACKED_SUB) < sub);
      if (isBelow) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

/**
 * Walks the run and the map together; the map wins where both have a key. The buffer must not be
 * written meanwhile.
 */
export class BufferCursor implements OpSource {
  readonly hasDeletes: boolean;
  /** False when past the end. */
  valid = true;
  kind = PUT;
  keyBuffer: Uint8Array = EMPTY_BYTES;
  keyStart = 0;
  keyEnd = 0;
  valueBuffer: Uint8Array = EMPTY_BYTES;
  valueStart = 0;
  valueEnd = 0;
  readonly #run: ByteSlabs;
  readonly #revisions: NumberRows;
  readonly #runEnd: number;
  readonly #others: readonly BufferedEntry[];
  #nextOfRun: number;
  #nextOfOthers: number;
  /** In the run, or -1. */
  #index = -1;
  #key: Uint8Array | undefined;

  constructor(
    run: ByteSlabs,
    revisions: NumberRows,
    others: readonly BufferedEntry[],
    next: { readonly run: number; readonly others: number },
    hasDeletes: boolean,
  ) {
    this.#run = run;
    this.#revisions = revisions;
    this.#runEnd = run.length;
    this.#others = others;
    this.#nextOfRun = next.run;
    this.#nextOfOthers = next.others;
    this.hasDeletes = hasDeletes;
    this.advance();
  }

  /** Undefined when past the end. Stays valid, as the value does. */
  get key(): Uint8Array | undefined {
    if (!this.valid) return undefined;
    this.#key ??= this.#kept(this.keyBuffer, this.keyStart, this.keyEnd);
    return this.#key;
  }

  /** Undefined: deleted. */
  get value(): Uint8Array | undefined {
    if (!this.valid || this.kind === DELETE) return undefined;
    return this.#kept(this.valueBuffer, this.valueStart, this.valueEnd);
  }

  advance(): void {
    this.#key = undefined;
    const other = this.#others[this.#nextOfOthers];
    if (this.#nextOfRun < this.#runEnd) {
      this.#showRun(this.#nextOfRun);
      if (other === undefined) {
        this.#nextOfRun++;
        return;
      }
      const { keyBuffer, keyStart, keyEnd } = this;
      const order = Buffer.compare(keyBuffer.subarray(keyStart, keyEnd), other.key);
      if (order <= 0) this.#nextOfRun++;
      if (order < 0) return;
    }
    if (other === undefined) {
      this.valid = false;
      return;
    }
    this.#nextOfOthers++;
    this.#showOther(other);
  }

  #kept(bytes: Uint8Array, start: number, end: number): Uint8Array {
    if (this.#index < 0) return bytes;
    this.#run.lend(this.#index);
    return bytes.subarray(start, end);
  }

  #showRun(index: number): void {
    const run = this.#run;
    run.locate(index);
    this.#index = index;
    this.kind = PUT;
    this.keyBuffer = run.bytes;
    this.keyStart = run.start;
    this.keyEnd = run.start + keyBytesOf(this.#revisions.get(index, PACKED_SUB));
    this.valueBuffer = run.bytes;
    this.valueStart = this.keyEnd;
    this.valueEnd = run.end;
  }

  #showOther({ key, value }: BufferedEntry): void {
    this.#index = -1;
    this.kind = value === undefined ? DELETE : PUT;
    this.keyBuffer = key;
    this.keyStart = 0;
    this.keyEnd = key.length;
    this.valueBuffer = value ?? EMPTY_BYTES;
    this.valueStart = 0;
    this.valueEnd = this.valueBuffer.length;
  }
}
