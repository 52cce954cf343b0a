/** Members are added, updated, promoted and removed through the Cluster service of any member. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { EtcdError, type ErrorKind } from "../../api/errors.ts";
import {
  MemberAddRequest,
  MemberAddResponse,
  MemberPromoteRequest,
  MemberPromoteResponse,
  MemberRemoveRequest,
  MemberRemoveResponse,
  MemberUpdateRequest,
  MemberUpdateResponse,
} from "../../api/gen/rpc.ts";
import { METHOD } from "../../api/rpc-table.ts";
import type { MemberID } from "../../base/ids.ts";
import { computeMemberID } from "../../membership/index.ts";
import { MAX_WAITING_CHANGES } from "./membership-queue.ts";
import { TestCluster } from "../testing/test-cluster.ts";
import type { TestMember } from "../testing/test-member.ts";

const THREE = ["m1", "m2", "m3"];

/** A cluster whose connections are old enough for changes. */
async function started(names: readonly string[], options = {}): Promise<TestCluster> {
  const cluster = new TestCluster(names, options);
  await cluster.start();
  await passTime(cluster, 6000);
  return cluster;
}

async function passTime(cluster: TestCluster, ms: number): Promise<void> {
  for (let passed = 0; passed < ms; passed += 25) {
    cluster.clock.advance(25);
    await new Promise((resolve) => setImmediate(resolve));
  }
}

async function call(
  cluster: TestCluster,
  member: TestMember,
  method: number,
  body: Uint8Array,
): Promise<Uint8Array> {
  const sent = member.call(method, body);
  await cluster.until(() => sent.answered);
  if (sent.answer === undefined)
    throw Object.assign(new Error(sent.failure?.message), sent.failure);
  return sent.answer;
}

async function refuses(kind: ErrorKind, promise: Promise<unknown>): Promise<void> {
  const { code, message } = new EtcdError(kind);
  await assert.rejects(promise, { code, message });
}

async function add(cluster: TestCluster, member: TestMember, url: string, isLearner = false) {
  const request = MemberAddRequest.create({ peerURLs: [url], isLearner });
  const body = MemberAddRequest.encode(request);
  return MemberAddResponse.decode(await call(cluster, member, METHOD.MemberAdd, body));
}

async function remove(cluster: TestCluster, member: TestMember, ID: MemberID) {
  const body = MemberRemoveRequest.encode(MemberRemoveRequest.create({ ID }));
  return MemberRemoveResponse.decode(await call(cluster, member, METHOD.MemberRemove, body));
}

async function promote(cluster: TestCluster, member: TestMember, ID: MemberID) {
  const body = MemberPromoteRequest.encode(MemberPromoteRequest.create({ ID }));
  return MemberPromoteResponse.decode(await call(cluster, member, METHOD.MemberPromote, body));
}

function followerOf(cluster: TestCluster): TestMember {
  const leader = cluster.leader();
  const follower = cluster.members.find((member) => member !== leader);
  assert.ok(follower);
  return follower;
}

test("a member is added through a follower, with an id from its URLs and the time", async () => {
  const cluster = await started(["m1", "m2"]);
  const member = followerOf(cluster);
  const seconds = cluster.clock.wallMs() / 1000;
  const answer = await add(cluster, member, "http://m3:2380");
  assert.deepEqual(answer.member, {
    ID: computeMemberID(["http://m3:2380"], "", seconds),
    name: "",
    peerURLs: ["http://m3:2380"],
    clientURLs: [],
    isLearner: false,
  });
  assert.equal(answer.members.length, 3);
  assert.deepEqual(
    [answer.header?.memberId, answer.header?.clusterId, answer.header?.revision],
    [member.server.memberID, member.server.clusterID, 0],
  );
  const joined = cluster.add("m3", "existing");
  await cluster.settled(joined.start());
  assert.equal(joined.server.memberID, answer.member?.ID);
  await cluster.stop();
});

test("malformed peer URLs are refused", async () => {
  const cluster = await started(["m1"]);
  for (const url of ["", "m2", "http://m2", "http://m2:2380/path", "ftp://m2:2380"]) {
    await refuses("memberBadURLs", add(cluster, cluster.first, url));
  }
  await refuses("peerURLExists", add(cluster, cluster.first, "http://m1:2380"));
  await cluster.stop();
});

