/**
 * Protobuf wire primitives for the generated codecs in api/gen.
 *
 * Reading: every `readX(b, at, end)` starts at `at`, never looks at or beyond `end`, returns the
 * value and leaves the position behind it in `cursor.at`. Malformed input throws `DecodeError`.
 * Writing goes backwards: every `prependX(b, at, value)` puts the value's bytes just before `at`
 * and returns the new start, so that a nested message's length is known when its prefix is due and
 * no size has to be computed twice. The caller has made room with the `sizeX` functions.
 *
 * 64-bit integers are two unsigned 32-bit halves inside these functions; bigint or checked number
 * at their borders.
 */

import { viewAsBuffer } from "./bytes.ts";

/** Malformed protobuf input. `position` is the offset in the buffer that was being read. */
export class DecodeError extends Error {
  readonly position: number;
  constructor(message: string, position: number) {
    super(`${message} (at byte ${position})`);
    this.name = "DecodeError";
    this.position = position;
  }
}

/** Deepest nesting of messages and groups. etcd's own limits allow about 256 (128 nested txns). */
export const MAX_NESTING = 1000;

/** Where the last read function stopped. One thread, synchronous use only. */
export const cursor: { at: number } = { at: 0 };

const TWO_32 = 0x1_0000_0000;
const TWO_63 = 2 ** 63;
/** The upper half of 2^53 - 1, the largest safe integer. */
const MAX_SAFE_HI = 0x1fffff;

const halves = new Uint32Array(2);
const signed64 = new BigInt64Array(halves.buffer);
const unsigned64 = new BigUint64Array(halves.buffer);
const LO = new Uint8Array(Uint32Array.of(1).buffer)[0] === 1 ? 0 : 1;
const HI = 1 - LO;

/** High half of the last `readHalves`. */
let readHi = 0;

/** Checks the bounds given to a codec's `decode`. */
export function checkBounds(bytes: Uint8Array, start: number, end: number): void {
  if (start < 0 || start > end || end > bytes.length) {
    throw new RangeError(`decode of [${start}, ${end}) in ${bytes.length} bytes`);
  }
}

export function truncated(at: number): DecodeError {
  return new DecodeError("unexpected end of message", at);
}

export function wrongWireType(tag: number, message: string, at: number): DecodeError {
  return new DecodeError(`wrong wire type ${tag & 7} for field ${tag >>> 3} of ${message}`, at);
}

export function nestedTooDeeply(at: number): DecodeError {
  return new DecodeError("message nested too deeply", at);
}

/** Reads one varint; returns the low half, leaves the high half in `readHi`. */
function readHalves(b: Uint8Array, at: number, end: number): number {
  let lo = 0;
  let hi = 0;
  let shift = 0;
  for (let next = at; next < end; next++) {
    const byte = b[next] as number;
    if (shift < 28) lo |= (byte & 0x7f) << shift;
    else if (shift === 28) {
      lo |= (byte & 0x0f) << 28;
      hi = (byte & 0x7f) >>> 4;
    } else hi |= (byte & 0x7f) << (shift - 32);
    if (byte < 0x80) {
      cursor.at = next + 1;
      readHi = hi >>> 0;
      return lo >>> 0;
    }
    shift += 7;
    if (shift === 70) throw new DecodeError("varint longer than ten bytes", at);
  }
  throw truncated(at);
}

/** A field's tag (number and wire type). */
export function readTag(b: Uint8Array, at: number, end: number): number {
  const lo = readHalves(b, at, end);
  if (readHi !== 0) throw new DecodeError("field number out of range", at);
  return lo;
}

/** The low 32 bits of a varint, unsigned; higher bits are dropped as protobuf does. */
export function readUint32(b: Uint8Array, at: number, end: number): number {
  return readHalves(b, at, end);
}

/** The low 32 bits of a varint, signed; also for enums. */
export function readInt32(b: Uint8Array, at: number, end: number): number {
  return readHalves(b, at, end) | 0;
}

