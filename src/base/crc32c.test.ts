import assert from "node:assert/strict";
import { test } from "node:test";
import { bytesFromLatin1 } from "./bytes.ts";
import { crc32c, crc32cRange } from "./crc32c.ts";

function bitwise(data: Uint8Array, previous = 0): number {
  let crc = ~previous >>> 0;
  for (const byte of data) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0x82f63b78 : crc >>> 1;
  }
  return ~crc >>> 0;
}

test("the check value of CRC-32C and the vectors of RFC 3720 B.4 hold", () => {
  assert.equal(crc32c(bytesFromLatin1("123456789")), 0xe3069283);
  assert.equal(crc32c(new Uint8Array(0)), 0);
  assert.equal(crc32c(new Uint8Array(32)), 0x8a9136aa);
  assert.equal(crc32c(new Uint8Array(32).fill(0xff)), 0x62a8ab43);
  assert.equal(crc32c(Uint8Array.from({ length: 32 }, (_, i) => i)), 0x46dd794e);
  assert.equal(crc32c(Uint8Array.from({ length: 32 }, (_, i) => 31 - i)), 0x113fdb5c);
});

test("every length and split point equals the bitwise definition", () => {
  const data = Uint8Array.from({ length: 70 }, (_, i) => (i * 151 + 7) & 0xff);
  for (let length = 0; length <= data.length; length++) {
    const part = data.subarray(0, length);
    const whole = bitwise(part);
    assert.equal(crc32c(part), whole);
    for (let split = 0; split <= length; split += 5) {
      const chained = crc32c(part.subarray(split), crc32c(part.subarray(0, split)));
      assert.equal(chained, whole, `length ${length} split ${split}`);
    }
  }
  assert.equal(crc32cRange(data, 3, 50, 0x12345678), bitwise(data.subarray(3, 50), 0x12345678));
});

test("long data in one piece has the checksum that it has in short ones", () => {
  const data = new Uint8Array(300_000);
  for (let i = 0, state = 1; i < data.length; i++) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    data[i] = state >>> 24;
  }
  const KIB = 1024;
  const lengths = [8 * KIB, 9 * KIB + 1, 32 * KIB - 1, 32 * KIB, 33 * KIB, 34 * KIB + 7, 64 * KIB];
  for (const length of [...lengths, 64 * KIB + 1263, 65 * KIB + 240, 100_001, data.length - 9]) {
    for (const start of [0, 1, 9]) {
      let expected = 0x12345678;
      for (let at = start; at < start + length; at += 4000) {
        const end = Math.min(at + 4000, start + length);
        expected = crc32cRange(data, at, end, expected);
      }
      const actual = crc32cRange(data, start, start + length, 0x12345678);
      assert.equal(actual, expected, `${length} bytes from ${start}`);
    }
  }
});
