/**
 * Directories that other releases, restores and accidents have left: they are mended, or refused in
 * words that help and before anything in them is changed.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { Request } from "../../api/gen/etcdserver.ts";
import { InternalRaftRequest } from "../../api/gen/raft-internal.ts";
import { ConfState, Entry, EntryType, Snapshot, SnapshotMetadata } from "../../api/gen/raft.ts";
import { Snapshot as WalSnapshot } from "../../api/gen/wal.ts";
import { openBackend, writeConsistentIndex, writeStorageVersion } from "../../backend/index.ts";
import { KEY_BUCKET } from "../../backend/types.ts";
import { bytesFromUtf8, copyBytes, EMPTY_BYTES, utf8FromBytes } from "../../base/bytes.ts";
import { FaultDisk, MemoryLogger, VirtualClock } from "../../env/testing/index.ts";
import { Cluster, type Member } from "../../membership/index.ts";
import { SnapshotFiles } from "../../snap/index.ts";
import { readLog, Wal } from "../../wal/index.ts";
import { withoutPadding } from "../../wal/testing/unpadded.ts";
import { BootstrapError } from "./data-directory.ts";
import type { ServerOptions } from "../options.ts";
import { TestMember } from "../testing/test-member.ts";

const WAL = "/data/member/wal";
const SNAP = "/data/member/snap";
const DB = "/data/member/snap/db";
/** A snapshot file after a few writes. */
const OPTIONS: Partial<ServerOptions> = {
  snapshotCount: 5,
  backendBatchLimit: 1,
  limits: { maxSnapshotRestMs: 0 },
};

/** The directory of a member that was stopped after `writes` writes. */
async function stoppedMember(writes: number): Promise<FaultDisk> {
  const disk = new FaultDisk();
  const member = new TestMember(disk, OPTIONS);
  await member.start();
  for (let i = 0; i < writes; i++) {
    const call = member.put(`key ${i}`, "value");
    await member.until(() => call.answered);
  }
  await member.stop();
  return disk;
}

function depsOn(disk: FaultDisk) {
  return { disk, clock: new VirtualClock(), logger: new MemoryLogger() };
}

function newestSnapshot(disk: FaultDisk): Snapshot {
  const found = new SnapshotFiles(depsOn(disk), SNAP).loadNewest();
  assert.ok(found !== undefined, "the member has written a snapshot");
  return found;
}

async function editMembership(disk: FaultDisk, edit: (cluster: Cluster) => void): Promise<void> {
  const backend = await openBackend(depsOn(disk), DB);
  const [member] = new Cluster({ id: 0n, localID: 0n, backend }).members;
  edit(new Cluster({ id: 0n, localID: member?.id ?? 0n, backend }));
  await backend.commit();
  await backend.close();
}

/** Every file with its content, and every name. */
function contentOf(disk: FaultDisk): Map<string, string> {
  const found = new Map<string, string>();
  const walk = (directory: string): void => {
    for (const name of disk.readDirectory(directory)) {
      const path = disk.join(directory, name);
      if (disk.stat(path)?.isDirectory === true) walk(path);
      else found.set(path, Buffer.from(disk.fileContent(path)).toString("latin1"));
    }
  };
  walk("/data");
  return found;
}

async function refuses(disk: FaultDisk, words: RegExp, options = {}): Promise<void> {
  const before = contentOf(disk);
  await assert.rejects(new TestMember(disk, { ...OPTIONS, ...options }).start(), (error: Error) => {
    assert.ok(error instanceof BootstrapError, String(error));
    assert.match(error.message, words);
    return true;
  });
  const after = contentOf(disk);
  assert.deepEqual([...after.keys()], [...before.keys()], "no file has come or gone");
  for (const [path, content] of before) {
    assert.ok(after.get(path) === content, `${path} is as it was`);
  }
}

test("a WAL cut in the middle beside a newer db is refused before its tail is cut off", async () => {
  const disk = await stoppedMember(3);
  const [segment = ""] = disk.readDirectory(WAL).filter((name) => name.endsWith(".wal"));
  const { entries } = readLog(depsOn(disk), WAL, { index: 0, term: 0 });
  // Inside the last but one entry, as a file system without its newest blocks would show it.
  disk.editFile(`${WAL}/${segment}`, (content) => {
    const cut = Buffer.from(content).lastIndexOf(Buffer.from("key 1")) + 3;
    assert.ok(cut > 3);
    return content.map((byte, i) => (i < cut ? byte : 0));
  });
  assert.ok(entries.length > 3);
  for (const forceNewCluster of [false, true]) {
    await refuses(disk, /ahead of the WAL, which ends at index \d+: part of the WAL is missing/, {
      forceNewCluster,
    });
  }
});

