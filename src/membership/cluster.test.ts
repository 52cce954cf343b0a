import assert from "node:assert/strict";
import { test } from "node:test";
import { EtcdError } from "../api/errors.ts";
import { ConfChange, ConfChangeType } from "../api/gen/raft.ts";
import { CLUSTER_BUCKET, MEMBERS_BUCKET, MEMBERS_REMOVED_BUCKET } from "../backend/types.ts";
import { bytesFromUtf8 } from "../base/bytes.ts";
import { MemoryBackend } from "../lease/testing/memory-backend.ts";
import { Cluster } from "./cluster.ts";
import {
  startedAfterAddition,
  startedAfterPromotion,
  startedAfterRemoval,
} from "./conf-change-rules.ts";
import { type Member, memberToJSON, promotionToJSON } from "./member.ts";

const { ConfChangeAddNode, ConfChangeAddLearnerNode, ConfChangeRemoveNode, ConfChangeUpdateNode } =
  ConfChangeType;

function member(id: bigint, more: Partial<Member> = {}): Member {
  const peerURLs = [`http://m${id}:2380`];
  return { id, peerURLs, isLearner: false, name: "", clientURLs: [], ...more };
}

function cluster(members: readonly Member[], backend = new MemoryBackend()): Cluster {
  const made = new Cluster({ id: 1n, localID: members[0]?.id ?? 0n, backend });
  for (const one of members) made.add(one, true);
  return made;
}

function change(type: number, nodeId: bigint, context = ""): ConfChange {
  return ConfChange.create({ type, nodeId, context: bytesFromUtf8(context) });
}

function refusal(run: () => void): string {
  try {
    run();
  } catch (error) {
    if (error instanceof EtcdError) return error.kind;
    throw error;
  }
  return "allowed";
}

test("members are stored under their hex id in the JSON that etcd writes", () => {
  const backend = new MemoryBackend();
  const one = cluster([member(0xa759d8e1c4eeb940n, { name: "a<b" })], backend);
  one.updateAttributes(0xa759d8e1c4eeb940n, "a<b", ["http://127.0.0.1:21000"], true);
  one.add(member(0x5n, { isLearner: true }), true);
  assert.deepEqual(backend.dump(MEMBERS_BUCKET), {
    "5": '{"id":5,"peerURLs":["http://m5:2380"],"isLearner":true}',
    a759d8e1c4eeb940:
      '{"id":12058907941444434240,"peerURLs":["http://m12058907941444434240:2380"],' +
      '"name":"a\\u003cb","clientURLs":["http://127.0.0.1:21000"]}',
  });
  one.remove(5n, true);
  one.setVersion("3.6.0", true);
  one.setDowngrade({ enabled: true, targetVersion: "3.5.0" }, true);
  assert.deepEqual(backend.dump(MEMBERS_REMOVED_BUCKET), { "5": "removed" });
  assert.deepEqual(backend.dump(CLUSTER_BUCKET), {
    clusterVersion: "3.6.0",
    downgrade: '{"target-version":"3.5.0","enabled":true}',
  });
});

test("a restarted member finds the same membership", () => {
  const backend = new MemoryBackend();
  const before = cluster(
    [member(9n, { name: "x", clientURLs: ["http://c"] }), member(3n)],
    backend,
  );
  before.remove(3n, true);
  before.setVersion("3.5.0", true);
  before.setDowngrade({ enabled: true, targetVersion: "3.4.0" }, true);
  const after = new Cluster({ id: 1n, localID: 9n, backend });
  assert.deepEqual(after.members, before.members);
  assert.deepEqual(after.removedIDs, [3n]);
  assert.ok(after.isRemoved(3n));
  assert.equal(after.version, "3.5.0");
  assert.deepEqual(after.downgrade, { enabled: true, targetVersion: "3.4.0" });
  assert.equal(after.local?.name, "x");
  assert.equal(after.memberByName("x")?.id, 9n);
});

test("the membership of another db takes the place of the old one, all of it and not before", () => {
  const leader = new MemoryBackend();
  const there = cluster([member(1n, { name: "one" }), member(4n)], leader);
  there.remove(3n, true);
  there.setVersion("3.6.0", true);
  const one = cluster([member(1n), member(2n), member(3n)]);
  one.remove(9n, true);
  one.setDowngrade({ enabled: true, targetVersion: "3.4.0" }, true);
  const reload = one.prepareReload(leader);
  assert.deepEqual([one.members.length, one.version, one.removedIDs], [3, undefined, [9n]]);
  reload();
  assert.deepEqual(one.members, there.members);
  assert.deepEqual(one.removedIDs, [3n]);
  assert.equal(one.version, "3.6.0");
  assert.deepEqual(one.downgrade, { enabled: false, targetVersion: "" });
  leader.put(MEMBERS_BUCKET, bytesFromUtf8("0000000000000005"), bytesFromUtf8("{"));
  assert.throws(() => one.prepareReload(leader));
});

