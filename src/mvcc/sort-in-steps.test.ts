import assert from "node:assert/strict";
import test from "node:test";
import { sortInSteps } from "./sort-in-steps.ts";
import { TestRandom } from "./testing/random.ts";

function sortAll(items: string[], itemsPerStep: number): { sorted: string[]; steps: number } {
  const work = sortInSteps(items, itemsPerStep);
  for (let steps = 0; ; steps++) {
    const step = work.next();
    if (step.done === true) return { sorted: step.value, steps };
  }
}

test("strings come out in order whatever the step", () => {
  const random = new TestRandom(5);
  for (const length of [0, 1, 2, 99, 100, 101, 5000]) {
    const items = Array.from({ length }, () => String(random.below(10_000)));
    const expected = [...items].sort();
    for (const itemsPerStep of [1, 7, 100, Number.POSITIVE_INFINITY]) {
      assert.deepEqual(sortAll([...items], itemsPerStep).sorted, expected);
    }
  }
});

test("sorting many strings pauses at least once per step's worth", () => {
  const random = new TestRandom(6);
  const items = Array.from({ length: 10_000 }, () => String(random.below(1 << 30)));
  assert.ok(sortAll(items, 100).steps >= 100);
});
