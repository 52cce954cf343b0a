/**
 * A map for up to millions of entries. A `Map` that doubles moves all it has in one stretch: 20 ms
 * at a quarter of a million entries, 50 to 100 ms at half a million. This one is a `Map` until it
 * has some thousand entries, and many small ones from then on, which double at different times.
 *
 * `hash` tells which of them a key belongs to. Keys that were chosen to have the same hash make it
 * no worse than a `Map`.
 */
import type { LeaseID } from "./ids.ts";

/** A power of two. */
const PARTS = 64;
/** More are divided. That takes about a millisecond. */
const MAX_UNDIVIDED = 8192;
/** Keys differ at their ends; so many characters tell most of them apart. */
const HASHED_CHARACTERS = 16;

export class WideMap<K, V> {
  readonly #hash: (key: K) => number;
  #whole: Map<K, V> | undefined = new Map();
  #parts: Map<K, V>[] = [];
  #size = 0;

  constructor(hash: (key: K) => number) {
    this.#hash = hash;
  }

  get size(): number {
    return this.#size;
  }

  has(key: K): boolean {
    return this.#partOf(key).has(key);
  }

  get(key: K): V | undefined {
    return this.#partOf(key).get(key);
  }

  set(key: K, value: V): void {
    const part = this.#partOf(key);
    const before = part.size;
    part.set(key, value);
    this.#size += part.size - before;
    if (part === this.#whole && this.#size > MAX_UNDIVIDED) this.#divide(part);
  }

  /** False if it is not there. */
  delete(key: K): boolean {
    const isGone = this.#partOf(key).delete(key);
    if (isGone) this.#size--;
    return isGone;
  }

  /** In any order. */
  *entries(): IterableIterator<[K, V]> {
    for (const part of this.#all()) yield* part;
  }

  /** In any order. */
  values(): V[] {
    const found: V[] = [];
    for (const part of this.#all()) for (const value of part.values()) found.push(value);
    return found;
  }

  #all(): readonly Map<K, V>[] {
    return this.#whole === undefined ? this.#parts : [this.#whole];
  }

  #partOf(key: K): Map<K, V> {
    return this.#whole ?? (this.#parts[this.#hash(key) & (PARTS - 1)] as Map<K, V>);
  }

  #divide(whole: Map<K, V>): void {
    this.#whole = undefined;
    this.#parts = Array.from({ length: PARTS }, () => new Map<K, V>());
    for (const [key, value] of whole) this.#partOf(key).set(key, value);
  }
}

export function hashOfText(key: string): number {
  let hash = key.length;
  for (let at = Math.max(0, key.length - HASHED_CHARACTERS); at < key.length; at++) {
    hash = Math.imul(hash, 31) + key.charCodeAt(at);
  }
  return hash ^ (hash >>> 6) ^ (hash >>> 12);
}

export function hashOfLeaseID(id: LeaseID): number {
  const low = Number(BigInt.asUintN(32, id));
  return low ^ (low >>> 6) ^ (low >>> 12);
}