export function readBool(b: Uint8Array, at: number, end: number): boolean {
  return (readHalves(b, at, end) | readHi) !== 0;
}

/** The length of a length-delimited field whose bytes must lie before `end`. */
export function readLength(b: Uint8Array, at: number, end: number): number {
  if (at < end) {
    const first = b[at] as number;
    if (first < 0x80 && first < end - at) {
      cursor.at = at + 1;
      return first;
    }
  }
  return readLongLength(b, at, end);
}

function readLongLength(b: Uint8Array, at: number, end: number): number {
  const length = readHalves(b, at, end);
  if (readHi !== 0 || length > end - cursor.at) throw truncated(at);
  return length;
}

/** A uint64 that must be a safe integer: a term, an index, a size. */
export function readUint64AsNumber(b: Uint8Array, at: number, end: number): number {
  if (at < end) {
    const first = b[at] as number;
    if (first < 0x80) {
      cursor.at = at + 1;
      return first;
    }
  }
  const lo = readHalves(b, at, end);
  if (readHi > MAX_SAFE_HI) throw new DecodeError("integer beyond 2^53", at);
  return readHi * TWO_32 + lo;
}

/** An int64 that must be a safe integer: a revision, a version. */
export function readInt64AsNumber(b: Uint8Array, at: number, end: number): number {
  const value = readAnyInt64AsNumber(b, at, end);
  if (!Number.isSafeInteger(value)) throw new DecodeError("integer beyond 2^53", at);
  return value;
}

/**
 * An int64 of a client's request. Values beyond the safe integers become the nearest safe one: no
 * revision, limit or TTL ever gets there, so every comparison has the same result.
 */
export function readInt64Saturated(b: Uint8Array, at: number, end: number): number {
  const value = readAnyInt64AsNumber(b, at, end);
  if (value > Number.MAX_SAFE_INTEGER) return Number.MAX_SAFE_INTEGER;
  return value < Number.MIN_SAFE_INTEGER ? Number.MIN_SAFE_INTEGER : value;
}

/** As `readInt64Saturated` for a uint64. */
export function readUint64Saturated(b: Uint8Array, at: number, end: number): number {
  const lo = readHalves(b, at, end);
  return readHi > MAX_SAFE_HI ? Number.MAX_SAFE_INTEGER : readHi * TWO_32 + lo;
}

function readAnyInt64AsNumber(b: Uint8Array, at: number, end: number): number {
  const lo = readHalves(b, at, end);
  return (readHi | 0) * TWO_32 + lo;
}

export function readUint64(b: Uint8Array, at: number, end: number): bigint {
  halves[LO] = readHalves(b, at, end);
  halves[HI] = readHi;
  return unsigned64[0] as bigint;
}

export function readInt64(b: Uint8Array, at: number, end: number): bigint {
  halves[LO] = readHalves(b, at, end);
  halves[HI] = readHi;
  return signed64[0] as bigint;
}

/** Four bytes, little-endian. */
export function readFixed32(b: Buffer, at: number, end: number): number {
  if (end - at < 4) throw truncated(at);
  cursor.at = at + 4;
  return b.readUInt32LE(at);
}

/** Eight bytes, little-endian. */
export function readFixed64(b: Buffer, at: number, end: number): bigint {
  if (end - at < 8) throw truncated(at);
  cursor.at = at + 8;
  return b.readBigUInt64LE(at);
}

/** Length above which the native decoder beats a loop that looks for non-ASCII bytes. */
const ASCII_SCAN_LIMIT = 64;
const strictUtf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** The text in b[at, end). Throws unless it is valid UTF-8. */
export function readString(b: Buffer, at: number, end: number): string {
  if (isShortAscii(b, at, end)) return b.latin1Slice(at, end);
  const text = b.utf8Slice(at, end);
  if (!text.includes("\ufffd")) return text;
  try {
    return strictUtf8.decode(b.subarray(at, end));
  } catch {
    throw new DecodeError("string is not valid UTF-8", at);
  }
}

