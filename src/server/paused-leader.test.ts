/**
 * A leader whose process was paused (SIGSTOP, a stalled virtual machine) wakes up while others have
 * gone on without it. Incidents: etcd issue 20418 (it confirmed reads with answers that were on
 * their way before the pause), 15247 and 17425 (it ended leases that the new leader had renewed).
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import {
  LeaseGrantRequest,
  LeaseKeepAliveRequest,
  LeaseKeepAliveResponse,
  RangeRequest,
  RangeResponse,
} from "../api/gen/rpc.ts";
import { METHOD } from "../api/rpc-table.ts";
import { FakeStreamCall, type FakeUnaryCall } from "./testing/fake-call.ts";
import { TestCluster } from "./testing/test-cluster.ts";
import type { TestMember } from "./testing/test-member.ts";

const ORDERS = ["timers", "messages"] as const;

function read(member: TestMember): FakeUnaryCall {
  const request = RangeRequest.create({ key: Buffer.from("x") });
  return member.call(METHOD.Range, RangeRequest.encode(request));
}

/** The value, or the error. */
function outcomeOf({ answer, failure }: FakeUnaryCall): string {
  if (answer === undefined) return failure?.message ?? "no answer";
  return String(Buffer.from(RangeResponse.decode(answer).kvs[0]?.value ?? ""));
}

async function started() {
  const cluster = new TestCluster(["m1", "m2", "m3"]);
  await cluster.start();
  const old = cluster.leader();
  const others = cluster.members.filter((member) => member !== old);
  const [other] = others;
  assert.ok(other);
  const newLeader = () => others.find(({ server }) => server.isLeader);
  return { cluster, old, other, newLeader };
}

const turn = () => new Promise((resolve) => setImmediate(resolve));

for (const first of ORDERS) {
  test(`no stale read at an old leader that looks at its ${first} first`, async () => {
    // The pause comes at every point between a question and its answer.
    for (let turns = 0; turns < 4; turns++) {
      const { cluster, old, other, newLeader } = await started();
      await cluster.put(old, "x", "old");
      const before = read(old);
      for (let i = 0; i < turns; i++) await turn();
      cluster.pause(old);
      await cluster.until(() => newLeader() !== undefined);
      await cluster.put(other, "x", "new");
      // It came in during the pause, and nothing tells that the leader is the old one.
      assert.equal(old.server.isLeader, true);
      const during = read(old);
      cluster.resume(old, first);
      const after = read(old);
      await cluster.until(() => before.answered && during.answered && after.answered);
      const allowed = ["new", "etcdserver: leader changed"];
      for (const call of [during, after]) {
        assert.ok(allowed.includes(outcomeOf(call)), `${turns}: ${outcomeOf(call)}`);
      }
      // This one began before the write: both values are right.
      assert.ok(["old", ...allowed].includes(outcomeOf(before)));
      await cluster.until(() => old.server.leader === other.server.leader);
      const later = read(old);
      await cluster.until(() => later.answered);
      assert.equal(outcomeOf(later), "new");
      await cluster.stop();
    }
  });

  test(`an old leader that looks at its ${first} first leaves renewed leases alone`, async () => {
    const { cluster, old, other, newLeader } = await started();
    const grant = LeaseGrantRequest.create({ ID: 7n, TTL: 4 });
    const granted = old.call(METHOD.LeaseGrant, LeaseGrantRequest.encode(grant));
    await cluster.until(() => granted.answered);
    cluster.pause(old);
    await cluster.until(() => newLeader()?.server.lessor.isPrimary === true);
    const renewals = new FakeStreamCall(METHOD.LeaseKeepAlive);
    other.server.rpc.stream(renewals);
    const renewal = LeaseKeepAliveRequest.encode(LeaseKeepAliveRequest.create({ ID: 7n }));
    for (let i = 1; i <= 4; i++) {
      renewals.onMessage?.(renewal);
      await cluster.until(() => renewals.sent.length === i);
      const untilMs = cluster.clock.nowMs() + 2000;
      await cluster.until(() => cluster.clock.nowMs() >= untilMs);
    }
    assert.ok(old.server.lessor.isExpired(7n, cluster.clock.nowMs()), "as far as it knows");
    const late = new FakeStreamCall(METHOD.LeaseKeepAlive);
    old.server.rpc.stream(late);
    late.onMessage?.(renewal);
    cluster.resume(old, first);
    const untilMs = cluster.clock.nowMs() + 1000;
    await cluster.until(() => cluster.clock.nowMs() >= untilMs);
    for (const { server } of cluster.members) assert.ok(server.lessor.exists(7n));
    const ttl = late.sent.map((message) => LeaseKeepAliveResponse.decode(message).TTL);
    assert.ok(
      ttl[0] === 4 || late.status?.message === "not a primary lessor",
      `${ttl} ${late.status?.message}`,
    );
    await cluster.stop();
  });
}
