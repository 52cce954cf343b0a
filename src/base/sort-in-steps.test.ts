import assert from "node:assert/strict";
import test from "node:test";
import { sortInSteps } from "./sort-in-steps.ts";

/** In no order, some of them twice. */
function mixed(i: number): string {
  return String((i * 7919) % 4999);
}

function sortAll(items: string[], itemsPerStep: number): { sorted: string[]; steps: number } {
  const work = sortInSteps(items, itemsPerStep);
  for (let steps = 0; ; steps++) {
    const step = work.next();
    if (step.done === true) return { sorted: step.value, steps };
  }
}

test("strings come out in order whatever the step", () => {
  for (const length of [0, 1, 2, 99, 100, 101, 5000]) {
    const items = Array.from({ length }, (_, i) => mixed(i));
    const expected = [...items].sort();
    for (const itemsPerStep of [1, 7, 100, Number.POSITIVE_INFINITY]) {
      assert.deepEqual(sortAll([...items], itemsPerStep).sorted, expected);
    }
  }
});

test("sorting many strings pauses at least once per step's worth", () => {
  const items = Array.from({ length: 10_000 }, (_, i) => mixed(i));
  assert.ok(sortAll(items, 100).steps >= 100);
});

test("items that compare as equal keep their order", () => {
  const items = Array.from({ length: 1000 }, (_, i) => ({ rank: (i * 7919) % 10, i }));
  const expected = [...items].sort((a, b) => a.rank - b.rank || a.i - b.i);
  const work = sortInSteps([...items], 7, (a, b) => a.rank - b.rank);
  let step = work.next();
  while (step.done !== true) step = work.next();
  assert.deepEqual(step.value, expected);
});
