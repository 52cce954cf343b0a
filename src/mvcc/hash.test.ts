import assert from "node:assert/strict";
import test from "node:test";
import { isEtcdError } from "../api/errors.ts";
import { KEY_BUCKET } from "../backend/types.ts";
import { crc32c } from "../base/crc32c.ts";
import { executeDeleteRange, executePut } from "./requests/write.ts";
import type { Store } from "./store.ts";
import {
  deleteRequest,
  finishCompactions,
  hashOf,
  openWorld,
  putRequest,
  textOf,
  worldOn,
} from "./testing/harness.ts";
import { seeds, TestRandom } from "./testing/random.ts";

function write(store: Store, random: TestRandom): void {
  const key = `k${random.below(12)}`;
  if (random.chance(35)) executeDeleteRange(store, deleteRequest(key));
  else executePut(store, putRequest(key, `v${random.below(1000)}`));
}

test("without compaction the hash covers the bucket's name and every record up to the revision", () => {
  const { store } = openWorld();
  for (let i = 0; i < 20; i++) executePut(store, putRequest(`k${i % 5}`, String(i)));
  for (const revision of [1, 2, 10, 21]) {
    let crc = crc32c(Buffer.from("key"));
    store.backend.scan(KEY_BUCKET, Buffer.alloc(0), undefined, (key, value) => {
      if (Buffer.from(key).readBigUInt64BE(0) > BigInt(revision)) return false;
      crc = crc32c(value, crc32c(key, crc));
      return true;
    });
    const expected = { hash: crc, revision, compactRevision: -1 };
    assert.deepEqual(hashOf(store, revision), expected);
  }
});

interface StoredRecord {
  readonly bucketKey: Uint8Array;
  readonly record: Uint8Array;
  readonly main: number;
  readonly tombstone: boolean;
  readonly key: string;
}

function recordsOf(store: Store): StoredRecord[] {
  const records: StoredRecord[] = [];
  store.backend.scan(KEY_BUCKET, Buffer.alloc(0), undefined, (bucketKey, record) => {
    const main = Number(Buffer.from(bucketKey).readBigUInt64BE(0));
    const tombstone = bucketKey.length === 18;
    records.push({ bucketKey, record, main, tombstone, key: textOf(record).key });
    return true;
  });
  return records;
}

/** The rules as etcd states them: with a set of the records that a compaction would keep. */
function hashByTheRules(store: Store, revision: number): number {
  const records = recordsOf(store);
  const latest = new Map<string, StoredRecord>();
  for (const item of records) if (item.main <= revision) latest.set(item.key, item);
  const keep = new Set([...latest.values()].filter((item) => !item.tombstone));
  let crc = crc32c(Buffer.from("key"));
  for (const item of records) {
    if (item.main > revision) continue;
    if (item.main <= store.compactRevision && keep.size > 0 && !keep.has(item)) continue;
    if (item.main === store.compactRevision && item.tombstone) continue;
    crc = crc32c(item.record, crc32c(item.bucketKey, crc));
  }
  return crc;
}

test("the hash follows etcd's rules after compactions, and where they keep nothing", () => {
  for (const seed of seeds(20)) {
    const random = new TestRandom(seed);
    const { store } = openWorld();
    for (let round = 0; round < 10; round++) {
      for (let i = 0; i < 20; i++) write(store, random);
      if (random.chance(40)) executeDeleteRange(store, deleteRequest("k", "l"));
      if (random.chance(50)) {
        const oldest = Math.max(store.compactRevision, 1);
        if (oldest < store.currentRevision) {
          store.compact(oldest + 1 + random.below(store.currentRevision - oldest));
        }
        finishCompactions(store);
        // Stored hashes of compactions are another matter.
        executePut(store, putRequest("z", "v"));
        executeDeleteRange(store, deleteRequest("z"));
      }
      const span = store.currentRevision - Math.max(store.compactRevision, 1);
      const revision = store.currentRevision - random.below(span);
      if (store.hashes.find(revision) !== undefined) continue;
      const message = `TEST_SEED=${seed}, revision ${revision}`;
      assert.equal(hashOf(store, revision).hash, hashByTheRules(store, revision), message);
    }
  }
});

