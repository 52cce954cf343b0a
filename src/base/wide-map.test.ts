import assert from "node:assert/strict";
import { test } from "node:test";
import { hashOfLeaseID, hashOfText, WideMap } from "./wide-map.ts";

/** The same numbers each time. */
function generator(seed: number): (bound: number) => number {
  let state = seed;
  return (bound) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return (state >>> 8) % bound;
  };
}

test("it behaves as a Map while it grows and is emptied", () => {
  const below = generator(7);
  const map = new WideMap<string, number>(hashOfText);
  const model = new Map<string, number>();
  const check = (): void => {
    assert.equal(map.size, model.size);
    assert.deepEqual(new Map(map.entries()), model);
    assert.deepEqual(
      map.values().sort((a, b) => a - b),
      [...model.values()].sort((a, b) => a - b),
    );
  };
  for (const growth of [0.9, 0.1]) {
    for (let step = 0; step < 40_000; step++) {
      const key = `key-${below(20_000)}`;
      assert.equal(map.get(key), model.get(key));
      assert.equal(map.has(key), model.has(key));
      if (below(100) < growth * 100) {
        map.set(key, step);
        model.set(key, step);
      } else {
        assert.equal(map.delete(key), model.delete(key));
      }
    }
    check();
  }
});

/** How many of 64 parts, and the share of the fullest. */
function spread<K>(keys: readonly K[], hash: (key: K) => number): number {
  const parts = new Array<number>(64).fill(0);
  for (const key of keys) {
    const part = hash(key) & 63;
    parts[part] = (parts[part] as number) + 1;
  }
  return Math.max(...parts) / (keys.length / 64);
}

test("keys and leases as they are usual spread evenly", () => {
  const numbers = Array.from({ length: 100_000 }, (_, i) => i);
  const kinds: readonly (readonly string[])[] = [
    numbers.map((i) => `bench-${String(i).padStart(12, "0")}`),
    numbers.map((i) => `/registry/leases/node-${i}`),
    numbers.map((i) => `/jobs/${i}/owner`),
    numbers.map((i) => Math.imul(i, 0x9e3779b1).toString(16)),
  ];
  for (const keys of kinds) assert.ok(spread(keys, hashOfText) < 2, `${keys[0]}`);
  // Clients let members choose, who count in the low bits; or number them by themselves.
  const leases = numbers.map((i) => (0x1234_5678n << 32n) + BigInt(i));
  assert.ok(spread(leases, hashOfLeaseID) < 2);
  const stepped = numbers.map((i) => BigInt(i) * 64n);
  assert.ok(spread(stepped, hashOfLeaseID) < 4);
});
