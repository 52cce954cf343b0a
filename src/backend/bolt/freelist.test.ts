import assert from "node:assert/strict";
import { test } from "node:test";
import { SeededRandom } from "../../env/testing/seeded-random.ts";
import { Freelist } from "./freelist.ts";

test("allocation takes the lowest run that fits", () => {
  const freelist = new Freelist();
  freelist.add(2);
  freelist.add(4, 2);
  freelist.add(30, 10);
  assert.equal(freelist.allocate(2), 4);
  assert.equal(freelist.allocate(8), 30);
  assert.equal(freelist.allocate(3), -1);
  assert.equal(freelist.allocate(1), 2);
  assert.equal(freelist.allocate(1), 38);
  assert.equal(freelist.allocate(1), 39);
  assert.equal(freelist.allocate(1), -1);
  assert.equal(freelist.freeCount, 0);
});

test("freed pages wait for their transaction to be released", () => {
  const freelist = new Freelist();
  freelist.free(5, 10, 3);
  freelist.free(6, 20, 1);
  assert.equal(freelist.allocate(1), -1);
  assert.equal(freelist.pendingCount, 4);
  assert.deepEqual(freelist.listAll(), [10, 11, 12, 20]);
  assert.deepEqual(freelist.release([5]), [10, 11, 12]);
  assert.equal(freelist.pendingCount, 1);
  assert.equal(freelist.allocate(3), 10);
  assert.deepEqual(freelist.release([]), [20]);
  assert.equal(freelist.allocate(1), 20);
  assert.equal(freelist.pendingCount, 0);
});

test("a page taken and freed while no view was in between is reused under older and newer views", () => {
  const freelist = new Freelist();
  for (const [id, taken, freed] of [
    [10, 5, 6],
    [11, 4, 6],
    [12, 6, 8],
    [13, 0, 8],
  ] as const) {
    if (taken > 0) freelist.recordTaken(id, taken);
    freelist.free(freed, id, 1);
  }
  assert.deepEqual(freelist.release([4, 7]), [10]);
  assert.deepEqual(freelist.release([4, 7]), []);
  assert.deepEqual(freelist.release([7]), [11]);
  assert.deepEqual(freelist.release([]), [12, 13]);
});

test("a page cannot be freed twice, nor a meta page at all", () => {
  const freelist = new Freelist();
  freelist.add(7);
  assert.throws(() => freelist.add(7), /twice/);
  assert.throws(() => freelist.free(1, 7, 1), /twice/);
  assert.throws(() => freelist.free(1, 1, 1), /cannot be freed/);
});

test("random allocations never overlap and find a run whenever there is one", () => {
  for (let seed = 1; seed <= 6; seed++) {
    const random = new SeededRandom(seed);
    const freelist = new Freelist();
    const free = new Set<number>();
    for (let step = 0; step < 400; step++) {
      if (random.chance(0.5)) {
        const id = random.between(2, 40_000);
        const count = random.between(1, 70);
        let fits = true;
        for (let page = id; page < id + count; page++) if (free.has(page)) fits = false;
        if (!fits) continue;
        freelist.add(id, count);
        for (let page = id; page < id + count; page++) free.add(page);
      } else {
        const count = random.chance(0.5) ? 1 : random.between(1, 90);
        const expected = lowestRun(free, count);
        assert.equal(freelist.allocate(count), expected, `seed ${seed}, step ${step}`);
        for (let page = expected; expected >= 0 && page < expected + count; page++)
          free.delete(page);
      }
      assert.equal(freelist.freeCount, free.size);
    }
    assert.deepEqual(
      freelist.listAll(),
      [...free].sort((a, b) => a - b),
    );
  }
});

function lowestRun(free: ReadonlySet<number>, count: number): number {
  let length = 0;
  let previous = -1;
  for (const id of [...free].sort((a, b) => a - b)) {
    length = id === previous + 1 ? length + 1 : 1;
    previous = id;
    if (length === count) return id - count + 1;
  }
  return -1;
}
