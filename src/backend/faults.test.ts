/**
 * Crashes and failing disks. A crash at every write point of a history must leave the last durable
 * transaction or the one that was being written, never anything else.
 */

import assert from "node:assert/strict";
import { test } from "node:test";
import {
  CRASH_DROPS_ALL,
  CRASH_POLICIES,
  CRASH_REORDERS,
  FaultDisk,
} from "../env/testing/fault-disk.ts";
import { SeededRandom } from "../env/testing/seeded-random.ts";
import { VirtualClock } from "../env/testing/virtual-clock.ts";
import type { BoltBackend } from "./backend.ts";
import { BackendClosedError, BackendLockedError } from "./errors.ts";
import {
  assertSound,
  assertSoundBackend,
  DB_PATH,
  Model,
  openOn,
  revisionKey,
  Writer,
} from "./testing/harness.ts";
import { KEY_BUCKET, LEASE_BUCKET, META_BUCKET } from "./types.ts";

/** Crash points are tried with every policy; more seeds try more survivors of each. */
const CRASH_SEEDS = Number(process.env.BACKEND_CRASH_SEEDS ?? 1);

/** What a history has reached: the states a crash may leave. */
class Progress {
  /** Content after each commit; the first is the empty db. */
  readonly states: Model[] = [new Model()];
  durable = 0;
  opened = false;
}

type History = (disk: FaultDisk, progress: Progress) => Promise<void>;

async function commit(backend: BoltBackend, model: Model, progress: Progress): Promise<void> {
  progress.states.push(new Model(model));
  await backend.commit();
  progress.durable = progress.states.length - 1;
}

const commits: History = async (disk, progress) => {
  const random = new SeededRandom(7);
  const writer = new Writer(random);
  const model = new Model();
  const backend = await openOn(disk);
  progress.opened = true;
  for (let round = 0; round < 6; round++) {
    for (let count = 60; count > 0; count--) writer.step(backend, model);
    if (round === 3) writer.deleteStretch(backend, model, KEY_BUCKET);
    await commit(backend, model, progress);
  }
  await backend.close();
};

/** Every transaction holds as many keys as its consistent_index says (etcd issue 14685). */
const defragmentation: History = async (disk, progress) => {
  const model = new Model();
  let index = 0;
  const backend = await openOn(disk, { batchLimit: 8 });
  progress.opened = true;
  const write = (): void => {
    index++;
    const key = revisionKey(index);
    const value = Buffer.alloc(200, index % 251);
    backend.put(KEY_BUCKET, key, value);
    model.put(KEY_BUCKET, key, value);
  };
  backend.onBeforeCommit = () => {
    const value = Buffer.from(String(index));
    backend.put(META_BUCKET, Buffer.from("consistent_index"), value);
    model.put(META_BUCKET, Buffer.from("consistent_index"), value);
    progress.states.push(new Model(model));
  };
  for (let round = 0; round < 4; round++) {
    for (let count = 25; count > 0; count--) write();
    await backend.commit();
    progress.durable = progress.states.length - 1;
  }
  for (let count = 3; count > 0; count--) {
    write();
    let running = true;
    const done = backend.defragment().finally(() => {
      running = false;
    });
    // It fails with the machine; the loop may notice first.
    done.catch(() => undefined);
    while (running) {
      write();
      const expected = progress.states.length;
      await backend.commit();
      progress.durable = Math.max(progress.durable, expected);
    }
    await done;
    write();
    // All that was written before the commit call is in the state that its hook recorded.
    const expected = progress.states.length;
    await backend.commit();
    progress.durable = expected;
  }
  await backend.close();
};

async function assertRecovers(disk: FaultDisk, progress: Progress, what: string): Promise<void> {
  const backend = await openOn(disk);
  const allowed = progress.states.slice(progress.durable);
  assert.ok(
    allowed.some((state) => state.equals(backend)),
    `${what}: neither the last durable transaction nor a later one`,
  );
  await assertSoundBackend(backend);
  backend.put(LEASE_BUCKET, Buffer.from("after"), Buffer.from("crash"));
  await backend.commit();
  await backend.close();
  await assertSound(disk);
  assert.deepEqual(
    disk.readDirectory("/").filter((name) => name.includes(".tmp.")),
    [],
  );
}

