/**
 * A received file takes the place of the live one: what readers see, what is dropped, what is
 * refused, and that defragmentations and installs take turns.
 */

import assert from "node:assert/strict";
import { test } from "node:test";
import { FaultDisk } from "../env/testing/fault-disk.ts";
import { SeededRandom } from "../env/testing/seeded-random.ts";
import { VirtualClock } from "../env/testing/virtual-clock.ts";
import type { BoltBackend } from "./backend.ts";
import { BackendClosedError, BackendCorruptError, BackendLockedError } from "./errors.ts";
import { installAtStart } from "./replacement.ts";
import {
  assertSound,
  assertSoundBackend,
  DB_PATH,
  Model,
  nextTurn,
  openOn,
  RestlessClock,
  revisionKey,
  Writer,
} from "./testing/harness.ts";
import { ETCD_BUCKETS, KEY_BUCKET, META_BUCKET } from "./types.ts";

const RECEIVED = "/7.snap.db";
const INDEX_KEY = Buffer.from("consistent_index");

/** A backend with random content, and its model. */
async function filled(
  disk: FaultDisk,
  seed: number,
  writes = 600,
): Promise<{ backend: BoltBackend; model: Model; writer: Writer }> {
  const backend = await openOn(disk);
  const model = new Model();
  const writer = new Writer(new SeededRandom(seed));
  for (let count = writes; count > 0; count--) writer.step(backend, model);
  await backend.commit();
  return { backend, model, writer };
}

/** Puts another member's db at `RECEIVED`; returns what it holds. */
async function receive(disk: FaultDisk, seed = 2, path = RECEIVED): Promise<Model> {
  const leader = await filled(new FaultDisk(), seed);
  const snapshot = await leader.backend.openSnapshot();
  const chunks: Uint8Array[] = [];
  for await (const chunk of snapshot.chunks(50_000)) chunks.push(chunk);
  snapshot.close();
  await leader.backend.close();
  place(disk, Buffer.concat(chunks), path);
  return leader.model;
}

function place(disk: FaultDisk, content: Uint8Array, path = RECEIVED): void {
  disk.open(path, { create: true }).close();
  disk.editFile(path, () => content);
  disk.syncAll();
}

test("readers see the new db at once, and whoever began before keeps the old one", async () => {
  const disk = new FaultDisk();
  const { backend, model: old, writer } = await filled(disk, 1);
  const fresh = await receive(disk);
  for (let count = 50; count > 0; count--) writer.step(backend, old);
  const view = backend.openView();
  const hashed = backend.hash(() => false);
  const expectedHash = await backend.hash(() => false);
  const snapshot = await backend.openSnapshot();
  const replacement = await backend.openReplacement(RECEIVED);
  fresh.assertEquals(replacement);
  old.assertEquals(backend);
  let seen = 0;
  await replacement.install(() => {
    seen++;
    fresh.assertEquals(backend);
  });
  assert.equal(seen, 1);
  fresh.assertEquals(backend);
  old.assertEquals(view);
  assert.equal(await hashed, expectedHash);
  const copy = new FaultDisk();
  const chunks: Uint8Array[] = [];
  for await (const chunk of snapshot.chunks(10_000)) chunks.push(chunk);
  place(copy, Buffer.concat(chunks), DB_PATH);
  const restored = await openOn(copy);
  old.assertEquals(restored);
  await restored.close();
  const used = disk.usedBytes;
  view.close();
  snapshot.close();
  assert.ok(disk.usedBytes < used, "the old file is gone with its last reader");
  assert.deepEqual(disk.readDirectory("/"), ["db"]);
  assert.equal(backend.sizeBytes, backend.boltFile.sizeBytes);
  for (let count = 200; count > 0; count--) writer.step(backend, fresh);
  await backend.commit();
  fresh.assertEquals(backend);
  await assertSoundBackend(backend);
  await backend.close();
  const reopened = await openOn(disk);
  fresh.assertEquals(reopened);
  await reopened.close();
});

