import assert from "node:assert/strict";
import { test } from "node:test";
import {
  type Backend,
  type Bucket,
  MEMBERS_BUCKET,
  MEMBERS_REMOVED_BUCKET,
  META_BUCKET,
  TEST_BUCKET,
} from "../../backend/types.ts";
import { EMPTY_BYTES } from "../../base/bytes.ts";
import { VirtualClock } from "../../env/testing/virtual-clock.ts";
import { CRASH_POLICIES, FaultDisk } from "../../env/testing/fault-disk.ts";
import { SeededRandom } from "../../env/testing/seeded-random.ts";
import { withDb, withWritableDb } from "./db-access.ts";
import { defragmentDataDirectory } from "./defrag.ts";
import { hashFile } from "./hash-kv.ts";
import { memberPaths } from "./member-paths.ts";
import { restoreSnapshot } from "./snapshot-restore.ts";
import { snapshotStatus } from "./snapshot-status.ts";
import {
  DATA_DIR,
  depsOn,
  listFiles,
  RESTORE,
  readFile,
  SNAPSHOT,
  withDataDirectory,
  withSnapshot,
  writeFile,
} from "./testing/fixture.ts";
import { verifyDataDirectory } from "./verify/verify.ts";

test("status counts the keys that exist and names the last revision", async () => {
  const { deps, disk } = await withSnapshot();
  const status = await snapshotStatus(deps, SNAPSHOT);
  // What etcdutl 3.6 and etcdctl 3.4 print for this file.
  assert.equal(status.hash, 3615914401);
  assert.equal(status.totalEntries, 61);
  assert.equal(status.revision, 60);
  assert.equal(status.totalKey, 10);
  assert.equal(status.totalSize, readFile(disk, SNAPSHOT).length - 32);
  assert.equal(status.version, "");
  await assert.rejects(snapshotStatus(deps, "/none"), /^DiskError: stat \/none: no such file/);
});

test("a restored member has the snapshot's history and nothing of its old cluster", async () => {
  const { deps, disk } = await withDataDirectory();
  const report = await verifyDataDirectory(deps, DATA_DIR, "");
  assert.deepEqual(report.problems, []);
  const before = await hashFile(deps, SNAPSHOT, 0);
  const { db } = memberPaths(disk, DATA_DIR);
  assert.deepEqual(await hashFile(deps, db, 0), before);
  assert.deepEqual(
    report.facts.map(({ text }) => text).filter((text) => /member|applied/.test(text)),
    [
      "1 segments, entries 1 to 1, term 1, commit 1, member 8e9e05c52164694d of cluster cdf818194e3a8c32",
      "applied up to entry 1 of term 1",
    ],
  );
});

test("three members of one configuration belong to the same cluster", async () => {
  const { deps, log } = await withSnapshot();
  const urls = [1, 2, 3].map((n) => `m${n}=http://127.0.0.1:${n}2380`);
  const identities = new Set<string>();
  for (const n of [1, 2, 3]) {
    const dataDirectory = `/m${n}`;
    await restoreSnapshot(deps, {
      ...RESTORE,
      dataDirectory,
      name: `m${n}`,
      initialCluster: urls.join(","),
      peerURLs: `http://127.0.0.1:${n}2380`,
      initialClusterToken: "etcd-cluster-1",
    });
    const { facts, problems } = await verifyDataDirectory(deps, dataDirectory, "");
    assert.deepEqual(problems, []);
    identities.add(/member .*/.exec(facts[0]?.text ?? "")?.[0] ?? "");
  }
  const added = log.filter(({ message }) => message === "added member");
  assert.equal(added.length, 3 * 3);
  assert.deepEqual(added[0]?.fields, {
    "cluster-id": "ef37ad9dc622a7c4",
    "local-member-id": "0",
    "added-peer-id": "8211f1d0f64f3269",
    "added-peer-peer-urls": ["http://127.0.0.1:12380"],
    "added-peer-is-learner": false,
  });
  // The ids that etcd gives these addresses.
  assert.deepEqual(
    [...identities],
    ["8211f1d0f64f3269", "91bc3c398fb3c146", "fd422379fda50e48"].map(
      (id) => `member ${id} of cluster ef37ad9dc622a7c4`,
    ),
  );
});

