/**
 * One branch or leaf page in memory, with its overflow. Immutable once built; its bytes are lent
 * out as keys and values for ever, so buffers are never reused, but for walks that borrow their
 * pages. A page from a file is checked once, by `parsePage`; afterwards its positions are used
 * without further checks.
 */

import { readUint32BE } from "../../base/bytes.ts";
import {
  BRANCH_PAGE,
  BUCKET_ELEMENT,
  BUCKET_HEADER_BYTES,
  ELEMENT_BYTES,
  LEAF_PAGE,
  PAGE_HEADER_BYTES,
  readU16,
  readU32,
  readU64,
} from "./format.ts";
import type { PageSlab } from "./page-slab.ts";

/** The low half of a revision's main part (see `base/revision-key.ts`), which counts up. */
const COUNTER_START = 4;
const COUNTER_END = 8;

export class Page {
  /** 0 for the page inside an inline bucket. */
  readonly id: number;
  readonly buffer: Buffer;
  readonly isLeaf: boolean;
  readonly count: number;
  /** Pages that follow `id` and belong to it. */
  readonly overflow: number;
  /** Cache bookkeeping: used since the clock hand passed. */
  referenced = false;
  /** What `buffer` is part of; undefined: it is memory of its own. */
  readonly slab: PageSlab | undefined;
  /** Where pos stands in an element header; ksize is 4 behind it. */
  readonly #posOffset: number;
  /** -1 until it is asked for. */
  #counter = -1;

  constructor(
    id: number,
    buffer: Buffer,
    isLeaf: boolean,
    count: number,
    overflow: number,
    slab: PageSlab | undefined,
  ) {
    this.id = id;
    this.buffer = buffer;
    this.isLeaf = isLeaf;
    this.count = count;
    this.overflow = overflow;
    this.slab = slab;
    this.#posOffset = isLeaf ? 4 : 0;
  }

  keyStart(index: number): number {
    const element = PAGE_HEADER_BYTES + index * ELEMENT_BYTES;
    return element + readU32(this.buffer, element + this.#posOffset);
  }

  keyLength(index: number): number {
    return readU32(this.buffer, PAGE_HEADER_BYTES + index * ELEMENT_BYTES + this.#posOffset + 4);
  }

  /** Leaf pages only; the value begins where the key ends. */
  valueLength(index: number): number {
    return readU32(this.buffer, PAGE_HEADER_BYTES + index * ELEMENT_BYTES + 12);
  }

  /** Leaf pages only. */
  isBucket(index: number): boolean {
    return (
      ((this.buffer[PAGE_HEADER_BYTES + index * ELEMENT_BYTES] as number) & BUCKET_ELEMENT) !== 0
    );
  }

  /** Branch pages only. */
  childId(index: number): number {
    return readU64(this.buffer, PAGE_HEADER_BYTES + index * ELEMENT_BYTES + 8);
  }

  key(index: number): Buffer {
    const start = this.keyStart(index);
    return this.buffer.subarray(start, start + this.keyLength(index));
  }

  value(index: number): Buffer {
    const start = this.keyStart(index) + this.keyLength(index);
    return this.buffer.subarray(start, start + this.valueLength(index));
  }

  /** `key` is not below the first key of this page and not above its last. */
  spans(key: Uint8Array): boolean {
    const { count } = this;
    return (
      count > 0 &&
      this.compareKey(0, key, 0, key.length) <= 0 &&
      this.compareKey(count - 1, key, 0, key.length) >= 0
    );
  }

  /** First index in [from, count) whose key is not less than `key`. */
  lowerBound(key: Uint8Array, from = 0): number {
    let low = from;
    let high = this.count;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.compareKey(middle, key, 0, key.length) < 0) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /** The index of `key`, or -1. Keys that count up, as revisions do, are found at the first look. */
  indexOf(key: Uint8Array): number {
    const guess = this.guess(key);
    if (guess >= 0) return guess;
    const index = this.lowerBound(key);
    return index < this.count && this.compareKey(index, key, 0, key.length) === 0 ? index : -1;
  }

  /** The index of `key` if it is where a key that counts up would be, else -1. */
  guess(key: Uint8Array): number {
    const { count } = this;
    if (count === 0 || key.length < COUNTER_END) return -1;
    const guess = readUint32BE(key, COUNTER_START) - this.#firstCounter();
    const isInside = guess >= 0 && guess < count;
    return isInside && this.compareKey(guess, key, 0, key.length) === 0 ? guess : -1;
  }

  /** What the first key counts; remembered, since looking there waits for memory. */
  #firstCounter(): number {
    if (this.#counter < 0) {
      this.#counter = readUint32BE(this.buffer, this.keyStart(0) + COUNTER_START);
    }
    return this.#counter;
  }

  /** The child whose range holds `key`: the last with a first key not above it, else the first. */
  childFor(key: Uint8Array, start: number, end: number, from = 0): number {
    let low = from + 1;
    let high = this.count;
    let middle = this.#evenly(key, start, end, low, high);
    // The looks after the first are near it, each twice as far as the last, at most halfway.
    for (let step = 1; low < high; step *= 2) {
      const isBehind = this.compareKey(middle, key, start, end) <= 0;
      if (isBehind) low = middle + 1;
      else high = middle;
      const half = (low + high) >>> 1;
      middle = isBehind ? Math.min(half, low - 1 + step) : Math.max(half, high - step);
    }
    return low - 1;
  }

  /** Where in [low, high) `key` would be if keys counted up in even steps, as revisions do. */
  #evenly(key: Uint8Array, start: number, end: number, low: number, high: number): number {
    const middle = (low + high) >>> 1;
    if (high - low < 2 || end - start < COUNTER_END) return middle;
    if (this.keyLength(low) < COUNTER_END || this.keyLength(high - 1) < COUNTER_END) return middle;
    const first = readUint32BE(this.buffer, this.keyStart(low) + COUNTER_START);
    const last = readUint32BE(this.buffer, this.keyStart(high - 1) + COUNTER_START);
    const share = (readUint32BE(key, start + COUNTER_START) - first) / (last - first);
    // NaN where all count the same.
    if (!(share >= 0)) return share < 0 ? low : middle;
    return low + Math.floor(Math.min(share, 1) * (high - 1 - low));
  }

