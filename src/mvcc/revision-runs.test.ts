import assert from "node:assert/strict";
import test from "node:test";
import { NO_RUN, RevisionRuns } from "./revision-runs.ts";
import { seeds, TestRandom } from "./testing/random.ts";

interface ModelRun {
  handle: number;
  entries: { main: number; sub: number; tombstone: boolean }[];
}

function assertRun(runs: RevisionRuns, run: ModelRun): void {
  run.entries.forEach((entry, at) => {
    assert.equal(runs.main(run.handle, at), entry.main);
    assert.equal(runs.sub(run.handle, at), entry.sub);
    assert.equal(runs.isTombstone(run.handle, at), entry.tombstone);
  });
}

test("runs grow and shrink independently of each other", () => {
  for (const seed of seeds(3)) {
    const random = new TestRandom(seed);
    const runs = new RevisionRuns();
    const model: ModelRun[] = Array.from({ length: 300 }, () => ({ handle: NO_RUN, entries: [] }));
    let main = 1;
    for (let i = 0; i < 60_000; i++) {
      const run = model[random.chance(30) ? 0 : random.below(model.length)] as ModelRun;
      if (random.chance(3) && run.entries.length > 0) {
        const count = 1 + random.below(run.entries.length);
        run.handle = runs.dropFirst(run.handle, run.entries.length, count);
        run.entries.splice(0, count);
        assertRun(runs, run);
      } else {
        const entry = { main: ++main, sub: random.below(1000), tombstone: random.chance(20) };
        const { handle, entries } = run;
        run.handle = runs.append(handle, entries.length, entry.main, entry.sub, entry.tombstone);
        entries.push(entry);
      }
    }
    for (const run of model) {
      assertRun(runs, run);
      const at = random.below(main + 2);
      const expected = run.entries.findLastIndex((entry) => entry.main <= at);
      assert.equal(runs.floor(run.handle, run.entries.length, at), expected);
    }
  }
});

test("a run longer than a chunk keeps its entries through growth and dropping", () => {
  const runs = new RevisionRuns();
  let handle = NO_RUN;
  const total = 150_000;
  for (let i = 0; i < total; i++) handle = runs.append(handle, i, i + 2, 0, false);
  assert.equal(runs.floor(handle, total, 100_000), 99_998);
  assert.equal(runs.main(handle, total - 1), total + 1);
  handle = runs.dropFirst(handle, total, total - 10);
  assert.equal(runs.main(handle, 0), total - 8);
  assert.equal(runs.dropFirst(handle, 10, 10), NO_RUN);
});