test("what was not committed is dropped, with the index that belongs to it", async () => {
  // etcd issues 13908 and 13933: the old index was written into the new db.
  const disk = new FaultDisk();
  const { backend } = await filled(disk, 1);
  const fresh = await receive(disk);
  let index = Buffer.from("old");
  backend.onBeforeCommit = () => backend.put(META_BUCKET, INDEX_KEY, index);
  const replacement = await backend.openReplacement(RECEIVED);
  disk.hold = true;
  backend.put(KEY_BUCKET, revisionKey(1_000_000), Buffer.from("x"));
  const sealed = backend.commit();
  backend.put(KEY_BUCKET, revisionKey(1_000_001), Buffer.from("x"));
  const waiting = backend.commit();
  const installed = replacement.install(() => {
    index = Buffer.from("new");
  });
  disk.hold = false;
  disk.release();
  await Promise.all([sealed, waiting, installed]);
  fresh.assertEquals(backend);
  backend.put(KEY_BUCKET, revisionKey(1_000_002), Buffer.from("y"));
  await backend.commit();
  fresh.put(KEY_BUCKET, revisionKey(1_000_002), Buffer.from("y"));
  fresh.put(META_BUCKET, INDEX_KEY, Buffer.from("new"));
  await backend.close();
  const reopened = await openOn(disk);
  fresh.assertEquals(reopened);
  await reopened.close();
});

test("etcd's buckets exist in the new db, also when it came without some", async () => {
  const source = new FaultDisk();
  const sparse = await openOn(source, { ensureBuckets: [KEY_BUCKET] });
  sparse.put(KEY_BUCKET, revisionKey(2), Buffer.from("two"));
  await sparse.commit();
  await sparse.close();
  const disk = new FaultDisk();
  const { backend } = await filled(disk, 1);
  place(disk, source.fileContent(DB_PATH));
  const replacement = await backend.openReplacement(RECEIVED);
  await replacement.install(() => undefined);
  const names = backend.buckets().map((bucket) => bucket.name);
  assert.deepEqual(names, ETCD_BUCKETS.map((bucket) => bucket.name).sort());
  await backend.close();
  await assertSound(disk);
});

test("a damaged file is refused, and the old db stays in force", async () => {
  const disk = new FaultDisk();
  const { backend, model, writer } = await filled(disk, 1);
  const fresh = await receive(disk);
  const whole = disk.fileContent(RECEIVED);
  const damaged: Record<string, Uint8Array> = {
    empty: new Uint8Array(0),
    "all zero": new Uint8Array(64 * 1024),
    cut: whole.subarray(0, whole.length - 4096),
    "cut inside the metas": whole.subarray(0, 5000),
    "no metas": Buffer.concat([Buffer.alloc(8192), whole.subarray(8192)]),
    "pages overwritten": Buffer.concat([
      whole.subarray(0, 8192),
      Buffer.alloc(whole.length - 8192, 0x41),
    ]),
  };
  for (const [what, content] of Object.entries(damaged)) {
    disk.editFile(RECEIVED, () => content);
    await assert.rejects(backend.openReplacement(RECEIVED), BackendCorruptError, what);
    for (let count = 20; count > 0; count--) writer.step(backend, model);
    await backend.commit();
    model.assertEquals(backend);
    assert.ok(disk.stat(RECEIVED) !== undefined, "the operator can look at it");
  }
  await assert.rejects(backend.openReplacement("/missing.snap.db"), { code: "ENOENT" });
  disk.editFile(RECEIVED, () => whole);
  await (await backend.openReplacement(RECEIVED)).install(() => undefined);
  fresh.assertEquals(backend);
  await backend.close();
});

