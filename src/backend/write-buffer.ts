/**
 * The writes of one batch to one bucket, kept sorted. Revision keys that arrive in ascending order
 * (the key bucket) go to parallel arrays and are found by comparing numbers; everything else,
 * deletes included, goes to a map that is sorted when it is scanned.
 *
 * Invariants: the run is strictly ascending; an entry of the map overrides the run. The arrays only
 * grow, and the map is copied before a write once it is shared, so that `snapshot` is cheap.
 */

import { EMPTY_BYTES, latin1FromBytes } from "../base/bytes.ts";
import { isPackable, mainOf, packedSubOf } from "../base/revision-key.ts";
import { DELETE, type OpSource, PUT } from "./bolt/tree-merge.ts";

/** A put, or a delete when `value` is undefined. */
export interface BufferedEntry {
  /** The key as latin1: sorts as the bytes do. */
  readonly text: string;
  readonly key: Uint8Array;
  readonly value: Uint8Array | undefined;
}

export class WriteBuffer {
  /** Revisions of the run: main, and sub * 2 + (1 for a tombstone). */
  readonly #mains: number[];
  readonly #subs: number[];
  readonly #keys: Uint8Array[];
  readonly #values: Uint8Array[];
  /** Length of the run as this buffer sees it; arrays shared with a snapshot may be longer. */
  #length: number;
  #others: Map<string, BufferedEntry>;
  #othersShared: boolean;
  #sorted: readonly BufferedEntry[] | undefined;
  #deletes: number;

  /** Empty, or a snapshot of `from`: later writes to `from` do not show in it. */
  constructor(from?: WriteBuffer) {
    this.#mains = from === undefined ? [] : from.#mains;
    this.#subs = from === undefined ? [] : from.#subs;
    this.#keys = from === undefined ? [] : from.#keys;
    this.#values = from === undefined ? [] : from.#values;
    this.#length = from === undefined ? 0 : from.#length;
    this.#others = from === undefined ? new Map() : from.#others;
    this.#sorted = from === undefined ? undefined : from.#sorted;
    this.#deletes = from === undefined ? 0 : from.#deletes;
    this.#othersShared = from !== undefined;
    if (from !== undefined) from.#othersShared = true;
  }

  get isEmpty(): boolean {
    return this.#length === 0 && this.#others.size === 0;
  }