async function enumerateCrashes(history: History): Promise<void> {
  const whole = new FaultDisk();
  await history(whole, new Progress());
  const points = whole.writePoints;
  assert.ok(points > 20, "the history has write points");
  for (let point = 0; point <= points; point++) {
    const disk = new FaultDisk();
    const progress = new Progress();
    disk.crashAfter(point);
    await history(disk, progress).catch(() => undefined);
    for (const [name, policy] of Object.entries(CRASH_POLICIES)) {
      for (let seed = 0; seed < CRASH_SEEDS; seed++) {
        const survivor = disk.crash(new SeededRandom(seed * 1000 + point), policy);
        await assertRecovers(survivor, progress, `write point ${point}, ${name}, seed ${seed}`);
      }
    }
  }
}

test("a crash at any write point of a commit leaves that or the previous transaction", () =>
  enumerateCrashes(commits));

test("a loss of power soon after a process was killed and started again leaves a sound file", async () => {
  // The killed process may have written a transaction and not synced it: the next one counts on it,
  // and writes over what only the transaction before needs.
  const whole = new FaultDisk();
  await commits(whole, new Progress());
  for (let point = 30; point <= whole.writePoints; point++) {
    for (let later = 1; later < 4; later++) {
      const disk = new FaultDisk();
      disk.crashAfter(point);
      await commits(disk, new Progress()).catch(() => undefined);
      const killed = disk.kill();
      killed.crashAfter(later);
      await rewrite(killed).catch(() => undefined);
      const survivor = killed.crash(new SeededRandom(point), CRASH_REORDERS);
      const backend = await openOn(survivor);
      await assertSoundBackend(backend);
      await backend.close();
    }
  }
});

async function rewrite(disk: FaultDisk): Promise<void> {
  const backend = await openOn(disk);
  for (let main = 2; main < 80; main++) {
    backend.put(KEY_BUCKET, revisionKey(main), Buffer.alloc(400, main));
  }
  await backend.commit();
  await backend.close();
}

test("a crash at any write point of a defragmentation loses nothing that was durable", () =>
  enumerateCrashes(defragmentation));

test("a full disk rejects commits, keeps the writes, and commits them when space is back", async () => {
  const disk = new FaultDisk({ capacityBytes: 64 * 1024 });
  const clock = new VirtualClock();
  const backend = await openOn(disk, {}, clock);
  const model = new Model();
  const errors: Error[] = [];
  backend.onCommitError = (error) => errors.push(error);
  const write = (main: number): void => {
    backend.put(KEY_BUCKET, revisionKey(main), Buffer.alloc(1000, main));
    model.put(KEY_BUCKET, revisionKey(main), Buffer.alloc(1000, main));
  };
  for (let main = 2; main < 200; main++) write(main);
  await assert.rejects(backend.commit(), { code: "ENOSPC" });
  assert.equal(errors.length, 1);
  for (let main = 200; main < 300; main++) write(main);
  await assert.rejects(backend.commit(), { code: "ENOSPC" });
  model.assertEquals(backend);
  disk.capacityBytes = Number.POSITIVE_INFINITY;
  await backend.commit();
  model.assertEquals(backend);
  await assertSoundBackend(backend);
  await backend.close();
  const reopened = await openOn(disk);
  model.assertEquals(reopened);
  await reopened.close();
});

test("a full disk is tried again after a second without anybody asking", async () => {
  const disk = new FaultDisk({ capacityBytes: 64 * 1024 });
  const clock = new VirtualClock();
  const backend = await openOn(disk, {}, clock);
  for (let main = 2; main < 200; main++) {
    backend.put(KEY_BUCKET, revisionKey(main), Buffer.alloc(1000, main));
  }
  await assert.rejects(backend.commit(), { code: "ENOSPC" });
  disk.capacityBytes = Number.POSITIVE_INFINITY;
  clock.advance(1000);
  const writes = disk.count("write");
  await backend.commit();
  assert.ok(disk.count("write") > writes);
  await backend.close();
  await assertSound(disk);
});

