/** Views, snapshots, hashes, batches: what a user of the backend sees beside its content. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { crc32c } from "../base/crc32c.ts";
import { MemoryLogger } from "../env/testing/memory-logger.ts";
import { FaultDisk } from "../env/testing/fault-disk.ts";
import { SeededRandom } from "../env/testing/seeded-random.ts";
import { VirtualClock } from "../env/testing/virtual-clock.ts";
import { humanizeBytes } from "../base/go-text.ts";
import { type BoltBackend, openBackend } from "./backend.ts";
import {
  assertSound,
  DB_PATH,
  Model,
  openOn,
  readAll,
  revisionKey,
  Writer,
} from "./testing/harness.ts";
import { ETCD_BUCKETS, KEY_BUCKET, LEASE_BUCKET, META_BUCKET, TEST_BUCKET } from "./types.ts";

function fill(backend: BoltBackend, from: number, to: number): void {
  for (let main = from; main < to; main++) {
    backend.put(KEY_BUCKET, revisionKey(main), Buffer.alloc(100, main));
  }
}

test("a new file has all buckets of etcd", async () => {
  const disk = new FaultDisk();
  const backend = await openOn(disk);
  await backend.close();
  const reopened = await openOn(disk, { ensureBuckets: [], readOnly: true });
  for (const bucket of ETCD_BUCKETS) {
    const { boltFile } = reopened;
    assert.notEqual(boltFile.bucket(boltFile.state, bucket.name), undefined, bucket.name);
  }
  const { boltFile } = reopened;
  assert.equal(boltFile.bucket(boltFile.state, TEST_BUCKET.name), undefined);
  assert.deepEqual(readAll(reopened, TEST_BUCKET), []);
  assert.throws(() => reopened.put(KEY_BUCKET, revisionKey(2), Buffer.alloc(1)), /reading only/);
  await reopened.close();
});

test("a value that was read from a batch stays as it is when later batches use memory again", async () => {
  const backend = await openOn(new FaultDisk());
  const RECORDS = 10_000;
  const readers = [
    (key: Uint8Array) => backend.get(KEY_BUCKET, key),
    (key: Uint8Array) => {
      const finder = backend.finder(KEY_BUCKET);
      return finder.find(key) ? finder.bytes.subarray(finder.start, finder.end) : undefined;
    },
    (key: Uint8Array) => {
      let found: Uint8Array | undefined;
      backend.scan(KEY_BUCKET, key, undefined, (_, value) => {
        found = value;
        return false;
      });
      return found;
    },
  ];
  let next = 2;
  const kept: { readonly main: number; readonly value: Uint8Array | undefined }[] = [];
  for (const read of [...readers, ...readers]) {
    fill(backend, next, next + RECORDS);
    kept.push({ main: next + RECORDS - 1, value: read(revisionKey(next + RECORDS - 1)) });
    next += RECORDS;
    await backend.commit();
  }
  for (const { main, value } of kept) {
    assert.deepEqual(value && Buffer.from(value), Buffer.alloc(100, main), `${main}`);
  }
  await backend.close();
});

test("a view shows the moment it was opened, through commits, deletes and defragmentation", async () => {
  const disk = new FaultDisk();
  const backend = await openOn(disk);
  fill(backend, 2, 500);
  await backend.commit();
  fill(backend, 500, 510);
  const committing = backend.commit();
  fill(backend, 510, 520);
  backend.put(LEASE_BUCKET, Buffer.from("b"), Buffer.from("1"));
  const view = backend.openView();
  assert.equal(backend.openReadViews, 1);
  await committing;
  backend.put(LEASE_BUCKET, Buffer.from("b"), Buffer.from("2"));
  backend.put(LEASE_BUCKET, Buffer.from("a"), Buffer.from("2"));
  for (let main = 2; main < 515; main++) backend.delete(KEY_BUCKET, revisionKey(main));
  for (let round = 0; round < 5; round++) {
    fill(backend, 520 + round * 100, 620 + round * 100);
    await backend.commit();
  }
  await backend.defragment();
  assert.equal(readAll(view, KEY_BUCKET).length, 518);
  assert.deepEqual(view.get(KEY_BUCKET, revisionKey(2)), Buffer.alloc(100, 2));
  assert.deepEqual(readAll(view, LEASE_BUCKET), [["b", "1"]]);
  assert.equal(readAll(backend, KEY_BUCKET).length, 505);
  view.close();
  assert.equal(backend.openReadViews, 0);
  assert.throws(() => view.get(KEY_BUCKET, revisionKey(2)), /closed/);
  await backend.close();
  await assertSound(disk);
});

test("pages freed while a view is open are reused after it is closed", async () => {
  const disk = new FaultDisk();
  const backend = await openOn(disk);
  fill(backend, 2, 2000);
  await backend.commit();
  const view = backend.openView();
  for (let main = 2; main < 2000; main++) backend.delete(KEY_BUCKET, revisionKey(main));
  await backend.commit();
  fill(backend, 2000, 3000);
  await backend.commit();
  const grown = backend.sizeBytes;
  view.close();
  fill(backend, 3000, 4500);
  await backend.commit();
  assert.equal(backend.sizeBytes, grown);
  assert.ok(backend.sizeInUseBytes < grown);
  await backend.close();
});

test("a long-lived view does not make the file grow with every commit", async () => {
  const disk = new FaultDisk();
  const backend = await openOn(disk);
  fill(backend, 2, 1000);
  await backend.commit();
  const view = backend.openView();
  const index = (round: number): void => {
    backend.put(META_BUCKET, Buffer.from("consistent_index"), Buffer.from(String(round)));
    backend.put(KEY_BUCKET, revisionKey(500), Buffer.alloc(100, round));
  };
  for (let round = 0; round < 10; round++) {
    index(round);
    await backend.commit();
  }
  const grown = backend.sizeBytes;
  for (let round = 0; round < 200; round++) {
    index(round);
    await backend.commit();
  }
  assert.equal(backend.sizeBytes, grown);
  assert.deepEqual(view.get(KEY_BUCKET, revisionKey(500)), Buffer.alloc(100, 500));
  assert.equal(readAll(view, KEY_BUCKET).length, 998);
  view.close();
  await backend.close();
  await assertSound(disk);
});

test("a backend that must exist can be defragmented", async () => {
  const disk = new FaultDisk();
  await assert.rejects(openOn(disk, { mustExist: true }), { code: "ENOENT" });
  await (await openOn(disk)).close();
  const backend = await openOn(disk, { mustExist: true });
  await backend.defragment();
  await backend.close();
});

test("a snapshot is the file at its transaction while writes go on", async () => {
  const disk = new FaultDisk();
  const backend = await openOn(disk);
  const model = new Model();
  const writer = new Writer(new SeededRandom(5));
  for (let count = 800; count > 0; count--) writer.step(backend, model);
  const expected = new Model(model);
  const snapshot = await backend.openSnapshot();
  const chunks: Uint8Array[] = [];
  for await (const chunk of snapshot.chunks(10_000)) {
    assert.ok(chunk.length <= 10_000);
    chunks.push(chunk);
    for (let count = 100; count > 0; count--) writer.step(backend, model);
    await backend.commit();
    if (chunks.length === 5) await backend.defragment();
  }
  expected.assertEquals(snapshot);
  snapshot.close();
  assert.throws(() => snapshot.get(KEY_BUCKET, revisionKey(2)), { code: "EDBCLOSED" });
  const image = Buffer.concat(chunks);
  assert.equal(image.length, snapshot.sizeBytes);
  const copy = new FaultDisk();
  copy.open(DB_PATH, { create: true }).close();
  copy.editFile(DB_PATH, () => image);
  await assertSound(copy);
  const restored = await openOn(copy);
  expected.assertEquals(restored);
  await restored.close();
  model.assertEquals(backend);
  await backend.close();
});

test("a snapshot that takes long is warned of until it is closed", async () => {
  const clock = new VirtualClock();
  const logger = new MemoryLogger();
  const deps = { disk: new FaultDisk(), clock, logger };
  const backend = await openBackend(deps, DB_PATH, { ensureBuckets: ETCD_BUCKETS });
  const snapshot = await backend.openSnapshot();
  clock.advance(29_999);
  assert.deepEqual(logger.messages("warn"), []);
  clock.advance(30_001);
  const bytes = snapshot.sizeBytes;
  assert.deepEqual(
    logger.lines.filter(({ level }) => level === "warn").map(({ fields }) => fields),
    ["30s", "1m0s"].map((taking) => ({ taking, bytes, size: humanizeBytes(bytes) })),
  );
  snapshot.close();
  clock.advance(60_000);
  assert.equal(logger.messages("warn").length, 2);
  await backend.close();
});

test("the hash covers bucket names, keys and values in order, committed or not", async () => {
  const backend = await openOn(new FaultDisk());
  backend.put(KEY_BUCKET, revisionKey(2), Buffer.from("two"));
  backend.put(META_BUCKET, Buffer.from("consistent_index"), Buffer.from("7"));
  await backend.commit();
  backend.put(KEY_BUCKET, revisionKey(3), Buffer.from("three"));
  const parts: Uint8Array[] = [];
  for (const name of ETCD_BUCKETS.map((bucket) => bucket.name).sort()) {
    parts.push(Buffer.from(name));
    if (name === "key") {
      parts.push(revisionKey(2), Buffer.from("two"), revisionKey(3), Buffer.from("three"));
    }
  }
  const hash = await backend.hash((bucket, key) => {
    return bucket === "meta" && Buffer.from(key).toString() === "consistent_index";
  });
  assert.equal(hash, crc32c(Buffer.concat(parts)));
  await backend.close();
});

test("a batch is committed after the interval, and at the limit when asked", async () => {
  const disk = new FaultDisk();
  const clock = new VirtualClock();
  const backend = await openOn(disk, { batchLimit: 10 }, clock);
  const before = backend.boltFile.durable.txid;
  fill(backend, 2, 5);
  backend.commitIfDue();
  await clock.advanceAsync(99);
  assert.equal(backend.boltFile.durable.txid, before);
  await clock.advanceAsync(1);
  await new Promise((resolve) => setImmediate(resolve));
  assert.equal(backend.boltFile.durable.txid, before + 1);
  fill(backend, 5, 15);
  backend.commitIfDue();
  await new Promise((resolve) => setImmediate(resolve));
  assert.equal(backend.boltFile.durable.txid, before + 2);
  await backend.close();
});

test("what the hook writes is in the transaction that it precedes", async () => {
  const disk = new FaultDisk();
  const backend = await openOn(disk);
  let index = 0;
  backend.onBeforeCommit = () => {
    backend.put(META_BUCKET, Buffer.from("consistent_index"), Buffer.from(String(index)));
  };
  fill(backend, 2, 4);
  index = 3;
  const committed = backend.commit();
  index = 4;
  await committed;
  const reader = await openOn(disk, { readOnly: true });
  assert.equal(readAll(reader, META_BUCKET).at(0)?.[1], "3");
  await reader.close();
  await backend.close();
});

test("writes beyond a few limits make the backend congested until they are on their way", async () => {
  const disk = new FaultDisk();
  const backend = await openOn(disk, { batchLimit: 10 });
  disk.hold = true;
  fill(backend, 2, 12);
  backend.commitIfDue();
  fill(backend, 12, 60);
  assert.equal(backend.congested, true);
  let waiting = true;
  const uncongested = backend.waitUncongested().then(() => {
    waiting = false;
  });
  await new Promise((resolve) => setImmediate(resolve));
  assert.equal(waiting, true);
  disk.hold = false;
  disk.release();
  await uncongested;
  assert.equal(backend.congested, false);
  await backend.close();
});

test("a commit without writes settles, and nothing works after close", async () => {
  const backend = await openOn(new FaultDisk());
  await Promise.all([backend.commit(), backend.commit()]);
  await backend.close();
  await backend.close();
  await assert.rejects(backend.commit(), { code: "EDBCLOSED" });
  await assert.rejects(backend.defragment(), { code: "EDBCLOSED" });
  assert.throws(() => backend.get(KEY_BUCKET, revisionKey(2)), { code: "EDBCLOSED" });
  assert.throws(() => backend.openView(), { code: "EDBCLOSED" });
});

test("values and keys of any size fit, up to the limit of a key", async () => {
  const disk = new FaultDisk();
  const backend = await openOn(disk);
  const model = new Model();
  const sizes = [0, 1, 1000, 4000, 4060, 4096, 10_000, 1_500_000, 100, 5_000_000, 3];
  for (const [at, size] of sizes.entries()) {
    for (const [bucket, key] of [
      [KEY_BUCKET, revisionKey(at + 2)],
      [LEASE_BUCKET, Buffer.alloc(1 + at * 3000, 65 + at)],
    ] as const) {
      backend.put(bucket, key, Buffer.alloc(size, at));
      model.put(bucket, key, Buffer.alloc(size, at));
    }
    if (at % 3 === 0) await backend.commit();
  }
  assert.throws(() => backend.put(LEASE_BUCKET, Buffer.alloc(32_769), Buffer.alloc(1)), /too long/);
  assert.throws(() => backend.put(LEASE_BUCKET, Buffer.alloc(0), Buffer.alloc(1)), /empty/);
  await backend.commit();
  model.assertEquals(backend);
  await backend.defragment();
  model.assertEquals(backend);
  await backend.close();
  await assertSound(disk);
});
