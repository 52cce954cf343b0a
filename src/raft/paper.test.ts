/**
 * The raft paper (Ongaro and Ousterhout, extended version) sentence by sentence, sections 5.1 to
 * 5.4, and the thesis on leadership transfer (3.10), reads (6.4) and pre-vote (9.6).
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { type Message, MessageType } from "../api/gen/raft.ts";
import { bytesFromUtf8, utf8FromBytes } from "../base/bytes.ts";
import { emptySnapshotAt, entriesOf, Lab, message, talk } from "./testing/lab.ts";
import { SeededRandom } from "./testing/seeded-random.ts";

const {
  MsgApp,
  MsgAppResp,
  MsgHeartbeat,
  MsgHeartbeatResp,
  MsgPreVote,
  MsgPreVoteResp,
  MsgReadIndex,
  MsgReadIndexResp,
  MsgSnap,
  MsgTimeoutNow,
  MsgVote,
  MsgVoteResp,
} = MessageType;

const ofType = (messages: readonly Message[], type: number): Message[] =>
  messages.filter((one) => one.type === type);

test("5.1 a server with a smaller term updates it and becomes follower", () => {
  for (const role of ["follower", "candidate", "leader"]) {
    const lab = new Lab({ term: 1 });
    if (role !== "follower") lab.node.campaign();
    if (role === "leader") lab.lead();
    lab.receive(message(MsgApp, 2n, 1n, { term: 7 }));
    assert.equal(lab.term, 7, role);
    assert.equal(lab.state, "StateFollower", role);
  }
});

test("5.1 a server rejects a request with a stale term", () => {
  const lab = new Lab({ term: 2 });
  const answers = lab.receive(message(MsgApp, 2n, 1n, { term: 1, entries: entriesOf([1]) }));
  assert.deepEqual(answers, []);
  assert.equal(lab.node.raft.log.lastIndex(), 0);
});

test("5.2 servers start as followers", () => {
  assert.equal(new Lab().state, "StateFollower");
});

test("5.2 a leader sends periodic heartbeats to all followers", () => {
  const lab = new Lab({ heartbeatTicks: 3 }).lead();
  assert.deepEqual(ofType(lab.tick(2), MsgHeartbeat), []);
  const beats = ofType(lab.tick(), MsgHeartbeat);
  assert.deepEqual(
    beats.map((beat) => beat.to),
    [2n, 3n],
  );
});

test("5.2 a follower that hears nothing over an election timeout starts an election", () => {
  const lab = new Lab({ term: 1 });
  assert.deepEqual(lab.tick(9), []);
  const requests = lab.tick();
  assert.equal(lab.state, "StateCandidate");
  assert.equal(lab.term, 2);
  assert.equal(lab.node.basicStatus().vote, 1n);
  assert.deepEqual(
    requests.map(({ type, to, term }) => [type, to, term]),
    [
      [MsgVote, 2n, 2],
      [MsgVote, 3n, 2],
    ],
  );
});

test("5.2 a follower that hears from its leader does not start an election", () => {
  const lab = new Lab({ term: 1 });
  for (let i = 0; i < 30; i++) {
    lab.tick(9);
    lab.receive(message(MsgHeartbeat, 2n, 1n, { term: 1 }));
  }
  assert.equal(lab.state, "StateFollower");
});

for (const [voters, votes, state] of [
  [1, [], "StateLeader"],
  [3, [true], "StateLeader"],
  [3, [], "StateCandidate"],
  [3, [false], "StateCandidate"],
  [3, [false, false], "StateFollower"],
  [5, [true, true], "StateLeader"],
  [5, [true, false], "StateCandidate"],
  [5, [false, false, false], "StateFollower"],
] as const) {
  test(`5.2 of ${voters} servers, a candidate with votes [${votes}] becomes ${state}`, () => {
    const ids = Array.from({ length: voters }, (_, i) => BigInt(i + 1));
    const lab = new Lab({ voters: ids });
    lab.node.campaign();
    lab.work();
    votes.forEach((granted, i) => {
      const fields = { term: 1, reject: !granted };
      lab.receive(message(MsgVoteResp, BigInt(i + 2), 1n, fields));
    });
    assert.equal(lab.state, state);
    assert.equal(lab.term, 1);
  });
}

test("5.2 the same voter counts once", () => {
  const lab = new Lab({ voters: [1n, 2n, 3n, 4n, 5n] });
  lab.node.campaign();
  lab.work();
  for (let i = 0; i < 3; i++) lab.receive(message(MsgVoteResp, 2n, 1n, { term: 1 }));
  assert.equal(lab.state, "StateCandidate");
});

test("5.2 each server votes for at most one candidate in a term, first come first served", () => {
  const lab = new Lab({ term: 1 });
  const ask = (from: bigint): boolean => {
    const [answer] = lab.receive(message(MsgVote, from, 1n, { term: 2 }));
    assert.equal(answer?.type, MsgVoteResp);
    return answer?.reject === false;
  };
  assert.equal(ask(2n), true);
  assert.equal(ask(3n), false);
  assert.equal(ask(2n), true, "a repeated request gets the same answer");
});

test("5.2 a candidate that hears from a leader of its term or a later one follows it", () => {
  for (const term of [1, 2]) {
    const lab = new Lab();
    lab.node.campaign();
    lab.work();
    lab.receive(message(MsgApp, 3n, 1n, { term }));
    assert.equal(lab.state, "StateFollower");
    assert.equal(lab.node.basicStatus().lead, 3n);
    assert.equal(lab.term, term);
  }
});

test("5.2 a candidate whose election ends without a winner starts another", () => {
  const lab = new Lab();
  lab.node.campaign();
  lab.work();
  const requests = lab.tick(10);
  assert.equal(lab.term, 2);
  assert.equal(ofType(requests, MsgVote).length, 2);
});

test("5.2 election timeouts are random between one and two timeouts", () => {
  const random = new SeededRandom(42);
  const seen = new Set<number>();
  for (let i = 0; i < 500; i++) {
    const lab = new Lab({ random });
    let ticks = 0;
    while (lab.state === "StateFollower") {
      lab.tick();
      ticks++;
    }
    seen.add(ticks);
  }
  assert.deepEqual(
    [...seen].sort((a, b) => a - b),
    [10, 11, 12, 13, 14, 15, 16, 17, 18, 19],
  );
});

test("5.3 the leader appends a proposal to its log and sends it to all followers", () => {
  const lab = new Lab().lead();
  for (const from of [2n, 3n]) {
    lab.receive(message(MsgAppResp, from, 1n, { term: 1, index: 1 }));
  }
  const sent = ofType(lab.propose("x"), MsgApp);
  assert.deepEqual(lab.terms(), [1, 1]);
  assert.deepEqual(
    sent.map(({ to, index, logTerm, commit }) => ({ to, index, logTerm, commit })),
    [2n, 3n].map((to) => ({ to, index: 1, logTerm: 1, commit: 1 })),
  );
  for (const { entries } of sent) {
    assert.deepEqual(
      entries.map((entry) => utf8FromBytes(entry.data)),
      ["x"],
    );
  }
});

test("5.3 an entry is committed when a majority has it, and then applied by the leader", () => {
  for (const [count, acks, committed] of [
    [1, 0, true],
    [3, 0, false],
    [3, 1, true],
    [5, 1, false],
    [5, 2, true],
  ] as const) {
    const voters = Array.from({ length: count }, (_, i) => BigInt(i + 1));
    const lab = new Lab({ voters }).lead();
    lab.propose("x");
    for (let i = 0; i < acks; i++) {
      lab.receive(message(MsgAppResp, BigInt(i + 2), 1n, { term: 1, index: 2 }));
    }
    assert.equal(lab.commit, committed ? 2 : 0, `${count} servers, ${acks} acknowledgements`);
    assert.equal(lab.applied.length, committed ? 2 : 0);
  }
});

test("5.3 the leader includes the commit index in later messages, and followers apply", () => {
  const leader = new Lab().lead();
  const follower = new Lab({ id: 2n });
  talk([leader, follower], leader.propose("a", "b"));
  talk([leader, follower], leader.tick());
  assert.equal(follower.commit, 3);
  assert.deepEqual(
    follower.applied.map((entry) => utf8FromBytes(entry.data)),
    ["", "a", "b"],
  );
});

test("5.3 committing an entry commits all before it, also those of earlier leaders", () => {
  const lab = new Lab({ log: [1, 2], term: 2 }).lead();
  lab.propose("x");
  lab.receive(message(MsgAppResp, 2n, 1n, { term: 3, index: 4 }));
  assert.equal(lab.commit, 4);
  assert.deepEqual(
    lab.applied.map((entry) => entry.index),
    [1, 2, 3, 4],
  );
});

test("5.3 a follower refuses entries whose predecessor it does not have", () => {
  for (const [index, logTerm, refused] of [
    [0, 0, false],
    [2, 2, false],
    [2, 1, true],
    [3, 2, true],
  ] as const) {
    const lab = new Lab({ log: [1, 2], term: 2 });
    const [answer] = lab.receive(message(MsgApp, 2n, 1n, { term: 2, index, logTerm }));
    assert.equal(answer?.type, MsgAppResp);
    assert.equal(answer?.reject, refused, `after ${logTerm}/${index}`);
  }
});

test("5.3 a follower deletes what conflicts with the leader and appends the rest", () => {
  for (const [index, logTerm, sent, result] of [
    [2, 2, [3], [1, 2, 3]],
    [1, 1, [3, 4], [1, 3, 4]],
    [0, 0, [1], [1, 2]],
    [0, 0, [3], [3]],
  ] as const) {
    const lab = new Lab({ log: [1, 2], term: 2 });
    const entries = entriesOf(sent, index + 1);
    lab.receive(message(MsgApp, 2n, 1n, { term: 4, index, logTerm, entries }));
    assert.deepEqual(lab.terms(), result);
  }
});

test("5.3 a late, shorter append does not remove what came after it", () => {
  const lab = new Lab({ log: [1, 1, 1], term: 1 });
  lab.receive(message(MsgApp, 2n, 1n, { term: 1, index: 0, entries: entriesOf([1]) }));
  assert.deepEqual(lab.terms(), [1, 1, 1]);
});

// Figure 7: what followers may look like when the leader of term 8 comes to power.
for (const [name, log] of [
  ["a, lacks one entry", [1, 1, 1, 4, 4, 5, 5, 6, 6]],
  ["b, lacks many entries", [1, 1, 1, 4]],
  ["c, has an extra entry", [1, 1, 1, 4, 4, 5, 5, 6, 6, 6, 6]],
  ["d, has entries of a later term", [1, 1, 1, 4, 4, 5, 5, 6, 6, 6, 7, 7]],
  ["e, has others in the same place", [1, 1, 1, 4, 4, 4, 4]],
  ["f, was leader twice", [1, 1, 1, 2, 2, 2, 3, 3, 3, 3, 3]],
] as const) {
  test(`5.3 the leader brings follower ${name}, to its own log (figure 7)`, () => {
    const leader = new Lab({ log: [1, 1, 1, 4, 4, 5, 5, 6, 6, 6], term: 7 }).lead();
    const follower = new Lab({ id: 2n, log, term: 7 });
    talk([leader, follower], leader.tick());
    assert.deepEqual(follower.terms(), leader.terms());
    assert.equal(leader.term, 8);
  });
}

test("5.3 probing skips whole terms instead of going back entry by entry", () => {
  const leader = new Lab({ log: [1, ...Array(50).fill(5)], term: 5 }).lead();
  const follower = new Lab({ id: 2n, log: [1, ...Array(60).fill(3)], term: 5 });
  let appends = 0;
  talk([leader, follower], leader.tick(), (one) => {
    if (one.type === MsgApp && one.to === 2n) appends++;
    return false;
  });
  assert.deepEqual(follower.terms(), leader.terms());
  assert.ok(appends < 8, `${appends} appends`);
});

test("5.4.1 a voter refuses a candidate whose log is less up to date than its own", () => {
  for (const [own, logTerm, index, granted] of [
    [[1], 1, 1, true],
    [[1], 2, 1, true],
    [[1, 1], 1, 1, false],
    [[1], 1, 2, true],
    [[1, 2], 1, 5, false],
    [[2], 1, 9, false],
    [[1, 1], 2, 1, true],
  ] as const) {
    const lab = new Lab({ log: own });
    const [answer] = lab.receive(message(MsgVote, 2n, 1n, { term: 9, logTerm, index }));
    assert.equal(answer?.reject, !granted, `own [${own}], candidate ${logTerm}/${index}`);
  }
});

test("5.4.2 only entries of the leader's own term are committed by counting (figure 8)", () => {
  // The leader of term 4 has replicated an entry of term 2 to a majority: not enough.
  const lab = new Lab({ voters: [1n, 2n, 3n, 4n, 5n], log: [1, 2], term: 3 }).lead();
  assert.equal(lab.term, 4);
  for (const from of [2n, 3n, 4n]) {
    lab.receive(message(MsgAppResp, from, 1n, { term: 4, index: 2 }));
  }
  assert.equal(lab.commit, 0);
  for (const from of [2n, 3n]) {
    lab.receive(message(MsgAppResp, from, 1n, { term: 4, index: 3 }));
  }
  assert.equal(lab.commit, 3, "the entry of term 4 takes the older ones along");
});

test("5.4 a follower commits no further than what it shares with the leader", () => {
  const lab = new Lab({ log: [1, 1, 1], term: 1 });
  // Entries 2 and 3 may be another leader's: this message vouches for entry 1 only.
  lab.receive(message(MsgApp, 2n, 1n, { term: 2, index: 1, logTerm: 1, commit: 3 }));
  assert.equal(lab.commit, 1);
});

test("5.4 a leader's heartbeats commit only what the follower is known to have", () => {
  const lab = new Lab({ log: [1, 1], commit: 2 }).lead();
  const beats = ofType(lab.tick(), MsgHeartbeat);
  assert.deepEqual(
    beats.map((beat) => beat.commit),
    [0, 0],
  );
});

test("7 a follower far behind gets a snapshot, and keeps the log if it has the end of it", () => {
  const behind = new Lab({ log: [1], term: 1 });
  const snapshot = emptySnapshotAt(5, 2, [1n, 2n, 3n]);
  behind.receive(message(MsgSnap, 2n, 1n, { term: 2, snapshot }));
  assert.equal(behind.commit, 5);
  assert.equal(behind.node.raft.log.firstIndex(), 6);

  const ahead = new Lab({ log: [1, 1, 2, 2, 2, 2], term: 2 });
  ahead.receive(message(MsgSnap, 2n, 1n, { term: 2, snapshot }));
  assert.equal(ahead.commit, 5);
  assert.deepEqual(ahead.terms(), [1, 1, 2, 2, 2, 2]);
});

test("thesis 3.10 the target of a transfer campaigns at once and unseats the leader", () => {
  const labs = [1n, 2n, 3n].map((id) => new Lab({ id, checkQuorum: true, preVote: true }));
  const [first, second] = labs as [Lab, Lab, Lab];
  first.node.campaign();
  talk(labs, []);
  first.node.transferLeader(2n);
  assert.equal(first.node.basicStatus().leadTransferee, 2n);
  talk(labs, []);
  assert.equal(second.state, "StateLeader");
  assert.equal(first.state, "StateFollower");
});

test("thesis 3.10 a leader takes no proposals while handing over, for one timeout at most", () => {
  const lab = new Lab().lead();
  lab.receive(message(MsgAppResp, 2n, 1n, { term: 1, index: 1 }));
  lab.node.transferLeader(3n);
  assert.deepEqual(lab.work(), [], "member 3 is not up to date yet");
  assert.equal(lab.node.propose(entriesOf([0])), "dropped");
  const sent = lab.receive(message(MsgAppResp, 3n, 1n, { term: 1, index: 1 }));
  assert.equal(ofType(sent, MsgTimeoutNow).length, 1);
  lab.tick(10);
  assert.equal(lab.node.basicStatus().leadTransferee, 0n);
  assert.equal(lab.node.propose(entriesOf([0])), "ok");
});

test("thesis 4.2.3 a server in touch with a leader disregards a disruptive candidate", () => {
  const lab = new Lab({ checkQuorum: true, term: 1 });
  lab.receive(message(MsgHeartbeat, 2n, 1n, { term: 1 }));
  assert.deepEqual(lab.receive(message(MsgVote, 3n, 1n, { term: 9, logTerm: 9, index: 9 })), []);
  assert.equal(lab.term, 1);
  lab.node.tickQuiesced(10);
  const [answer] = lab.receive(message(MsgVote, 3n, 1n, { term: 9, logTerm: 9, index: 9 }));
  assert.equal(answer?.reject, false, "after an election timeout it votes");
});

test("thesis 6.2 a leader steps down when a timeout passes without a majority", () => {
  const lab = new Lab({ checkQuorum: true }).lead();
  lab.receive(message(MsgHeartbeatResp, 3n, 1n, { term: 1 }));
  lab.tick(10);
  assert.equal(lab.state, "StateLeader", "it heard from one other of three");
  lab.tick(10);
  assert.equal(lab.state, "StateFollower");
});

const ask = (context: string): Message =>
  message(MsgReadIndex, 2n, 1n, {
    entries: [{ ...entriesOf([0])[0]!, data: bytesFromUtf8(context) }],
  });

test("thesis 6.4 a leader that has committed nothing in its term answers no reads", () => {
  const lab = new Lab({ log: [1, 1], commit: 2 }).lead();
  assert.deepEqual(ofType(lab.receive(ask("r")), MsgHeartbeat), []);
  const sent = lab.receive(message(MsgAppResp, 3n, 1n, { term: 2, index: 3 }));
  assert.equal(ofType(sent, MsgHeartbeat).length, 2, "the first commit lets the read begin");
});

test("thesis 6.4 a read gets the commit index once a majority has confirmed the leader", () => {
  const lab = new Lab().lead();
  lab.receive(message(MsgAppResp, 3n, 1n, { term: 1, index: 1 }));
  const [beat] = ofType(lab.receive(ask("r")), MsgHeartbeat);
  lab.propose("later");
  const echo = { term: 1, context: beat?.context ?? new Uint8Array(0) };
  const sent = lab.receive(message(MsgHeartbeatResp, 3n, 1n, echo));
  const [answer] = ofType(sent, MsgReadIndexResp);
  assert.equal(answer?.index, 1);
  assert.equal(answer?.to, 2n);
});

test("thesis 6.4 an echo from before the read does not confirm it", () => {
  const lab = new Lab().lead();
  lab.receive(message(MsgAppResp, 3n, 1n, { term: 1, index: 1 }));
  const [first] = ofType(lab.receive(ask("same")), MsgHeartbeat);
  const echo = message(MsgHeartbeatResp, 3n, 1n, {
    term: 1,
    context: first?.context ?? Buffer.of(),
  });
  assert.equal(ofType(lab.receive(echo), MsgReadIndexResp).length, 1);
  // The same context again: the old echo, repeated by the network, proves nothing for it.
  lab.receive(ask("same"));
  assert.deepEqual(ofType(lab.receive(echo), MsgReadIndexResp), []);
});

test("thesis 6.4 a leader without a vote asks the voters, even if there is only one", () => {
  // Demoted to a learner but still leading: the one voter may have elected itself meanwhile.
  const lab = new Lab({ voters: [1n, 2n] }).lead();
  const demote = { transition: 0, changes: [{ type: 3, nodeId: 1n }], context: Buffer.of() };
  lab.node.proposeConfChange(demote);
  lab.work();
  lab.receive(message(MsgAppResp, 2n, 1n, { term: 1, index: 2 }));
  assert.deepEqual(lab.node.status().config.incoming, [2n]);
  lab.node.readIndex(bytesFromUtf8("r"));
  assert.equal(ofType(lab.work(), MsgHeartbeat).length, 1);
  assert.deepEqual(lab.reads, []);
});

test("thesis 9.6 a pre-vote changes neither term nor vote of anybody", () => {
  const lab = new Lab({ term: 3, preVote: true });
  const [answer] = lab.receive(message(MsgPreVote, 2n, 1n, { term: 4, logTerm: 3, index: 1 }));
  assert.equal(answer?.type, MsgPreVoteResp);
  assert.equal(answer?.reject, false);
  assert.equal(lab.term, 3);
  assert.equal(lab.node.basicStatus().vote, 0n);

  lab.node.campaign();
  const requests = lab.work();
  assert.deepEqual(
    requests.map(({ type, term }) => [type, term]),
    [
      [MsgPreVote, 4],
      [MsgPreVote, 4],
    ],
  );
  assert.equal(lab.term, 3);
});

test("thesis 9.6 a member whose pre-vote a majority grants starts the election", () => {
  const lab = new Lab({ term: 3, preVote: true });
  lab.node.campaign();
  lab.work();
  const requests = lab.receive(message(MsgPreVoteResp, 2n, 1n, { term: 4 }));
  assert.equal(lab.state, "StateCandidate");
  assert.equal(lab.term, 4);
  assert.equal(ofType(requests, MsgVote).length, 2);
});
