import assert from "node:assert/strict";
import { test } from "node:test";
import { SeededRandom } from "./seeded-random.ts";
import { VirtualClock } from "./virtual-clock.ts";

test("timers fire in order of due time, then of creation, at their due time", () => {
  const clock = new VirtualClock();
  const fired: string[] = [];
  const note = (name: string) => () => fired.push(`${name}@${clock.nowMs()}`);
  clock.setTimer(20, note("b"));
  clock.setTimer(10, note("a"));
  clock.setTimer(20, note("c"));
  clock.setTimer(15, note("never")).cancel();
  clock.setTimer(10, () => clock.setTimer(5, note("nested")));
  clock.advance(19);
  assert.deepEqual(fired, ["a@10", "nested@15"]);
  assert.equal(clock.untilNextMs, 1);
  clock.advance(1);
  assert.deepEqual(fired, ["a@10", "nested@15", "b@20", "c@20"]);
  assert.equal(clock.pendingTimers, 0);
});

test("asynchronous work runs between two timers", async () => {
  const clock = new VirtualClock();
  const order: string[] = [];
  clock.setTimer(1, () => void Promise.resolve().then(() => order.push("work of the first")));
  clock.setTimer(2, () => order.push("second"));
  await clock.advanceAsync(5);
  assert.deepEqual(order, ["work of the first", "second"]);
  assert.equal(clock.nowMs(), 5);
});

test("the wall clock follows, and jumps alone", () => {
  const clock = new VirtualClock(1000);
  clock.advance(5);
  clock.jumpWall(-100);
  assert.equal(clock.wallMs(), 905);
  assert.equal(clock.nowMs(), 5);
});

test("a seed repeats its sequence and draws are uniform", () => {
  const draw = (seed: number): number[] => {
    const random = new SeededRandom(seed);
    return Array.from({ length: 6000 }, () => random.below(6));
  };
  assert.deepEqual(draw(3), draw(3));
  assert.notDeepEqual(draw(3), draw(4));
  const counts = [0, 0, 0, 0, 0, 0];
  for (const n of draw(1)) counts[n]!++;
  for (const count of counts) assert.ok(count > 850 && count < 1150, `${counts}`);
});
