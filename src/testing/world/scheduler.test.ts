import assert from "node:assert/strict";
import { test } from "node:test";
import { SeededRandom } from "../../env/testing/index.ts";
import { Actor, Scheduler } from "./scheduler.ts";
import { Trace } from "./trace.ts";

function scheduler(): Scheduler {
  return new Scheduler(new Trace(), new SeededRandom(1));
}

test("events run by time, those of one time in the order of their making", async () => {
  const world = scheduler();
  const seen: string[] = [];
  for (const [delay, name] of [
    [5, "c"],
    [1, "a"],
    [1, "b"],
    [9, "late"],
  ] as const) {
    world.at(delay, "test", undefined, () => seen.push(`${name} at ${world.nowMs}`));
  }
  await world.runUntil(6);
  assert.deepEqual(seen, ["a at 1", "b at 1", "c at 5"]);
  assert.equal(world.nowMs, 6);
});

test("what an event's promises do is over before the next event of the same time", async () => {
  const world = scheduler();
  const seen: string[] = [];
  world.at(1, "test", undefined, () => {
    void (async () => {
      for (let i = 0; i < 50; i++) await Promise.resolve();
      seen.push("promises");
    })();
  });
  world.at(1, "test", undefined, () => seen.push("next"));
  await world.runUntil(2);
  assert.deepEqual(seen, ["promises", "next"]);
});

test("a paused actor's events wait, and come in the order of their sources; a dead one's never", async () => {
  const world = scheduler();
  const [paused, dead] = [new Actor("paused"), new Actor("dead")];
  const seen: string[] = [];
  for (let i = 0; i < 10; i++) {
    for (const source of ["x", "y"]) {
      world.at(i, source, paused, () => seen.push(`${source}${i}`));
      world.at(i, source, dead, () => seen.push("dead"));
    }
  }
  const cancelled = world.at(3, "x", paused, () => seen.push("cancelled"));
  world.pause(paused);
  dead.isAlive = false;
  await world.runUntil(20);
  assert.equal(seen.length, 0);
  cancelled.cancel();
  world.resume(paused);
  await world.runUntil(30);
  const of = (source: string) => seen.filter((each) => each.startsWith(source));
  assert.deepEqual(
    of("x"),
    Array.from({ length: 10 }, (_, i) => `x${i}`),
  );
  assert.deepEqual(of("y").length, 10);
  assert.equal(seen.length, 20);
});

test("an error in an event is reported with its actor, and the world goes on", async () => {
  const world = scheduler();
  const actor = new Actor("one");
  const errors: string[] = [];
  world.onError = (error, whose) => errors.push(`${whose?.name}: ${(error as Error).message}`);
  world.at(1, "test", actor, () => {
    throw new Error("broken");
  });
  assert.equal(await world.runUntil(5, () => world.nowMs >= 1), true);
  assert.deepEqual(errors, ["one: broken"]);
});

test("nothing is due at no time, as time would never go beyond it", async () => {
  const world = scheduler();
  assert.throws(() => world.at(Number.NaN, "timer", undefined, () => undefined), TypeError);
  await world.runUntil(6);
  assert.equal(world.nowMs, 6);
});
