import assert from "node:assert/strict";
import { test } from "node:test";
import { RecordList } from "./record-list.ts";

test("records of several pages, beside each other and not, are found in any order", () => {
  const pages = [3, 4, 5].map((n) => Buffer.from(Array.from({ length: 200 }, (_, i) => i * n)));
  const list = new RecordList();
  const wanted: Buffer[] = [];
  for (let i = 0; i < 60; i++) {
    const page = pages[Math.floor(i / 4) % 3] as Buffer;
    list.add(page, i, 2 * i + 1);
    wanted.push(page.subarray(i, 2 * i + 1));
  }
  assert.equal(list.length, 60);
  assert.equal(list.at(60), undefined);
  assert.deepEqual(
    [...list].map((each) => Buffer.from(each)),
    wanted,
  );
  for (const index of [59, 0, 31, 30, 29, 58, 1]) {
    const target = Buffer.alloc(200);
    list.copy(index, target, 7);
    const record = wanted[index] as Buffer;
    assert.equal(list.lengthAt(index), record.length);
    assert.ok(target.subarray(7, 7 + record.length).equals(record));
    assert.equal(target[7 + record.length], 0);
  }
  const total = wanted.reduce((sum, { length }) => sum + length, 0);
  assert.deepEqual([list.bytes, list.fieldBytes], [total, total + 2 * 60]);
});
