/** The Maintenance, Cluster and Health services of one member. */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { after, before, test } from "node:test";
import { AlarmRequest_AlarmAction, AlarmType } from "../../api/gen/rpc.ts";
import { TestMember } from "./harness.ts";
import { deleteOp, prefixEnd, putOp, rangeOp, type RpcClient, text } from "./rpc-client.ts";
import { until } from "./wait.ts";

let member: TestMember;
let client: RpcClient;

before(async () => {
  member = await TestMember.start();
  client = member.client;
});
after(() => member.remove());

const { GET, ACTIVATE, DEACTIVATE } = AlarmRequest_AlarmAction;

function status(of: RpcClient = client) {
  return of.call("/etcdserverpb.Maintenance/Status", {});
}

function hashKV(revision = 0, of: RpcClient = client) {
  return of.call("/etcdserverpb.Maintenance/HashKV", { revision });
}

function alarm(of: RpcClient, action: number, type: number, memberID = 0n) {
  return of.call("/etcdserverpb.Maintenance/Alarm", { action, alarm: type, memberID });
}

test("MNT-01 MNT-02 status tells version, sizes, leader and raft's progress", async () => {
  const { header } = await client.put("mnt01");
  const reply = await status();
  assert.match(reply.version, /^3\.6\.\d+$/);
  assert.match(reply.storageVersion, /^3\.6\.0$/);
  assert.equal(reply.leader, header?.memberId);
  assert.equal(reply.raftTerm, header?.raftTerm);
  assert.ok(reply.raftAppliedIndex > 0 && reply.raftAppliedIndex <= reply.raftIndex);
  assert.ok(reply.dbSize >= reply.dbSizeInUse && reply.dbSizeInUse > 0);
  assert.equal(reply.dbSizeQuota, 2 * 1024 * 1024 * 1024);
  assert.deepEqual(reply.errors, []);
  assert.equal(reply.isLearner, false);
  assert.deepEqual(reply.downgradeInfo, { enabled: false, targetVersion: "" });
});

test("CLU-01 CLU-15 the member list names this member; its header has no revision", async () => {
  for (const linearizable of [true, false]) {
    const reply = await client.call("/etcdserverpb.Cluster/MemberList", { linearizable });
    const [only] = reply.members;
    assert.equal(reply.members.length, 1);
    assert.equal(only?.ID, reply.header?.memberId);
    assert.equal(only?.name, "default");
    assert.deepEqual(only?.clientURLs, [`http://127.0.0.1:${member.port}`]);
    assert.equal(only?.isLearner, false);
    assert.equal(reply.header?.revision, 0);
    assert.ok((reply.header?.raftTerm ?? 0) > 0);
  }
});

test("MNT-03 MNT-04 an alarm is raised, listed, shown by status, and cleared", async () => {
  const own = await TestMember.start();
  try {
    const ID = (await status(own.client)).leader;
    assert.deepEqual((await alarm(own.client, GET, AlarmType.NONE)).alarms, []);
    const raised = await alarm(own.client, ACTIVATE, AlarmType.CORRUPT, 9n);
    assert.deepEqual(raised.alarms, [{ memberID: 9n, alarm: AlarmType.CORRUPT }]);
    await alarm(own.client, ACTIVATE, AlarmType.NOSPACE, ID);
    await alarm(own.client, ACTIVATE, AlarmType.NONE, ID);
    const listed = async (type: number) =>
      (await alarm(own.client, GET, type)).alarms.map((each) => each.alarm).sort();
    assert.deepEqual(await listed(AlarmType.NONE), [AlarmType.NOSPACE, AlarmType.CORRUPT]);
    assert.deepEqual(await listed(AlarmType.NOSPACE), [AlarmType.NOSPACE]);
    assert.deepEqual(
      (await status(own.client)).errors.toSorted(),
      ["memberID:9 alarm:CORRUPT ", `memberID:${ID} alarm:NOSPACE `].toSorted(),
    );
    await own.restart();
    assert.equal((await listed(AlarmType.NONE)).length, 2, "alarms outlive a restart");
    const cleared = await alarm(own.client, DEACTIVATE, AlarmType.CORRUPT, 9n);
    assert.deepEqual(cleared.alarms, [{ memberID: 9n, alarm: AlarmType.CORRUPT }]);
    const again = await alarm(own.client, DEACTIVATE, AlarmType.CORRUPT, 9n);
    assert.deepEqual(again.alarms, []);
    await alarm(own.client, DEACTIVATE, AlarmType.NOSPACE, ID);
    assert.deepEqual((await status(own.client)).errors, []);
    await own.client.put("works again");
  } finally {
    await own.remove();
  }
});

