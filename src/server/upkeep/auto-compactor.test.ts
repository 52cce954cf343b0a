import assert from "node:assert/strict";
import { test } from "node:test";
import { NullLogger, VirtualClock } from "../../env/testing/index.ts";
import { AutoCompactor } from "./auto-compactor.ts";

const HOUR_MS = 3_600_000;
const MINUTE_MS = 60_000;

function start(mode: "periodic" | "revision", retention: number) {
  const clock = new VirtualClock();
  const world = { clock, revision: 1, isLeader: true, compacted: [] as number[] };
  const compactor = new AutoCompactor({
    mode,
    retention,
    clock,
    logger: new NullLogger(),
    currentRevision: () => world.revision,
    isLeader: () => world.isLeader,
    compact: async (revision) => {
      world.compacted.push(revision);
    },
  });
  compactor.start();
  return { world, compactor };
}

test("revision mode keeps the given number of revisions, looking every five minutes", async () => {
  const { world } = start("revision", 100);
  await world.clock.advanceAsync(5 * MINUTE_MS);
  assert.deepEqual(world.compacted, [], "nothing to compact yet");
  world.revision = 250;
  await world.clock.advanceAsync(5 * MINUTE_MS);
  assert.deepEqual(world.compacted, [150]);
  await world.clock.advanceAsync(5 * MINUTE_MS);
  assert.deepEqual(world.compacted, [150], "no new revision, no new compaction");
});

test("periodic mode compacts to the revision of one retention ago, then every interval", async () => {
  const { world } = start("periodic", HOUR_MS);
  // One revision a minute; the revision at minute m is m + 1.
  for (let minute = 1; minute <= 180; minute++) {
    world.revision = minute + 1;
    await world.clock.advanceAsync(MINUTE_MS);
  }
  assert.equal(world.compacted.length, 3);
  world.compacted.forEach((revision, i) => {
    const expected = 60 * i + 1;
    assert.ok(
      Math.abs(revision - expected) <= 6,
      `compaction ${i} to ${revision}, not ${expected}`,
    );
  });
});

test("a retention of several hours compacts every hour once it has passed", async () => {
  const { world } = start("periodic", 3 * HOUR_MS);
  for (let step = 1; step <= 40; step++) {
    world.revision += 10;
    await world.clock.advanceAsync(6 * MINUTE_MS);
  }
  assert.equal(world.compacted.length, 2, "after three hours and after four");
});

test("a follower does not compact, and one that stopped never does", async () => {
  const { world, compactor } = start("revision", 1);
  world.revision = 100;
  world.isLeader = false;
  await world.clock.advanceAsync(5 * MINUTE_MS);
  assert.deepEqual(world.compacted, []);
  world.isLeader = true;
  compactor.stop();
  await world.clock.advanceAsync(HOUR_MS);
  assert.deepEqual(world.compacted, []);
});
