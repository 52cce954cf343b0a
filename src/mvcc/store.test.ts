import assert from "node:assert/strict";
import test from "node:test";
import { isEtcdError } from "../api/errors.ts";
import { KEY_BUCKET, META_BUCKET } from "../backend/types.ts";
import { bytesFromLatin1 } from "../base/bytes.ts";
import { executeRange, RangeExecution } from "./requests/range.ts";
import { executeDeleteRange, executePut } from "./requests/write.ts";
import { type KeyHistory, loadState, type RestoreReport } from "./restore.ts";
import { encodeRevisionKey } from "../base/revision-key.ts";
import type { Store } from "./store.ts";
import {
  deleteRequest,
  FakeLessor,
  finishCompactions,
  hashOf,
  keysOf,
  openWorld,
  putRequest,
  rangeRequest,
  textOf,
  worldOn,
  Stepper,
} from "./testing/harness.ts";

function put(store: Store, key: string, value: string, lease = 0n): number {
  return executePut(store, putRequest(key, value, { lease })).revision;
}

function del(store: Store, key: string, end = ""): number {
  return executeDeleteRange(store, deleteRequest(key, end)).revision;
}

function get(store: Store, key: string, revision = 0): string | undefined {
  const [record] = executeRange(store, rangeRequest(key, "", { revision })).kvs;
  return record === undefined ? undefined : textOf(record).value;
}

/** Bucket keys as main, or -main for tombstones. */
function storedRevisions(store: Store): number[] {
  const revisions: number[] = [];
  store.backend.scan(KEY_BUCKET, Buffer.alloc(0), undefined, (key) => {
    const main = Number(Buffer.from(key).readBigUInt64BE(0));
    revisions.push(key.length === 18 ? -main : main);
    return true;
  });
  return revisions;
}

test("an empty store is at revision 1 and never compacted; the first write is 2", () => {
  const { store } = openWorld();
  assert.deepEqual([store.currentRevision, store.compactRevision], [1, -1]);
  assert.equal(put(store, "k", "v"), 2);
});

test("a write that changes nothing leaves the revision as it is", () => {
  const { store } = openWorld();
  put(store, "k", "v");
  assert.equal(del(store, "missing"), 2);
  assert.equal(del(store, "x", "z"), 2);
  assert.equal(store.currentRevision, 2);
});

test("version and create revision restart after a deletion", () => {
  const { store } = openWorld();
  for (const value of ["1", "2"]) put(store, "k", value);
  del(store, "k");
  put(store, "k", "3");
  const [record] = executeRange(store, rangeRequest("k")).kvs;
  assert.deepEqual(record && textOf(record), {
    key: "k",
    value: "3",
    create: 5,
    mod: 5,
    version: 1,
    lease: 0n,
  });
});

test("every revision stays readable until it is compacted", () => {
  const { store } = openWorld();
  put(store, "k", "1");
  put(store, "k", "2");
  del(store, "k");
  put(store, "k", "4");
  const seen = [1, 2, 3, 4, 5].map((revision) => get(store, "k", revision));
  assert.deepEqual(seen, [undefined, "1", "2", undefined, "4"]);
  store.compact(3);
  assert.equal(get(store, "k", 3), "2");
  assert.throws(
    () => get(store, "k", 2),
    (error) => isEtcdError(error, "compacted"),
  );
  assert.throws(
    () => get(store, "k", 6),
    (error) => isEtcdError(error, "futureRevision"),
  );
});

test("compaction refuses what is compacted already and what is to come", () => {
  const { store } = openWorld();
  for (let i = 0; i < 5; i++) put(store, "k", "v");
  store.compact(4);
  for (const revision of [4, 3, 0, -1]) {
    assert.throws(
      () => store.compact(revision),
      (error) => isEtcdError(error, "compacted"),
    );
  }
  assert.throws(
    () => store.compact(7),
    (error) => isEtcdError(error, "futureRevision"),
  );
  store.compact(6);
});