const NO_SPACE = { code: 8, message: "etcdserver: mvcc: database space exceeded" };

test("MNT-05 a full quota refuses what grows, and ends with compact, defrag and disarm", async () => {
  const own = await TestMember.start({ "quota-backend-bytes": 2_000_000 });
  const user = own.client;
  try {
    assert.equal((await status(user)).dbSizeQuota, 2_000_000);
    const { ID } = await user.grant(1000);
    const value = "x".repeat(20_000);
    await assert.rejects(async () => {
      for (let i = 0; i < 1000; i++) await user.put(`full/${i}`, value);
    }, NO_SPACE);
    const { alarms } = await until(async () => {
      const reply = await alarm(user, GET, AlarmType.NONE);
      return reply.alarms.length > 0 && reply;
    }, "the alarm");
    assert.deepEqual(alarms, [{ memberID: (await status(user)).leader, alarm: AlarmType.NOSPACE }]);
    await assert.rejects(user.put("small", "x"), NO_SPACE);
    await assert.rejects(user.grant(10), NO_SPACE);
    await assert.rejects(user.txn({ success: [putOp("small")] }), NO_SPACE);
    await assert.rejects(user.txn({ failure: [putOp("small")] }), NO_SPACE);
    await user.range("full/0");
    await user.txn({ success: [rangeOp("full/0"), deleteOp("full/0")] });
    await user.call("/etcdserverpb.Lease/LeaseRevoke", { ID });
    const reply = await user.deleteRange("full/", { rangeEnd: prefixEnd("full/") });
    await user.compact(reply.header?.revision ?? 0, true);
    await user.call("/etcdserverpb.Maintenance/Defragment", {});
    assert.ok((await status(user)).dbSize < 1_000_000);
    await assert.rejects(user.put("small", "x"), NO_SPACE, "until the alarm is disarmed");
    await alarm(user, DEACTIVATE, AlarmType.NOSPACE, (await status(user)).leader);
    await user.put("small", "x");
    assert.equal((await user.range("", { key: Buffer.from("small") })).count, 1);
  } finally {
    await own.remove();
  }
});

test("MNT-05 a lease that does not fit raises the alarm, too", async () => {
  const own = await TestMember.start({ "quota-backend-bytes": 1 });
  try {
    await assert.rejects(own.client.grant(10), NO_SPACE);
    await until(
      async () => (await alarm(own.client, GET, AlarmType.NOSPACE)).alarms.length === 1,
      "the alarm",
    );
  } finally {
    await own.remove();
  }
});

test("MNT-05 a negative quota is none", async () => {
  const own = await TestMember.start({ "quota-backend-bytes": -1 });
  try {
    assert.equal((await status(own.client)).dbSizeQuota, -1);
    await own.client.put("fits");
  } finally {
    await own.remove();
  }
});

test("MNT-06 a corrupt member changes nothing until the alarm is cleared", async () => {
  const own = await TestMember.start();
  const user = own.client;
  const corrupt = { code: 15, message: "etcdserver: corrupt cluster" };
  try {
    await user.put("k", "v");
    const { ID } = await user.grant(1000);
    const { hash } = await hashKV(0, user);
    await alarm(user, ACTIVATE, AlarmType.CORRUPT, 1n);
    await assert.rejects(user.put("k", "w"), corrupt);
    await assert.rejects(user.deleteRange("k"), corrupt);
    await assert.rejects(user.txn({ success: [putOp("k")] }), corrupt);
    await assert.rejects(user.compact(1), corrupt);
    await assert.rejects(user.grant(10), corrupt);
    await assert.rejects(user.call("/etcdserverpb.Lease/LeaseRevoke", { ID }), corrupt);
    assert.equal((await user.range("k")).count, 1);
    assert.equal((await hashKV(0, user)).hash, hash);
    await alarm(user, DEACTIVATE, AlarmType.CORRUPT, 1n);
    await user.put("k", "w");
  } finally {
    await own.remove();
  }
});

