/**
 * Writes in slices: what others see between two slices, and that the outcome is that of a write in
 * one go, byte for byte.
 */
import assert from "node:assert/strict";
import test from "node:test";
import { EtcdError } from "../api/errors.ts";
import { KEY_BUCKET } from "../backend/types.ts";
import { checkTxn } from "./requests/check.ts";
import { executeRange, RangeExecution } from "./requests/range.ts";
import { executeTxn, readTxnInSteps, txnInSteps } from "./requests/txn.ts";
import { deleteRangeInSteps, executeDeleteRange, executePut } from "./requests/write.ts";
import {
  compare,
  deleteRequest,
  finishCompactions,
  hashOf,
  openWorld,
  putRequest,
  rangeOp,
  rangeRequest,
  Stepper,
  txnRequest,
  type World,
  worldOn,
} from "./testing/harness.ts";
import { MemoryBackend } from "./testing/memory-backend.ts";
import { textOfRange } from "./testing/model-driver.ts";
import { seeds, TestRandom } from "./testing/random.ts";
import {
  LEASES,
  randomDelete,
  randomPut,
  randomRange,
  randomTxn,
} from "./testing/random-requests.ts";

/** All records of the key bucket. */
function dump({ backend }: World): string[] {
  const records: string[] = [];
  backend.scan(KEY_BUCKET, Buffer.alloc(0), undefined, (key, value) => {
    records.push(`${Buffer.from(key).toString("hex")} ${Buffer.from(value).toString("hex")}`);
    return true;
  });
  return records;
}

type Write = (world: World) => void;

/** A random write, in one go and in slices; `between` is called in each pause. */
function randomWrite(random: TestRandom, revision: number, between: () => void): [Write, Write] {
  if (random.chance(60)) {
    const request = randomPut(random);
    const write: Write = ({ store }) => void attempt(() => executePut(store, request));
    return [write, write];
  }
  const units = 1 + random.below(3);
  const run = <T>(stepper: Stepper<T>): T => {
    for (;;) {
      const result = stepper.step(units);
      if (result !== undefined) return result;
      between();
    }
  };
  if (random.chance(40)) {
    const request = randomDelete(random);
    return [
      ({ store }) => void executeDeleteRange(store, request),
      ({ store }) => void run(new Stepper((slice) => deleteRangeInSteps(store, request, slice))),
    ];
  }
  const request = randomTxn(random, revision);
  if (attempt(() => checkTxn(request, { maxTxnOps: 128 })) !== undefined) return [noWrite, noWrite];
  return [
    ({ store }) => void attempt(() => executeTxn(store, request)),
    ({ store }) =>
      void attempt(() => run(new Stepper((slice) => txnInSteps(store, request, slice)))),
  ];
}

function noWrite(): void {}

function attempt<T>(run: () => T): T | string {
  try {
    return run();
  } catch (error) {
    if (error instanceof EtcdError) return error.kind;
    throw error;
  }
}

test("random writes in slices leave what writes in one go leave, and nobody sees half of one", () => {
  for (const seed of seeds(12)) {
    const random = new TestRandom(seed);
    const whole = worldOn(new MemoryBackend(), LEASES);
    const sliced = worldOn(new MemoryBackend(), LEASES);
    let pauses = 0;
    const between = (): void => {
      pauses++;
      assert.equal(sliced.store.currentRevision, whole.store.currentRevision);
      assert.equal(sliced.store.liveKeys, whole.store.liveKeys);
      const request = randomRange(random, whole.store.currentRevision);
      const read = ({ store }: World): unknown =>
        attempt(() => textOfRange(executeRange(store, request)));
      assert.deepEqual(read(sliced), read(whole));
      const txn = randomTxn(random, whole.store.currentRevision);
      txn.success = txn.success.filter(({ request: op }) => op?.case === "requestRange");
      txn.failure = [];
      const readTxn = ({ store }: World): unknown =>
        attempt(() => new Stepper((slice) => readTxnInSteps(store, txn, slice)).step(1000));
      assert.deepEqual(readTxn(sliced), readTxn(whole));
    };
    for (let step = 0; step < 300; step++) {
      try {
        const [inOneGo, inSlices] = randomWrite(random, whole.store.currentRevision, between);
        // The other world is the state before, until the write has ended.
        inSlices(sliced);
        inOneGo(whole);
        if (random.chance(3)) {
          const revision = whole.store.currentRevision - random.below(5);
          for (const { store } of [whole, sliced]) {
            attempt(() => store.compact(revision));
            finishCompactions(store);
          }
        }
        assert.deepEqual(dump(sliced), dump(whole));
        for (const id of LEASES) {
          assert.deepEqual(sliced.lessor.keysOf(id), whole.lessor.keysOf(id));
        }
      } catch (error) {
        throw new Error(`TEST_SEED=${seed}, step ${step}`, { cause: error });
      }
    }
    assert.ok(pauses > 50, `only ${pauses} pauses`);
    assert.equal(hashOf(sliced.store).hash, hashOf(whole.store).hash);
  }
});

