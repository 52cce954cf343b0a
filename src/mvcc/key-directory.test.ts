import assert from "node:assert/strict";
import test from "node:test";
import { ABSENT, KeyDirectory, type KeyHash } from "./key-directory.ts";
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
  assertMatchesModel(new KeyDirectory(hashing(() => 0x1234567)), 2);
  assertMatchesModel(new KeyDirectory(hashing((key) => key.charCodeAt(5) << 3)), 3);
});

test("keys that come as bytes are the ones that came as text, colliding ones among them", () => {
  const random = new TestRandom(4);
  for (const hash of [undefined, hashing(() => 5), hashing((key) => key.charCodeAt(5) << 3)]) {
    const directory = new KeyDirectory(hash);
    const model = new Map<string, number>();
    for (let i = 0; i < 3000; i++) {
      const key = `key-\u00ff${random.below(1000)}`;
      const bytes = Buffer.from(`..${key}..`, "latin1");
      const end = bytes.length - 2;
      const number = directory.hashOf(bytes, 2, end);
      const known = model.get(key);
      const next = model.size;
      if (known === undefined && random.chance(50)) directory.add(key, next);
      else assert.equal(directory.getOrAdd(bytes, 2, end, number, next), known ?? next);
      if (known === undefined) model.set(key, next);
      assert.equal(directory.get(key), model.get(key));
    }
    for (const [key, record] of model) assert.equal(directory.keyOf(record), key);
  }
});

test("what is read early of a key is its record, where no other key has its place", () => {
  const directory = new KeyDirectory();
  const bytes = Buffer.from("key");
  const hash = directory.hashOf(bytes, 0, 3);
  assert.equal(directory.peek(hash), ABSENT);
  directory.add("key", 0);
  assert.equal(directory.peek(hash), 0);
});

function hashing(ofText: KeyHash["ofText"]): KeyHash {
  const ofBytes: KeyHash["ofBytes"] = (bytes, start, end) =>
    ofText(Buffer.from(bytes.subarray(start, end)).toString("latin1"));
  return { ofText, ofBytes };
}

test("a directory and its copy do not see each other's keys, colliding ones among them", () => {
  for (const hash of [undefined, hashing(() => 5)]) {
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
