/** The store on the real engine: random histories with commits, losses of power and restarts. */

import assert from "node:assert/strict";
import test from "node:test";
import type { BoltBackend } from "../backend/index.ts";
import { openOn } from "../backend/testing/harness.ts";
import { CRASH_POLICIES, FaultDisk } from "../env/testing/fault-disk.ts";
import { SeededRandom } from "../env/testing/seeded-random.ts";
import { finishCompactions, hashOf, worldOn } from "./testing/harness.ts";
import { ModelDriver } from "./testing/model-driver.ts";
import { seeds, TestRandom } from "./testing/random.ts";
import { LEASES } from "./testing/random-requests.ts";

// A page cache of three pages makes most reads come from the file.
const OPTIONS = { pageCacheBytes: 12_000 };

async function runHistory(seed: number): Promise<void> {
  const random = new TestRandom(seed);
  let disk = new FaultDisk();
  let backend: BoltBackend = await openOn(disk, OPTIONS);
  const driver = new ModelDriver(worldOn(backend, LEASES), random);
  const { model } = driver;
  /** Least that a crash must leave. */
  let durable = model.revision;
  for (let step = 0; step < 300; step++) {
    driver.step();
    if (random.chance(3)) driver.compact();
    if (random.chance(20)) driver.world.store.runCompaction(1 + random.below(10));
    if (random.chance(10)) {
      const revision = model.revision;
      const committed = backend.commit();
      if (random.chance(50)) driver.step();
      await committed;
      durable = revision;
    }
    if (random.chance(3)) {
      if (random.chance(50)) void backend.commit().catch(() => undefined);
      const policy = random.pick(Object.values(CRASH_POLICIES));
      disk = disk.crash(new SeededRandom(seed + step), policy);
      backend = await openOn(disk, OPTIONS);
      driver.world = worldOn(backend, LEASES);
      const { currentRevision, compactRevision } = driver.world.store;
      assert.ok(currentRevision >= durable, `${currentRevision} after a commit at ${durable}`);
      assert.ok(currentRevision <= model.revision && compactRevision <= model.compactRevision);
      model.truncate(currentRevision, compactRevision);
      driver.compareEverything();
      durable = currentRevision;
    }
  }
  finishCompactions(driver.world.store);
  driver.compareEverything();
  const hash = hashOf(driver.world.store);
  await backend.close();
  const reopened = await openOn(disk, OPTIONS);
  driver.world = worldOn(reopened, LEASES);
  driver.compareEverything();
  assert.deepEqual(hashOf(driver.world.store), hash);
  await reopened.close();
}

for (const seed of seeds(6)) {
  test(`a store on the real engine keeps what was committed (TEST_SEED=${seed})`, () =>
    runHistory(seed));
}
