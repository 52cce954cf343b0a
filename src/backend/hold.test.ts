/** Writes that take several turns of the loop hold commits, so that one transaction has all of them. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { CRASH_POLICIES, FaultDisk } from "../env/testing/fault-disk.ts";
import { SeededRandom } from "../env/testing/seeded-random.ts";
import { VirtualClock } from "../env/testing/virtual-clock.ts";
import type { BoltBackend } from "./backend.ts";
import { BackendClosedError } from "./errors.ts";
import {
  assertSound,
  assertSoundBackend,
  DB_PATH,
  Model,
  nextTurn,
  openOn,
  readAll,
  revisionKey,
} from "./testing/harness.ts";
import { KEY_BUCKET } from "./types.ts";

const LIMIT = 10;
const INTERVAL_MS = 100;

/** A backend that counts what it seals. */
async function world(disk = new FaultDisk(), clock = new VirtualClock()) {
  const backend = await openOn(disk, { batchLimit: LIMIT, batchIntervalMs: INTERVAL_MS }, clock);
  const model = new Model();
  let last = 1;
  const write = (count: number): void => {
    for (; count > 0; count--) {
      const key = revisionKey(++last);
      backend.put(KEY_BUCKET, key, Buffer.alloc(100, last));
      model.put(KEY_BUCKET, key, Buffer.alloc(100, last));
    }
  };
  const seals = { count: 0 };
  backend.onBeforeCommit = () => seals.count++;
  return { disk, clock, backend, model, write, seals };
}

/** What the file says now. */
async function assertInFile(disk: FaultDisk, model: Model): Promise<void> {
  const copy = new FaultDisk();
  copy.open(DB_PATH, { create: true }).close();
  copy.editFile(DB_PATH, () => disk.fileContent(DB_PATH));
  const backend = await openOn(copy);
  assert.ok(model.equals(backend), `${readAll(backend, KEY_BUCKET).length} records`);
  await backend.close();
}

async function turns(count: number): Promise<void> {
  for (; count > 0; count--) await nextTurn();
}

test("what falls due while commits are held is made up for when the last holder lets go", async () => {
  for (const fallDue of ["interval", "limit", "congestion"] as const) {
    const { disk, clock, backend, model, write, seals } = await world();
    const empty = new Model(model);
    const release = [backend.holdCommits(), backend.holdCommits()];
    write(fallDue === "interval" ? 3 : fallDue === "limit" ? LIMIT : 5 * LIMIT);
    let isUncongested = false;
    if (fallDue === "interval") clock.advance(INTERVAL_MS);
    if (fallDue === "limit") backend.commitIfDue();
    if (fallDue === "congestion") backend.waitUncongested().then(() => (isUncongested = true));
    await turns(5);
    release[0]?.();
    release[0]?.();
    await turns(5);
    assert.equal(seals.count, 0, fallDue);
    await assertInFile(disk, empty);
    release[1]?.();
    // Still the same stretch.
    write(1);
    assert.equal(seals.count, 0, fallDue);
    await turns(5);
    assert.equal(seals.count, 1, fallDue);
    assert.equal(isUncongested, fallDue === "congestion");
    await assertInFile(disk, model);
    await backend.close();
  }
});

test("a batch that has grown beyond its limit is committed without anybody asking", async () => {
  const { disk, backend, model, write, seals } = await world();
  const release = backend.holdCommits();
  write(20 * LIMIT);
  assert.equal(backend.congested, true);
  release();
  await turns(5);
  assert.deepEqual([seals.count, backend.congested], [1, false]);
  await assertInFile(disk, model);
  await backend.close();
});

test("a small batch that nobody asked for waits for its interval, held or not", async () => {
  const { clock, backend, write, seals } = await world();
  const release = backend.holdCommits();
  write(1);
  release();
  await turns(5);
  assert.equal(seals.count, 0);
  clock.advance(INTERVAL_MS);
  assert.equal(seals.count, 1);
  await backend.close();
});

test("a commit that is asked for while they are held settles when all of the write is durable", async () => {
  const { disk, backend, model, write, seals } = await world();
  write(1);
  const before = backend.commit();
  const release = backend.holdCommits();
  write(3);
  let isCommitted = false;
  const asked = backend.commit().then(() => (isCommitted = true));
  await before;
  await turns(5);
  assert.deepEqual([seals.count, isCommitted], [1, false], "what was sealed before goes on");
  write(3);
  release();
  await asked;
  assert.equal(seals.count, 2);
  await assertInFile(disk, model);
  await backend.close();
});

