/**
 * Encodes a range's result from its beginning to its end, as much at a time as its owner has room
 * for: whole fields, so that each piece is a message by itself with the next fields. A record is
 * copied once, from the page that it lies in to where the response leaves from.
 */

import { assert } from "../../base/assert.ts";
import { writeVarint } from "../../base/varint.ts";
import { prependRangeTail, sizeOfField, sizeRangeTail } from "./encode.ts";
import type { RangeResult } from "./range.ts";

/** Tags of RangeResponse. */
const HEADER = 0x0a;
const KVS = 0x12;

export class RangeEncoder {
  readonly #header: Uint8Array;
  readonly #result: RangeResult;
  readonly #records: number;
  /** -1: the header is next. Then so many records are written; beyond `#records`, all is. */
  #next = -1;

  constructor(header: Uint8Array, result: RangeResult) {
    this.#header = header;
    this.#result = result;
    this.#records = result.kvs.length + (result.late?.count ?? 0);
  }

  /**
   * Writes the fields that fit between `start` and `end`; returns where they end. Throws "leader
   * changed" when records that were not kept are gone; what it has written is void then.
   */
  write(target: Buffer, start: number, end: number): number {
    const { kvs } = this.#result;
    let at = start;
    if (this.#next < 0) {
      const header = this.#header;
      if (at + sizeOfField(header.length) > end) return at;
      at = writeFieldHead(target, at, HEADER, header.length);
      target.set(header, at);
      at += header.length;
      this.#next = 0;
    }
    for (; this.#next < this.#records; this.#next++) {
      const length = this.#lengthAt(this.#next);
      if (at + sizeOfField(length) > end) return at;
      at = writeFieldHead(target, at, KVS, length);
      if (this.#next < kvs.length) kvs.copy(this.#next, target, at);
      else this.#copyLate(target, at);
      at += length;
    }
    const tailEnd = at + sizeRangeTail(this.#result);
    if (this.#next > this.#records || tailEnd > end) return at;
    this.#next++;
    prependRangeTail(target, tailEnd, this.#result);
    return tailEnd;
  }

  /** The next fields, until they have `wanted` bytes or more; undefined after the last. */
  piece(wanted: number): Uint8Array | undefined {
    const size = this.#sizeOfPiece(wanted);
    if (size === 0) return undefined;
    const piece = Buffer.allocUnsafe(size);
    const end = this.write(piece, 0, size);
    assert(end === size, "a piece has the size of its fields");
    return piece;
  }

  #sizeOfPiece(wanted: number): number {
    let size = this.#next < 0 ? sizeOfField(this.#header.length) : 0;
    let next = Math.max(this.#next, 0);
    for (; next < this.#records && size < wanted; next++) size += sizeOfField(this.#lengthAt(next));
    return next === this.#records ? size + sizeRangeTail(this.#result) : size;
  }

  #lengthAt(index: number): number {
    const { kvs, late } = this.#result;
    return index < kvs.length ? kvs.lengthAt(index) : (late?.lengthAt(index - kvs.length) ?? 0);
  }

  #copyLate(target: Buffer, at: number): void {
    const { kvs, late } = this.#result;
    if (late !== undefined) target.set(late.read(this.#next - kvs.length), at);
  }
}

function writeFieldHead(target: Buffer, at: number, tag: number, length: number): number {
  target[at] = tag;
  return writeVarint(target, at + 1, length);
}