  /** Negative when this page's key at `index` sorts before other[start, end). */
  compareKey(index: number, other: Uint8Array, start: number, end: number): number {
    const own = this.keyStart(index);
    return compareRanges(this.buffer, own, own + this.keyLength(index), other, start, end);
  }
}

/** Byte order of a[aStart, aEnd) and b[bStart, bEnd). */
export function compareRanges(
  a: Uint8Array,
  aStart: number,
  aEnd: number,
  b: Uint8Array,
  bStart: number,
  bEnd: number,
): number {
  const aLength = aEnd - aStart;
  const bLength = bEnd - bStart;
  const common = aLength < bLength ? aLength : bLength;
  let at = 0;
  // Neighbouring keys mostly differ late.
  for (; at + 4 <= common; at += 4) {
    const ours = readUint32BE(a, aStart + at);
    const theirs = readUint32BE(b, bStart + at);
    if (ours !== theirs) return ours < theirs ? -1 : 1;
  }
  for (; at < common; at++) {
    const difference = (a[aStart + at] as number) - (b[bStart + at] as number);
    if (difference !== 0) return difference;
  }
  return aLength - bLength;
}

/** What the header says, which may be wrong. */
export function isLeafPage(head: Uint8Array): boolean {
  return readU16(head, 8) === LEAF_PAGE;
}

/**
 * The page in `buffer`, which holds it with all its overflow, after checking that every element
 * lies inside, that keys ascend and that every child id is in [2, highWater). Otherwise the reason
 * as text.
 */
export function parsePage(id: number, buffer: Buffer, highWater: number): Page | string {
  const flags = readU16(buffer, 8);
  if (flags !== LEAF_PAGE && flags !== BRANCH_PAGE) {
    return `flags 0x${flags.toString(16)} are neither branch nor leaf`;
  }
  const isLeaf = flags === LEAF_PAGE;
  const count = readU16(buffer, 10);
  const elementsEnd = PAGE_HEADER_BYTES + count * ELEMENT_BYTES;
  if (elementsEnd > buffer.length) return `${count} elements do not fit in ${buffer.length} bytes`;
  if (!isLeaf && count === 0) return "branch without children";
  const page = new Page(id, buffer, isLeaf, count, readU32(buffer, 12), undefined);
  for (let index = 0; index < count; index++) {
    const reason = checkElement(page, index, elementsEnd, highWater);
    if (reason !== undefined) return reason;
  }
  for (let index = 1; index < count; index++) {
    const before = page.keyStart(index - 1);
    if (page.compareKey(index, buffer, before, before + page.keyLength(index - 1)) <= 0) {
      return `key ${index} is not above the one before it`;
    }
  }
  return page;
}

function checkElement(
  page: Page,
  index: number,
  elementsEnd: number,
  highWater: number,
): string | undefined {
  const start = page.keyStart(index);
  const keyLength = page.keyLength(index);
  if (keyLength === 0) return `element ${index} has an empty key`;
  const end = start + keyLength + (page.isLeaf ? page.valueLength(index) : 0);
  if (start < elementsEnd || end > page.buffer.length) {
    return `element ${index} lies at ${start} to ${end}, outside of the page`;
  }
  if (page.isLeaf) {
    if (page.isBucket(index) && page.valueLength(index) < BUCKET_HEADER_BYTES) {
      return `element ${index} is a bucket without a header`;
    }
    return undefined;
  }
  const child = page.childId(index);
  if (child < 2 || child >= highWater) return `element ${index} points to page ${child}`;
  return undefined;
}
