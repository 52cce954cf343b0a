/**
 * Elements that wait to be packed into pages of one tree level, oldest first, as parallel arrays of
 * references into the pages and write buffers they come from: nothing is copied before the page is
 * built.
 */

import { copyRange, EMPTY_BYTES } from "../../base/bytes.ts";
import {
  BRANCH_PAGE,
  ELEMENT_BYTES,
  LEAF_PAGE,
  PAGE_HEADER_BYTES,
  writePageHeader,
  writeU32,
  writeU64,
} from "./format.ts";
import type { Page } from "./page.ts";

export class PendingItems {
  readonly isLeaf: boolean;
  /** Size of a page that holds all pending elements. */
  bytes: number = PAGE_HEADER_BYTES;
  /** The pending elements are those of the arrays from here on, up to `#tail`. */
  #head = 0;
  #tail = 0;
  #flags: number[] = [];
  #keyBuffers: Uint8Array[] = [];
  #keyStarts: number[] = [];
  #keyEnds: number[] = [];
  /** Leaf levels: the values. */
  #valueBuffers: Uint8Array[] = [];
  #valueStarts: number[] = [];
  #valueEnds: number[] = [];
  /** Branch levels: the children. */
  #children: number[] = [];

  constructor(isLeaf: boolean) {
    this.isLeaf = isLeaf;
  }

  get count(): number {
    return this.#tail - this.#head;
  }

  pushValue(
    flags: number,
    keyBuffer: Uint8Array,
    keyStart: number,
    keyEnd: number,
    valueBuffer: Uint8Array,
    valueStart: number,
    valueEnd: number,
  ): void {
    const at = this.#tail++;
    this.#flags[at] = flags;
    this.#keyBuffers[at] = keyBuffer;
    this.#keyStarts[at] = keyStart;
    this.#keyEnds[at] = keyEnd;
    this.#valueBuffers[at] = valueBuffer;
    this.#valueStarts[at] = valueStart;
    this.#valueEnds[at] = valueEnd;
    this.bytes += ELEMENT_BYTES + keyEnd - keyStart + valueEnd - valueStart;
  }

  pushChild(keyBuffer: Uint8Array, keyStart: number, keyEnd: number, child: number): void {
    const at = this.#tail++;
    this.#keyBuffers[at] = keyBuffer;
    this.#keyStarts[at] = keyStart;
    this.#keyEnds[at] = keyEnd;
    this.#children[at] = child;
    this.bytes += ELEMENT_BYTES + keyEnd - keyStart;
  }

  /** Element `index` of a page of this level. */
  pushFrom(page: Page, index: number): void {
    const keyStart = page.keyStart(index);
    const keyEnd = keyStart + page.keyLength(index);
    if (!this.isLeaf) {
      this.pushChild(page.buffer, keyStart, keyEnd, page.childId(index));
      return;
    }
    const valueEnd = keyEnd + page.valueLength(index);
    const flags = page.isBucket(index) ? 1 : 0;
    this.pushValue(flags, page.buffer, keyStart, keyEnd, page.buffer, keyEnd, valueEnd);
  }

