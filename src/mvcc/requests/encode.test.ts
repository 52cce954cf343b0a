/** A response in parts. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { encodeRangeResponse, encodeRecordParts } from "./encode.ts";

test("a response around a record is the one that a copy of the record makes", () => {
  const header = Buffer.from("header");
  for (const bytes of [0, 1, 127, 128, 40_000, 3_000_000]) {
    const record = Buffer.alloc(bytes, "r");
    for (const more of [false, true]) {
      const result = { revision: 7, kvs: [record], more, count: more ? 300 : 1 };
      const parts = encodeRecordParts(header, result, record);
      assert.equal(parts[1], record);
      assert.deepEqual(Buffer.concat(parts), encodeRangeResponse(header, result));
    }
  }
});
