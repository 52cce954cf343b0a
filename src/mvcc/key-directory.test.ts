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

test("a directory and its copy do not see each other's keys, colliding ones among them", () => {
  for (const hash of [undefined, () => 5]) {
    const directory = new KeyDirectory(hash);
    assert.equal(directory.copy().get("a"), ABSENT);
    for (let i = 0; i < 200; i++) directory.add(`k${i}`, i);
    const copy = directory.copy();
    for (let i = 0; i < 200; i += 2) copy.delete(`k${i}`, i);
    for (let i = 0; i < 200; i += 2) copy.add(`new${i}`, i);
    for (let i = 0; i < 200; i++) {
      assert.equal(directory.get(`k${i}`), i);
      assert.equal(directory.keyOf(i), `k${i}`);
      assert.equal(directory.get(`new${i}`), ABSENT);
      assert.equal(copy.get(`k${i}`), i % 2 === 0 ? ABSENT : i);
      assert.equal(copy.get(`new${i}`), i % 2 === 0 ? i : ABSENT);
    }
  }
});