test("the hash does not depend on how far physical compaction has come", () => {
  for (const seed of seeds(20)) {
    const random = new TestRandom(seed);
    const { store } = openWorld();
    for (let i = 0; i < 150; i++) write(store, random);
    const revision = 20 + random.below(store.currentRevision - 30);
    // Nothing is alive at the revision behind the deletion.
    executeDeleteRange(store, deleteRequest("k", "l"));
    executePut(store, putRequest("k1", "v"));
    const gone = store.currentRevision - 1;
    store.compact(revision);
    const targets = [0, revision + 1, revision + 2, gone - 1, gone];
    const before = targets.map((target) => hashOf(store, target || store.currentRevision));
    while (store.compactionPending) {
      store.runCompaction(1 + random.below(9));
      const now = targets.map((target) => hashOf(store, target || store.currentRevision));
      assert.deepEqual(now, before, `TEST_SEED=${seed}`);
    }
  }
});

test("a hash in slices is of its start, whatever is written and compacted meanwhile", () => {
  for (const seed of seeds(20)) {
    const random = new TestRandom(seed);
    const { store, backend } = openWorld();
    for (let i = 0; i < 120; i++) write(store, random);
    store.compact(60);
    finishCompactions(store);
    const revision = 65 + random.below(30);
    const expected = hashOf(worldOn(backend.crash(true)).store, revision);
    const job = store.hashByRevision(revision);
    let result = job.step(1 + random.below(9));
    while (result === undefined) {
      write(store, random);
      if (random.chance(10) && store.compactRevision < store.currentRevision) {
        store.compact(store.currentRevision);
      }
      store.runCompaction(100);
      result = job.step(1 + random.below(9));
    }
    assert.deepEqual(result, expected, `TEST_SEED=${seed}`);
    assert.equal(backend.openReadViews, 0);
  }
});

test("a compaction's hash is the hash of its revision before it", () => {
  const { store } = openWorld();
  const random = new TestRandom(4);
  for (let i = 0; i < 60; i++) write(store, random);
  store.compact(20);
  finishCompactions(store);
  const expected = hashOf(store, 40);
  store.compact(40);
  const [result] = finishCompactions(store);
  // Both cover (20, 40]; below 20, "hash" leaves out tombstones that "compaction" cannot have.
  assert.deepEqual(result?.hash, expected);
  assert.equal(result?.hashStored, true);
});

test("the last ten compaction hashes are kept and answer even below the compact revision", () => {
  const { store } = openWorld();
  const stored = new Map<number, number>();
  for (let i = 0; i < 13; i++) {
    executePut(store, putRequest("k", String(i)));
    store.compact(store.currentRevision);
    for (const result of finishCompactions(store)) stored.set(result.revision, result.hash.hash);
  }
  const revisions = store.hashes.list().map((hash) => hash.revision);
  assert.deepEqual(revisions, [5, 6, 7, 8, 9, 10, 11, 12, 13, 14]);
  assert.equal(store.hashByRevision(5).result?.hash, stored.get(5));
  assert.throws(
    () => store.hashByRevision(4),
    (error) => isEtcdError(error, "compacted"),
  );
});

test("a compaction that began before the last one ended keeps no hash", () => {
  const { store, backend } = openWorld();
  for (let i = 0; i < 10; i++) executePut(store, putRequest("k", String(i)));
  store.compact(4);
  store.compact(8);
  const results = finishCompactions(store);
  assert.deepEqual(
    results.map((result) => [result.revision, result.hashStored]),
    [
      [4, true],
      [8, false],
    ],
  );
  store.compact(10);
  const { store: restarted } = worldOn(backend.crash(true));
  assert.deepEqual(
    finishCompactions(restarted).map((result) => [result.revision, result.hashStored]),
    [[10, false]],
  );
});

test("revision 0 means now, also after a compaction at 0", () => {
  const { store } = openWorld();
  store.compact(0);
  assert.equal(finishCompactions(store)[0]?.hashStored, true);
  executePut(store, putRequest("k", "v"));
  assert.equal(hashOf(store, 0).revision, 2);
});

test("a future revision is refused", () => {
  const { store } = openWorld();
  assert.throws(
    () => store.hashByRevision(2),
    (error) => isEtcdError(error, "futureRevision"),
  );
});

test("an abandoned hash lets go of its view and of compaction", () => {
  const { store, backend } = openWorld();
  for (let i = 0; i < 10; i++) executePut(store, putRequest("k", String(i)));
  const job = store.hashByRevision(3);
  job.step(1);
  store.compact(8);
  assert.equal(store.runCompaction(10).state, "waiting");
  job.close();
  assert.equal(backend.openReadViews, 0);
  assert.equal(store.runCompaction(10).state, "finished");
});
