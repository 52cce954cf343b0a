/** Leases in a cluster: served through any member, counted by the leader, kept over its change. */
import assert from "node:assert/strict";
import { test } from "node:test";
import {
  DowngradeRequest,
  DowngradeRequest_DowngradeAction,
  LeaseGrantRequest,
  LeaseKeepAliveRequest,
  LeaseKeepAliveResponse,
  LeaseTimeToLiveRequest,
  LeaseTimeToLiveResponse,
  MoveLeaderRequest,
  PutRequest,
} from "../api/gen/rpc.ts";
import { METHOD } from "../api/rpc-table.ts";
import type { LeaseID } from "../base/ids.ts";
import { FakeStreamCall } from "./testing/fake-call.ts";
import { TestCluster } from "./testing/test-cluster.ts";
import type { TestMember } from "./testing/test-member.ts";

async function started(options = {}) {
  const cluster = new TestCluster(["m1", "m2", "m3"], options);
  await cluster.start();
  const leader = cluster.leader();
  const followers = cluster.members.filter((member) => member !== leader);
  const [one, other] = followers;
  assert.ok(one && other);
  return { cluster, leader, one, other };
}

async function call(cluster: TestCluster, member: TestMember, method: number, body: Uint8Array) {
  const sent = member.call(method, body);
  await cluster.until(() => sent.answered);
  if (sent.answer === undefined)
    throw Object.assign(new Error(sent.failure?.message), sent.failure);
  return sent.answer;
}

async function grant(cluster: TestCluster, ID: LeaseID, TTL: number, key = "leased") {
  const lease = LeaseGrantRequest.encode(LeaseGrantRequest.create({ ID, TTL }));
  await call(cluster, cluster.first, METHOD.LeaseGrant, lease);
  const put = PutRequest.create({ key: Buffer.from(key), value: Buffer.from("v"), lease: ID });
  await call(cluster, cluster.first, METHOD.Put, PutRequest.encode(put));
}

async function timeToLive(cluster: TestCluster, member: TestMember, ID: LeaseID) {
  const body = LeaseTimeToLiveRequest.encode(LeaseTimeToLiveRequest.create({ ID, keys: true }));
  const answer = await call(cluster, member, METHOD.LeaseTimeToLive, body);
  return LeaseTimeToLiveResponse.decode(answer);
}

function keepAlive(member: TestMember) {
  const stream = new FakeStreamCall(METHOD.LeaseKeepAlive);
  member.server.rpc.stream(stream);
  const renew = (ID: LeaseID) => {
    stream.onMessage?.(LeaseKeepAliveRequest.encode(LeaseKeepAliveRequest.create({ ID })));
  };
  const answers = () => stream.sent.map((message) => LeaseKeepAliveResponse.decode(message));
  return { stream, renew, answers };
}

/** In larger steps than `until`, since much of it passes. */
async function passTime(cluster: TestCluster, ms: number): Promise<void> {
  for (let passed = 0; passed < ms; passed += 50) {
    cluster.clock.advance(50);
    await new Promise((resolve) => setImmediate(resolve));
    await new Promise((resolve) => setImmediate(resolve));
  }
}

test("a stream of keep-alives at a follower is answered in its order", async () => {
  const { cluster, one } = await started();
  await grant(cluster, 7n, 10);
  await grant(cluster, 8n, 20, "other");
  const { stream, renew, answers } = keepAlive(one);
  await grant(cluster, 9n, 10, "third");
  const asked = [7n, 9n, 8n, 404n, 405n, 7n, 7n, 8n];
  for (const id of asked) renew(id);
  await cluster.until(() => stream.sent.length === asked.length);
  assert.deepEqual(
    answers().map(({ ID, TTL }) => [ID, TTL]),
    [
      [7n, 10],
      [9n, 10],
      [8n, 20],
      [404n, 0],
      [405n, 0],
      [7n, 10],
      [7n, 10],
      [8n, 20],
    ],
  );
  assert.ok(answers().every(({ header }) => header?.memberId === one.server.memberID));
  stream.onHalfClose?.();
  await cluster.until(() => stream.status !== undefined);
  assert.deepEqual(stream.status, { code: 0, message: "" });
  await cluster.stop();
});

test("keep-alives at a follower keep a lease, and without them it expires everywhere", async () => {
  const { cluster, one, other } = await started();
  await grant(cluster, 7n, 3);
  const { stream, renew } = keepAlive(one);
  for (let i = 0; i < 5; i++) {
    renew(7n);
    await cluster.until(() => stream.sent.length === i + 1);
    await passTime(cluster, 2000);
  }
  assert.equal((await other.everything()).count, 1);
  await passTime(cluster, 5000);
  for (const member of cluster.members) assert.equal((await member.everything()).count, 0);
  renew(7n);
  await cluster.until(() => stream.sent.length === 6);
  assert.equal(LeaseKeepAliveResponse.decode(stream.sent[5] ?? new Uint8Array(0)).TTL, 0);
  await cluster.stop();
});