  /** For keys that usually arrive in order. */
  putSequential(key: Uint8Array, value: Uint8Array): void {
    if (isPackable(key)) {
      const main = mainOf(key);
      const sub = packedSubOf(key);
      const last = this.#length - 1;
      if (
        last < 0 ||
        main > (this.#mains[last] as number) ||
        (main === this.#mains[last] && sub > (this.#subs[last] as number))
      ) {
        this.#mains.push(main);
        this.#subs.push(sub);
        this.#keys.push(key);
        this.#values.push(value);
        this.#length++;
        if (this.#others.size > 0) this.#forget(key);
        return;
      }
    }
    this.put(key, value);
  }

  put(key: Uint8Array, value: Uint8Array): void {
    this.#set({ text: latin1FromBytes(key), key, value });
  }

  delete(key: Uint8Array): void {
    this.#deletes++;
    this.#set({ text: latin1FromBytes(key), key, value: undefined });
  }

  /** The value; null when deleted here; undefined when this buffer does not know the key. */
  get(key: Uint8Array): Uint8Array | null | undefined {
    if (this.#others.size > 0) {
      const entry = this.#others.get(latin1FromBytes(key));
      if (entry !== undefined) return entry.value ?? null;
    }
    if (this.#length === 0 || !isPackable(key)) return undefined;
    const main = mainOf(key);
    // Most look-ups are for what was written long before.
    if (main < (this.#mains[0] as number)) return undefined;
    const sub = packedSubOf(key);
    const index = this.#lowerBound(main, sub);
    if (index < this.#length && this.#mains[index] === main && this.#subs[index] === sub) {
      return this.#values[index];
    }
    return undefined;
  }

  /** A position at the first entry whose key is not less than `start`. */
  cursor(start: Uint8Array): BufferCursor {
    const sorted = this.#sortedOthers();
    const run = this.#runPosition(start);
    const text = latin1FromBytes(start);
    let low = 0;
    for (let high = sorted.length; low < high; ) {
      const middle = (low + high) >>> 1;
      if ((sorted[middle] as BufferedEntry).text < text) low = middle + 1;
      else high = middle;
    }
    return new BufferCursor(this.#keys, this.#values, run, this.#length, sorted, low);
  }

  /** All operations for a tree merge. The buffer must not be written any more. */
  ops(): OpSource {
    return new BufferOps(this.cursor(EMPTY_BYTES), this.#deletes > 0);
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

  #runPosition(start: Uint8Array): number {
    if (this.#length === 0 || start.length === 0) return 0;
    if (isPackable(start)) return this.#lowerBound(mainOf(start), packedSubOf(start));
    let low = 0;
    for (let high = this.#length; low < high; ) {
      const middle = (low + high) >>> 1;
      if (Buffer.compare(this.#keys[middle] as Uint8Array, start) < 0) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  #lowerBound(main: number, sub: number): number {
    const mains = this.#mains;
    const subs = this.#subs;
    // One revision per key is the rule: then the distance is the index.
    const guess = main - (mains[0] as number);
    if (guess >= 0 && guess < this.#length && mains[guess] === main && subs[guess] === sub) {
      return guess;
    }
    let low = 0;
    for (let high = this.#length; low < high; ) {
      const middle = (low + high) >>> 1;
      const middleMain = mains[middle] as number;
      if (middleMain < main || (middleMain === main && (subs[middle] as number) < sub)) {
        low = middle + 1;
      } else {
        high = middle;
      }
    }
    return low;
  }
}

/** Walks the run and the map together; the map wins where both have a key. */
export class BufferCursor {
  /** Undefined when past the end. */
  key: Uint8Array | undefined;
  /** Undefined: deleted. */
  value: Uint8Array | undefined;
  readonly #keys: readonly Uint8Array[];
  readonly #values: readonly Uint8Array[];
  #run: number;
  readonly #runEnd: number;
  readonly #others: readonly BufferedEntry[];
  #other: number;

  constructor(
    keys: readonly Uint8Array[],
    values: readonly Uint8Array[],
    run: number,
    runEnd: number,
    others: readonly BufferedEntry[],
    other: number,
  ) {
    this.#keys = keys;
    this.#values = values;
    this.#run = run;
    this.#runEnd = runEnd;
    this.#others = others;
    this.#other = other;
    this.next();
  }

  next(): void {
    const entry = this.#others[this.#other];
    if (this.#run < this.#runEnd) {
      const key = this.#keys[this.#run] as Uint8Array;
      const order = entry === undefined ? -1 : Buffer.compare(key, entry.key);
      if (order < 0) {
        this.key = key;
        this.value = this.#values[this.#run++];
        return;
      }
      if (order === 0) this.#run++;
    }
    this.key = entry?.key;
    this.value = entry?.value;
    if (entry !== undefined) this.#other++;
  }
}

class BufferOps implements OpSource {
  readonly hasDeletes: boolean;
  valid = true;
  kind = PUT;
  keyBuffer: Uint8Array = EMPTY_BYTES;
  readonly keyStart = 0;
  keyEnd = 0;
  valueBuffer: Uint8Array = EMPTY_BYTES;
  readonly valueStart = 0;
  valueEnd = 0;
  readonly #cursor: BufferCursor;

  constructor(cursor: BufferCursor, hasDeletes: boolean) {
    this.#cursor = cursor;
    this.hasDeletes = hasDeletes;
    this.#load();
  }

  advance(): void {
    this.#cursor.next();
    this.#load();
  }

  #load(): void {
    const { key, value } = this.#cursor;
    if (key === undefined) {
      this.valid = false;
      return;
    }
    this.keyBuffer = key;
    this.keyEnd = key.length;
    this.kind = value === undefined ? DELETE : PUT;
    this.valueBuffer = value ?? EMPTY_BYTES;
    this.valueEnd = this.valueBuffer.length;
  }
}
