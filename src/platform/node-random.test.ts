import assert from "node:assert/strict";
import { test } from "node:test";
import { NodeRandom } from "./node-random.ts";

test("random integers stay below their bound and reach both ends", () => {
  const random = new NodeRandom();
  const seen = new Set<number>();
  for (let i = 0; i < 2000; i++) seen.add(random.below(5));
  assert.deepEqual([...seen].sort(), [0, 1, 2, 3, 4]);
  assert.equal(random.below(1), 0);
  assert.ok(random.below(2 ** 31) < 2 ** 31);
  assert.throws(() => random.below(0));
  const filled = random.fill(new Uint8Array(64));
  assert.ok(filled.some((byte) => byte !== 0));
});