function fill(world: World, keys: number): void {
  for (let i = 0; i < keys; i++) executePut(world.store, putRequest(`k${1000 + i}`, `v${i}`));
}

test("a range that began before a deletion in slices reads on in the state before it", () => {
  const world = openWorld();
  fill(world, 20);
  const execution = new RangeExecution(world.store, rangeRequest("k", "l"));
  const range = new Stepper((slice) => execution.run(slice));
  const request = deleteRequest("k", "l");
  const deletion = new Stepper((slice) => deleteRangeInSteps(world.store, request, slice));
  let result = range.step(3);
  let deleted = deletion.step(2);
  while (result === undefined || deleted === undefined) {
    result ??= range.step(3);
    deleted ??= deletion.step(2);
  }
  assert.equal(result.kvs.length, 20);
  assert.deepEqual([deleted.revision, deleted.deleted], [22, 20]);
  assert.equal(executeRange(world.store, rangeRequest("k", "l")).count, 0);
});

test("a commit between two slices contains nothing of the write, until it is being handed over", () => {
  const world = openWorld();
  fill(world, 50);
  const before = dump(world);
  const request = deleteRequest("k", "l");
  const { store } = world;
  const deletion = new Stepper((slice) => deleteRangeInSteps(store, request, slice));
  let pauses = 0;
  while (deletion.step(4) === undefined && !store.isFlushing) {
    pauses++;
    assert.deepEqual(dump(world), before);
    assert.equal(store.isSuspended, true);
  }
  assert.ok(pauses > 10);
  assert.equal(store.isFlushing, true, "more records than fit into one slice");
  assert.equal(store.currentRevision, 51, "still not to be seen");
  assert.notEqual(deletion.step(Number.POSITIVE_INFINITY), undefined);
  assert.deepEqual(
    [store.isFlushing, store.isSuspended, store.currentRevision],
    [false, false, 52],
  );
  assert.equal(dump(world).length, 100);
});

test("a limited range beside a deletion in slices does not walk what comes after its limit", () => {
  const world = openWorld();
  const keys = 5000;
  fill(world, keys);
  const { store } = world;
  const request = deleteRequest("k5", "k9");
  const deletion = new Stepper((slice) => deleteRangeInSteps(store, request, slice));
  assert.equal(deletion.step(500), undefined);
  const execution = new RangeExecution(store, rangeRequest("k", "l", { limit: 3 }));
  const range = new Stepper((slice) => execution.run(slice));
  const result = range.step(20);
  assert.deepEqual([result?.kvs.length, result?.count, result?.more], [3, keys, true]);
});

test("a transaction that only reads pauses, and all of it is of the revision of its beginning", () => {
  const world = openWorld();
  fill(world, 100);
  const { store } = world;
  const all = rangeOp("k", "l");
  const exists = compare("k", 0, 1, { case: "version", value: 0 }, "l");
  const request = txnRequest([all, all], [exists]);
  const reading = new Stepper((slice) => readTxnInSteps(store, request, slice));
  let pauses = 0;
  let result = reading.step(7);
  for (; result === undefined; result = reading.step(7)) {
    pauses++;
    executePut(store, putRequest(`k${5000 + pauses}`, "later"));
    executeDeleteRange(store, deleteRequest(`k${1000 + pauses}`));
    store.compact(store.currentRevision);
    store.runCompaction(100);
  }
  assert.ok(pauses > 40, `${pauses} pauses for 500 records`);
  assert.deepEqual([result.revision, result.succeeded], [101, true]);
  for (const response of result.responses) {
    assert.ok(response.kind === "range");
    const { count, revision, kvs } = response.result;
    assert.deepEqual([count, revision, kvs.length], [100, 101, 100]);
  }
});