test("the remaining time is told by every member, with the keys", async () => {
  const { cluster } = await started();
  await grant(cluster, 7n, 60);
  await passTime(cluster, 10_000);
  for (const member of cluster.members) {
    const found = await timeToLive(cluster, member, 7n);
    assert.ok(found.TTL > 45 && found.TTL <= 50, `${found.TTL}`);
    assert.equal(found.grantedTTL, 60);
    assert.deepEqual(
      found.keys.map(String),
      ["leased"].map((key) => String(Buffer.from(key))),
    );
    assert.equal(found.header?.memberId, member.server.memberID);
    const unknown = await timeToLive(cluster, member, 404n);
    assert.deepEqual([unknown.ID, unknown.TTL, unknown.grantedTTL], [404n, -1, 0]);
  }
  await cluster.stop();
});

test("a follower cut off from the leader answers with a timeout", async () => {
  const { cluster, one } = await started();
  await grant(cluster, 7n, 60);
  cluster.cut(one);
  const { stream, renew } = keepAlive(one);
  renew(7n);
  await cluster.until(() => stream.status !== undefined);
  assert.deepEqual(stream.status, { code: 14, message: "etcdserver: no leader" });
  await cluster.stop();
});

test("a new leader gives a lease its whole time, or what a checkpoint says is left", async () => {
  for (const leaseCheckpoint of [false, true]) {
    const { cluster, leader, one } = await started({ leaseCheckpoint });
    await grant(cluster, 7n, 1000);
    await passTime(cluster, 400_000);
    const target = MoveLeaderRequest.create({ targetID: one.server.memberID });
    await call(cluster, leader, METHOD.MoveLeader, MoveLeaderRequest.encode(target));
    await cluster.until(() => one.server.lessor.isPrimary);
    const { TTL } = await timeToLive(cluster, leader, 7n);
    if (leaseCheckpoint) assert.ok(TTL > 690 && TTL <= 701, `${TTL}`);
    else assert.ok(TTL > 995 && TTL <= 1001, `${TTL}`);
    await cluster.stop();
  }
});

test("the checkpoints of thousands of leases that are due at once do not wait for each other", async () => {
  const cluster = new TestCluster(["m1"], { leaseCheckpoint: true });
  await cluster.start();
  const { first } = cluster;
  const ids = Array.from({ length: 2_500 }, (_, i) => BigInt(i + 1));
  const grants = ids.map((ID) => {
    const request = LeaseGrantRequest.create({ ID, TTL: 1000 });
    return first.call(METHOD.LeaseGrant, LeaseGrantRequest.encode(request));
  });
  await cluster.until(() => grants.every(({ answered }) => answered));
  // One look at the leases after they are due.
  await passTime(cluster, 300_600);
  await cluster.stop();
  await cluster.start();
  for (const id of [1n, 1001n, 2001n]) {
    const { TTL } = await timeToLive(cluster, first, id);
    assert.ok(TTL >= 690 && TTL <= 705, `${id}: ${TTL}`);
  }
  await cluster.stop();
});

test("in a cluster that goes back to 3.5, what is left of a lease outlives the member only if asked", async () => {
  for (const leaseCheckpointPersist of [false, true]) {
    const options = { leaseCheckpoint: true, leaseCheckpointPersist };
    const cluster = new TestCluster(["m1"], options);
    await cluster.start();
    const { first } = cluster;
    const { ENABLE: action } = DowngradeRequest_DowngradeAction;
    const request = DowngradeRequest.create({ action, version: "3.5" });
    await call(cluster, first, METHOD.Downgrade, DowngradeRequest.encode(request));
    await cluster.until(() => first.server.cluster.version === "3.5.0");
    await grant(cluster, 7n, 1000);
    await passTime(cluster, 400_000);
    await cluster.stop();
    await cluster.start();
    const { TTL } = await timeToLive(cluster, first, 7n);
    if (leaseCheckpointPersist) assert.ok(TTL > 690 && TTL <= 701, `${TTL}`);
    else assert.ok(TTL > 995 && TTL <= 1001, `${TTL}`);
    await cluster.stop();
  }
});

test("an old leader neither revokes nor renews a lease that the new leader keeps", async () => {
  const { cluster, leader: old, one, other } = await started();
  await grant(cluster, 7n, 4);
  cluster.cut(old);
  await cluster.until(() => one.server.lessor.isPrimary || other.server.lessor.isPrimary);
  const { stream, renew } = keepAlive(one);
  for (let i = 0; i < 5; i++) {
    renew(7n);
    await cluster.until(() => stream.sent.length === i + 1);
    await passTime(cluster, 2000);
  }
  cluster.heal(old);
  await cluster.until(() => old.server.leader === one.server.leader);
  await passTime(cluster, 1000);
  for (const member of cluster.members) assert.equal((await member.everything()).count, 1);
  await cluster.stop();
});

test("while leadership is handed over nothing is revoked, and the next leader decides", async () => {
  const { cluster, leader: old, one } = await started();
  await grant(cluster, 7n, 4);
  cluster.cut(one);
  const expiryMs = old.server.lessor.lookup(7n)?.expiryMs ?? 0;
  await passTime(cluster, expiryMs - 100 - cluster.clock.nowMs());
  // The target does not answer: the hand-over stays open, and raft takes no proposals.
  const target = MoveLeaderRequest.create({ targetID: one.server.memberID });
  old.call(METHOD.MoveLeader, MoveLeaderRequest.encode(target));
  await passTime(cluster, 700);
  assert.ok(old.logger.messages().includes("failed to revoke lease"));
  assert.equal(old.server.proposals.waitingCount, 0, "no revocation waits for the next leader");
  await cluster.stop();
});
