/** The cluster's version, its downgrade, and the storage version that follows. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { EtcdError, type ErrorKind } from "../api/errors.ts";
import { ClusterVersionSetRequest } from "../api/gen/membership.ts";
import {
  DowngradeRequest,
  DowngradeRequest_DowngradeAction as Action,
  DowngradeResponse,
  MemberAddRequest,
  StatusRequest,
  StatusResponse,
} from "../api/gen/rpc.ts";
import { METHOD } from "../api/rpc-table.ts";
import { RaftField } from "./log/raft-request.ts";
import { TestCluster } from "./testing/test-cluster.ts";
import type { TestMember } from "./testing/test-member.ts";

async function call(cluster: TestCluster, member: TestMember, method: number, body: Uint8Array) {
  const sent = member.call(method, body);
  await cluster.until(() => sent.answered);
  if (sent.answer === undefined)
    throw Object.assign(new Error(sent.failure?.message), sent.failure);
  return sent.answer;
}

async function downgrade(cluster: TestCluster, action: number, version = "") {
  const member = cluster.members.find((one) => one !== cluster.leader()) ?? cluster.first;
  const body = DowngradeRequest.encode(DowngradeRequest.create({ action, version }));
  return DowngradeResponse.decode(await call(cluster, member, METHOD.Downgrade, body));
}

async function refuses(kind: ErrorKind, promise: Promise<unknown>): Promise<void> {
  const { code, message } = new EtcdError(kind);
  await assert.rejects(promise, { code, message });
}

async function status(cluster: TestCluster, member: TestMember): Promise<StatusResponse> {
  const body = StatusRequest.encode(StatusRequest.create());
  return StatusResponse.decode(await call(cluster, member, METHOD.Status, body));
}

function allHave(cluster: TestCluster, version: string): boolean {
  return cluster.members.every(({ server }) => server.cluster.version === version);
}

test("the version rises once everybody is reached, and starts at 3.0.0 until then", async () => {
  const cluster = new TestCluster(["m1", "m2", "m3"]);
  const [one, two, three] = cluster.members;
  assert.ok(one && two && three);
  await Promise.all([one.start(), two.start()]);
  await cluster.until(() => one.server.cluster.version !== undefined);
  assert.equal(one.server.cluster.version, "3.0.0");
  await three.start();
  await cluster.until(() => allHave(cluster, "3.6.0"));
  const messages = cluster.leader().logger.messages();
  assert.ok(messages.includes("setting up initial cluster version using v3 API"));
  assert.ok(messages.includes("updating cluster version using v3 API"));
  for (const member of cluster.members) assert.equal(member.server.storageVersion, "3.6.0");
  await cluster.stop();
});

test("a downgrade is validated, carried out, and undone when it is cancelled", async () => {
  const cluster = new TestCluster(["m1", "m2", "m3"]);
  await cluster.start();
  await refuses("wrongDowngradeVersionFormat", downgrade(cluster, Action.VALIDATE, "x"));
  await cluster.until(() => allHave(cluster, "3.6.0"));
  await refuses("unknownMethod", downgrade(cluster, 9));
  for (const action of [Action.VALIDATE, Action.ENABLE]) {
    await refuses("wrongDowngradeVersionFormat", downgrade(cluster, action, "3"));
    await refuses("invalidDowngradeTargetVersion", downgrade(cluster, action, "3.4"));
    await refuses("invalidDowngradeTargetVersion", downgrade(cluster, action, "3.6"));
  }
  assert.equal((await downgrade(cluster, Action.CANCEL)).version, "3.6", "nothing to cancel");
  assert.equal((await downgrade(cluster, Action.VALIDATE, "3.5.12")).version, "3.6");
  assert.equal(cluster.first.server.cluster.downgrade.enabled, false);

  await downgrade(cluster, Action.ENABLE, "3.5");
  await refuses("downgradeInProcess", downgrade(cluster, Action.ENABLE, "3.5"));
  const during = await status(cluster, cluster.leader());
  assert.deepEqual(during.downgradeInfo, { enabled: true, targetVersion: "3.5.0" });
  await cluster.until(() => allHave(cluster, "3.5.0"));
  const hasStorage = (version: string) =>
    cluster.members.every(({ server }) => server.storageVersion === version);
  await cluster.until(() => hasStorage("3.5.0"));
  assert.equal((await status(cluster, cluster.first)).storageVersion, "3.5.0");
  for (const { logger } of cluster.members) {
    const messages = logger.messages();
    assert.ok(messages.includes("The server is ready to downgrade"));
    const snapshot = logger.lines.find(({ message }) => message === "triggering snapshot");
    assert.equal(snapshot?.fields["snapshot-forced"], true);
  }

  assert.equal((await downgrade(cluster, Action.CANCEL)).version, "3.5");
  await cluster.until(() => allHave(cluster, "3.6.0") && hasStorage("3.6.0"));
  assert.deepEqual((await status(cluster, cluster.first)).downgradeInfo, {
    enabled: false,
    targetVersion: "",
  });
  await cluster.stop();
});

test("a member of the higher version does not join while a downgrade is under way", async () => {
  const cluster = new TestCluster(["m1", "m2"], { strictReconfigCheck: false });
  await cluster.start();
  await cluster.until(() => allHave(cluster, "3.6.0"));
  const request = MemberAddRequest.create({ peerURLs: ["http://m3:2380"] });
  await call(cluster, cluster.first, METHOD.MemberAdd, MemberAddRequest.encode(request));
  await downgrade(cluster, Action.ENABLE, "3.5");
  const joining = cluster.add("m3", "existing");
  await assert.rejects(joining.start(), /incompatible with current running cluster/);
  for (const member of cluster.members) if (member !== joining) await member.stop();
});

test("a member does not go on in a cluster of a higher version than its own", async () => {
  const cluster = new TestCluster(["m1"]);
  await cluster.start();
  let reason = "";
  void cluster.first.server.failed.then((error) => {
    reason = error.message;
  });
  const body = ClusterVersionSetRequest.encode(ClusterVersionSetRequest.create({ ver: "3.7.0" }));
  cluster.first.server.propose(RaftField.clusterVersionSet, body).catch(() => undefined);
  await cluster.until(() => reason !== "");
  assert.equal(
    reason,
    "invalid downgrade; server version is lower than determined cluster version",
  );
  await cluster.stop();
});
