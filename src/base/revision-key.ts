/**
 * Revisions as keys of the "key" bucket: 8 bytes main, "_", 8 bytes sub, big-endian; a deletion adds
 * "t". Byte order of the keys is the order of the revisions. All changes of one transaction share
 * main; sub counts them.
 */

import { assert } from "./assert.ts";
import { readUint32BE } from "./bytes.ts";
import type { Revision } from "./ids.ts";

export const REVISION_KEY_BYTES = 17;
const TOMBSTONE_KEY_BYTES = 18;

const SEPARATOR_AT = 8;
const SUB_AT = 9;
const SEPARATOR = 0x5f;
const TOMBSTONE_MARK = 0x74;
const TWO_32 = 0x1_0000_0000;
/** The upper half of 2^53 - 1, the largest safe integer. */
const MAX_SAFE_HIGH = 0x1f_ffff;
/** High halves up to here leave a bit to spare below 2^53. */
const MAX_PACKABLE_HIGH = 0x0f_ffff;

/** Writes the 17 bytes of a revision at the start of `target`. */
export function writeRevisionKey(target: Uint8Array, main: Revision, sub: number): void {
  writeUint64(target, 0, main);
  target[SEPARATOR_AT] = SEPARATOR;
  writeUint64(target, SUB_AT, sub);
}

/** A fresh key for the change at {main, sub}. */
export function encodeRevisionKey(main: Revision, sub: number, tombstone: boolean): Uint8Array {
  const key = Buffer.allocUnsafe(tombstone ? TOMBSTONE_KEY_BYTES : REVISION_KEY_BYTES);
  writeRevisionKey(key, main, sub);
  if (tombstone) key[REVISION_KEY_BYTES] = TOMBSTONE_MARK;
  return key;
}

/** Keys without an object for each: valid until the next one is asked for. */
export class RevisionKey {
  readonly #put = Buffer.alloc(REVISION_KEY_BYTES);
  readonly #tombstone = Buffer.alloc(TOMBSTONE_KEY_BYTES, TOMBSTONE_MARK);

  of(main: Revision, sub: number, tombstone: boolean): Uint8Array {
    const key = tombstone ? this.#tombstone : this.#put;
    writeRevisionKey(key, main, sub);
    return key;
  }
}

/** Throws on anything that is not a key of the "key" bucket: the file is damaged. */
export function checkRevisionKey(key: Uint8Array, start = 0, end = key.length): void {
  const plain = end - start === REVISION_KEY_BYTES;
  const marked = end - start === TOMBSTONE_KEY_BYTES;
  assert(
    (plain || marked) && key[start + SEPARATOR_AT] === SEPARATOR,
    "malformed revision in the key bucket",
  );
}

/** True if `mainOf` and `packedSubOf` are exact for these bytes, which may be anything. */
export function isPackable(key: Uint8Array): boolean {
  if (key.length !== REVISION_KEY_BYTES) {
    if (key.length !== TOMBSTONE_KEY_BYTES || key[REVISION_KEY_BYTES] !== TOMBSTONE_MARK) {
      return false;
    }
  }
  return (
    key[SEPARATOR_AT] === SEPARATOR &&
    readUint32BE(key, 0) <= MAX_PACKABLE_HIGH &&
    readUint32BE(key, SUB_AT) <= MAX_PACKABLE_HIGH
  );
}

/** Sub and the mark of a deletion in one number, which sorts as the bytes do. */
export function packedSubOf(key: Uint8Array): number {
  return readUint64(key, SUB_AT) * 2 + (key.length - REVISION_KEY_BYTES);
}

/** Length of the key with this packed sub. */
export function keyBytesOf(packedSub: number): number {
  return packedSub % 2 === 0 ? REVISION_KEY_BYTES : TOMBSTONE_KEY_BYTES;
}

export function mainOf(key: Uint8Array, start = 0): Revision {
  return readUint64(key, start);
}

export function subOf(key: Uint8Array, start = 0): number {
  return readUint64(key, start + SUB_AT);
}

export function isTombstone(key: Uint8Array, start = 0, end = key.length): boolean {
  return end - start === TOMBSTONE_KEY_BYTES && key[start + REVISION_KEY_BYTES] === TOMBSTONE_MARK;
}

function writeUint64(target: Uint8Array, at: number, value: number): void {
  const high = value >= TWO_32 ? Math.floor(value / TWO_32) : 0;
  const low = value >= TWO_32 ? value % TWO_32 : value;
  target[at] = high >>> 24;
  target[at + 1] = high >>> 16;
  target[at + 2] = high >>> 8;
  target[at + 3] = high;
  target[at + 4] = low >>> 24;
  target[at + 5] = low >>> 16;
  target[at + 6] = low >>> 8;
  target[at + 7] = low;
}

function readUint64(bytes: Uint8Array, at: number): number {
  const high = readUint32BE(bytes, at);
  assert(high <= MAX_SAFE_HIGH, "revision beyond 2^53");
  return high * TWO_32 + readUint32BE(bytes, at + 4);
}
