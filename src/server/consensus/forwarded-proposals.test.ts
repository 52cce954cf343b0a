/** Writes at followers while leadership moves: none of them is lost on the way to a leader. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { Message, MessageType } from "../../api/gen/raft.ts";
import { VirtualClock } from "../../env/testing/index.ts";
import { NO_MEMBER } from "../../raft/index.ts";
import type { FakeUnaryCall } from "../testing/fake-call.ts";
import { TestCluster } from "../testing/test-cluster.ts";
import { ForwardedProposals } from "./forwarded-proposals.ts";

const TIMEOUT_MS = 7000;

async function startCluster() {
  const cluster = new TestCluster(["m1", "m2", "m3"]);
  await cluster.start();
  const leader = cluster.leader();
  const followers = cluster.members.filter((member) => member !== leader);
  return { cluster, leader, followers };
}

test("writes at followers go on while the leader hands over and stops", async () => {
  const { cluster, leader, followers } = await startCluster();
  const calls: FakeUnaryCall[] = [];
  let isStopped = false;
  void leader.server.stop().then(() => {
    isStopped = true;
  });
  const startMs = cluster.clock.nowMs();
  await followers[0]?.until(() => {
    for (const follower of followers) calls.push(follower.put(`key-${calls.length}`, "v"));
    return isStopped;
  });
  await followers[0]?.until(() => calls.every((call) => call.answered));
  assert.ok(calls.length > 4, `${calls.length} writes`);
  const failures = calls.map((call) => call.failure?.message);
  assert.deepEqual(new Set(failures), new Set([undefined]));
  assert.ok(cluster.clock.nowMs() - startMs < TIMEOUT_MS);
  const { kvs } = (await followers[1]?.everything()) ?? { kvs: [] };
  assert.equal(kvs.length, calls.length);
  assert.ok(
    kvs.every((kv) => kv.version === 1),
    "each was made once",
  );
  for (const follower of followers) await follower.stop();
});

test("writes that came during a hand-over that failed are made by the old leader", async () => {
  const { cluster, leader, followers } = await startCluster();
  const [target, writer] = followers;
  assert.ok(target !== undefined && writer !== undefined);
  cluster.pause(target);
  const transfer = leader.server.leadership.transfer(target.server.memberID, 60_000);
  const refused = assert.rejects(transfer, { kind: "timeoutLeaderTransfer" });
  const call = writer.put("key", "v");
  await cluster.settled(refused);
  await cluster.until(() => call.answered);
  assert.equal(call.failure, undefined);
  assert.equal(leader.server.isLeader, true);
  cluster.resume(target, "messages");
  await cluster.stop();
});

function world(lead: bigint, leadTransferee: bigint) {
  const clock = new VirtualClock();
  const raft = { lead, leadTransferee };
  const stepped: Message[] = [];
  const step = (message: Message) => {
    stepped.push(message);
    return undefined;
  };
  const node = { raft, step } as unknown as ConstructorParameters<
    typeof ForwardedProposals
  >[0]["node"];
  return { clock, raft, stepped, waiting: new ForwardedProposals({ node, clock, timeoutMs: 100 }) };
}

function proposal(bytes: number): Message {
  const entry = { type: 0, term: 0, index: 0, data: new Uint8Array(bytes) };
  return Message.create({ type: MessageType.MsgProp, from: 2n, to: 1n, entries: [entry] });
}

test("a proposal is dropped when nobody waits for it any more", () => {
  const w = world(NO_MEMBER, NO_MEMBER);
  const old = proposal(1);
  w.waiting.keep(old);
  w.clock.advance(60);
  const recent = proposal(1);
  w.waiting.keep(recent);
  w.clock.advance(60);
  w.waiting.retry();
  assert.deepEqual(w.stepped, [], "there is no leader");
  w.raft.lead = 3n;
  w.waiting.retry();
  w.waiting.retry();
  assert.deepEqual(w.stepped, [recent]);
});

test("what is kept for others has a limit, and a leader without room keeps nothing", () => {
  const w = world(1n, 2n);
  const large = proposal(40 * 1024 * 1024);
  w.waiting.keep(large);
  w.waiting.keep(large);
  w.raft.leadTransferee = NO_MEMBER;
  w.waiting.keep(proposal(1));
  w.waiting.retry();
  assert.deepEqual(w.stepped, [large]);
  w.raft.leadTransferee = 2n;
  w.waiting.keep(large);
  w.raft.leadTransferee = NO_MEMBER;
  w.waiting.retry();
  assert.equal(w.stepped.length, 2, "there is room again");
});
