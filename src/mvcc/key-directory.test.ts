import assert from "node:assert/strict";
import test from "node:test";
import { ABSENT, KeyDirectory } from "./key-directory.ts";
import { TestRandom } from "./testing/random.ts";

function assertMatchesModel(directory: KeyDirectory, seed: number): void {
  const random = new TestRandom(seed);
  const model = new Map<string, number>();
  const free: number[] = [];
  let records = 0;
  for (let i = 0; i < 30_000; i++) {
    const key = `key-${random.below(4000)}`;
    const known = model.get(key);
    assert.equal(directory.get(key), known ?? ABSENT);
    if (known !== undefined && random.chance(60)) {
      directory.delete(key, known);
      model.delete(key);
      free.push(known);
    } else if (known === undefined) {
      const record = free.pop() ?? records++;
      directory.add(key, record);
      model.set(key, record);
    }
  }
  for (const [key, record] of model) {
    assert.equal(directory.get(key), record);
    assert.equal(directory.keyOf(record), key);
  }
}

test("the directory finds what was added and not taken out", () => {
  assertMatchesModel(new KeyDirectory(), 1);
});

test("keys that all collide are still found", () => {
  assertMatchesModel(new KeyDirectory(() => 0x1234567), 2);
  assertMatchesModel(new KeyDirectory((key) => key.charCodeAt(5) << 3), 3);
});
