import assert from "node:assert/strict";
import { test } from "node:test";
import { IdTable } from "./id-table.ts";

/** The same numbers each time; the low bits of the state, which repeat soon, are not shown. */
function* mixed(seed: number): Generator<number, never> {
  for (let state = seed; ; ) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    yield state >>> 12;
  }
}

test("keys that come and go in any order are found as in a map", () => {
  for (const step of [1, 2, 256, 2 ** 32, 2 ** 40 + 1]) {
    const numbers = mixed(step % 1000);
    const table = new IdTable<string>();
    const model = new Map<number, string>();
    for (let i = 0; i < 3000; i++) {
      const key = step * (numbers.next().value % 200);
      if (numbers.next().value % 2 === 0) {
        table.set(key, `${i}`);
        model.set(key, `${i}`);
      } else assert.equal(table.delete(key), model.delete(key), `step ${step}, ${i}`);
      assert.equal(table.size, model.size);
      assert.equal(table.get(key), model.get(key));
    }
    for (let i = 0; i < 200; i++) assert.equal(table.get(step * i), model.get(step * i));
    assert.deepEqual(table.values().sort(), [...model.values()].sort());
  }
});

test("after clear nothing is found", () => {
  const table = new IdTable<string>();
  for (let i = 0; i < 100; i++) table.set(i, "x");
  table.clear();
  assert.equal(table.size, 0);
  assert.equal(table.get(5), undefined);
  assert.deepEqual(table.values(), []);
  table.set(5, "again");
  assert.deepEqual(table.values(), ["again"]);
});