test("installs and defragmentations take turns", async () => {
  // etcd issues 18055 and 20271: two of them at a time made the db unreadable.
  const disk = new FaultDisk();
  const { backend } = await filled(disk, 1);
  await receive(disk, 2);
  const second = "/9.snap.db";
  const last = await receive(disk, 3, second);
  const order: string[] = [];
  const did = (what: string) => () => {
    order.push(what);
  };
  const work = [
    backend.defragment().then(did("defragmented")),
    backend
      .openReplacement(RECEIVED)
      .then((replacement) => replacement.install(did("first")))
      .then(did("first done")),
    backend.openReplacement(second).then((replacement) => replacement.install(did("second"))),
    backend.defragment(),
  ];
  await Promise.all(work);
  const again = backend.defragment();
  await again;
  assert.deepEqual(order, ["defragmented", "first", "first done", "second"]);
  last.assertEquals(backend);
  await assertSoundBackend(backend);
  assert.deepEqual(disk.readDirectory("/"), ["db"]);
  await backend.close();
  await assertSound(disk);
});

test("a defragmentation that is asked for meanwhile works on the new file", async () => {
  const disk = new FaultDisk();
  const { backend } = await filled(disk, 1);
  const fresh = await receive(disk);
  const replacement = await backend.openReplacement(RECEIVED);
  let isDefragmented = false;
  const defragmented = backend.defragment().then(() => {
    isDefragmented = true;
  });
  for (let turn = 0; turn < 20; turn++) await nextTurn();
  assert.equal(isDefragmented, false);
  await replacement.install(() => undefined);
  await defragmented;
  fresh.assertEquals(backend);
  await backend.close();
  await assertSound(disk);
});

test("the lock moves with the name", async () => {
  const disk = new FaultDisk();
  const { backend } = await filled(disk, 1);
  const fresh = await receive(disk);
  const view = backend.openView();
  const replacement = await backend.openReplacement(RECEIVED);
  await assert.rejects(openOn(disk), BackendLockedError);
  await replacement.install(() => undefined);
  await assert.rejects(openOn(disk), BackendLockedError);
  await backend.close();
  const reopened = await openOn(disk);
  fresh.assertEquals(reopened);
  view.close();
  await reopened.close();
});

test("a file that another process holds is refused", async () => {
  const disk = new FaultDisk();
  const { backend } = await filled(disk, 1);
  await receive(disk);
  const other = disk.open(RECEIVED, { write: true });
  assert.equal(other.tryLock("flock"), true);
  await assert.rejects(backend.openReplacement(RECEIVED), BackendLockedError);
  other.close();
  await (await backend.openReplacement(RECEIVED)).install(() => undefined);
  await backend.close();
});

test("a replacement that was given up leaves everything as it was", async () => {
  const disk = new FaultDisk();
  const { backend, model } = await filled(disk, 1);
  await receive(disk);
  const replacement = await backend.openReplacement(RECEIVED);
  replacement.close();
  replacement.close();
  assert.throws(() => replacement.get(KEY_BUCKET, revisionKey(2)), BackendClosedError);
  await assert.rejects(
    replacement.install(() => undefined),
    BackendClosedError,
  );
  model.assertEquals(backend);
  await backend.defragment();
  assert.deepEqual(disk.readDirectory("/"), [RECEIVED.slice(1), "db"]);
  await backend.close();
});

test("closing gives up a replacement that is open, and lets one end that is being installed", async () => {
  for (const installs of [false, true]) {
    const disk = new FaultDisk();
    const { backend, model } = await filled(disk, 1);
    const fresh = await receive(disk);
    const replacement = await backend.openReplacement(RECEIVED);
    let installed = Promise.resolve();
    if (installs) {
      disk.hold = true;
      installed = replacement.install(() => undefined);
      while (disk.heldOperations === 0) await nextTurn();
    }
    const closed = backend.close();
    await nextTurn();
    disk.hold = false;
    disk.release();
    await Promise.all([installed, closed]);
    await assert.rejects(backend.openReplacement(RECEIVED), BackendClosedError);
    const reopened = await openOn(disk);
    (installs ? fresh : model).assertEquals(reopened);
    await reopened.close();
  }
});

