/**
 * A lagging replica takes over the leader's db while it serves: what each part shows afterwards,
 * what running reads, jobs and watches see of the switch, and what is refused.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { WatchCreateRequest } from "../../api/gen/rpc.ts";
import {
  ALARM_BUCKET,
  type Bucket,
  KEY_BUCKET,
  LEASE_BUCKET,
  MEMBERS_BUCKET,
  META_BUCKET,
} from "../../backend/types.ts";
import { BackendCorruptError } from "../../backend/index.ts";
import { CRASH_POLICIES, FaultDisk, SeededRandom } from "../../env/testing/index.ts";
import { deleteRequest, putRequest } from "../../mvcc/testing/harness.ts";
import { TestSink } from "../../mvcc/testing/watch-sink.ts";
import {
  checkReceivedDatabase,
  installDatabase,
  UnfitDatabaseError,
} from "./database-installer.ts";
import { type Operation, Replica } from "../testing/replica.ts";

function put(key: string, value: string, lease = 0n): Operation {
  return { kind: "put", request: putRequest(key, value, { lease }) };
}

function puts(key: string, count: number): Operation[] {
  return Array.from({ length: count }, (_, i) => put(key, `${i}`));
}

interface Pair {
  readonly leader: Replica;
  readonly follower: Replica;
}

/** A leader, and a follower that has applied the first operations only. */
async function leaderAndFollower(
  common: readonly Operation[],
  missed: readonly Operation[],
): Promise<Pair> {
  const leader = await Replica.open(new FaultDisk());
  const follower = await Replica.open(new FaultDisk());
  for (const operation of common) {
    leader.apply(operation);
    follower.apply(operation);
  }
  for (const operation of missed) leader.apply(operation);
  return { leader, follower };
}

async function closeAll(...replicas: Replica[]): Promise<void> {
  for (const replica of replicas) await replica.close();
}

const COMMON: readonly Operation[] = [
  { kind: "addMember", id: 2n },
  { kind: "addMember", id: 3n },
  { kind: "grant", id: 7n, ttl: 60 },
  { kind: "grant", id: 8n, ttl: 60 },
  put("a", "1", 7n),
  put("b", "1", 8n),
  { kind: "alarm", id: 3n, type: 1, raise: true },
];
const MISSED: readonly Operation[] = [
  { kind: "removeMember", id: 3n },
  { kind: "addMember", id: 4n },
  { kind: "revoke", id: 8n },
  { kind: "grant", id: 9n, ttl: 100 },
  { kind: "checkpoint", id: 9n, remainingTTL: 40 },
  put("a", "2", 9n),
  put("c", "1"),
  { kind: "delete", request: deleteRequest("c") },
  { kind: "compact", revision: 4 },
  { kind: "alarm", id: 3n, type: 1, raise: false },
  { kind: "alarm", id: 4n, type: 2, raise: true },
  { kind: "version", version: "3.6.0" },
];

test("every part of the follower shows the leader's state, in memory and after a restart", async () => {
  const { leader, follower } = await leaderAndFollower(COMMON, MISSED);
  const alarms: string[] = [];
  follower.alarms.onChange = (member, raised) => alarms.push(`${member.memberID} ${raised}`);
  await follower.install(await leader.image(), leader.index);
  assert.deepEqual(follower.describe(), leader.describe());
  assert.deepEqual(alarms, ["3 false", "4 true"]);
  assert.equal(follower.lessor.leaseOf("a"), 9n);
  assert.equal(follower.lessor.isPrimary, false);
  assert.deepEqual(follower.disk.readDirectory("/snap"), ["db"]);
  assert.equal(follower.store.compactionPending, true);
  follower.clock.advance(1000);
  assert.equal(follower.store.compactionPending, false, "the leader's compaction goes on here");
  follower.apply(put("d", "1"));
  leader.apply(put("d", "1"));
  await follower.close();
  const restarted = await Replica.open(follower.disk);
  assert.deepEqual(restarted.describe(), leader.describe());
  await closeAll(restarted, leader);
});

test("a db that is older than its snapshot is refused, and nothing has changed", async () => {
  const { leader, follower } = await leaderAndFollower([put("a", "1")], [put("a", "2")]);
  const before = follower.describe();
  const image = await leader.image();
  await assert.rejects(follower.install(image, leader.index + 1), UnfitDatabaseError);
  assert.deepEqual(follower.describe(), before);
  follower.apply(put("a", "2"));
  assert.deepEqual(follower.describe(), leader.describe());
  await closeAll(follower, leader);
});