test("a db that is older than the snapshot is refused in etcd's words", async () => {
  const older = (await stoppedMember(2)).fileContent(DB);
  const disk = await stoppedMember(12);
  disk.editFile(DB, () => older);
  await refuses(
    disk,
    /^failed to find database snapshot file \(snap: snapshot file doesn't exist\): \S+\.snap\.db; .* index \d+/,
  );
});

test("the db is defragmented at the start when that frees as much as was asked for", async () => {
  const disk = await stoppedMember(200);
  const start = async (bootstrapDefragThresholdBytes: number) => {
    const member = new TestMember(disk, { ...OPTIONS, bootstrapDefragThresholdBytes });
    await member.start();
    const { count } = await member.everything();
    assert.equal(count, 200);
    await member.stop();
    return member.logger.messages().filter((message) => /defragment/.test(message));
  };
  assert.deepEqual(await start(1024 * 1024 * 1024), ["Skipping defragmentation"]);
  assert.deepEqual(await start(0), []);
  assert.deepEqual(await start(4096), ["defragmenting", "finished defragmenting directory"]);
});

test("a file where the directory of the WAL should be is not taken away", async () => {
  const disk = new FaultDisk();
  disk.makeDirectories("/data/member", 0o700);
  const file = disk.open(WAL, { create: true });
  file.writeSync(bytesFromUtf8("mine"), 0);
  file.close();
  await refuses(disk, /cannot access WAL directory: .* is not a directory/);
});

test("members of the cluster that a backup came from are forgotten", async () => {
  // etcdctl 3.4 restored, etcd 3.4 ran: it lists the members of the v2 store, the db has more.
  for (const writes of [2, 12]) {
    const disk = await stoppedMember(writes);
    await editMembership(disk, (cluster) => cluster.add(stranger(0xdeadn), true));
    const member = new TestMember(disk, OPTIONS);
    await member.start();
    assert.deepEqual(
      member.server.cluster.members.map(({ name }) => name),
      ["m1"],
    );
    await member.stop();
    const again = new TestMember(disk, OPTIONS);
    await again.start();
    assert.equal(again.server.cluster.members.length, 1);
    await again.stop();
  }
});

// A release before 3.5 that is killed has members in its db, and an index from before they came.
test("members that the db has before its index are there, and vote", async () => {
  const disk = await stoppedMember(1);
  const backend = await openBackend(depsOn(disk), DB);
  writeConsistentIndex(backend, 0, 0);
  const keys: Uint8Array[] = [];
  backend.scan(KEY_BUCKET, EMPTY_BYTES, undefined, (key) => void keys.push(copyBytes(key)));
  for (const key of keys) backend.delete(KEY_BUCKET, key);
  await backend.commit();
  await backend.close();
  for (let start = 1; start <= 2; start++) {
    const member = new TestMember(disk, OPTIONS);
    await member.start();
    const { count } = await member.everything();
    assert.equal(count, 1);
    assert.deepEqual(
      member.server.cluster.members.map(({ name }) => name),
      ["m1"],
    );
    await member.stop();
  }
});

function stranger(id: bigint): Member {
  return {
    id,
    peerURLs: ["http://old:2380"],
    isLearner: false,
    name: "old",
    clientURLs: ["http://old:2379"],
  };
}

test("a learner that the snapshot knows as a voter is one (etcd issue 19557)", async () => {
  const disk = await stoppedMember(12);
  await editMembership(disk, (cluster) => {
    cluster.updateRaftAttributes(cluster.localID, { isLearner: true }, true);
  });
  const member = new TestMember(disk, OPTIONS);
  await member.start();
  assert.equal(member.server.cluster.local?.isLearner, false);
  assert.ok(member.logger.lines.some(({ message }) => message === "Syncing member in v3store"));
  await member.stop();
});

test("data of the v2 API in the log is refused, whether the db covers the entry or not", async () => {
  for (const isCovered of [true, false]) {
    const disk = await stoppedMember(2);
    await appendV2Put(disk, "/1/of a user");
    if (isCovered) await coverLog(disk);
    await refuses(
      disk,
      /^detected disallowed v2 WAL for stage --v2-deprecation=write-only .*--enable-v2/,
    );
  }
});

test("what members themselves have written by the v2 API is no data of users", async () => {
  const disk = await stoppedMember(2);
  await appendV2Put(disk, "/0/version", "3.6.0");
  const member = new TestMember(disk, OPTIONS);
  await member.start();
  await member.stop();
});

async function appendV2Put(disk: FaultDisk, path: string, value = "value"): Promise<void> {
  const wal = Wal.open(depsOn(disk), WAL, { index: 0, term: 0 });
  const { entries, hardState } = wal.readAll();
  const last = entries.at(-1);
  assert.ok(last !== undefined);
  const index = last.index + 1;
  const data = Request.encode(Request.create({ ID: 7n, Method: "PUT", Path: path, Val: value }));
  const entry = Entry.create({ type: EntryType.EntryNormal, index, term: last.term, data });
  await wal.save({ ...hardState, commit: index }, [entry]);
  await wal.close();
}

/** As if the db had applied the whole log: a release with a v2 store would have. */
async function coverLog(disk: FaultDisk): Promise<void> {
  const { entries } = readLog(depsOn(disk), WAL, { index: 0, term: 0 });
  const { index = 0, term = 0 } = entries.at(-1) ?? {};
  const backend = await openBackend(depsOn(disk), DB);
  writeConsistentIndex(backend, index, term);
  await backend.commit();
  await backend.close();
}

test("data of the v2 API in the snapshot is refused", async () => {
  const disk = await stoppedMember(12);
  const { data, metadata } = newestSnapshot(disk);
  const document = JSON.parse(utf8FromBytes(data));
  document.Root.Children["1"].Children = {
    foo: { Path: "/1/foo", CreatedIndex: 9, ModifiedIndex: 9, Value: "bar", Children: null },
  };
  const snapshot = Snapshot.create({
    data: bytesFromUtf8(JSON.stringify(document)),
    metadata: SnapshotMetadata.create(metadata),
  });
  await new SnapshotFiles(depsOn(disk), SNAP).save(snapshot);
  await refuses(
    disk,
    /^detected disallowed custom content in v2store for stage --v2-deprecation=write-only: .*--enable-v2/,
  );
  const member = new TestMember(disk, { ...OPTIONS, dropsV2Content: true });
  await member.start();
  const told = member.logger.messages("warn").filter((message) => /being bypassed/.test(message));
  assert.deepEqual(told, [
    "WARNING: --v2-deprecation=write-only-skip-check is enabled; v2 content detected, but " +
      "validation check is being bypassed",
  ]);
  await member.stop();
});

test("a second process waits for the directory, and takes over with all that is in it", async () => {
  const disk = new FaultDisk();
  const first = new TestMember(disk);
  await first.start();
  const second = new TestMember(disk);
  const started = second.start();
  const waits = "db file is flocked by another process, or taking too long";
  await first.until(() => second.logger.lines.some(({ message }) => message === waits));
  const put = first.put("late", "write");
  await first.until(() => put.answered);
  await first.stop();
  await started;
  const { kvs } = await second.everything();
  assert.deepEqual(
    kvs.map(({ key }) => Buffer.from(key).toString()),
    ["late"],
  );
  await second.stop();
});

test("a snapshot of the leader that was recorded, but not committed, is what a forced start builds on", async () => {
  // The crash came between the record of the snapshot and the hard state behind it.
  const leader = await stoppedMember(12);
  const { metadata, data } = newestSnapshot(leader);
  const index = 1000;
  const database = leader.fileContent(DB);
  const disk = await stoppedMember(2);
  await new SnapshotFiles(depsOn(disk), SNAP).save(
    Snapshot.create({ data, metadata: { ...metadata, index } }),
  );
  const received = disk.open(`${SNAP}/${index.toString(16).padStart(16, "0")}.snap.db`, {
    create: true,
  });
  received.writeSync(database, 0);
  received.datasyncSync();
  received.close();
  const backend = await openBackend(depsOn(disk), received.path);
  writeConsistentIndex(backend, index, metadata.term);
  await backend.commit();
  await backend.close();
  const wal = Wal.open(depsOn(disk), WAL, { index: 0, term: 0 });
  wal.readAll();
  const { term, confState } = metadata;
  await wal.saveSnapshot(WalSnapshot.create({ index, term, confState }));
  await wal.close();
  const member = new TestMember(disk, { ...OPTIONS, forceNewCluster: true });
  await member.start();
  const { kvs } = await member.everything();
  assert.equal(kvs.length, 12, "the received database is in use");
  assert.ok(member.server.committedIndex > index);
  await member.stop();
});

test("a removed member that raft's configuration still counts has no vote in a forced cluster", async () => {
  // A leader whose db was ahead of its configuration had sent such a snapshot.
  const disk = await stoppedMember(12);
  const ghost = 0xbadn;
  const { data, metadata } = newestSnapshot(disk);
  const voters = [...(metadata.confState?.voters ?? []), ghost].sort();
  const confState = ConfState.create({ voters });
  await new SnapshotFiles(depsOn(disk), SNAP).save(
    Snapshot.create({ data, metadata: { ...metadata, confState } }),
  );
  await editMembership(disk, (cluster) => cluster.remove(ghost, true));
  const member = new TestMember(disk, { ...OPTIONS, forceNewCluster: true });
  await member.start();
  assert.equal(member.server.confState.voters.length, 1);
  await member.stop();
});

test("a db with a newer layout, and one of a newer cluster, are refused with what to do", async () => {
  const advice = /downgrade the cluster with `etcdctl downgrade enable 3\.6`/;
  const stored = await stoppedMember(2);
  const backend = await openBackend(depsOn(stored), DB);
  writeStorageVersion(backend, "3.7.0");
  await backend.commit();
  await backend.close();
  await refuses(stored, /^version "3\.7\.0" is not supported: /);
  await refuses(stored, advice);

  const decided = await stoppedMember(2);
  await editMembership(decided, (cluster) => cluster.setVersion("3.7.0", true));
  await refuses(decided, /^invalid downgrade; server version is lower than .*cluster 3\.7\.0/);
  await refuses(decided, advice);
});

test("a refused directory without a db is left without one", async () => {
  const disk = await stoppedMember(12);
  disk.remove(DB);
  await refuses(disk, /^failed to find database snapshot file/);
});

test("a thread is asked to check the log only where a start leaves some of it unread", async () => {
  for (const [limits, checks] of [
    [{ maxSnapshotRestMs: 0 }, 0],
    [{ maxSnapshotRestMs: 0, walSegmentBytes: 1024 }, 1],
  ] as const) {
    const disk = new FaultDisk();
    const checked: number[] = [];
    const verifyOlderSegments = async (_: string, index: number) => void checked.push(index);
    for (let start = 1; start <= 2; start++) {
      const member = new TestMember(disk, { ...OPTIONS, limits }, { verifyOlderSegments });
      await member.start();
      for (let i = 0; i < 12; i++) {
        const call = member.put(`key ${i}`, "a value of some length".repeat(10));
        await member.until(() => call.answered);
      }
      assert.equal(checked.length, start === 1 ? 0 : checks);
      await member.stop();
    }
  }
});

/** As etcd 2.3 leaves it: no db, no padding in the log, and the document says 2.3.0. */
async function directoryOfEtcd2(): Promise<FaultDisk> {
  const disk = await stoppedMember(12);
  disk.remove(DB);
  for (const name of disk.readDirectory(WAL).filter((each) => each.endsWith(".wal"))) {
    disk.editFile(`${WAL}/${name}`, withoutPadding);
  }
  const { data, metadata } = newestSnapshot(disk);
  const document = JSON.parse(utf8FromBytes(data));
  document.Root.Children["0"].Children.version.Value = "2.3.0";
  await new SnapshotFiles(depsOn(disk), SNAP).save(
    Snapshot.create({
      data: bytesFromUtf8(JSON.stringify(document)),
      metadata: SnapshotMetadata.create(metadata),
    }),
  );
  disk.syncAll();
  return disk;
}

test("a directory of etcd 2.3 opens without v3 data, and rises to this release", async () => {
  const disk = await directoryOfEtcd2();
  const { metadata } = newestSnapshot(disk);
  const { entries } = readLog(depsOn(disk), WAL, metadata);
  for (let start = 1; start <= 2; start++) {
    const member = new TestMember(disk, OPTIONS);
    await member.start();
    await member.until(() => member.server.cluster.version === "3.6.0");
    const { count } = await member.everything();
    // What stands behind the snapshot; etcd 2 would have had requests of its own API there.
    assert.equal(count, entries.filter(({ type, data }) => isPut(type, data)).length);
    assert.equal(member.server.cluster.members.length, 1);
    await member.stop();
  }
});

function isPut(type: number, data: Uint8Array): boolean {
  if (type !== EntryType.EntryNormal || data.length === 0) return false;
  return InternalRaftRequest.decode(data).put !== undefined;
}
