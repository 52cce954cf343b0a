/** Long reads share the turns of the loop: many at a time hold nobody up longer than one does. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Slice, Steps } from "../../base/slice.ts";
import { Turns } from "./turns.ts";

const UNITS = 10;

/** A loop whose turns are taken by hand. */
class Loop {
  readonly #deferred: (() => void)[] = [];
  readonly turns = new Turns((work) => this.#deferred.push(work), UNITS);
  /** Units of work done in each turn. */
  readonly done: number[] = [0];

  get isIdle(): boolean {
    return this.#deferred.length === 0;
  }

  turn(): void {
    this.done.push(0);
    for (const work of this.#deferred.splice(0)) work();
  }

  *work(units: number, slice: Slice): Steps<number> {
    for (let i = 0; i < units; i++) {
      if (slice.isUsedUp) yield;
      slice.left--;
      this.done[this.done.length - 1] = (this.done.at(-1) ?? 0) + 1;
    }
    return units;
  }
}

function start(loop: Loop, name: string, units: number, log: string[], isCancelled = () => false) {
  loop.turns.run((slice) => loop.work(units, slice), {
    done: () => log.push(name),
    failed: (error) => log.push(`${name}: ${String(error)}`),
    isCancelled,
    cancelled: () => log.push(`${name} given up`),
  });
}

test("what fits into the turn is done at once", () => {
  const loop = new Loop();
  const log: string[] = [];
  start(loop, "small", 3, log);
  start(loop, "other", 3, log);
  assert.deepEqual(log, ["small", "other"]);
});

test("a hundred long works take one slice per turn together, and a short one is not last", () => {
  const loop = new Loop();
  const log: string[] = [];
  for (let i = 0; i < 100; i++) start(loop, `long ${i}`, 200, log);
  start(loop, "short", 2, log);
  while (!loop.isIdle) loop.turn();
  assert.ok(Math.max(...loop.done) <= UNITS, `${Math.max(...loop.done)} units in one turn`);
  assert.equal(log.length, 101);
  assert.equal(log[0], "short");
  assert.ok(loop.done.length >= 2000);
});

test("work that nobody waits for is given up, begun or not, and others go on", () => {
  const loop = new Loop();
  const log: string[] = [];
  let isGone = false;
  start(loop, "begun", 100, log, () => isGone);
  start(loop, "not begun", 100, log, () => isGone);
  start(loop, "wanted", 30, log);
  loop.turn();
  isGone = true;
  while (!loop.isIdle) loop.turn();
  assert.deepEqual(log, ["not begun given up", "begun given up", "wanted"]);
});

test("work that fails is told, and does not end the turns", () => {
  const loop = new Loop();
  const log: string[] = [];
  loop.turns.run(
    function* () {
      yield;
      throw new Error("broken");
    },
    { done: () => log.push("done"), failed: () => log.push("failed"), isCancelled: () => false },
  );
  start(loop, "next", 5, log);
  while (!loop.isIdle) loop.turn();
  assert.deepEqual(log, ["failed", "next"]);
});