/** As `readString`, but invalid UTF-8 becomes U+FFFD: proto2 never promised valid text. */
export function readStringLossy(b: Buffer, at: number, end: number): string {
  return isShortAscii(b, at, end) ? b.latin1Slice(at, end) : b.utf8Slice(at, end);
}

function isShortAscii(b: Uint8Array, at: number, end: number): boolean {
  if (end - at > ASCII_SCAN_LIMIT) return false;
  for (let next = at; next < end; next++) {
    if ((b[next] as number) >= 0x80) return false;
  }
  return true;
}

/** Skips the field whose tag has just been read; returns the position behind it. */
export function skipField(b: Uint8Array, at: number, end: number, tag: number): number {
  return skip(b, at, end, tag, 0);
}

function skip(b: Uint8Array, at: number, end: number, tag: number, depth: number): number {
  if (tag >>> 3 === 0) throw new DecodeError("illegal field number 0", at);
  switch (tag & 7) {
    case 0:
      readHalves(b, at, end);
      return cursor.at;
    case 1:
      if (end - at < 8) throw truncated(at);
      return at + 8;
    case 2: {
      const length = readLength(b, at, end);
      return cursor.at + length;
    }
    case 3:
      return skipGroup(b, at, end, tag, depth + 1);
    case 5:
      if (end - at < 4) throw truncated(at);
      return at + 4;
    default:
      throw new DecodeError(`illegal wire type ${tag & 7}`, at);
  }
}

function skipGroup(
  b: Uint8Array,
  start: number,
  end: number,
  startTag: number,
  depth: number,
): number {
  if (depth > MAX_NESTING) throw nestedTooDeeply(start);
  const endTag = startTag + 1;
  let at = start;
  for (;;) {
    const tag = readTag(b, at, end);
    at = cursor.at;
    if (tag === endTag) return at;
    at = skip(b, at, end, tag, depth);
  }
}

export function sizeVarint32(value: number): number {
  if (value < 0x80) return 1;
  if (value < 0x4000) return 2;
  if (value < 0x20_0000) return 3;
  if (value < 0x1000_0000) return 4;
  return value < 0x1_0000_0000 ? 5 : unencodable(value);
}

/**
 * NaN, for one, is smaller than nothing: bytes would be counted for it that nobody writes, and what
 * was in that memory before would be sent.
 */
function unencodable(value: number): never {
  throw new RangeError(`${value} is no integer that can be encoded`);
}

/** Size of a sign-extended int32 or enum. */
export function sizeInt32(value: number): number {
  if (value < 0) return value >= -0x8000_0000 ? 10 : unencodable(value);
  return sizeVarint32(value);
}

/** Size of a 64-bit integer held as a safe integer. */
export function sizeNumber(value: number): number {
  if (value < 0) return value >= -TWO_63 ? 10 : unencodable(value);
  if (value < 0x1000_0000) return sizeVarint32(value);
  if (value < 0x8_0000_0000) return 5;
  if (value < 0x400_0000_0000) return 6;
  if (value < 0x2_0000_0000_0000) return 7;
  return value < 0x100_0000_0000_0000 ? 8 : unencodable(value);
}

export function sizeBigInt(value: bigint): number {
  signed64[0] = value;
  return sizeHalves(halves[LO] as number, halves[HI] as number);
}

function sizeHalves(lo: number, hi: number): number {
  return hi === 0 ? sizeVarint32(lo) : hi > 0x7fffffff ? 10 : sizeByHighHalf(hi);
}

function sizeByHighHalf(hi: number): number {
  if (hi < 1 << 3) return 5;
  if (hi < 1 << 10) return 6;
  if (hi < 1 << 17) return 7;
  return hi < 1 << 24 ? 8 : 9;
}

/** Size of a length-delimited field's length and content. */
export function sizeDelimited(length: number): number {
  return sizeVarint32(length) + length;
}