test("a cluster of one may grow to two, and no further before the second has started", async () => {
  const cluster = await started(["m1"]);
  await add(cluster, cluster.first, "http://m2:2380");
  await refuses("memberNotEnoughStarted", add(cluster, cluster.first, "http://m3:2380"));
  assert.ok(
    cluster.first.logger
      .messages()
      .includes("rejecting member add request; not enough healthy members"),
  );
  await cluster.stop();
});

test("nobody is added while too few members have been connected for five seconds", async () => {
  const cluster = new TestCluster(THREE);
  await cluster.start();
  const leader = cluster.leader();
  await refuses("unhealthy", add(cluster, leader, "http://m4:2380"));
  await refuses("unhealthy", add(cluster, leader, "http://m4:2380", true));
  await passTime(cluster, 6000);
  // Three of four would do, two would not.
  cluster.cut(followerOf(cluster));
  await refuses("unhealthy", add(cluster, leader, "http://m4:2380"));
  await cluster.stop();
});

test("without strict checks a member is added at once", async () => {
  const cluster = new TestCluster(THREE, { strictReconfigCheck: false });
  await cluster.start();
  assert.equal((await add(cluster, cluster.leader(), "http://m4:2380")).members.length, 4);
  await cluster.stop();
});

test("a member that answers is only removed when the others are a quorum", async () => {
  const cluster = await started(THREE);
  const leader = cluster.leader();
  const [one, other] = cluster.members.filter((member) => member !== leader);
  assert.ok(one && other);
  const [id, otherID] = [one.server.memberID, other.server.memberID];
  await refuses("memberNotFound", remove(cluster, leader, 404n));
  cluster.cut(other);
  await refuses("unhealthy", remove(cluster, leader, id));
  const { members } = await remove(cluster, leader, otherID);
  assert.deepEqual(
    members.map((member) => member.ID).sort(),
    [id, leader.server.memberID].sort(),
    "who does not answer may go",
  );
  await refuses("memberNotFound", remove(cluster, leader, otherID));
  await one.stop();
  await leader.stop();
  await other.stop();
});

test("a started member is not removed when those that remain have not started", async () => {
  const cluster = await started(["m1"]);
  const id = cluster.first.server.memberID;
  await refuses("memberNotEnoughStarted", remove(cluster, cluster.first, id));
  const { member } = await add(cluster, cluster.first, "http://m2:2380");
  assert.ok(member);
  await refuses("memberNotEnoughStarted", remove(cluster, cluster.first, id));
  await cluster.stop();
});

test("peer URLs are changed, unless another member has them", async () => {
  const cluster = await started(THREE);
  const [one, other] = cluster.members;
  assert.ok(one && other);
  const update = async (ID: MemberID, peerURLs: string[]) => {
    const body = MemberUpdateRequest.encode(MemberUpdateRequest.create({ ID, peerURLs }));
    return MemberUpdateResponse.decode(await call(cluster, one, METHOD.MemberUpdate, body));
  };
  const ID = other.server.memberID;
  await refuses("memberNotFound", update(404n, ["http://m9:2380"]));
  await refuses("peerURLExists", update(ID, ["http://m1:2380"]));
  const { members } = await update(ID, ["http://m9:2380"]);
  const changed = members.find((member) => member.ID === ID);
  assert.deepEqual([changed?.name, changed?.peerURLs], ["m2", ["http://m9:2380"]]);
  await cluster.stop();
});