test("a replayed entry changes nothing, since the backend knows what came later", () => {
  const one = cluster([member(1n), member(2n)]);
  one.updateAttributes(1n, "late", ["http://late"], true);
  one.remove(2n, true);
  one.setVersion("3.6.0", true);
  one.add(member(1n), false);
  one.add(member(2n), false);
  one.updateAttributes(1n, "early", [], false);
  one.updateRaftAttributes(1n, { peerURLs: ["http://early"] }, false);
  one.setVersion("3.5.0", false);
  one.setDowngrade({ enabled: true, targetVersion: "3.4.0" }, false);
  assert.deepEqual(one.members, [member(1n, { name: "late", clientURLs: ["http://late"] })]);
  assert.ok(one.isRemoved(2n));
  assert.equal(one.version, "3.6.0");
  assert.equal(one.downgrade.enabled, false);
});

test("a promotion that etcd 3.5 lost is made good by the replay (etcd issue 19557)", () => {
  const one = cluster([member(1n), member(2n, { isLearner: true })]);
  one.updateRaftAttributes(2n, { isLearner: false }, false);
  assert.equal(one.member(2n)?.isLearner, false);
  assert.deepEqual(
    one.votingMembers.map(({ id }) => id),
    [1n, 2n],
  );
});

test("an addition needs a fresh id, fresh URLs and room among the learners", () => {
  const one = cluster([member(1n), member(2n)]);
  one.remove(2n, true);
  const add = (id: bigint, more: Partial<Member> = {}): string => {
    const type = more.isLearner === true ? ConfChangeAddLearnerNode : ConfChangeAddNode;
    return refusal(() => one.validate(change(type, id, memberToJSON(member(id, more)))));
  };
  assert.equal(add(3n), "allowed");
  assert.equal(add(1n), "memberExists");
  assert.equal(add(2n), "memberNotFound", "a removed id cannot come back");
  assert.equal(add(3n, { peerURLs: ["http://x", "http://m1:2380"] }), "peerURLExists");
  assert.equal(add(3n, { isLearner: true }), "allowed");
  one.add(member(3n, { isLearner: true }), true);
  assert.equal(add(4n, { isLearner: true }), "tooManyLearners");
});

test("only a known learner can be promoted", () => {
  const one = cluster([member(1n), member(2n, { isLearner: true })]);
  const promote = (id: bigint): string =>
    refusal(() => one.validate(change(ConfChangeAddNode, id, promotionToJSON(id))));
  assert.equal(promote(2n), "allowed");
  assert.equal(promote(1n), "memberNotLearner");
  assert.equal(promote(9n), "memberNotFound");
});

test("removals and updates need a known member, and updates fresh URLs", () => {
  const one = cluster([member(1n), member(2n)]);
  assert.equal(
    refusal(() => one.validate(change(ConfChangeRemoveNode, 2n))),
    "allowed",
  );
  assert.equal(
    refusal(() => one.validate(change(ConfChangeRemoveNode, 3n))),
    "memberNotFound",
  );
  const update = (id: bigint, peerURLs: string[]): string => {
    const context = memberToJSON(member(id, { peerURLs }));
    return refusal(() => one.validate(change(ConfChangeUpdateNode, id, context)));
  };
  assert.equal(update(1n, ["http://m1:2380"]), "allowed");
  assert.equal(update(1n, ["http://m2:2380"]), "peerURLExists");
  assert.equal(update(3n, ["http://new"]), "memberNotFound");
});

test("reconfiguration is refused when started members would not reach the new quorum", () => {
  const started = (id: bigint): Member => member(id, { name: `n${id}` });
  const rows: [members: Member[], add: boolean, removeLast: boolean, promote: boolean][] = [
    [[started(1n)], true, false, true],
    [[started(1n), started(2n)], true, true, true],
    [[started(1n), member(2n)], false, true, true],
    [[started(1n), started(2n), member(3n)], false, true, true],
    [[started(1n), started(2n), member(3n), member(4n)], false, true, true],
    [[started(1n), member(2n), member(3n)], false, false, false],
  ];
  for (const [members, add, removeLast, promote] of rows) {
    const label = members.map(({ name }) => name || "-").join(",");
    assert.equal(startedAfterAddition(members).isReady, add, `add to ${label}`);
    const last = members.at(-1)?.id ?? 0n;
    assert.equal(startedAfterRemoval(members, last).isReady, removeLast, `remove from ${label}`);
    assert.equal(startedAfterPromotion(members).isReady, promote, `promote in ${label}`);
  }
});