test("a full disk does not keep the new db out", async () => {
  const disk = new FaultDisk();
  const { backend } = await filled(disk, 1);
  const fresh = await receive(disk);
  disk.capacityBytes = disk.usedBytes;
  let main = 1_000_000;
  const fill = () => backend.put(KEY_BUCKET, revisionKey(main++), Buffer.alloc(1000));
  for (let count = 2000; count > 0; count--) fill();
  await assert.rejects(backend.commit(), { code: "ENOSPC" });
  const view = backend.openView();
  fill();
  const waiting = backend.waitUncongested();
  const replacement = await backend.openReplacement(RECEIVED);
  await replacement.install(() => undefined);
  await waiting;
  assert.ok(view.get(KEY_BUCKET, revisionKey(1_000_000)) !== undefined);
  view.close();
  fresh.assertEquals(backend);
  backend.put(KEY_BUCKET, revisionKey(main), Buffer.from("small"));
  fresh.put(KEY_BUCKET, revisionKey(main), Buffer.from("small"));
  await backend.commit();
  await backend.close();
  const reopened = await openOn(disk);
  fresh.assertEquals(reopened);
  await reopened.close();
});

test("a commit that waits for space is not tried again while the file is replaced", async () => {
  const disk = new FaultDisk();
  const clock = new VirtualClock();
  const backend = await openOn(disk, {}, clock);
  const fresh = await receive(disk);
  disk.capacityBytes = disk.usedBytes;
  for (let main = 2; main < 2000; main++)
    backend.put(KEY_BUCKET, revisionKey(main), Buffer.alloc(99));
  await assert.rejects(backend.commit(), { code: "ENOSPC" });
  const replacement = await backend.openReplacement(RECEIVED);
  disk.hold = true;
  const installed = replacement.install(() => undefined);
  while (disk.stat(RECEIVED) !== undefined) await nextTurn();
  disk.capacityBytes = Number.POSITIVE_INFINITY;
  clock.advance(10_000);
  for (let turn = 0; turn < 10; turn++) await nextTurn();
  assert.equal(disk.heldOperations, 1, "the sync of the directory");
  disk.hold = false;
  disk.release();
  await installed;
  fresh.assertEquals(backend);
  await backend.close();
  await assertSound(disk);
});

test("writes, commits and reads go on while a replacement is opened and installed", async () => {
  const disk = new FaultDisk();
  const backend = await openOn(disk, { batchLimit: 20 }, new RestlessClock());
  const model = new Model();
  const writer = new Writer(new SeededRandom(4));
  const fresh = await receive(disk);
  let current = model;
  let done = false;
  const installing = backend
    .openReplacement(RECEIVED)
    .then((replacement) =>
      replacement.install(() => {
        current = fresh;
      }),
    )
    .finally(() => {
      done = true;
    });
  const commits: Promise<void>[] = [];
  while (!done) {
    writer.step(backend, current);
    backend.commitIfDue();
    commits.push(backend.commit());
    current.assertSample(backend, KEY_BUCKET, new SeededRandom(commits.length));
    await (commits.length % 3 === 0 ? nextTurn() : Promise.resolve());
  }
  await Promise.all([installing, ...commits]);
  assert.equal(current, fresh);
  current.assertEquals(backend);
  await backend.close();
  await assertSound(disk);
});

test("an interrupted install is finished at the start", async () => {
  const disk = new FaultDisk();
  await (await filled(disk, 1)).backend.close();
  const fresh = await receive(disk);
  const backend = await openOn(disk);
  await installAtStart(backend, RECEIVED);
  fresh.assertEquals(backend);
  assert.deepEqual(disk.readDirectory("/"), ["db"]);
  await backend.close();
});
