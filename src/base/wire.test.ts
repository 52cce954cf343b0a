import assert from "node:assert/strict";
import { test } from "node:test";
import {
  cursor,
  DecodeError,
  prependBigInt,
  prependInt32,
  prependNumber,
  prependString,
  readInt32,
  readInt64,
  readInt64AsNumber,
  readLength,
  readString,
  readTag,
  readUint64,
  readUint64AsNumber,
  sizeBigInt,
  sizeInt32,
  sizeNumber,
  sizeString,
  skipField,
} from "./wire.ts";

/** Values around every length change of a varint, both signs. */
function boundaries(): bigint[] {
  const values = [0n];
  for (let bits = 7n; bits < 64n; bits += 7n) values.push((1n << bits) - 1n, 1n << bits);
  values.push((1n << 32n) - 1n, 1n << 32n, (1n << 53n) - 1n, (1n << 63n) - 1n);
  return values.flatMap((value) => [value, -value]).concat(-(1n << 63n));
}

function bytesOf(value: bigint): Buffer {
  const bytes: number[] = [];
  let rest = BigInt.asUintN(64, value);
  for (; rest > 0x7fn; rest >>= 7n) bytes.push(Number(rest & 0x7fn) | 0x80);
  return Buffer.from([...bytes, Number(rest)]);
}

test("64-bit integers are written and read at every boundary", () => {
  for (const value of boundaries()) {
    const expected = bytesOf(value);
    assert.equal(sizeBigInt(value), expected.length, String(value));
    const target = Buffer.alloc(12, 0xee);
    const start = prependBigInt(target, 11, value);
    assert.deepEqual(target.subarray(start, 11), expected);
    assert.equal(readInt64(target, start, 11), BigInt.asIntN(64, value));
    assert.equal(cursor.at, 11);
    assert.equal(readUint64(target, start, 11), BigInt.asUintN(64, value));
  }
});

test("safe integers are written as bigints are, and read back", () => {
  for (const value of boundaries().filter((v) => v >= -(2n ** 53n) + 1n && v < 2n ** 53n)) {
    const expected = bytesOf(value);
    assert.equal(sizeNumber(Number(value)), expected.length, String(value));
    const target = Buffer.alloc(12);
    const start = prependNumber(target, 12, Number(value));
    assert.deepEqual(target.subarray(start), expected);
    assert.equal(readInt64AsNumber(target, start, 12), Number(value));
    if (value >= 0n) assert.equal(readUint64AsNumber(target, start, 12), Number(value));
  }
});

test("what is no integer is not encoded, as it would leave bytes unwritten", () => {
  for (const value of [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, 2 ** 63]) {
    assert.throws(() => sizeNumber(value), RangeError, String(value));
    assert.throws(() => sizeInt32(value), RangeError, String(value));
  }
  assert.throws(() => sizeNumber(undefined as unknown as number), RangeError);
});

test("negative enums take ten bytes", () => {
  const target = Buffer.alloc(10);
  assert.equal(sizeInt32(-2), 10);
  assert.equal(prependInt32(target, 10, -2), 0);
  assert.deepEqual(target, bytesOf(-2n));
  assert.equal(readInt32(target, 0, 10), -2);
});

test("text of every width round-trips at every length around the fast path's end", () => {
  for (const unit of ["a", "é", "日", "𝕏", "\ufffd"]) {
    for (let length = 0; length < 70; length++) {
      const text = unit.repeat(length);
      const size = sizeString(text);
      assert.equal(size, Buffer.byteLength(text));
      const target = Buffer.alloc(size + 3);
      const start = prependString(target, target.length, text);
      const prefix = readLength(target, start, target.length);
      assert.equal(prefix, size);
      assert.equal(readString(target, cursor.at, cursor.at + size), text);
    }
  }
});

test("malformed primitives say where they are", () => {
  const long = Buffer.alloc(11, 0x80);
  assert.throws(() => readUint64(long, 0, 11), /varint longer than ten bytes \(at byte 0\)/);
  assert.throws(() => readUint64(long, 2, 5), /unexpected end of message/);
  assert.throws(() => readLength(Buffer.from([5, 0, 0]), 0, 3), DecodeError);
  assert.throws(() => readLength(Buffer.from([0xff, 0xff, 0xff, 0xff, 0x7f]), 0, 5), DecodeError);
  assert.throws(() => readTag(bytesOf(1n << 35n), 0, 6), /field number out of range/);
  assert.throws(() => skipField(Buffer.from([0]), 0, 1, 0x0f), /illegal wire type 7/);
  assert.throws(() => skipField(Buffer.from([0]), 0, 1, 0x0c), /illegal wire type 4/);
  assert.throws(() => skipField(Buffer.from([0]), 0, 1, 0x00), /illegal field number 0/);
  assert.throws(() => skipField(Buffer.from([0x14]), 0, 1, 0x0b), DecodeError);
});
