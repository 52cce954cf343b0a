/** The store against the model: random histories with compactions and restarts. */

import assert from "node:assert/strict";
import test from "node:test";
import { RangeExecution } from "./requests/range.ts";
import { finishCompactions, Stepper, worldOn } from "./testing/harness.ts";
import { MemoryBackend } from "./testing/memory-backend.ts";
import { ModelDriver, textOfRange } from "./testing/model-driver.ts";
import { seeds, TestRandom } from "./testing/random.ts";
import { LEASES, randomRange } from "./testing/random-requests.ts";

function newDriver(seed: number, backend = new MemoryBackend()): ModelDriver {
  return new ModelDriver(worldOn(backend, LEASES), new TestRandom(seed));
}

test("random requests, compactions and restarts give what the model gives", () => {
  for (const seed of seeds(12)) {
    const random = new TestRandom(seed);
    let backend = new MemoryBackend();
    const driver = newDriver(seed, backend);
    for (let step = 0; step < 500; step++) {
      try {
        driver.step();
        if (random.chance(2)) driver.compact();
        if (random.chance(10)) driver.world.store.runCompaction(1 + random.below(20));
        if (!random.chance(2)) continue;
        backend = backend.crash(true);
        driver.world = worldOn(backend, LEASES);
        driver.compareEverything();
      } catch (error) {
        throw new Error(`TEST_SEED=${seed}, step ${step}`, { cause: error });
      }
    }
    finishCompactions(driver.world.store);
    driver.compareEverything();
  }
});

test("a range in slices sees one revision while writes and compactions go on", () => {
  for (const seed of seeds(8)) {
    const random = new TestRandom(seed);
    const driver = newDriver(seed);
    const { model } = driver;
    const { store } = driver.world;
    for (let step = 0; step < 60; step++) driver.step();
    for (let round = 0; round < 40; round++) {
      const request = { ...randomRange(random, model.revision), revision: 0 };
      const expected = model.range(request);
      const range = new RangeExecution(store, request);
      const execution = new Stepper((slice) => range.run(slice));
      let result = execution.step(1 + random.below(3));
      while (result === undefined) {
        driver.step();
        if (model.compactRevision < model.revision) {
          model.compact(model.revision);
          store.compact(store.currentRevision);
        }
        store.runCompaction(50);
        result = execution.step(1 + random.below(3));
      }
      assert.deepEqual(textOfRange(result), expected, `TEST_SEED=${seed}`);
    }
    finishCompactions(store);
  }
});
