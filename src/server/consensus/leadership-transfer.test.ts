/** Handing leadership over to somebody who is gone, or about to be: no wait for what cannot come. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { TestCluster } from "../testing/test-cluster.ts";

async function startCluster(): Promise<TestCluster> {
  const cluster = new TestCluster(["m1", "m2", "m3"]);
  await cluster.start();
  return cluster;
}

/** Virtual time until all have stopped. */
async function stopTogether(cluster: TestCluster): Promise<number> {
  const startMs = cluster.clock.nowMs();
  await cluster.settled(Promise.all(cluster.members.map(({ server }) => server.stop())));
  return cluster.clock.nowMs() - startMs;
}

test("members that stop together do not wait for each other to lead", async () => {
  const cluster = await startCluster();
  const tookMs = await stopTogether(cluster);
  // Two looks at the connections, 100 ms apart, where a transfer has 7 s.
  assert.ok(tookMs < 500, `${tookMs} ms`);
});

test("a leader that stops passes over a member that has just gone", async () => {
  const cluster = await startCluster();
  const leader = cluster.leader();
  const [first, second] = cluster.members.filter((member) => member !== leader);
  assert.ok(first !== undefined && second !== undefined);
  const chosen = leader.server.leadership.longestConnected(new Set());
  const [gone, next] = chosen === first.server.memberID ? [first, second] : [second, first];
  await cluster.settled(Promise.all([leader.server.stop(), gone.server.stop()]));
  assert.equal(next.server.isLeader, true, "it was handed over to the one that stays");
  assert.ok(leader.logger.messages("warn").includes("leadership transfer failed"));
  await next.stop();
});

test("a transfer to a member that does not answer ends when that is seen", async () => {
  const cluster = await startCluster();
  const leader = cluster.leader();
  const other = cluster.members.find((member) => member !== leader);
  assert.ok(other !== undefined);
  cluster.cut(other);
  const transfer = leader.server.leadership.transfer(other.server.memberID, 60_000);
  await cluster.settled(assert.rejects(transfer, { kind: "unhealthy" }));
  cluster.heal(other);
  await cluster.stop();
});

test("a transfer that raft has given up ends then", async () => {
  const cluster = await startCluster();
  const leader = cluster.leader();
  const other = cluster.members.find((member) => member !== leader);
  assert.ok(other !== undefined);
  cluster.pause(other);
  const transfer = leader.server.leadership.transfer(other.server.memberID, 60_000);
  await cluster.settled(assert.rejects(transfer, { kind: "timeoutLeaderTransfer" }));
  assert.equal(leader.server.isLeader, true);
  cluster.resume(other, "messages");
  await cluster.stop();
});