test("MNT-07 defragmentation gives space back while clients read and write", async () => {
  const own = await TestMember.start();
  const user = own.client;
  try {
    const value = "y".repeat(10_000);
    const names = Array.from({ length: 300 }, (_, i) => `defrag/${i}`);
    await Promise.all(names.map((name) => user.put(name, value)));
    const kept = await user.put("kept", "kept");
    await until(async () => (await status(user)).dbSize > 3_000_000, "the data to be in the file");
    const gone = await user.deleteRange("defrag/", { rangeEnd: prefixEnd("defrag/") });
    await user.compact(gone.header?.revision ?? 0, true);
    const before = await status(user);
    const hash = async (revision: number) => (await hashKV(revision, user)).hash;
    const hashBefore = await hash(gone.header?.revision ?? 0);
    let running = true;
    let written = 0;
    const load = (async () => {
      while (running) {
        await user.put(`load/${written++}`, "z");
        assert.equal((await user.range("kept")).kvs[0]?.modRevision, kept.header?.revision);
      }
    })();
    await user.call("/etcdserverpb.Maintenance/Defragment", {});
    running = false;
    await load;
    const after = await status(user);
    assert.ok(after.dbSize < before.dbSize / 2, `${before.dbSize} to ${after.dbSize}`);
    assert.equal(await hash(gone.header?.revision ?? 0), hashBefore);
    const { count } = await user.range("load/", { rangeEnd: prefixEnd("load/") });
    assert.equal(count, written);
    await own.restart();
    const again = await own.client.range("load/", { rangeEnd: prefixEnd("load/") });
    assert.equal(again.count, written);
  } finally {
    await own.remove();
  }
});

test("MNT-08 the hash of the whole db changes with the data", async () => {
  const hash = async () => (await client.call("/etcdserverpb.Maintenance/Hash", {})).hash;
  const before = await hash();
  assert.equal(await hash(), before);
  await client.put("mnt08");
  assert.notEqual(await hash(), before);
});

test("MNT-08 the whole db has the hash of etcd's for the same history and identity", async () => {
  const peer = "http://127.0.0.1:2380";
  const own = await TestMember.start({
    "initial-advertise-peer-urls": peer,
    "initial-cluster": `default=${peer}`,
    "advertise-client-urls": "http://127.0.0.1:2379",
  });
  const user = own.client;
  try {
    await user.grant(1000, 7n);
    await user.put("key", "value", { lease: 7n });
    await user.put("key", "again");
    await user.deleteRange("key");
    await user.compact(3, true);
    await until(
      async () => (await status(user)).storageVersion === "3.6.0",
      "the storage version to be written",
    );
    const { hash } = await user.call("/etcdserverpb.Maintenance/Hash", {});
    assert.equal(hash, HASHES.wholeDb);
  } finally {
    await own.remove();
  }
});

test("MNT-09 MNT-10 HashKV has etcd's value for the same history", async () => {
  const own = await TestMember.start();
  const user = own.client;
  try {
    for (let i = 0; i < 20; i++) await user.put(`key-${i % 7}`, `value-${i}`);
    await user.deleteRange("key-3");
    await user.txn({ success: [putOp("a"), putOp("b", "bb"), deleteOp("key-1")] });
    await user.deleteRange("key-", { rangeEnd: prefixEnd("key-5") });
    await user.put("key-3", "again");
    const hashes = async (...revisions: number[]) => {
      const found: number[] = [];
      for (const revision of revisions) {
        const reply = await hashKV(revision, user);
        assert.equal(reply.hashRevision, revision === 0 ? 25 : revision);
        assert.equal(reply.header?.revision, 25);
        found.push(reply.hash);
      }
      return found;
    };
    assert.deepEqual(await hashes(0, 1, 10, 21, 22, 23, 24), HASHES.whole);
    assert.equal((await hashKV(0, user)).compactRevision, -1);
    await user.compact(22, true);
    assert.equal((await hashKV(0, user)).compactRevision, 22);
    assert.deepEqual(await hashes(22, 23, 25), HASHES.compacted22);
    await user.compact(24, true);
    assert.deepEqual(await hashes(24, 25), HASHES.compacted24);
    await assert.rejects(hashKV(23, user), {
      code: 11,
      message: "etcdserver: mvcc: required revision has been compacted",
    });
    await assert.rejects(hashKV(26, user), {
      code: 11,
      message: "etcdserver: mvcc: required revision is a future revision",
    });
  } finally {
    await own.remove();
  }
});

/** Answers of etcd 3.6 for the history above. */
const HASHES = {
  wholeDb: 3539575770,
  whole: [1483337234, 1084519789, 942303359, 1730126187, 2180993579, 2987228604, 1669090604],
  compacted22: [2180993579, 3431281670, 2215316010],
  compacted24: [1837112652, 3866009875],
};

