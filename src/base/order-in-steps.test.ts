import assert from "node:assert/strict";
import { test } from "node:test";
import { orderInSteps } from "./order-in-steps.ts";

/** Keys of few different ones, so that some are equal, from a seed. */
function keysFrom(seed: number, count: number): string[] {
  let state = seed;
  return Array.from({ length: count }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return `k${(state >>> 8) % (2 * count)}`;
  });
}

function run(keys: readonly string[], itemsPerStep: number) {
  const steps = orderInSteps(keys, itemsPerStep);
  for (let pauses = 0; ; pauses++) {
    const step = steps.next();
    if (step.done === true) return { order: [...step.value], pauses };
  }
}

function expected(keys: readonly string[]): number[] {
  return keys.map((_, i) => i).sort((a, b) => compare(keys[a] ?? "", keys[b] ?? "") || a - b);
}

function compare(a: string, b: string): number {
  if (a === b) return 0;
  return a < b ? -1 : 1;
}

test("any number of strings is put in order, equal ones in the order they came", () => {
  for (let count = 0; count <= 200; count++) {
    const keys = keysFrom(count + 1, count);
    for (const itemsPerStep of [1, 7, 1000]) {
      assert.deepEqual(run(keys, itemsPerStep).order, expected(keys), `${count} strings`);
    }
  }
});

test("runs that are in order already, forwards or backwards, are put in order", () => {
  const ascending = Array.from({ length: 1000 }, (_, i) => String(i).padStart(4, "0"));
  const descending = [...ascending].reverse();
  for (const keys of [ascending, descending, [...ascending.slice(500), ...ascending]]) {
    assert.deepEqual(run(keys, 100).order, expected(keys));
  }
});

test("sorting pauses after a bounded number of items", () => {
  const keys = keysFrom(7, 10_000);
  const { order, pauses } = run(keys, 500);
  assert.deepEqual(order, expected(keys));
  // Ten levels of merging and one of runs, 10,000 items each.
  assert.ok(pauses >= 11 * 20 - 10, `${pauses} pauses`);
});