/** UTF-8 length of a string. */
export function sizeString(text: string): number {
  const length = text.length;
  if (length <= ASCII_SCAN_LIMIT) {
    let at = 0;
    while (at < length && text.charCodeAt(at) < 0x80) at++;
    if (at === length) return length;
  }
  return Buffer.byteLength(text, "utf8");
}

/** Puts a varint of at most 32 bits before `at`. */
export function prependVarint32(b: Uint8Array, at: number, value: number): number {
  if (value < 0x80) {
    b[at - 1] = value;
    return at - 1;
  }
  const start = at - sizeVarint32(value);
  let rest = value;
  let next = start;
  while (rest > 0x7f) {
    b[next++] = (rest & 0x7f) | 0x80;
    rest >>>= 7;
  }
  b[next] = rest;
  return start;
}

/** Puts an int32 or enum before `at`, sign-extended to 64 bits. */
export function prependInt32(b: Uint8Array, at: number, value: number): number {
  if (value >= 0) return prependVarint32(b, at, value);
  return prependHalves(b, at, value >>> 0, 0xffffffff);
}

/** Puts a 64-bit integer held as a safe integer before `at`. */
export function prependNumber(b: Uint8Array, at: number, value: number): number {
  if (value >= 0 && value < TWO_32) return prependVarint32(b, at, value);
  return prependHalves(b, at, value >>> 0, Math.floor(value / TWO_32) >>> 0);
}

/** Puts a 64-bit integer before `at`; int64 and uint64 have the same form. */
export function prependBigInt(b: Uint8Array, at: number, value: bigint): number {
  signed64[0] = value;
  const hi = halves[HI] as number;
  const lo = halves[LO] as number;
  return hi === 0 ? prependVarint32(b, at, lo) : prependHalves(b, at, lo, hi);
}

function prependHalves(b: Uint8Array, at: number, low: number, high: number): number {
  let lo = low;
  let hi = high;
  const start = at - sizeHalves(lo, hi);
  let next = start;
  while (hi !== 0) {
    b[next++] = (lo & 0x7f) | 0x80;
    lo = ((lo >>> 7) | (hi << 25)) >>> 0;
    hi >>>= 7;
  }
  while (lo > 0x7f) {
    b[next++] = (lo & 0x7f) | 0x80;
    lo >>>= 7;
  }
  b[next] = lo;
  return start;
}

/** Up to this length a copy loop beats the array's own `set`. */
const COPY_LOOP_LIMIT = 32;

/** Puts a length and the bytes before `at`. */
export function prependBytes(b: Uint8Array, at: number, bytes: Uint8Array): number {
  const length = bytes.length;
  const start = at - length;
  if (length <= COPY_LOOP_LIMIT) {
    for (let next = 0; next < length; next++) b[start + next] = bytes[next] as number;
  } else {
    b.set(bytes, start);
  }
  return prependVarint32(b, start, length);
}

/** Puts a length and the text in UTF-8 before `at`. */
export function prependString(b: Buffer, at: number, text: string): number {
  const length = text.length;
  let start = at - length;
  let next = 0;
  if (length <= ASCII_SCAN_LIMIT && start >= 0) {
    for (; next < length; next++) {
      const unit = text.charCodeAt(next);
      if (unit >= 0x80) break;
      b[start + next] = unit;
    }
    if (next === length) return prependVarint32(b, start, length);
  }
  const size = Buffer.byteLength(text, "utf8");
  start = at - size;
  b.utf8Write(text, start, size);
  return prependVarint32(b, start, size);
}

/**
 * Decodes twice-given singular messages as protobuf demands: the second merges into the first,
 * which is the same as decoding both encodings one after the other.
 */
export function concatenated(first: Uint8Array, b: Buffer, at: number, end: number): Buffer {
  return Buffer.concat([viewAsBuffer(first), b.subarray(at, end)]);
}
