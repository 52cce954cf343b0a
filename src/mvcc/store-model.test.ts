/** The store against the model: random histories with compactions, crashes and restarts. */

import assert from "node:assert/strict";
import test from "node:test";
import { EtcdError } from "../api/errors.ts";
import { checkTxn } from "./requests/check.ts";
import { executeRange, RangeExecution, type RangeResult } from "./requests/range.ts";
import { executeTxn, type OpResult } from "./requests/txn.ts";
import { executeDeleteRange, executePut } from "./requests/write.ts";
import {
  finishCompactions,
  openWorld,
  rangeRequest,
  type TextKeyValue,
  textOf,
  type World,
  worldOn,
} from "./testing/harness.ts";
import { type ModelOp, type ModelRange, ModelStore } from "./testing/model-store.ts";
import { seeds, TestRandom } from "./testing/random.ts";
import {
  LEASES,
  randomDelete,
  randomPut,
  randomRange,
  randomTxn,
} from "./testing/random-requests.ts";

const KNOWN_LEASES: ReadonlySet<bigint> = new Set(LEASES);

function newWorld(): World {
  const world = openWorld();
  for (const id of LEASES) world.lessor.grant(id);
  return world;
}

function textOfRange(result: RangeResult): ModelRange {
  return { ...result, kvs: result.kvs.map(textOf) };
}

function textOfOp(op: OpResult): ModelOp {
  switch (op.kind) {
    case "range":
      return { kind: "range", range: textOfRange(op.result) };
    case "put":
      return { kind: "put", revision: op.result.revision, previous: text(op.result.previous) };
    case "deleteRange":
      return { kind: "deleteRange", ...op.result, previous: op.result.previous.map(textOf) };
    case "txn": {
      const { succeeded, responses } = op.result;
      return { kind: "txn", succeeded, ops: responses.map(textOfOp) };
    }
    case "none":
      throw new Error("an empty operation");
  }
}

function text(record: Uint8Array | undefined): TextKeyValue | undefined {
  return record === undefined ? undefined : textOf(record);
}

/** The result, or the kind of the EtcdError. */
function outcome<T>(run: () => T): T | string {
  try {
    return run();
  } catch (error) {
    if (error instanceof EtcdError) return error.kind;
    throw error;
  }
}

function assertSameLeases(world: World, model: ModelStore): void {
  const state = [...(model.states.at(-1) ?? new Map<string, TextKeyValue>()).values()];
  for (const id of LEASES) {
    const keys = state.filter((kv) => kv.lease === id).map((kv) => kv.key);
    assert.deepEqual(world.lessor.keysOf(id), keys.sort());
  }
}

function compareStep(world: World, model: ModelStore, random: TestRandom): void {
  const { store } = world;
  const kind = random.below(10);
  if (kind < 4) {
    const request = randomPut(random);
    const real = outcome(() => textOfOp({ kind: "put", result: executePut(store, request) }));
    assert.deepEqual(
      real,
      outcome(() => model.put(request, KNOWN_LEASES)),
    );
  } else if (kind < 5) {
    const request = randomDelete(random);
    const result = executeDeleteRange(store, request);
    assert.deepEqual(textOfOp({ kind: "deleteRange", result }), model.deleteRange(request));
  } else if (kind < 8) {
    const request = randomTxn(random, model.revision);
    if (outcome(() => checkTxn(request, { maxTxnOps: 128 })) !== undefined) return;
    const real = outcome(() => textOfOp({ kind: "txn", result: executeTxn(store, request) }));
    assert.deepEqual(
      real,
      outcome(() => model.txn(request, KNOWN_LEASES)),
    );
  }
  assert.equal(store.currentRevision, model.revision);
  const request = randomRange(random, model.revision);
  const expected = outcome(() => model.range(request));
  assert.deepEqual(
    outcome(() => textOfRange(executeRange(store, request))),
    expected,
  );
}

function compareEverything(world: World, model: ModelStore): void {
  for (let revision = Math.max(1, model.compactRevision); revision <= model.revision; revision++) {
    const request = rangeRequest("\0", "\0", { revision });
    assert.deepEqual(textOfRange(executeRange(world.store, request)), model.range(request));
  }
  assertSameLeases(world, model);
}

test("random requests, compactions and restarts give what the model gives", () => {
  for (const seed of seeds(12)) {
    const random = new TestRandom(seed);
    const model = new ModelStore();
    let world = newWorld();
    for (let step = 0; step < 500; step++) {
      try {
        compareStep(world, model, random);
      } catch (error) {
        throw new Error(`TEST_SEED=${seed}, step ${step}`, { cause: error });
      }
      if (random.chance(2)) {
        const revision = random.below(model.revision + 2);
        assert.equal(
          outcome(() => world.store.compact(revision)),
          outcome(() => model.compact(revision)),
        );
      }
      if (random.chance(10)) world.store.runCompaction(1 + random.below(20));
      if (random.chance(2)) {
        world = worldOn(world.backend.crash(true), LEASES);
        assert.equal(world.store.currentRevision, model.revision);
        assert.equal(world.store.compactRevision, model.compactRevision);
        compareEverything(world, model);
      }
    }
    finishCompactions(world.store);
    compareEverything(world, model);
  }
});

test("a range in slices sees one revision while writes and compactions go on", () => {
  for (const seed of seeds(8)) {
    const random = new TestRandom(seed);
    const model = new ModelStore();
    const world = newWorld();
    for (let step = 0; step < 60; step++) compareStep(world, model, random);
    for (let round = 0; round < 40; round++) {
      const request = { ...randomRange(random, model.revision), revision: 0 };
      const expected = model.range(request);
      const execution = new RangeExecution(world.store, request);
      for (;;) {
        const result = execution.step(1 + random.below(3));
        if (result !== undefined) {
          assert.deepEqual(textOfRange(result), expected, `TEST_SEED=${seed}`);
          break;
        }
        compareStep(world, model, random);
        outcome(() => {
          model.compact(model.revision);
          world.store.compact(world.store.currentRevision);
        });
        world.store.runCompaction(50);
      }
    }
    finishCompactions(world.store);
  }
});