test("compaction keeps the latest record of live keys and drops deleted ones", () => {
  const { store } = openWorld();
  put(store, "a", "2");
  put(store, "a", "3");
  put(store, "b", "4");
  del(store, "b");
  put(store, "c", "6");
  store.compact(6);
  const [result] = finishCompactions(store, 2);
  assert.deepEqual(storedRevisions(store), [3, 6]);
  assert.equal(result?.deletedRecords, 3);
  assert.equal(store.index.size, 2);
});

test("a tombstone of the compact revision itself stays for watchers that start there", () => {
  const { store } = openWorld();
  put(store, "k", "2");
  del(store, "k");
  store.compact(3);
  finishCompactions(store);
  assert.deepEqual(storedRevisions(store), [-3]);
  put(store, "other", "4");
  store.compact(4);
  finishCompactions(store);
  assert.deepEqual(storedRevisions(store), [4]);
});

test("the revision does not go down when compaction removed the newest record", () => {
  // etcd issue 17780: the newest records were tombstones, the crash came before the end mark.
  const { store, backend } = openWorld();
  for (const key of ["a", "b", "c"]) put(store, key, "v");
  del(store, "a", "d");
  store.compact(5);
  finishCompactions(store);
  backend.delete(META_BUCKET, bytesFromLatin1("finishedCompactRev"));
  const emptied = backend.crash(true);
  for (let sub = 0; sub < 3; sub++) emptied.delete(KEY_BUCKET, encodeRevisionKey(5, sub, true));
  const { store: restarted } = worldOn(emptied);
  assert.equal(restarted.currentRevision, 5);
  assert.equal(put(restarted, "d", "v"), 6);
});

test("a compaction that a crash interrupts at any point goes on at the next start", () => {
  for (let crashAfter = 0; crashAfter < 30; crashAfter++) {
    const { store, backend } = openWorld();
    for (let i = 0; i < 20; i++) put(store, `k${i % 4}`, String(i));
    del(store, "k0", "k2");
    put(store, "z", "last");
    const hashBefore = hashOf(store, 22);
    backend.commitNow();
    store.compact(22);
    for (let step = 0; step < crashAfter; step++) {
      store.runCompaction(1);
      if (step % 3 === 0) backend.commitNow();
    }
    const { store: restarted } = worldOn(backend.crash());
    assert.equal(restarted.currentRevision, 23);
    if (crashAfter === 0) continue;
    assert.equal(restarted.compactRevision, 22);
    finishCompactions(restarted);
    assert.deepEqual(storedRevisions(restarted), [20, 21, -22, -22, 23]);
    assert.equal(get(restarted, "k3", 22), "19");
    assert.notEqual(hashBefore.hash, hashOf(restarted, 22).hash);
    const { store: again } = worldOn(backend.crash());
    assert.deepEqual(hashOf(again, 23), hashOf(restarted, 23));
  }
});

test("history that a compaction has yet to remove cannot be read", () => {
  const { store } = openWorld();
  for (let i = 0; i < 5; i++) put(store, "k", String(i));
  store.compact(5);
  assert.throws(
    () => get(store, "k", 4),
    (error) => isEtcdError(error, "compacted"),
  );
  assert.equal(store.runCompaction(100).state, "finished");
  assert.equal(store.runCompaction(100).state, "idle");
});

test("a compaction tells how far it is, until it has finished", () => {
  const { store } = openWorld();
  for (let i = 0; i < 10; i++) put(store, "k", String(i));
  const progress = () => store.compaction;
  assert.equal(progress(), undefined);
  store.compact(10);
  const seen: (number | undefined)[] = [progress()?.atRevision];
  while (store.runCompaction(3).state !== "finished") {
    assert.equal(progress()?.revision, 10);
    seen.push(progress()?.atRevision);
  }
  assert.equal(seen[0], 0);
  assert.ok(new Set(seen).size > 2, String(seen));
  assert.deepEqual(
    [...seen].sort((a = 0, b = 0) => a - b),
    seen,
  );
  assert.equal(progress(), undefined);
});