test("a crash at any write point leaves nothing of a write that is held, or all of it", async () => {
  for (const [name, policy] of Object.entries(CRASH_POLICIES)) {
    for (let point = 0, crashed = true; crashed; point++) {
      const disk = new FaultDisk();
      const { backend, model, write, clock } = await world(disk);
      const states = [new Model(model)];
      disk.crashAfter(point);
      write(LIMIT);
      states.push(new Model(model));
      const first = backend.commit();
      // It fails with the machine; the loop may notice first.
      first.catch(() => undefined);
      const release = backend.holdCommits();
      for (let slice = 0; slice < 5 && !disk.crashed; slice++) {
        write(LIMIT);
        clock.advance(INTERVAL_MS);
        await nextTurn();
      }
      if (!disk.crashed) states.push(new Model(model));
      release();
      await Promise.allSettled([first, backend.commit()]);
      crashed = disk.crashed;
      const survivor = await openOn(
        crashed ? disk.crash(new SeededRandom(point), policy) : disk.kill(),
      );
      const what = `${name}, write point ${point}`;
      assert.ok(
        states.some((state) => state.equals(survivor)),
        what,
      );
      await assertSoundBackend(survivor);
      await survivor.close();
    }
  }
});

test("a transaction that waits for space is written again while commits are held", async () => {
  const disk = new FaultDisk({ capacityBytes: 64 * 1024 });
  const { backend, model, write, clock, seals } = await world(disk);
  write(1000);
  await assert.rejects(backend.commit(), { code: "ENOSPC" });
  const first = new Model(model);
  const release = backend.holdCommits();
  write(LIMIT);
  disk.capacityBytes = Number.POSITIVE_INFINITY;
  clock.advance(1000);
  await turns(10);
  assert.equal(seals.count, 1);
  await assertInFile(disk, first);
  release();
  await turns(10);
  assert.equal(seals.count, 2);
  await assertInFile(disk, model);
  await backend.close();
});

test("a disk that fails while commits are held stops the backend, and letting go does nothing", async () => {
  const { disk, backend, write, seals } = await world();
  const fatal: Error[] = [];
  backend.onFatal = (error) => fatal.push(error);
  write(1);
  disk.failWhen({ operation: "datasync", path: DB_PATH, code: "EIO" });
  const first = backend.commit();
  const release = backend.holdCommits();
  write(LIMIT);
  const second = backend.commit();
  await assert.rejects(first, BackendClosedError);
  await assert.rejects(second, BackendClosedError);
  release();
  await turns(5);
  assert.deepEqual([seals.count, fatal.length], [1, 1]);
  assert.throws(() => backend.holdCommits(), BackendClosedError);
  await assert.rejects(backend.close(), BackendClosedError);
});

test("closing leaves out a batch that is held, and whoever waits for its commit is told", async () => {
  const { disk, backend, model, write, seals } = await world();
  write(1);
  await backend.commit();
  const committed = new Model(model);
  const release = backend.holdCommits();
  write(LIMIT);
  const waiting = backend.commit();
  const defragmented = backend.defragment();
  const closed = backend.close();
  await assert.rejects(waiting, BackendClosedError);
  await assert.rejects(defragmented, BackendClosedError);
  await closed;
  assert.equal(seals.count, 1);
  release();
  await turns(5);
  await assertSound(disk);
  const reopened = await openOn(disk);
  committed.assertEquals(reopened);
  await reopened.close();
});

test("closing commits what is no longer held when it comes to it", async () => {
  const { disk, backend, model, write } = await world();
  write(1);
  await backend.commit();
  const release = backend.holdCommits();
  write(LIMIT);
  const closed = backend.close();
  assert.throws(() => backend.holdCommits(), BackendClosedError);
  release();
  await closed;
  const reopened = await openOn(disk);
  model.assertEquals(reopened);
  await reopened.close();
});

test("a defragmentation goes on where commits are held in the middle of it", async () => {
  for (let turn = 0; turn < 12; turn++) {
    const { disk, backend, model, write } = await world();
    write(20 * LIMIT);
    await backend.commit();
    const defragmented = backend.defragment();
    await turns(turn);
    const release = backend.holdCommits();
    write(LIMIT);
    await turns(5);
    write(LIMIT);
    release();
    await defragmented;
    model.assertEquals(backend);
    await backend.close();
    await assertSound(disk);
    const reopened = await openOn(disk);
    model.assertEquals(reopened);
    await reopened.close();
  }
});

test("a hash waits for the whole of a write that is held", async () => {
  const { backend, write } = await world();
  const hash = (of: BoltBackend) => of.hash(() => false);
  const release = backend.holdCommits();
  write(1);
  const early = hash(backend);
  await turns(3);
  write(1);
  release();
  assert.equal(await early, await hash(backend));
  await backend.close();
});
