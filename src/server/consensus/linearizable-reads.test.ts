import assert from "node:assert/strict";
import { test } from "node:test";
import { EtcdError } from "../../api/errors.ts";
import { RequestIDGenerator } from "../../base/id-generator.ts";
import { MemoryLogger, VirtualClock } from "../../env/testing/index.ts";
import { LinearizableReads } from "./linearizable-reads.ts";

function world() {
  const clock = new VirtualClock();
  const asked: Uint8Array[] = [];
  const state = { applied: 10, slow: 0 };
  const reads = new LinearizableReads({
    clock,
    logger: new MemoryLogger(),
    ids: new RequestIDGenerator(1n, 1),
    timeoutMs: 7000,
    ask: (context) => asked.push(context),
    appliedIndex: () => state.applied,
    onSlow: () => {
      state.slow++;
    },
    onTimeout: () => undefined,
  });
  const answers: string[] = [];
  const read = (name: string) =>
    reads.add((error) => answers.push(error === undefined ? name : `${name}: ${error.message}`));
  const confirm = (question: number, index: number) =>
    reads.confirm([{ index, requestContext: asked[question] ?? new Uint8Array(0) }]);
  return { clock, asked, state, reads, answers, read, confirm };
}

test("reads that arrive together share one question", () => {
  const w = world();
  w.read("a");
  w.read("b");
  w.reads.flush();
  assert.equal(w.asked.length, 1);
  w.confirm(0, 10);
  assert.deepEqual(w.answers, ["a", "b"]);
});

test("a read that arrives after the question was asked waits for the next one", () => {
  const w = world();
  w.read("early");
  w.reads.flush();
  w.read("late");
  w.reads.flush();
  w.confirm(0, 10);
  assert.deepEqual(w.answers, ["early"]);
  assert.equal(w.asked.length, 2);
  w.confirm(1, 10);
  assert.deepEqual(w.answers, ["early", "late"]);
});

test("a confirmed read waits until its index is applied", () => {
  const w = world();
  w.read("a");
  w.reads.flush();
  w.confirm(0, 12);
  assert.deepEqual(w.answers, []);
  w.state.applied = 11;
  w.reads.applied();
  assert.deepEqual(w.answers, []);
  w.state.applied = 12;
  w.reads.applied();
  assert.deepEqual(w.answers, ["a"]);
});

test("an answer to an unknown question confirms nothing", () => {
  const w = world();
  w.read("a");
  w.reads.flush();
  w.reads.confirm([{ index: 10, requestContext: Buffer.from("somebody") }]);
  assert.deepEqual(w.answers, []);
});

test("a question without an answer is repeated, and given up at the timeout", () => {
  const w = world();
  w.read("a");
  w.reads.flush();
  w.clock.advance(500);
  assert.equal(w.asked.length, 2);
  assert.equal(w.state.slow, 1);
  assert.notDeepEqual(w.asked[0], w.asked[1], "each question has its own context");
  w.clock.advance(7000);
  assert.deepEqual(w.answers, ["a: etcdserver: request timed out"]);
});

test("the answer to an older repetition counts", () => {
  const w = world();
  w.read("a");
  w.reads.flush();
  w.clock.advance(1000);
  w.confirm(0, 10);
  assert.deepEqual(w.answers, ["a"]);
});

test("a change of leader fails what was asked and asks anew for the rest", () => {
  const w = world();
  w.read("asked");
  w.reads.flush();
  w.read("waiting");
  w.reads.failAsked(new EtcdError("leaderChanged"));
  assert.deepEqual(w.answers, ["asked: etcdserver: leader changed"]);
  assert.equal(w.asked.length, 2);
  w.confirm(1, 10);
  assert.deepEqual(w.answers.at(-1), "waiting");
});