test("a learner is promoted once it has caught up, whoever is asked", async () => {
  const cluster = await started(THREE, { maxLearners: 1 });
  const follower = followerOf(cluster);
  for (let i = 0; i < 30; i++) await cluster.put(cluster.first, `k${i}`, "v");
  const { member } = await add(cluster, cluster.first, "http://m4:2380", true);
  assert.ok(member?.isLearner);
  await refuses("tooManyLearners", add(cluster, cluster.first, "http://m5:2380", true));
  await refuses("learnerNotReady", promote(cluster, cluster.leader(), member.ID));
  await refuses("learnerNotReady", promote(cluster, follower, member.ID));
  await refuses("memberNotFound", promote(cluster, follower, 404n));
  await refuses("memberNotLearner", promote(cluster, follower, follower.server.memberID));

  const learner = cluster.add("m4", "existing");
  await cluster.settled(learner.start());
  assert.equal(learner.server.cluster.local?.isLearner, true);
  const { members } = await promote(cluster, follower, member.ID);
  assert.equal(members.find(({ ID }) => ID === member.ID)?.isLearner, false);
  await cluster.until(() => learner.server.cluster.local?.isLearner === false);
  assert.ok(
    learner.server.raftStatus().config.incoming.includes(member.ID),
    "raft counts its vote",
  );
  await cluster.put(learner, "from", "a voter");
  await cluster.stop();
});

/** Asks without waiting. */
function ask<T>(
  member: TestMember,
  method: number,
  body: Uint8Array,
  show: (answer: Uint8Array) => T,
) {
  const sent = member.call(method, body);
  return {
    sent,
    /** The answer, or the words of the refusal. */
    get outcome(): T | string | undefined {
      return sent.answer === undefined ? sent.failure?.message : show(sent.answer);
    },
  };
}

function askToAdd(member: TestMember, url: string, isLearner = false) {
  const request = MemberAddRequest.create({ peerURLs: [url], isLearner });
  return ask(member, METHOD.MemberAdd, MemberAddRequest.encode(request), (bytes) => {
    const answer = MemberAddResponse.decode(bytes);
    return `${answer.member?.peerURLs}, one of ${answer.members.length}`;
  });
}

function askToRemove(member: TestMember, ID: MemberID) {
  const body = MemberRemoveRequest.encode(MemberRemoveRequest.create({ ID }));
  return ask(member, METHOD.MemberRemove, body, (bytes) => {
    return `one of ${MemberRemoveResponse.decode(bytes).members.length + 1} removed`;
  });
}

test("two additions at once are checked one after the other", async () => {
  const cluster = await started(["m1"]);
  const asked = ["m2", "m3"].map((name) => askToAdd(cluster.first, `http://${name}:2380`));
  await cluster.until(() => asked.every(({ sent }) => sent.answered));
  const refusal = new EtcdError("memberNotEnoughStarted").message;
  assert.deepEqual(
    asked.map(({ outcome }) => outcome),
    ["http://m2:2380, one of 2", refusal],
    "one of two started members would be no quorum of three",
  );
  assert.equal(cluster.first.server.cluster.members.length, 2);
  await cluster.stop();
});

for (const role of ["leader", "follower"]) {
  test(`changes that are asked at once of a ${role} are all made, each with its answer`, async () => {
    const cluster = await started(THREE, { maxLearners: 3 });
    const asked = role === "leader" ? cluster.leader() : followerOf(cluster);
    const [gone] = cluster.members.filter(({ server }) => {
      return server !== asked.server && server !== cluster.leader().server;
    });
    assert.ok(gone);
    const startMs = cluster.clock.nowMs();
    const changes = [
      askToAdd(asked, "http://m4:2380", true),
      askToAdd(asked, "http://m5:2380", true),
      askToAdd(asked, "http://m4:2380", true),
      askToRemove(asked, gone.server.memberID),
      askToRemove(asked, 404n),
      askToAdd(asked, "http://m6:2380", true),
    ];
    await cluster.until(() => changes.every(({ sent }) => sent.answered));
    const exists = new EtcdError("memberExists").message;
    assert.deepEqual(
      changes.map(({ outcome }) => outcome),
      [
        "http://m4:2380, one of 4",
        "http://m5:2380, one of 5",
        exists,
        "one of 5 removed",
        new EtcdError("memberNotFound").message,
        "http://m6:2380, one of 5",
      ],
    );
    assert.ok(cluster.clock.nowMs() - startMs < 5000, "none waited for a timeout");
    for (const { server } of [asked, cluster.leader()]) {
      const urls = server.cluster.members.flatMap(({ peerURLs }) => peerURLs).sort();
      assert.deepEqual(urls.slice(-3), ["http://m4:2380", "http://m5:2380", "http://m6:2380"]);
    }
    await cluster.stop();
  });
}

