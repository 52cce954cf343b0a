import assert from "node:assert/strict";
import { test } from "node:test";
import { leaseIDFromRequestID, RequestIDGenerator, requestIDToBigInt } from "./id-generator.ts";

test("an id carries the member's low 16 bits, the milliseconds and a counter", () => {
  const generator = new RequestIDGenerator(0x8e9e05c52164694dn, 0x12_3456_789a);
  assert.equal(requestIDToBigInt(generator.next()), 0x694d_1234_5678_9a01n);
  assert.equal(requestIDToBigInt(generator.next()), 0x694d_1234_5678_9a02n);
});

test("the counter carries into the time part instead of repeating", () => {
  const generator = new RequestIDGenerator(1n, 7);
  const seen = new Set<number>();
  for (let i = 0; i < 1000; i++) seen.add(generator.next().low48);
  assert.equal(seen.size, 1000);
});

test("a lease id is positive", () => {
  const generator = new RequestIDGenerator(0xffffn, 1);
  const id = leaseIDFromRequestID(generator.next());
  assert.ok(id > 0n && id < 1n << 63n);
});
