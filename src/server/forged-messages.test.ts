/**
 * What a process that is no member, or a broken one, can do through the peer port. One heartbeat
 * with a commit index that nobody has stopped a member once, and one proposal that did not decode
 * stopped all of them, at each start again.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import {
  ConfChange,
  ConfChangeType,
  ConfState,
  EntryType,
  Message,
  MessageType,
} from "../api/gen/raft.ts";
import { PeerMessageError } from "../env/index.ts";
import { SeededRandom } from "../env/testing/index.ts";
import { forgedMessages, randomMessage, type Victim } from "./testing/forged-messages.ts";
import { TestCluster } from "./testing/test-cluster.ts";
import type { TestMember } from "./testing/test-member.ts";

async function startCluster(): Promise<TestCluster> {
  const cluster = new TestCluster(["m1", "m2", "m3"]);
  await cluster.start();
  await cluster.until(() =>
    cluster.members.every(({ server }) => server.cluster.version === "3.6.0"),
  );
  await cluster.put(cluster.first, "before", "1");
  return cluster;
}

function victimOf(cluster: TestCluster, member: TestMember): Victim {
  const { server } = member;
  const other = cluster.members.find((one) => one !== member && one.server.isLeader);
  const { raft } = server.raft.node;
  return {
    id: server.memberID,
    other: (other ?? cluster.members.find((one) => one !== member) ?? member).server.memberID,
    term: server.term,
    lastIndex: raft.log.lastIndex(),
    lastTerm: raft.log.lastEntryID().term,
  };
}

/** As it comes from a socket. */
function copy(message: Message): Message {
  return Message.decode(Message.encode(message));
}

/** A proposal that was passed on to a leader that is none is lost: clients ask again. */
async function putAgain(cluster: TestCluster, key: string): Promise<void> {
  for (let attempt = 0; attempt < 5; attempt++) {
    const call = cluster.first.put(key, "value");
    await cluster.until(() => call.answered);
    if (call.failure === undefined) return;
    assert.match(call.failure.message, /timed out|leader changed/);
  }
  assert.fail(`${key} was not put`);
}

async function servesAndRestarts(cluster: TestCluster): Promise<void> {
  await putAgain(cluster, "after");
  for (const member of cluster.members) {
    await member.stop();
    await member.start();
  }
  await putAgain(cluster, "again");
  const { count } = await cluster.first.everything();
  assert.equal(count, 3);
}

test("each lie is refused by leader and follower, and leaves nothing in the log", async () => {
  const cluster = await startCluster();
  const leader = cluster.leader();
  const follower = cluster.members.find((member) => member !== leader) as TestMember;
  for (const member of [leader, follower]) {
    const before = victimOf(cluster, member);
    for (const [name, message] of forgedMessages(before)) {
      const refusal = member.server.peerNode.receive(copy(message));
      assert.equal(typeof refusal, "string", `${name}: ${refusal}`);
    }
    assert.deepEqual(victimOf(cluster, member), before);
    assert.ok(member.logger.messages("error").includes("refused an invalid Raft message"));
  }
  await servesAndRestarts(cluster);
  await cluster.stop();
});

test("acknowledgements of what the leader has not are refused", async () => {
  const cluster = await startCluster();
  const leader = cluster.leader();
  const { id: to, other: from, term, lastIndex } = victimOf(cluster, leader);
  const fields = { type: MessageType.MsgAppResp, to, from, term, index: lastIndex + 1 };
  assert.match(leader.server.peerNode.receive(Message.create(fields)) ?? "", /behind the end/);
  await servesAndRestarts(cluster);
  await cluster.stop();
});

test("a snapshot with an impossible configuration is refused before its database", async () => {
  const cluster = await startCluster();
  const follower = cluster.members.find(({ server }) => !server.isLeader) as TestMember;
  const { id: to, other: from, term, lastIndex } = victimOf(cluster, follower);
  const confStates = [
    { voters: [] },
    { voters: [to, to] },
    { voters: [to], learners: [to] },
    { voters: [to, 0n] },
    { voters: [to], votersOutgoing: [from] },
  ];
  async function* database(): AsyncGenerator<Uint8Array> {
    yield assert.fail("the database was read");
  }
  for (const some of confStates) {
    const confState = ConfState.create(some);
    const metadata = { index: lastIndex + 100, term, confState };
    const snapshot = { metadata, data: new Uint8Array() };
    const message = Message.create({ type: MessageType.MsgSnap, to, from, term, snapshot });
    const received = follower.server.peerNode.receiveSnapshot(copy(message), database());
    await assert.rejects(received, PeerMessageError);
  }
  await servesAndRestarts(cluster);
  await cluster.stop();
});

test("a member alone, told that it was removed by nobody, goes on and starts again", async () => {
  const cluster = new TestCluster(["m1"]);
  await cluster.start();
  const { server } = cluster.first;
  const { term, memberID: to } = server;
  const { log } = server.raft.node.raft;
  const index = log.lastIndex();
  const nodeId = to;
  const change = ConfChange.create({ type: ConfChangeType.ConfChangeRemoveNode, nodeId });
  const data = ConfChange.encode(change);
  const entries = [{ type: EntryType.EntryConfChange, term: term + 1, index: index + 1, data }];
  const message = Message.create({
    ...{ type: MessageType.MsgApp, to, from: 77n, term: term + 1, index },
    ...{ logTerm: log.lastEntryID().term, entries, commit: index + 1 },
  });
  server.peerNode.receive(message);
  await putAgain(cluster, "after");
  const errors = cluster.first.logger.messages("error");
  assert.ok(errors.includes("Validation on configuration change failed"));
  await cluster.first.stop();
  await cluster.first.start();
  await putAgain(cluster, "again");
  await cluster.stop();
});

test("a storm of random messages stops nobody", async () => {
  for (const seed of [1, 2, 3, 4, 5]) {
    const cluster = await startCluster();
    const random = new SeededRandom(seed);
    for (let round = 0; round < 400; round++) {
      for (const member of cluster.members) {
        member.server.peerNode.receive(copy(randomMessage(random, victimOf(cluster, member))));
      }
      if (round % 50 === 0) cluster.clock.advance(20);
      assert.ok(
        cluster.members.every(({ server }) => !server.raft.stopped),
        `seed ${seed}, round ${round}`,
      );
    }
    await servesAndRestarts(cluster);
    await cluster.stop();
  }
});
