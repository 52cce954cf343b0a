import assert from "node:assert/strict";
import { test } from "node:test";
import { FlushQueue, type Flushable } from "./flush-queue.ts";

function world() {
  const queue = new FlushQueue();
  const flushed: string[] = [];
  const item = (name: string): Flushable => ({ flush: () => flushed.push(name) });
  return { queue, flushed, item };
}

const endOfTurn = (): Promise<void> => new Promise((done) => setImmediate(done));

test("output leaves at the end of the stretch of code, in one flush", async () => {
  const { queue, flushed, item } = world();
  queue.mark(item("a"));
  queue.mark(item("b"));
  assert.deepEqual(flushed, []);
  await Promise.resolve();
  assert.deepEqual(flushed, ["a", "b"]);
  queue.mark(item("c"));
  await Promise.resolve();
  assert.deepEqual(flushed, ["a", "b", "c"]);
});

test("answers to reads wait for the end of the turn", async () => {
  const { queue, flushed, item } = world();
  queue.markInTurn(item("a"));
  await Promise.resolve();
  queue.markInTurn(item("b"));
  await Promise.resolve();
  assert.deepEqual(flushed, []);
  await endOfTurn();
  assert.deepEqual(flushed, ["a", "b"]);
});

test("they leave with other output, and before too many wait", async () => {
  const { queue, flushed, item } = world();
  queue.markInTurn(item("answer"));
  queue.mark(item("event"));
  await Promise.resolve();
  assert.deepEqual(flushed.splice(0), ["answer", "event"]);
  for (let i = 0; i < 20; i++) queue.markInTurn(item(String(i)));
  await Promise.resolve();
  assert.equal(flushed.length, 20);
  queue.markInTurn(item("last"));
  await endOfTurn();
  assert.equal(flushed.at(-1), "last");
});

test("where a flush at the end of the turn is certain, everything waits for it", async () => {
  const { queue, flushed, item } = world();
  queue.deferred = true;
  for (let i = 0; i < 20; i++) queue.markInTurn(item("answer"));
  queue.mark(item("event"));
  await endOfTurn();
  assert.deepEqual(flushed, []);
  queue.deferred = false;
  queue.run();
  assert.equal(flushed.length, 21);
});
