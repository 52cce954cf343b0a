import assert from "node:assert/strict";
import { test } from "node:test";
import { OutputQueue } from "./output-queue.ts";

/** Fills it with so many claims of 5,000 bytes; the memory that was used. */
function memoryOf(queue: OutputQueue, claims: number): Set<unknown> {
  for (let i = 0; i < claims; i++) queue.slab[queue.claim(5_000)] = i;
  return new Set(queue.take().map(({ buffer }) => buffer));
}

test("all memory of output that was written is used again, and of output that was not, none", () => {
  const queue = new OutputQueue();
  const first = memoryOf(queue, 12);
  assert.equal(first.size, 4);
  queue.recycle(true);
  const second = memoryOf(queue, 12);
  assert.deepEqual(
    [...second].filter((each) => !first.has(each)),
    [],
  );
  queue.recycle(false);
  const third = memoryOf(queue, 12);
  assert.deepEqual(
    [...third].filter((each) => second.has(each)),
    [],
  );
  queue.recycle(true);
});

test("what room was made for lies in one piece, and what is given back is not sent", () => {
  const queue = new OutputQueue();
  queue.claim(10);
  queue.makeRoom(100_000);
  const at = queue.claim(60_000);
  queue.giveBack(1_000);
  assert.equal(queue.claim(40_000), at + 59_000);
  assert.equal(queue.bytes, 10 + 99_000);
  assert.deepEqual(
    queue.take().map(({ length }) => length),
    [10, 99_000],
  );
  queue.recycle(true);
});