test("compaction waits for a range that reads an older revision", () => {
  const { store } = openWorld();
  for (let i = 0; i < 10; i++) put(store, `k${i}`, "old");
  const execution = new RangeExecution(store, rangeRequest("k", "l"));
  const range = new Stepper((slice) => execution.run(slice));
  range.step(3);
  for (let i = 0; i < 10; i++) put(store, `k${i}`, "new");
  store.compact(20);
  assert.equal(store.runCompaction(100).state, "waiting");
  const result = range.step(100);
  assert.deepEqual(
    result?.kvs.map((kv) => textOf(kv).value),
    Array.from({ length: 10 }, () => "old"),
  );
  assert.equal(store.runCompaction(100).state, "finished");
});

test("leases follow their keys: put, put without lease, deletion, restart", () => {
  const { store, lessor, backend } = openWorld();
  lessor.grant(7n);
  lessor.grant(8n);
  put(store, "a", "v", 7n);
  put(store, "b", "v", 7n);
  put(store, "c", "v", 7n);
  put(store, "b", "v", 8n);
  put(store, "c", "v");
  assert.deepEqual([lessor.keysOf(7n), lessor.keysOf(8n)], [["a"], ["b"]]);
  del(store, "a");
  assert.deepEqual(lessor.keysOf(7n), []);
  const restarted = worldOn(backend.crash(true), [7n, 8n]);
  assert.deepEqual([restarted.lessor.keysOf(7n), restarted.lessor.keysOf(8n)], [[], ["b"]]);
});

test("a lease that is gone at restart is reported, and its keys stay", () => {
  const { store, lessor, backend } = openWorld();
  lessor.grant(7n);
  put(store, "a", "v", 7n);
  const { store: restarted } = worldOn(backend.crash(true));
  assert.deepEqual(restarted.restore().orphans, [{ key: "a", lease: 7n }]);
  assert.equal(get(restarted, "a"), "v");
});

test("keys of an ended lease go in one revision", () => {
  const { store } = openWorld();
  for (const key of ["a", "b", "c"]) put(store, key, "v");
  assert.equal(store.deleteKeys(["a", "c", "missing"]), 5);
  assert.deepEqual(keysOf(executeRange(store, rangeRequest("\0", "\0")).kvs), ["b"]);
  assert.equal(store.deleteKeys(["missing"]), 5);
});

test("restore in slices gives the same state as in one go", () => {
  const { store, backend } = openWorld();
  for (let i = 0; i < 100; i++) put(store, `k${(i * 37) % 50}`, String(i));
  del(store, "k1", "k3");
  const { store: other } = worldOn(backend);
  let pauses = 0;
  for (const _ of other.restoreSteps(backend, 10)) pauses++;
  assert.ok(pauses >= 10);
  assert.equal(other.currentRevision, store.currentRevision);
  for (const revision of [20, 60, 0]) {
    const request = rangeRequest("\0", "\0", { revision });
    assert.deepEqual(executeRange(other, request), executeRange(store, request));
  }
});

test("a state that is loaded aside shows nothing until it is adopted, then everything", () => {
  const leader = openWorld();
  leader.lessor.grant(7n);
  for (let i = 0; i < 30; i++) put(leader.store, `k${i % 9}`, String(i), i === 29 ? 7n : 0n);
  leader.store.compact(10);
  finishCompactions(leader.store);
  leader.store.compact(20);
  const { store, lessor } = openWorld();
  for (let i = 0; i < 8; i++) put(store, `k${i}`, "old");
  store.compact(5);
  finishCompactions(store);
  store.compact(6);
  store.runCompaction(1);
  const leases = new FakeLessor();
  leases.grant(7n);
  let pauses = 0;
  const steps = loadState(leader.backend, leases, 2);
  let step = steps.next();
  for (; step.done !== true; step = steps.next()) {
    pauses++;
    assert.deepEqual(
      [store.currentRevision, store.compactRevision, get(store, "k1")],
      [9, 6, "old"],
    );
  }
  assert.ok(pauses > 10);
  assert.deepEqual([leases.leaseOf("k2"), lessor.leaseOf("k2")], [7n, 0n]);
  const report = store.adopt(step.value, leader.backend);
  assert.deepEqual([report.currentRevision, report.resumedCompaction], [31, 20]);
  assert.deepEqual(store.hashes.list(), [], "the hashes were of other compactions");
  assert.equal(get(store, "k2"), "29");
  assert.equal(store.compactRevision, 20);
  const [finished] = finishCompactions(store);
  assert.equal(finished?.revision, 20);
  assert.deepEqual(hashOf(store), hashOf(leader.store));
});

