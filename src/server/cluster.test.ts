/** Several members in one process: they form a cluster, agree, and go on when one is missing. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { ConfChange, ConfChangeType } from "../api/gen/raft.ts";
import { bytesFromUtf8 } from "../base/bytes.ts";
import { memberToJSON } from "../membership/index.ts";
import { MemberRemovedError } from "./members/member-removed.ts";
import { TestCluster } from "./testing/test-cluster.ts";

test("three members elect a leader and all have what was written through each", async () => {
  const cluster = new TestCluster(["m1", "m2", "m3"]);
  await cluster.start();
  for (const [i, member] of cluster.members.entries()) await cluster.put(member, `k${i}`, `v${i}`);
  for (const member of cluster.members) {
    const { kvs } = await member.everything();
    assert.deepEqual(
      kvs.map(({ key, value }) => `${Buffer.from(key)}=${Buffer.from(value)}`),
      ["k0=v0", "k1=v1", "k2=v2"],
    );
  }
  const names = cluster.first.server.cluster.members.map(({ name }) => name);
  assert.deepEqual(names.sort(), ["m1", "m2", "m3"], "all have published themselves");
  await cluster.stop();
});

test("two of three go on without the leader, which catches up when it is back", async () => {
  const cluster = new TestCluster(["m1", "m2", "m3"]);
  await cluster.start();
  await cluster.put(cluster.first, "a", "1");
  const old = cluster.leader();
  cluster.cut(old);
  const [one] = cluster.members.filter((member) => member !== old);
  assert.ok(one);
  await cluster.until(() => one.server.leader !== 0n && one.server.leader !== old.server.memberID);
  await cluster.put(one, "b", "2");
  const lost = old.put("c", "3");
  cluster.heal(old);
  await cluster.until(() => old.server.appliedIndex >= one.server.appliedIndex);
  await cluster.until(() => lost.answered);
  assert.equal((await old.everything()).count >= 2, true);
  await cluster.stop();
});

test("a leader that stops hands over first", async () => {
  const cluster = new TestCluster(["m1", "m2", "m3"]);
  await cluster.start();
  const old = cluster.leader();
  const others = cluster.members.filter((member) => member !== old);
  await old.stop();
  assert.ok(old.logger.messages().includes("leadership transfer finished"));
  for (const other of others) assert.notEqual(other.server.leader, old.server.memberID);
  for (const other of others) await other.stop();
});

test("a member that is far behind gets the leader's database", async () => {
  // The leader once kept a thousand entries more than it was told to.
  const cluster = new TestCluster(["m1", "m2", "m3"], { snapshotCount: 20, catchUpEntries: 20 });
  await cluster.start();
  const behind = cluster.members.find((member) => member !== cluster.leader());
  assert.ok(behind);
  cluster.cut(behind);
  const leader = cluster.leader();
  for (let i = 0; i < 400; i += 50) {
    const calls = Array.from({ length: 50 }, (_, j) => leader.put(`k${i + j}`, "v"));
    await cluster.until(() => calls.every((call) => call.answered));
  }
  cluster.heal(behind);
  await cluster.until(() => behind.server.appliedIndex === leader.server.appliedIndex);
  assert.equal((await behind.everything()).count, 400);
  await cluster.put(behind, "after", "it");
  assert.equal(
    (await behind.server.hashByRevision(0)).hash,
    (await leader.server.hashByRevision(0)).hash,
  );
  assert.ok(behind.logger.messages().includes("applied snapshot"));
  await cluster.stop();
});

test("frequent snapshots and few entries to catch up by leave a short log", async () => {
  // etcd's own suite of mixed versions expects a database after thirty writes.
  const cluster = new TestCluster(["m1", "m2", "m3"], { snapshotCount: 10, catchUpEntries: 10 });
  await cluster.start();
  const behind = cluster.members.find((member) => member !== cluster.leader());
  assert.ok(behind);
  cluster.cut(behind);
  for (let i = 0; i < 30; i++) await cluster.put(cluster.leader(), `k${i}`, "v");
  cluster.heal(behind);
  await cluster.until(() => behind.server.appliedIndex === cluster.leader().server.appliedIndex);
  assert.ok(behind.logger.messages().includes("applied snapshot"));
  await cluster.stop();
});

test("a member joins a running cluster, and a removed one stops", async () => {
  const cluster = new TestCluster(["m1", "m2"]);
  await cluster.start();
  await cluster.put(cluster.first, "a", "1");
  const url = "http://m3:2380";
  const id = 0x77n;
  const added = { id, peerURLs: [url], isLearner: false, name: "", clientURLs: [] };
  const change = ConfChange.create({
    type: ConfChangeType.ConfChangeAddNode,
    nodeId: id,
    context: bytesFromUtf8(memberToJSON(added)),
  });
  const members = await cluster.settled(cluster.first.server.changeMembership(change));
  assert.equal(members?.length, 3);
  const joined = cluster.add("m3", "existing");
  await cluster.settled(joined.start());
  assert.equal(joined.server.memberID, id);
  assert.equal((await joined.everything()).count, 1);

  let reason: Error | undefined;
  void joined.server.failed.then((error) => {
    reason = error;
  });
  const removal = ConfChange.create({ type: ConfChangeType.ConfChangeRemoveNode, nodeId: id });
  await cluster.settled(cluster.first.server.changeMembership(removal));
  await cluster.until(() => reason !== undefined);
  assert.ok(reason instanceof MemberRemovedError);
  await cluster.stop();
});