test("a db that is older than the member is refused", async () => {
  const { leader, follower } = await leaderAndFollower([put("a", "1")], []);
  const image = await leader.image();
  const index = leader.index;
  follower.apply(put("a", "2"));
  await assert.rejects(follower.install(image, index), /older than this member's/);
  assert.equal(follower.store.currentRevision, 3);
  await closeAll(follower, leader);
});

test("a damaged record of any kind is refused before anything has changed", async () => {
  const damage: [Bucket, Uint8Array, Uint8Array][] = [
    [KEY_BUCKET, Buffer.from("short"), Buffer.from("x")],
    [
      KEY_BUCKET,
      Buffer.concat([Buffer.alloc(7), Buffer.from("\x09_\0\0\0\0\0\0\0\0")]),
      Buffer.from("\x0a\xff"),
    ],
    [LEASE_BUCKET, Buffer.alloc(8, 1), Buffer.from("\x08")],
    [MEMBERS_BUCKET, Buffer.from("00000000000000ff"), Buffer.from("{")],
    [ALARM_BUCKET, Buffer.from("\x08"), Buffer.alloc(0)],
    [META_BUCKET, Buffer.from("finishedCompactRev"), Buffer.from("short")],
  ];
  for (const [bucket, key, value] of damage) {
    const { leader, follower } = await leaderAndFollower(COMMON, MISSED);
    leader.backend.put(bucket, key, value);
    const before = follower.describe();
    await assert.rejects(follower.install(await leader.image(), leader.index), bucket.name);
    assert.deepEqual(follower.describe(), before, bucket.name);
    assert.deepEqual(follower.fatal, []);
    for (const operation of MISSED) follower.apply(operation);
    leader.backend.delete(bucket, key);
    assert.deepEqual(follower.describe(), leader.describe(), bucket.name);
    await closeAll(follower, leader);
  }
});

test("a received file is checked before raft hears of it, and deleted when it is refused", async () => {
  const { leader, follower } = await leaderAndFollower(COMMON, MISSED);
  const image = await leader.image();
  const { disk, clock, logger } = follower;
  const check = async (content: Uint8Array, index: number): Promise<void> => {
    const path = await follower.receive(content, index);
    await checkReceivedDatabase({ disk, clock, logger }, { path, snapshotIndex: index });
  };
  const cut = image.subarray(0, image.length - 4096);
  await assert.rejects(check(cut, leader.index), BackendCorruptError);
  await assert.rejects(check(new Uint8Array(0), leader.index), BackendCorruptError);
  await assert.rejects(check(image, leader.index + 1), UnfitDatabaseError);
  assert.deepEqual(disk.readDirectory("/snap"), ["db"]);
  await check(image, leader.index);
  const path = follower.files.databasePath(leader.index);
  await installDatabase(follower, { path, snapshotIndex: leader.index });
  assert.deepEqual(follower.describe(), leader.describe());
  await closeAll(follower, leader);
});

test("two snapshots soon after another are installed one after the other", async () => {
  // etcd issue 18055: the second one made the first one's db vanish while it was opened.
  const { leader, follower } = await leaderAndFollower(puts("a", 3), puts("a", 5));
  const images: [Uint8Array, number][] = [[await leader.image(), leader.index]];
  for (const operation of puts("b", 4)) leader.apply(operation);
  images.push([await leader.image(), leader.index]);
  await Promise.all(images.map(([image, index]) => follower.install(image, index)));
  assert.deepEqual(follower.describe(), leader.describe());
  await closeAll(follower, leader);
});

test("a snapshot during a defragmentation leaves a whole db", async () => {
  // etcd issue 20271: both replaced the file.
  const { leader, follower } = await leaderAndFollower(puts("a", 30), puts("a", 50));
  const image = await leader.image();
  const defragmented = follower.backend.defragment();
  const installed = follower.install(image, leader.index);
  await Promise.all([defragmented, installed, follower.backend.defragment()]);
  assert.deepEqual(follower.describe(), leader.describe());
  await follower.close();
  const restarted = await Replica.open(follower.disk);
  assert.deepEqual(restarted.describe(), leader.describe());
  await closeAll(restarted, leader);
});

test("a running compaction is dropped, and the leader's unfinished one goes on", async () => {
  const { leader, follower } = await leaderAndFollower(puts("a", 20), puts("a", 20));
  follower.apply({ kind: "compact", revision: 10 });
  await follower.finishCompaction();
  assert.equal(follower.store.hashes.list().length, 1);
  follower.apply({ kind: "compact", revision: 15 });
  follower.clock.advance(0);
  assert.equal(follower.store.compactionPending, true);
  leader.apply({ kind: "compact", revision: 30 });
  await follower.install(await leader.image(), leader.index);
  assert.deepEqual(follower.store.hashes.list(), [], "they are of another history");
  assert.equal(follower.store.compactRevision, 30);
  assert.equal(follower.store.compactionPending, true);
  let isDone = false;
  const done = follower.compaction.done().then(() => {
    isDone = true;
  });
  await follower.finishCompaction();
  follower.clock.advance(10);
  await done;
  assert.equal(isDone, true);
  await leader.finishCompaction();
  assert.deepEqual(records(follower), records(leader));
  await closeAll(follower, leader);
});

function records(replica: Replica): string[] {
  const keys: string[] = [];
  replica.backend.scan(KEY_BUCKET, Buffer.alloc(0), undefined, (key) => {
    keys.push(Buffer.from(key).toString("hex"));
    return true;
  });
  return keys;
}

test("who waits for a compaction waits for that of the new db too", async () => {
  const { leader, follower } = await leaderAndFollower(puts("a", 20), puts("a", 20));
  follower.apply({ kind: "compact", revision: 10 });
  leader.apply({ kind: "compact", revision: 30 });
  const image = await leader.image();
  const path = await follower.receive(image, leader.index);
  let isDone = false;
  const done = follower.compaction.done().then(() => {
    isDone = true;
  });
  while (follower.store.compactionPending) await follower.clock.advanceAsync(10);
  const installed = installDatabase(follower, { path, snapshotIndex: leader.index });
  follower.disk.hold = true;
  while (follower.disk.stat(path) !== undefined) {
    await new Promise((resolve) => setImmediate(resolve));
    if (follower.disk.stat(path) !== undefined) follower.disk.release(1);
  }
  // The new db has the name, and the compaction of the old one waits for its last commit.
  assert.equal(follower.store.compactRevision, 10);
  follower.clock.advance(10);
  follower.disk.hold = false;
  follower.disk.release();
  await installed;
  assert.equal(follower.store.compactionPending, true);
  await new Promise((resolve) => setImmediate(resolve));
  assert.equal(isDone, false);
  await follower.finishCompaction();
  follower.clock.advance(10);
  await done;
  assert.equal(records(follower).length, 12, "revisions 30 to 41");
  await closeAll(follower, leader);
});

test("watches catch up from the new db: nothing twice, nothing old, compacted ones are told", async () => {
  // etcd issues 15271 and 20221.
  const { leader, follower } = await leaderAndFollower(puts("a", 3), [
    ...puts("a", 4),
    put("b", "1"),
    put("a", "last"),
  ]);
  const watch = (startRevision: number): TestSink => {
    const sink = new TestSink();
    const key = Buffer.from("a");
    follower.watchable
      .openStream(sink)
      .create(WatchCreateRequest.create({ key, startRevision, progressNotify: true }));
    return sink;
  };
  const [synced, past, future, far] = [watch(0), watch(2), watch(8), watch(12)];
  while (follower.watchable.syncWatchers(100) !== "idle");
  assert.deepEqual(past.takeEvents(), ["2 put a", "3 put a", "4 put a"]);
  await follower.install(await leader.image(), leader.index);
  const late = watch(3);
  assert.equal(follower.watchable.hasUnsynced, true);
  assert.deepEqual(synced.take(), [], "nothing comes in the switch itself");
  while (follower.watchable.syncWatchers(2) !== "idle");
  const missed = ["5 put a", "6 put a", "7 put a", "8 put a", "10 put a"];
  assert.deepEqual(synced.takeEvents(), missed);
  assert.deepEqual(past.takeEvents(), missed);
  assert.deepEqual(future.takeEvents(), missed.slice(3));
  assert.deepEqual(late.takeEvents(), ["3 put a", "4 put a", ...missed]);
  for (const operation of puts("a", 2)) {
    leader.apply(operation);
    follower.apply(operation);
  }
  assert.deepEqual(synced.takeEvents(), ["11 put a", "12 put a"]);
  assert.deepEqual(far.takeEvents(), ["12 put a"]);
  for (const operation of puts("a", 5)) leader.apply(operation);
  leader.apply({ kind: "compact", revision: 15 });
  const distant = watch(16);
  await follower.install(await leader.image(), leader.index);
  while (follower.watchable.syncWatchers(100) !== "idle");
  assert.deepEqual(synced.take(), [{ kind: "compacted", watchID: 0, compactRevision: 15 }]);
  assert.deepEqual(distant.takeEvents(), ["16 put a", "17 put a"]);
  await closeAll(follower, leader);
});

test("a primary steps down, and who waits there for a lease is called back", async () => {
  const { leader, follower } = await leaderAndFollower(COMMON, MISSED);
  follower.lessor.promote(0, 0);
  let calls = 0;
  follower.lessor.onSettled(7n, () => calls++);
  await follower.install(await leader.image(), leader.index);
  assert.equal(calls, 1);
  assert.deepEqual(follower.lessor.renew(7n, 0), { kind: "notPrimary" });
  assert.deepEqual(follower.lessor.takeExpired(1e12), []);
  follower.lessor.promote(0, 0);
  assert.equal(follower.lessor.lookup(9n)?.expiryMs, 40_000, "the checkpoint counts");
  await closeAll(follower, leader);
});

test("parts of other layers switch in the same stretch, and may refuse before", async () => {
  // etcd issue 14571: users and roles were not loaded again.
  const { leader, follower } = await leaderAndFollower([put("a", "1")], [put("a", "2")]);
  let isDamaged = true;
  const seen: string[] = [];
  follower.others = [
    {
      prepareReload: (reader) => {
        assert.ok(reader.get(KEY_BUCKET, Buffer.alloc(17)) === undefined);
        if (isDamaged) throw new Error("a damaged user");
        seen.push(`prepared at ${follower.store.currentRevision}`);
        return () => seen.push(`switched at ${follower.store.currentRevision}`);
      },
    },
  ];
  const image = await leader.image();
  await assert.rejects(follower.install(image, leader.index), /a damaged user/);
  assert.equal(follower.store.currentRevision, 2);
  isDamaged = false;
  await follower.install(image, leader.index);
  assert.deepEqual(seen, ["prepared at 2", "switched at 3"]);
  await closeAll(follower, leader);
});

test("entries behind the snapshot that are applied meanwhile make it fail, not vanish", async () => {
  const { leader, follower } = await leaderAndFollower([put("a", "1")], [put("a", "2")]);
  follower.others = [
    {
      prepareReload: () => {
        for (const operation of puts("b", 3)) follower.apply(operation);
        return () => assert.fail("switched");
      },
    },
  ];
  await assert.rejects(
    follower.install(await leader.image(), leader.index),
    /older than this member's 4/,
  );
  assert.equal(follower.store.currentRevision, 5);
  assert.deepEqual(follower.fatal, []);
  await closeAll(follower, leader);
});

for (const [name, policy] of Object.entries(CRASH_POLICIES)) {
  test(`a crash at any moment of an install leaves one state or the other (${name})`, async () => {
    const { leader, follower } = await leaderAndFollower(COMMON, MISSED);
    const image = await leader.image();
    const [before, after] = [follower.describe(), leader.describe()];
    await closeAll(follower, leader);
    const counts = { before: 0, after: 0 };
    for (let point = 0; ; point++) {
      const disk = new FaultDisk();
      const lagging = await Replica.open(disk);
      for (const operation of COMMON) lagging.apply(operation);
      await lagging.backend.commit();
      const path = await lagging.receive(image, leader.index);
      disk.crashAfter(point);
      let isInstalled = false;
      try {
        await installDatabase(lagging, { path, snapshotIndex: leader.index });
        isInstalled = true;
        await lagging.close();
      } catch (error) {
        if (!disk.crashed) throw error;
      }
      if (!disk.crashed) break;
      const survivor = disk.crash(new SeededRandom(point), policy);
      const asItIs = await Replica.open(survivor);
      const found = asItIs.index === leader.index ? "after" : "before";
      assert.deepEqual(asItIs.describe(), found === "after" ? after : before);
      assert.ok(found === "after" || !isInstalled, "what was reported is durable");
      counts[found]++;
      await asItIs.close();
      const started = await Replica.open(survivor, { snapshotIndex: leader.index });
      assert.deepEqual(started.describe(), after, "start-up finishes the install");
      await started.close();
    }
    assert.ok(counts.before > 0, "no crash before the switch");
  });
}
