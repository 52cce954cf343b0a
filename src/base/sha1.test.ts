import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { test } from "node:test";
import { sha1 } from "./sha1.ts";

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("hex");
}

test("the vectors of FIPS 180 hold", () => {
  assert.equal(hex(sha1(new Uint8Array(0))), "da39a3ee5e6b4b0d3255bfef95601890afd80709");
  assert.equal(hex(sha1(Buffer.from("abc"))), "a9993e364706816aba3e25717850c26c9cd0d89d");
});

test("every length around the block boundaries equals the library's digest", () => {
  for (let length = 0; length < 300; length++) {
    const data = Uint8Array.from({ length }, (_, i) => (i * 7 + length) & 0xff);
    assert.equal(hex(sha1(data)), createHash("sha1").update(data).digest("hex"));
  }
});