test("a change that meets one of another member is made by the leader afterwards", async () => {
  const cluster = await started(THREE, { maxLearners: 3 });
  const leader = cluster.leader();
  const other = askToAdd(followerOf(cluster), "http://m4:2380", true);
  // The follower's change is in the log of the leader, and not applied.
  const lastIndex = () => {
    const { progress } = leader.server.raftStatus();
    return progress.find(({ id }) => id === leader.server.memberID)?.match ?? 0;
  };
  await cluster.until(() => lastIndex() > leader.server.appliedIndex);
  const own = askToAdd(leader, "http://m5:2380", true);
  await cluster.until(() => other.sent.answered && own.sent.answered);
  assert.deepEqual(
    [other.outcome, own.outcome],
    ["http://m4:2380, one of 4", "http://m5:2380, one of 5"],
  );
  await cluster.stop();
});

test("a change whose asker has gone before its turn is not made", async () => {
  const cluster = await started(THREE, { maxLearners: 3 });
  const leader = cluster.leader();
  const first = askToAdd(leader, "http://m4:2380", true);
  const second = askToAdd(leader, "http://m5:2380", true);
  second.sent.cancelled = true;
  const third = askToAdd(leader, "http://m6:2380", true);
  await cluster.until(() => third.sent.answered);
  assert.deepEqual(
    [first.outcome, third.outcome],
    ["http://m4:2380, one of 4", "http://m6:2380, one of 5"],
  );
  await cluster.stop();
});

test("only so many changes wait, and without a quorum each ends with a timeout", async () => {
  const cluster = await started(THREE, { maxLearners: 3 });
  const leader = cluster.leader();
  for (const member of cluster.members) if (member !== leader) cluster.cut(member);
  const changes = Array.from({ length: MAX_WAITING_CHANGES + 1 }, () => askToRemove(leader, 404n));
  await cluster.until(() => changes.every(({ sent }) => sent.answered));
  const outcomes = changes.map(({ outcome }) => outcome);
  assert.equal(outcomes.pop(), new EtcdError("tooManyRequests").message);
  assert.match(String(outcomes[0]), /timed out/);
  assert.deepEqual(new Set(outcomes.slice(1)), new Set([new EtcdError("timeout").message]));
  assert.equal(leader.server.proposals.waitingCount, 0);
  await cluster.stop();
});

test("a cluster grows from one to five and shrinks again while clients write", async () => {
  const cluster = await started(["m1"]);
  let isDone = false;
  let written = 0;
  let members: TestMember[] = [cluster.first];
  const writing = (async () => {
    for (let i = 0; !isDone; i++) {
      const member = members[i % members.length] ?? cluster.first;
      const calls = Array.from({ length: 20 }, (_, j) => member.put(`k${i}-${j}`, "v"));
      while (!calls.every(({ answered }) => answered)) {
        await new Promise((resolve) => setImmediate(resolve));
      }
      written += calls.filter(({ answer }) => answer !== undefined).length;
    }
  })();
  for (const name of ["m2", "m3", "m4", "m5"]) {
    await add(cluster, members.at(-1) ?? cluster.first, `http://${name}:2380`);
    const joined = cluster.add(name, "existing");
    await cluster.settled(joined.start());
    members = [...members, joined];
    await passTime(cluster, 6000);
  }
  assert.deepEqual(
    members.map(({ server }) => server.cluster.members.length),
    [5, 5, 5, 5, 5],
  );
  while (members.length > 1) {
    // Often the leader, and never through who goes.
    const [gone, ...rest] = members;
    const [asked] = rest;
    assert.ok(gone && asked);
    members = rest;
    const { server } = gone;
    await cluster.until(() => server.proposals.waitingCount === 0);
    await remove(cluster, asked, server.memberID);
    await cluster.until(() => ![0n, server.memberID].includes(asked.server.leader));
  }
  isDone = true;
  await cluster.settled(writing);
  const [last] = members;
  assert.ok(last && written > 1000, `${written}`);
  assert.equal(
    (await last.everything()).count >= written,
    true,
    "every acknowledged write is there",
  );
  assert.equal(last.server.cluster.members.length, 1);
  for (const member of cluster.members) await member.stop();
});
