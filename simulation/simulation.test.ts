/**
 * A few seeds of the simulation, and what makes it worth running: a seed is one run exactly, faults
 * happen, and known bugs are found. SIMULATION_FIRST_SEED chooses other seeds; `npm run simulate`
 * runs many.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { FaultKind } from "../src/testing/faults/kinds.ts";
import { describeSeed } from "./report.ts";
import { type RunReport, runSeed } from "./run.ts";

const FIRST_SEED = Number(process.env["SIMULATION_FIRST_SEED"] ?? 1);
const SEEDS = 12;
const SEEDS_TWICE = 3;
/** Each of these is found within a few seeds; all of them: `npm run simulate -- --planted all`. */
const QUICKLY_FOUND = {
  "17529": 20,
  "20221": 20,
  "forgotten-call": 10,
  "kept-body": 5,
  "lost-piece": 10,
  "undead-watch": 10,
};

async function runSeeds(count: number): Promise<RunReport[]> {
  const reports: RunReport[] = [];
  for (let i = 0; i < count; i++) reports.push(await runSeed(FIRST_SEED + i));
  return reports;
}

test("clusters under faults keep every promise", async () => {
  const reports = await runSeeds(SEEDS);
  for (const report of reports) {
    assert.deepEqual(report.violations, [], `${describeSeed(report)}\n${repeat(report)}`);
  }
  const happened = new Set(reports.flatMap(({ counts }) => [...counts.keys()]));
  for (const what of ["request ok", "watch event", "snapshot sent", "compaction reply"]) {
    assert.ok(happened.has(what), `${what} happens`);
  }
  assert.ok([...happened].filter((what) => what.startsWith("fault ")).length > 5);
});

test("a seed is one run: the same trace each time, another one with another seed", async () => {
  const digests = new Set<string>();
  for (let seed = FIRST_SEED; seed < FIRST_SEED + SEEDS_TWICE; seed++) {
    const first = await runSeed(seed);
    const second = await runSeed(seed);
    assert.equal(second.digest, first.digest, `seed ${seed}`);
    assert.equal(second.events, first.events);
    digests.add(first.digest);
  }
  assert.equal(digests.size, SEEDS_TWICE);
});

test("an operator begins a new cluster from one member's disk, and nothing there is lost", async () => {
  const outcomes = new Set<string>();
  for (let seed = FIRST_SEED; seed < FIRST_SEED + 4; seed++) {
    const { violations, counts } = await runSeed(seed, { faults: ["disaster", "crashPoint"] });
    assert.deepEqual(violations, [], `seed ${seed}`);
    for (const name of counts.keys()) if (name.startsWith("disaster ")) outcomes.add(name);
  }
  assert.ok(outcomes.has("disaster complete"));
});

test("users and their rights hold through crashes, and rights that are looked at once are found out", async () => {
  const happened = new Set<string>();
  const faults: FaultKind[] = ["auth", "crashPoint", "kill", "partition", "pause"];
  for (let seed = FIRST_SEED; seed < FIRST_SEED + 3; seed++) {
    const { violations, counts } = await runSeed(seed, { faults });
    assert.deepEqual(violations, [], `seed ${seed}`);
    for (const what of counts.keys()) happened.add(what);
  }
  for (const what of ["auth change reply", "login reply", "request ok", "request failed"]) {
    assert.ok(happened.has(what), what);
  }
  const planted = { planted: "auth-apply", faults: ["auth", "partition", "pause"] as FaultKind[] };
  for (let seed = 1; seed <= 10; seed++) {
    if ((await runSeed(seed, planted)).violations.length > 0) return;
  }
  assert.fail("not found in 10 seeds");
});

test("only the faults that were asked for happen", async () => {
  const faults: FaultKind[] = ["kill", "pause"];
  for (let seed = FIRST_SEED; seed < FIRST_SEED + 3; seed++) {
    const { counts } = await runSeed(seed, { faults });
    const others = [...counts.keys()].filter(
      (what) => what.startsWith("fault ") && !faults.some((kind) => what === `fault ${kind}`),
    );
    assert.deepEqual(others, []);
  }
});

for (const [planted, seeds] of Object.entries(QUICKLY_FOUND)) {
  test(`the bug ${planted} would have been found`, async () => {
    for (let seed = 1; seed <= seeds; seed++) {
      const { violations } = await runSeed(seed, { planted });
      if (violations.length > 0) return;
    }
    assert.fail(`not in ${seeds} seeds`);
  });
}

function repeat({ plan }: RunReport): string {
  return `repeat: npm run simulate -- --seed ${plan.seed}`;
}
