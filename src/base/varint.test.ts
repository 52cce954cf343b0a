import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { sizeVarint, writeVarint } from "./varint.ts";
import { cursor, readUint64AsNumber } from "./wire.ts";

test("what is written has the announced size and is read back", () => {
  fc.assert(
    fc.property(fc.maxSafeNat(), (value) => {
      const bytes = Buffer.alloc(12, 0xff);
      const end = writeVarint(bytes, 1, value);
      assert.equal(end - 1, sizeVarint(value));
      assert.equal(readUint64AsNumber(bytes, 1, end), value);
      assert.equal(cursor.at, end);
    }),
  );
});
