/** The answers that a grpc-proxy remembers: bounded, and gone when their keys may have changed. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { RangeRequest } from "../../api/gen/rpc.ts";
import { RangeCache } from "./range-cache.ts";

const one = (key: string): RangeRequest => RangeRequest.create({ key: Buffer.from(key) });
const dir = (key: string, end: string): RangeRequest =>
  RangeRequest.create({ key: Buffer.from(key), rangeEnd: Buffer.from(end) });
const answer = (bytes: number): Uint8Array => new Uint8Array(bytes);

test("what was not used for longest goes first, by number and by size", () => {
  const cache = new RangeCache();
  for (let i = 0; i < 3000; i++) {
    cache.add(one(`k${i}`), undefined, answer(10), cache.generation);
    cache.get(one("k0"), undefined);
  }
  assert.equal(cache.size, 2048);
  assert.notEqual(cache.get(one("k0"), undefined), undefined);
  assert.equal(cache.get(one("k1"), undefined), undefined);
  for (let i = 0; i < 5; i++) {
    cache.add(one(`large${i}`), undefined, answer(30_000_000), cache.generation);
  }
  const held = [0, 1, 2, 3, 4].filter((i) => cache.get(one(`large${i}`), undefined) !== undefined);
  assert.deepEqual(held, [3, 4]);
  cache.add(one("too large"), undefined, answer(70_000_000), cache.generation);
  assert.equal(cache.get(one("too large"), undefined), undefined);
  assert.notEqual(cache.get(one("large4"), undefined), undefined);
});

test("a write takes away all answers that it may have changed, of every caller", () => {
  const cache = new RangeCache();
  const requests = [one("a"), one("b"), dir("a", "b"), dir("b", "c"), dir("a", "\0")];
  const held = (): number[] =>
    requests.flatMap((request, i) => (cache.get(request, "t") === undefined ? [] : [i]));
  const fill = (): void => {
    for (const request of requests) cache.add(request, "t", answer(1), cache.generation);
  };
  fill();
  cache.invalidate(one("b"));
  assert.deepEqual(held(), [0, 2]);
  fill();
  cache.invalidate(dir("a", "b"));
  assert.deepEqual(held(), [1, 3]);
  fill();
  const since = cache.generation;
  cache.invalidate(dir("\0", "\0"));
  assert.deepEqual(held(), []);
  cache.add(one("a"), "t", answer(1), since);
  assert.deepEqual(held(), []);
});
