import assert from "node:assert/strict";
import { test } from "node:test";
import { decodeMetaPage, encodeMetaPage, type Meta, NO_FREELIST } from "./format.ts";

const META: Meta = {
  pageSize: 4096,
  rootPgid: 3,
  rootSequence: 0n,
  freelistPgid: 2,
  highWater: 4,
  txid: 1,
};

test("a meta page has bbolt's layout", () => {
  const page = encodeMetaPage(META);
  assert.equal(page.length, 4096);
  // Header: id 1, flags meta, no elements, no overflow.
  assert.equal(page.toString("hex", 0, 16), "01000000000000000400000000000000");
  assert.equal(page.toString("hex", 16, 32), "edda0ced020000000010000000000000");
  assert.equal(
    page.toString("hex", 32, 72),
    [
      "0300000000000000",
      "0000000000000000",
      "0200000000000000",
      "0400000000000000",
      "0100000000000000",
    ].join(""),
  );
  assert.ok(page.subarray(80).every((byte) => byte === 0));
});

test("a meta page reads back", () => {
  assert.deepEqual(decodeMetaPage(encodeMetaPage(META)), META);
  const unsynced = {
    ...META,
    freelistPgid: NO_FREELIST,
    txid: 2 ** 40 + 1,
    rootSequence: 2n ** 63n,
  };
  assert.deepEqual(decodeMetaPage(encodeMetaPage(unsynced)), unsynced);
  assert.equal(encodeMetaPage(unsynced).toString("hex", 48, 56), "ffffffffffffffff");
});

test("every flipped bit of a meta body is noticed", () => {
  for (let bit = 16 * 8; bit < 80 * 8; bit++) {
    const page = encodeMetaPage(META);
    page[bit >>> 3] = (page[bit >>> 3] as number) ^ (1 << (bit & 7));
    assert.equal(typeof decodeMetaPage(page), "string", `bit ${bit}`);
  }
});