test("MNT-11 a snapshot is the whole db in pieces, and its SHA-256 at the end", async () => {
  for (let i = 0; i < 50; i++) await client.put(`mnt11/${i}`, "s".repeat(5000));
  const stream = client.openWith("/etcdserverpb.Maintenance/Snapshot", {});
  assert.equal(await stream.failure(), undefined);
  const messages = stream.inbox.drain();
  const trailer = messages.pop();
  assert.equal(trailer?.blob.length, 32);
  assert.equal(trailer?.remainingBytes, 0);
  const digest = createHash("sha256");
  let rest = messages.reduce((sum, message) => sum + message.blob.length, 0);
  assert.equal(rest % 4096, 0);
  assert.ok(rest > 250_000);
  for (const message of messages) {
    digest.update(message.blob);
    rest -= message.blob.length;
    assert.equal(message.remainingBytes, rest);
    assert.ok(message.blob.length <= 32 * 1024);
    assert.equal(message.version, "3.6.0");
  }
  assert.deepEqual(Buffer.from(trailer?.blob ?? []), digest.digest());
});

test("MNT-11 a client that gives a snapshot up, or reads it slowly, disturbs nobody", async () => {
  const other = await member.connect();
  const given = other.openWith("/etcdserverpb.Maintenance/Snapshot", {});
  await given.next();
  given.raw.cancel();
  const slow = other.openWith("/etcdserverpb.Maintenance/Snapshot", {});
  await slow.next();
  slow.raw.pauseReceiving();
  await client.put("mnt11-meanwhile", "x");
  await client.call("/etcdserverpb.Maintenance/Defragment", {});
  slow.raw.resumeReceiving();
  assert.equal(await slow.failure(), undefined);
  const messages = slow.inbox.drain();
  const digest = createHash("sha256");
  assert.equal(messages.at(-1)?.blob.length, 32);
  assert.ok(messages.length > 1);
  digest.end();
});

test("MNT-12 a single member has nobody to hand leadership to", async () => {
  await assert.rejects(client.call("/etcdserverpb.Maintenance/MoveLeader", { targetID: 5n }), {
    code: 9,
    message: "etcdserver: bad leader transferee",
  });
});

test("MNT-14 the health service says that the member serves", async () => {
  const reply = await client.call("/grpc.health.v1.Health/Check", {});
  assert.equal(reply.status, 1);
  await assert.rejects(client.call("/grpc.health.v1.Health/Check", { service: "nope" }), {
    code: 5,
    message: "unknown service",
  });
  const { statuses } = await client.call("/grpc.health.v1.Health/List", {});
  assert.deepEqual(
    statuses.map(({ key, value }) => [key, value?.status]),
    [["", 1]],
  );
  const watch = client.openWith("/grpc.health.v1.Health/Watch", {});
  assert.equal((await watch.next()).status, 1);
  const unknown = client.openWith("/grpc.health.v1.Health/Watch", { service: "nope" });
  assert.equal((await unknown.next()).status, 3);
  watch.raw.cancel();
  unknown.raw.cancel();
});

test("MNT-15 during a defragmentation the health service says so, if it is asked to", async () => {
  const own = await TestMember.start({ "feature-gates": "StopGRPCServiceOnDefrag=true" });
  try {
    const health = own.client.openWith("/grpc.health.v1.Health/Watch", {});
    assert.equal((await health.next()).status, 1);
    const done = own.client.call("/etcdserverpb.Maintenance/Defragment", {});
    assert.equal((await health.next()).status, 2);
    assert.equal((await health.next()).status, 1);
    await done;
    health.raw.cancel();
  } finally {
    await own.remove();
  }
});

test("OPS-08 periodic auto-compaction keeps one retention of history", async () => {
  const own = await TestMember.start({
    "auto-compaction-mode": "periodic",
    "auto-compaction-retention": "1s",
  });
  try {
    const first = (await own.client.put("auto", "1")).header?.revision ?? 0;
    await until(async () => {
      await own.client.put("auto", "more");
      const { compactRevision } = await hashKV(0, own.client);
      return compactRevision > first;
    }, "the compaction");
    await assert.rejects(own.client.range("auto", { revision: first }), { code: 11 });
    assert.equal(text((await own.client.range("auto")).kvs[0]?.value), "more");
  } finally {
    await own.remove();
  }
});
