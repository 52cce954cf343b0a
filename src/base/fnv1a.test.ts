import assert from "node:assert/strict";
import { test } from "node:test";
import { bytesFromLatin1 } from "./bytes.ts";
import { fnv1a64 } from "./fnv1a.ts";

function byBigInt(data: Uint8Array): bigint {
  let hash = 0xcbf29ce484222325n;
  for (const byte of data) hash = BigInt.asUintN(64, (hash ^ BigInt(byte)) * 0x100000001b3n);
  return hash;
}

function join(halves: { hi: number; lo: number }): bigint {
  return (BigInt(halves.hi) << 32n) | BigInt(halves.lo);
}

test("the published FNV-1a vectors hold", () => {
  assert.equal(join(fnv1a64(new Uint8Array(0))), 0xcbf29ce484222325n);
  assert.equal(join(fnv1a64(bytesFromLatin1("a"))), 0xaf63dc4c8601ec8cn);
  assert.equal(join(fnv1a64(bytesFromLatin1("foobar"))), 0x85944171f73967e8n);
});

test("every prefix of 256 bytes of every value equals the 64-bit definition", () => {
  const data = Uint8Array.from({ length: 256 }, (_, i) => (i * 37) & 0xff);
  for (let length = 0; length <= 256; length++) {
    assert.equal(join(fnv1a64(data, 0, length)), byBigInt(data.subarray(0, length)));
  }
  assert.equal(join(fnv1a64(data, 10, 66)), byBigInt(data.subarray(10, 66)));
});