test("a store over a copied backend takes the keys from a history of the same moment alone", () => {
  const { store, lessor, backend } = openWorld();
  lessor.grant(7n);
  for (let i = 0; i < 30; i++) put(store, `k${i % 9}`, String(i), i === 28 ? 7n : 0n);
  del(store, "k3");
  const leases = new Map([["k1", 7n]]);
  const restored = (known: KeyHistory | undefined) => {
    const world = worldOn(backend.crash(true), [7n]);
    let report: RestoreReport | undefined;
    const steps = loadState(world.backend, world.lessor, 1000, known);
    for (let step = steps.next(); report === undefined; step = steps.next()) {
      if (step.done === true) report = world.store.adopt(step.value);
    }
    assert.equal(world.lessor.leaseOf("k1"), 7n);
    for (const revision of [20, 0]) {
      const request = rangeRequest("\0", "\0", { revision });
      assert.deepEqual(executeRange(world.store, request), executeRange(store, request));
    }
    return { ...world, report };
  };
  const known = store.history(leases);
  const first = restored(known);
  assert.deepEqual([first.report.records, first.report.currentRevision], [0, 32]);
  put(first.store, "k3", "mine");
  assert.equal(get(restored(known).store, "k3"), undefined, "it can be taken again");

  store.compact(10);
  assert.equal(store.history(leases), undefined, "amid a compaction nothing is told");
  assert.equal(restored(known).report.resumedCompaction, 10);
  finishCompactions(store);
  assert.notEqual(restored(known).report.records, 0, "before the compaction");
  assert.equal(restored(store.history(leases)).report.records, 0);
  const before = store.history(leases);
  put(store, "k2", "newer");
  assert.notEqual(restored(before).report.records, 0, "before a change");
  store.beginWrite();
  assert.equal(store.history(leases), undefined, "amid a write nothing is told");
  store.endWrite();
});

test("a hash job that a restored snapshot overtakes answers for the state it began in", () => {
  const { store } = openWorld();
  for (let i = 0; i < 20; i++) put(store, `k${i % 7}`, String(i));
  const expected = hashOf(store);
  const job = store.hashByRevision(0);
  job.step(3);
  const leader = openWorld();
  for (let i = 0; i < 40; i++) put(leader.store, `k${i % 7}`, String(i));
  leader.store.compact(35);
  store.restore(leader.backend);
  finishCompactions(leader.store);
  let result = job.step(3);
  while (result === undefined) result = job.step(3);
  assert.deepEqual(result, expected);
  assert.equal(store.runCompaction(100).state, "finished", "it holds up nothing any more");
});

test("a damaged key bucket is refused, not guessed at", () => {
  const { backend } = openWorld();
  backend.put(KEY_BUCKET, Buffer.from("short"), Buffer.alloc(0));
  assert.throws(() => worldOn(backend), /malformed revision/);
});

test("an empty record above all others raises the revision and nothing else", () => {
  // `snapshot restore --bump-revision` of etcdutl leaves one.
  const { store, backend } = openWorld();
  put(store, "k", "v");
  backend.put(KEY_BUCKET, encodeRevisionKey(1000, 0, false), Buffer.alloc(0));
  const { store: restarted } = worldOn(backend);
  assert.equal(restarted.currentRevision, 1000);
  const all = executeRange(restarted, rangeRequest("\0", "\0"));
  assert.deepEqual([keysOf(all.kvs), all.count], [["k"], 1]);
  restarted.compact(1000);
  finishCompactions(restarted);
  assert.deepEqual(storedRevisions(restarted), [2, 1000]);
});