  /** Puts all elements of `page` before the pending ones. */
  prepend(page: Page): void {
    const merged = new PendingItems(this.isLeaf);
    for (let index = 0; index < page.count; index++) merged.pushFrom(page, index);
    for (let at = this.#head; at < this.#tail; at++) merged.#pushOf(this, at);
    this.#replaceWith(merged);
  }

  /** Removes the newest child and returns its page id. Branch levels only. */
  popChild(): number {
    const last = --this.#tail;
    this.bytes -= this.#itemBytes(last);
    return this.#children[last] as number;
  }

  /**
   * How many of the oldest elements make a page of up to `limitBytes`: at least `minimum`, and so
   * that `minimum` stay behind.
   */
  chunkLength(limitBytes: number, minimum: number): number {
    const most = this.count - minimum;
    let taken = 0;
    let bytes = PAGE_HEADER_BYTES;
    while (taken < most) {
      bytes += this.#itemBytes(this.#head + taken);
      if (bytes > limitBytes && taken >= minimum) break;
      taken++;
    }
    return taken;
  }

  /** Size of a page with the `length` oldest elements. */
  chunkBytes(length: number): number {
    let bytes = PAGE_HEADER_BYTES;
    for (let at = this.#head; at < this.#head + length; at++) bytes += this.#itemBytes(at);
    return bytes;
  }

  /** Writes the `length` oldest elements as page `id` into `target`, zero-fills it, drops them. */
  writeChunk(target: Buffer, id: number, length: number, overflow: number): void {
    writePageHeader(target, id, this.isLeaf ? LEAF_PAGE : BRANCH_PAGE, length, overflow);
    const data = PAGE_HEADER_BYTES + length * ELEMENT_BYTES;
    const copier = new RangeCopier(target, data);
    const end = this.#head + length;
    for (let at = this.#head, element = PAGE_HEADER_BYTES; at < end; at++) {
      this.bytes -= this.#itemBytes(at);
      if (this.isLeaf) this.#writeLeafElement(target, element, copier, at);
      else this.#writeBranchElement(target, element, copier, at);
      element += ELEMENT_BYTES;
    }
    target.fill(0, copier.finish());
    this.#head = end;
    if (this.#head === this.#tail) this.#head = this.#tail = 0;
    else if (this.#head > 256 && this.#head * 2 > this.#tail) this.#compact();
  }

  /** True when a nested bucket is among the pending elements. Leaf levels only. */
  hasBucket(): boolean {
    for (let at = this.#head; at < this.#tail; at++) {
      if (this.#flags[at] !== 0) return true;
    }
    return false;
  }

  /** The oldest pending child. */
  firstChild(): number {
    return this.#children[this.#head] as number;
  }

  #writeLeafElement(target: Buffer, element: number, copier: RangeCopier, at: number): void {
    const keyStart = this.#keyStarts[at] as number;
    const keyEnd = this.#keyEnds[at] as number;
    const valueStart = this.#valueStarts[at] as number;
    const valueEnd = this.#valueEnds[at] as number;
    writeU32(target, element, this.#flags[at] as number);
    writeU32(target, element + 4, copier.at - element);
    writeU32(target, element + 8, keyEnd - keyStart);
    writeU32(target, element + 12, valueEnd - valueStart);
    copier.add(this.#keyBuffers[at] as Uint8Array, keyStart, keyEnd);
    copier.add(this.#valueBuffers[at] as Uint8Array, valueStart, valueEnd);
  }

  #writeBranchElement(target: Buffer, element: number, copier: RangeCopier, at: number): void {
    const keyStart = this.#keyStarts[at] as number;
    const keyEnd = this.#keyEnds[at] as number;
    writeU32(target, element, copier.at - element);
    writeU32(target, element + 4, keyEnd - keyStart);
    writeU64(target, element + 8, this.#children[at] as number);
    copier.add(this.#keyBuffers[at] as Uint8Array, keyStart, keyEnd);
  }

  #itemBytes(at: number): number {
    const keyBytes = (this.#keyEnds[at] as number) - (this.#keyStarts[at] as number);
    if (!this.isLeaf) return ELEMENT_BYTES + keyBytes;
    return (
      ELEMENT_BYTES + keyBytes + (this.#valueEnds[at] as number) - (this.#valueStarts[at] as number)
    );
  }

  #pushOf(other: PendingItems, at: number): void {
    const key = other.#keyBuffers[at] as Uint8Array;
    const keyStart = other.#keyStarts[at] as number;
    const keyEnd = other.#keyEnds[at] as number;
    if (!this.isLeaf) {
      this.pushChild(key, keyStart, keyEnd, other.#children[at] as number);
      return;
    }
    this.pushValue(
      other.#flags[at] as number,
      key,
      keyStart,
      keyEnd,
      other.#valueBuffers[at] as Uint8Array,
      other.#valueStarts[at] as number,
      other.#valueEnds[at] as number,
    );
  }

  /** Moves what is pending to the beginning of the arrays. */
  #compact(): void {
    const { count } = this;
    this.#flags.copyWithin(0, this.#head, this.#tail);
    this.#keyBuffers.copyWithin(0, this.#head, this.#tail);
    this.#keyStarts.copyWithin(0, this.#head, this.#tail);
    this.#keyEnds.copyWithin(0, this.#head, this.#tail);
    this.#valueBuffers.copyWithin(0, this.#head, this.#tail);
    this.#valueStarts.copyWithin(0, this.#head, this.#tail);
    this.#valueEnds.copyWithin(0, this.#head, this.#tail);
    this.#children.copyWithin(0, this.#head, this.#tail);
    this.#head = 0;
    this.#tail = count;
  }

  #replaceWith(other: PendingItems): void {
    this.bytes = other.bytes;
    this.#head = other.#head;
    this.#tail = other.#tail;
    this.#flags = other.#flags;
    this.#keyBuffers = other.#keyBuffers;
    this.#keyStarts = other.#keyStarts;
    this.#keyEnds = other.#keyEnds;
    this.#valueBuffers = other.#valueBuffers;
    this.#valueStarts = other.#valueStarts;
    this.#valueEnds = other.#valueEnds;
    this.#children = other.#children;
  }
}

/** Copies ranges behind one another; those that lie so in their source, too, are copied together. */
class RangeCopier {
  /** Where the next range goes. */
  at: number;
  readonly #target: Buffer;
  #source: Uint8Array = EMPTY_BYTES;
  #start = 0;
  #end = 0;

  constructor(target: Buffer, at: number) {
    this.#target = target;
    this.at = at;
  }

  add(source: Uint8Array, start: number, end: number): void {
    if (source !== this.#source || start !== this.#end) {
      this.#copy();
      this.#source = source;
      this.#start = start;
    }
    this.#end = end;
    this.at += end - start;
  }

  /** Where the last range ends. */
  finish(): number {
    this.#copy();
    return this.at;
  }

  #copy(): void {
    const to = this.at - (this.#end - this.#start);
    copyRange(this.#target, to, this.#source, this.#start, this.#end);
  }
}
