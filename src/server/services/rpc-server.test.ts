/** Who is served what: learners little, and clients that require a leader only while there is one. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { HealthCheckRequest } from "../../api/gen/health.ts";
import {
  LeaseLeasesRequest,
  MemberAddRequest,
  MemberAddResponse,
  MemberListRequest,
  PutRequest,
  RangeRequest,
  StatusRequest,
  StatusResponse,
  WatchRequest,
} from "../../api/gen/rpc.ts";
import { METHOD } from "../../api/rpc-table.ts";
import { FakeStreamCall, FakeUnaryCall } from "../testing/fake-call.ts";
import { TestCluster } from "../testing/test-cluster.ts";
import type { TestMember } from "../testing/test-member.ts";

const KEY = Buffer.from("k");
const REFUSED = { code: 9, message: "etcdserver: rpc not supported for learner" };
const NO_LEADER = { code: 14, message: "etcdserver: no leader" };

async function clusterWithLearner() {
  const cluster = new TestCluster(["m1"]);
  await cluster.start();
  const peerURLs = ["http://m2:2380"];
  const request = MemberAddRequest.create({ peerURLs, isLearner: true });
  const added = cluster.first.call(METHOD.MemberAdd, MemberAddRequest.encode(request));
  await cluster.until(() => added.answered);
  assert.ok(MemberAddResponse.decode(added.answer ?? new Uint8Array(0)).member?.isLearner);
  const learner = cluster.add("m2", "existing");
  await cluster.settled(learner.start());
  return { cluster, learner };
}

function openStream(member: TestMember, method: number, metadata = {}): FakeStreamCall {
  const stream = new FakeStreamCall(method, metadata);
  member.server.rpc.stream(stream);
  return stream;
}

function startWatch(stream: FakeStreamCall): void {
  const value = { key: KEY, rangeEnd: new Uint8Array(0), startRevision: 0, progressNotify: false };
  const more = { filters: [], prevKv: false, watchId: 0, fragment: false };
  const requestUnion = { case: "createRequest", value: { ...value, ...more } } as const;
  stream.onMessage?.(WatchRequest.encode(WatchRequest.create({ requestUnion })));
}

test("a learner tells its status and what it has, and refuses the rest", async () => {
  const { cluster, learner } = await clusterWithLearner();
  const refused: readonly [number, Uint8Array][] = [
    [METHOD.Range, RangeRequest.encode(RangeRequest.create({ key: KEY }))],
    [METHOD.Put, PutRequest.encode(PutRequest.create({ key: KEY }))],
    [METHOD.MemberList, MemberListRequest.encode(MemberListRequest.create())],
    [METHOD.LeaseLeases, LeaseLeasesRequest.encode(LeaseLeasesRequest.create())],
    [METHOD.HealthCheck, HealthCheckRequest.encode(HealthCheckRequest.create())],
  ];
  for (const [method, body] of refused) {
    assert.deepEqual(learner.call(method, body).failure, REFUSED);
  }
  for (const method of [METHOD.Watch, METHOD.LeaseKeepAlive, METHOD.HealthWatch]) {
    assert.deepEqual(openStream(learner, method).status, REFUSED);
  }
  const read = RangeRequest.create({ key: KEY, serializable: true });
  assert.ok(learner.call(METHOD.Range, RangeRequest.encode(read)).answer !== undefined);
  const asked = learner.call(METHOD.Status, StatusRequest.encode(StatusRequest.create()));
  assert.equal(StatusResponse.decode(asked.answer ?? new Uint8Array(0)).isLearner, true);
  assert.equal(openStream(learner, METHOD.Snapshot).status, undefined);
  await cluster.stop();
});

test("a follower ends a read that nobody waits for any more", async () => {
  const cluster = new TestCluster(["m1", "m2", "m3"]);
  await cluster.start();
  const follower = cluster.members.find((one) => one !== cluster.leader());
  const get = RangeRequest.encode(RangeRequest.create({ key: KEY }));
  const call = follower?.call(METHOD.Range, get);
  assert.ok(call !== undefined && !call.answered);
  call.cancelled = true;
  await cluster.until(() => call.answered);
  assert.equal(call.failure?.code, 1);
  await cluster.stop();
});

test("streams that require a leader end three election timeouts after it was lost", async () => {
  const cluster = new TestCluster(["m1", "m2", "m3"]);
  await cluster.start();
  const member = cluster.members.find((one) => one !== cluster.leader());
  assert.ok(member);
  const bound = openStream(member, METHOD.Watch, { hasleader: "true" });
  const renewals = openStream(member, METHOD.LeaseKeepAlive, { hasleader: "true" });
  const free = openStream(member, METHOD.Watch);
  startWatch(bound);
  startWatch(free);
  await cluster.put(cluster.first, "k", "1");
  await cluster.until(() => bound.sent.length === 2 && free.sent.length === 2);

  cluster.cut(member);
  await cluster.until(() => member.server.leader === 0n);
  const lostMs = cluster.clock.nowMs();
  const range = RangeRequest.encode(RangeRequest.create({ key: KEY, serializable: true }));
  const call = new FakeUnaryCall(METHOD.Range, range, { hasleader: "true" });
  member.server.rpc.unary([call]);
  assert.deepEqual(call.failure, NO_LEADER);
  assert.deepEqual(openStream(member, METHOD.Watch, { hasleader: "true" }).status, NO_LEADER);
  assert.equal(bound.status, undefined, "open streams live longer");
  await cluster.until(() => bound.status !== undefined);
  const tookMs = cluster.clock.nowMs() - lostMs;
  assert.ok(tookMs >= 2000 && tookMs <= 3100, `${tookMs}`);
  assert.deepEqual([bound.status, renewals.status], [NO_LEADER, NO_LEADER]);
  assert.equal(free.status, undefined);
  assert.equal(member.server.watchable.watchers, 1, "the watch of the ended stream is gone");

  cluster.heal(member);
  await cluster.until(() => member.server.leader !== 0n);
  const again = openStream(member, METHOD.Watch, { hasleader: "true" });
  startWatch(again);
  await cluster.put(cluster.first, "k", "2");
  await cluster.until(() => again.sent.length === 2 && free.sent.length === 3);
  await cluster.stop();
});
