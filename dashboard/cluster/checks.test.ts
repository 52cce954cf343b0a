/** What is said before a change of the cluster. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { MemberStatus } from "../api/members.ts";
import {
  additionChecks,
  type Check,
  isStopped,
  type MemberNow,
  promotionChecks,
  quorumOf,
  removalChecks,
  transferChecks,
} from "./checks.ts";

interface Shape {
  readonly down?: boolean;
  readonly isLearner?: boolean;
  readonly index?: number;
}

/** Members a, b, c …; a leads. */
function cluster(...shapes: readonly Shape[]): readonly MemberNow[] {
  return shapes.map(({ down = false, isLearner = false, index = 10_000 }, i) => {
    const id = "abcdef"[i] ?? "";
    const peerURLs = [`http://${id}:2380`];
    const member = { id, decimalId: "0", name: id, peerURLs, clientURLs: [], isLearner };
    const status = { leader: "a", raftIndex: index, appliedIndex: index } as MemberStatus;
    const state = "replicate" as const;
    return {
      member,
      status: down ? undefined : status,
      progress: { member: id, isLearner, match: index, state, recentActive: !down },
    };
  });
}

const texts = (checks: readonly Check[]): string =>
  checks.map(({ verdict, text }) => `${verdict}: ${text}`).join("\n");

const pick = (all: readonly MemberNow[], i: number): MemberNow => all[i] as MemberNow;

test("a quorum is more than half", () => {
  assert.deepEqual([1, 2, 3, 4, 5].map(quorumOf), [1, 2, 2, 3, 3]);
});

test("a removal that would leave no quorum is stopped, of the one that is down it is not", () => {
  const all = cluster({}, {}, { down: true });
  assert.match(
    texts(removalChecks(all, pick(all, 1))),
    /^stop: 2 members vote then.*only 1 would/m,
  );
  assert.equal(isStopped(removalChecks(all, pick(all, 2))), false);
  assert.match(texts(removalChecks(all, pick(all, 0))), /warning: It leads now/);
  const alone = cluster({});
  assert.ok(isStopped(removalChecks(alone, pick(alone, 0))));
  const learner = cluster({}, { isLearner: true });
  assert.deepEqual(
    removalChecks(learner, pick(learner, 1)).map(({ verdict }) => verdict),
    ["fine"],
  );
});

test("a voter beside a single member stops it until it has started; a learner does not", () => {
  const alone = cluster({});
  assert.ok(isStopped(additionChecks(alone, ["http://n:2380"], false)));
  assert.equal(isStopped(additionChecks(alone, ["http://n:2380"], true)), false);
  assert.match(
    texts(additionChecks(cluster({}, {}, {}), ["http://n:1"], false)),
    /4 voting members/,
  );
});

test("peer URLs must be there, well-formed and nobody else's", () => {
  const all = cluster({}, {}, {});
  for (const urls of [[], ["n:2380"], ["http://n"], ["http://b:2380"]]) {
    assert.ok(isStopped(additionChecks(all, urls, true)), urls.join());
  }
});

test("a learner may vote with nine tenths of the leader's log", () => {
  const behind = cluster({}, {}, {}, { isLearner: true, index: 8999 });
  assert.match(texts(promotionChecks(behind, pick(behind, 3))), /stop: It has 89 %/);
  const near = cluster({}, {}, {}, { isLearner: true, index: 9000 });
  assert.equal(isStopped(promotionChecks(near, pick(near, 3))), false);
});

test("the leadership moves to a voter that answers", () => {
  const all = cluster({}, {}, { down: true }, { isLearner: true });
  const stopped = all.map((target) => isStopped(transferChecks(all, target)));
  assert.deepEqual(stopped, [true, false, true, true]);
  const slow = cluster({}, { index: 1 });
  assert.match(texts(transferChecks(slow, pick(slow, 1))), /warning: It lacks 9999 entries/);
});