test("a crash while the disk is full leaves the last durable transaction", async () => {
  const disk = new FaultDisk({ capacityBytes: 64 * 1024 });
  const backend = await openOn(disk);
  backend.put(KEY_BUCKET, revisionKey(2), Buffer.from("durable"));
  await backend.commit();
  const model = new Model();
  model.put(KEY_BUCKET, revisionKey(2), Buffer.from("durable"));
  for (let main = 3; main < 200; main++) {
    backend.put(KEY_BUCKET, revisionKey(main), Buffer.alloc(1000));
  }
  await assert.rejects(backend.commit(), { code: "ENOSPC" });
  const survivor = disk.crash(new SeededRandom(1), CRASH_POLICIES["keeps all"] ?? assert.fail());
  const reopened = await openOn(survivor);
  model.assertEquals(reopened);
  await reopened.close();
});

for (const operation of ["write", "datasync"] as const) {
  test(`an input/output error of a ${operation} stops the backend for good`, async () => {
    const disk = new FaultDisk();
    const backend = await openOn(disk);
    const fatal: Error[] = [];
    backend.onFatal = (error) => fatal.push(error);
    backend.put(KEY_BUCKET, revisionKey(2), Buffer.from("x"));
    disk.failWhen({ operation, path: DB_PATH, code: "EIO" });
    await assert.rejects(backend.commit(), BackendClosedError);
    assert.equal(fatal.length, 1);
    assert.throws(
      () => backend.put(KEY_BUCKET, revisionKey(3), Buffer.from("x")),
      BackendClosedError,
    );
    assert.throws(() => backend.get(KEY_BUCKET, revisionKey(2)), BackendClosedError);
    await assert.rejects(backend.commit(), BackendClosedError);
    await assert.rejects(backend.close(), BackendClosedError);
    const reopened = await openOn(disk);
    new Model().assertEquals(reopened);
    await reopened.close();
  });
}

test("a failing defragmentation leaves the old file in use and no temporary file", async () => {
  for (const rule of [
    { operation: "create", code: "ENOSPC" },
    { operation: "write", code: "ENOSPC" },
    { operation: "write", code: "EIO", skip: 2 },
    { operation: "datasync", code: "EIO", skip: 1 },
    { operation: "rename", code: "EIO" },
  ] as const) {
    const disk = new FaultDisk();
    const backend = await openOn(disk);
    const model = new Model();
    const writer = new Writer(new SeededRandom(3));
    for (let count = 500; count > 0; count--) writer.step(backend, model);
    await backend.commit();
    const stop = disk.failWhen({ ...rule, path: ".tmp." });
    const isRename = rule.operation === "rename";
    const stopRename = isRename ? disk.failWhen({ ...rule, path: DB_PATH }) : () => undefined;
    await assert.rejects(backend.defragment(), { code: rule.code });
    stop();
    stopRename();
    assert.deepEqual(disk.readDirectory("/"), ["db"]);
    for (let count = 100; count > 0; count--) writer.step(backend, model);
    await backend.commit();
    model.assertEquals(backend);
    await backend.defragment();
    model.assertEquals(backend);
    await backend.close();
    await assertSound(disk);
  }
});

test("a second opener is told that the file is locked", async () => {
  const disk = new FaultDisk();
  const backend = await openOn(disk);
  await assert.rejects(openOn(disk), BackendLockedError);
  await backend.defragment();
  await assert.rejects(openOn(disk), BackendLockedError);
  await backend.close();
  await (await openOn(disk)).close();
});

test("a large value is written around the cache of files, with small ones beside it", async () => {
  const disk = new FaultDisk();
  const backend = await openOn(disk);
  const model = new Model();
  for (let i = 1; i <= 6; i++) {
    const value = Buffer.alloc(i % 2 === 0 ? 300_000 : 300, i);
    for (const to of [backend, model]) to.put(KEY_BUCKET, revisionKey(i), value);
    if (i % 3 === 0) await backend.commit();
  }
  await backend.close();
  assert.equal(disk.directWrites, 3);
  const again = await openOn(disk.crash(new SeededRandom(1), CRASH_DROPS_ALL));
  model.assertEquals(again);
  await assertSoundBackend(again);
  await again.close();
});
