import assert from "node:assert/strict";
import { test } from "node:test";
import { NumberRows } from "./number-rows.ts";

test("rows keep their numbers while more are added, over many chunks", () => {
  const rows = new NumberRows(3);
  for (let i = 0; i < 20_000; i++) {
    assert.equal(rows.add(), i);
    assert.equal(rows.get(i, 1), 0);
    rows.set(i, 0, i);
    rows.set(i, 2, 2 ** 52 + i);
  }
  assert.equal(rows.length, 20_000);
  for (let i = 0; i < 20_000; i++) {
    assert.deepEqual([rows.get(i, 0), rows.get(i, 1), rows.get(i, 2)], [i, 0, 2 ** 52 + i]);
  }
});