test("a bumped revision is the last one, and everything before it is compacted", async () => {
  const { deps, disk } = await withSnapshot();
  await restoreSnapshot(deps, { ...RESTORE, bumpRevision: 1000 });
  const { db } = memberPaths(disk, DATA_DIR);
  const hash = await hashFile(deps, db, 0);
  assert.equal(hash.revision, 1060);
  assert.equal(hash.compactRevision, 1060);
  await assert.rejects(hashFile(deps, db, 60), /mvcc: required revision has been compacted/);
  assert.deepEqual((await verifyDataDirectory(deps, DATA_DIR, "")).problems, []);
});

test("a log directory of its own holds the log", async () => {
  const { deps, disk } = await withSnapshot();
  await restoreSnapshot(deps, { ...RESTORE, walDirectory: "/logs/wal" });
  assert.equal(disk.stat("/data/member/wal"), undefined);
  assert.ok((await verifyDataDirectory(deps, DATA_DIR, "/logs/wal")).isSound);
});

test("what is refused changes nothing", async () => {
  const { deps, disk } = await withSnapshot();
  const content = readFile(disk, SNAPSHOT);
  writeFile(disk, "/nohash.db", content.subarray(0, -32));
  content[5000] = (content[5000] ?? 0) ^ 1;
  writeFile(disk, "/bad.db", content);
  writeFile(disk, "/tiny.db", content.subarray(0, 10));
  disk.makeDirectories("/full/x", 0o700);
  const cases: [Partial<typeof RESTORE>, RegExp][] = [
    [{ snapshotPath: "/bad.db" }, /^expected sha256 \[[\d ]+\], got \[[\d ]+\]$/],
    [{ snapshotPath: "/nohash.db" }, /^snapshot missing hash but --skip-hash-check=false$/],
    [{ snapshotPath: "/tiny.db" }, /^seek \/tiny.db: invalid argument$/],
    [{ snapshotPath: "/none.db" }, /none\.db/],
    [{ dataDirectory: "/full" }, /^data-dir "\/full" not empty or could not be read$/],
    [{ walDirectory: "/full" }, /^wal-dir "\/full" exists$/],
    [{ name: "x" }, /^couldn't find local name "x" in the initial cluster configuration$/],
    [{ peerURLs: "http://x" }, /^URL address does not have the form "host:port": http:\/\/x$/],
    [{ peerURLs: "http://b:1" }, /^--initial-cluster has default=http:\/\/localhost:2380 but/],
    [{ bumpRevision: 2 ** 53 }, /^--bump-revision \d+ is too large for revision 60$/],
  ];
  const before = listFiles(disk, "/");
  for (const [change, message] of cases) {
    await assert.rejects(restoreSnapshot(deps, { ...RESTORE, ...change }), { message });
    assert.deepEqual(listFiles(disk, "/"), before, String(message));
  }
  await restoreSnapshot(deps, { ...RESTORE, snapshotPath: "/nohash.db", skipHashCheck: true });
});

test("an error of the disk at any moment leaves nothing behind", async () => {
  const { disk: measured } = await withDataDirectory();
  const { disk: fresh } = await withSnapshot();
  const points = measured.writePoints - fresh.writePoints;
  assert.ok(points > 20);
  for (const operation of ["create", "write", "datasync", "rename", "syncDirectory"] as const) {
    for (let skip = 0; ; skip++) {
      const { deps, disk } = await withSnapshot();
      const before = listFiles(disk, "/");
      disk.failWhen({ operation, skip, code: "EIO" });
      const failure = await restoreSnapshot(deps, RESTORE).then(
        () => undefined,
        (error: unknown) => error,
      );
      if (failure === undefined) break;
      const left = listFiles(disk, "/");
      // Once the member has its name only the last sync can fail: it is whole.
      if (left.includes("/data/member/")) {
        assert.ok((await verifyDataDirectory(deps, DATA_DIR, "")).isSound);
      } else {
        assert.deepEqual(left, before, `${operation} ${skip}`);
      }
    }
  }
});

test("after a loss of power there is a whole member, or restoring again makes one", async () => {
  const { disk: measured } = await withSnapshot();
  const start = measured.writePoints;
  const { disk: done } = await withDataDirectory();
  const points = done.writePoints - start;
  const random = new SeededRandom(4711);
  for (const [name, policy] of Object.entries(CRASH_POLICIES)) {
    for (let point = 0; point < points; point += 3) {
      const { deps, disk } = await withSnapshot();
      disk.crashAfter(point);
      await restoreSnapshot(deps, RESTORE).catch((error: unknown) => {
        assert.ok(error instanceof Error && disk.crashed, String(error));
      });
      const after = disk.crash(random, policy);
      const { deps: again } = depsOn(after);
      if (after.stat("/data/member") === undefined) await restoreSnapshot(again, RESTORE);
      const { problems } = await verifyDataDirectory(again, DATA_DIR, "");
      assert.deepEqual(problems, [], `${name}, power lost at write ${point}`);
    }
  }
});

test("a db that a member has open is waited for, and the wait is told", async () => {
  const { deps, disk } = await withDataDirectory();
  const { db } = memberPaths(disk, DATA_DIR);
  const held = disk.open(db);
  assert.ok(held.tryLock("flock"));
  let isUsed = false;
  const clock = new VirtualClock();
  const told: string[] = [];
  const patient = {
    ...deps,
    clock,
    naming: { ...deps.naming, clock },
    tell: (line: string) => {
      told.push(line);
      assert.equal(isUsed, false);
      held.close();
    },
  };
  const used = withDb(patient, db, async (backend) => {
    isUsed = true;
    return backend.sizeBytes;
  });
  await clock.advanceAsync(900);
  assert.deepEqual(told, []);
  await clock.advanceAsync(300);
  const size = await used;
  assert.ok(size > 0);
  assert.match(told.join(), /^waiting for etcd to close and release its lock on "\/data\//);
});

test("the db of a restored member knows the new members only", async () => {
  const { deps, disk } = await withDataDirectory();
  const { db } = memberPaths(disk, DATA_DIR);
  const keysOf = (backend: Backend, bucket: Bucket): string[] => {
    const keys: string[] = [];
    backend.scan(bucket, EMPTY_BYTES, undefined, (key) => {
      keys.push(Buffer.from(key).toString());
      return true;
    });
    return keys;
  };
  await withDb(deps, db, async (backend) => {
    assert.deepEqual(keysOf(backend, MEMBERS_BUCKET), ["8e9e05c52164694d"]);
    assert.deepEqual(keysOf(backend, MEMBERS_REMOVED_BUCKET), []);
    const state = backend.get(META_BUCKET, Buffer.from("confState"));
    assert.match(Buffer.from(state ?? []).toString(), /"voters":\[10276657743932975437\]/);
  });
});

test("a restored member in new directories is there after a loss of power", async () => {
  for (const [name, policy] of Object.entries(CRASH_POLICIES)) {
    const { deps, disk } = await withSnapshot();
    await restoreSnapshot(deps, { ...RESTORE, dataDirectory: "/new/place/data" });
    const after = disk.crash(new SeededRandom(4712), policy);
    const { problems } = await verifyDataDirectory(depsOn(after).deps, "/new/place/data", "");
    assert.deepEqual(problems, [], name);
  }
});

test("defragmenting gives pages back and keeps what is there", async () => {
  const { deps, disk } = await withDataDirectory();
  const { db } = memberPaths(disk, DATA_DIR);
  const key = (i: number): Uint8Array => Buffer.from(`bulk${i}`);
  await withWritableDb(deps, db, [TEST_BUCKET], async (backend) => {
    for (let i = 0; i < 200; i++) backend.put(TEST_BUCKET, key(i), Buffer.alloc(2000));
    await backend.commit();
    for (let i = 0; i < 200; i++) backend.delete(TEST_BUCKET, key(i));
    await backend.commit();
  });
  const [hash, size] = [await hashFile(deps, db, 0), readFile(disk, db).length];
  await defragmentDataDirectory(deps, DATA_DIR);
  assert.ok(readFile(disk, db).length < size / 4);
  assert.deepEqual(await hashFile(deps, db, 0), hash);
});

test("a full disk is named", async () => {
  const { deps, disk } = await withSnapshot(new FaultDisk());
  disk.capacityBytes = disk.usedBytes + 1000;
  await assert.rejects(restoreSnapshot(deps, RESTORE), /ENOSPC|no space left/);
});
