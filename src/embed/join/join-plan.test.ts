import assert from "node:assert/strict";
import { test } from "node:test";
import { initialClusterFor, type JoiningMember, planJoin } from "./join-plan.ts";
import type { RunningCluster, RunningMember } from "./running-cluster.ts";

const CLUSTER_ID = 0xc1n;

function member(n: number, more: Partial<RunningMember> = {}): RunningMember {
  return {
    id: BigInt(n),
    name: `etcd${n}`,
    peerURLs: [`http://10.0.0.${n}:2380`],
    clientURLs: [`http://10.0.0.${n}:2379`],
    isLearner: false,
    health: { version: "3.6.14" },
    ...more,
  };
}

function cluster(...members: readonly RunningMember[]): RunningCluster {
  return { id: CLUSTER_ID, leader: 1n, members };
}

const THREE = cluster(member(1), member(2), member(3));
const SELF: JoiningMember = {
  name: "etcd4",
  dataDir: "data",
  peerURLs: ["http://10.0.0.4:2380"],
  identity: undefined,
};
const OWN_DATA = { memberID: 3n, clusterID: CLUSTER_ID };
const DOWN = { problem: "connection refused" };

test("a new member of a healthy cluster is added", () => {
  assert.deepEqual(planJoin(SELF, THREE), { kind: "add" });
});

test("a member that was added and did not start goes on, with or without a vote", () => {
  for (const isLearner of [true, false]) {
    const added = member(4, { name: "", isLearner, health: { problem: "never started" } });
    const plan = planJoin(SELF, cluster(member(1), member(2), added));
    assert.deepEqual(plan, { kind: "resume", member: added });
  }
});

test("a member with its data starts again, also when others are down", () => {
  const down = cluster(member(1), member(2, { health: DOWN }), member(3, { health: DOWN }));
  const plan = planJoin({ ...SELF, name: "etcd3", identity: OWN_DATA }, down);
  assert.deepEqual(plan, { kind: "restart", memberID: 3n, hasVote: true });
  const learner = cluster(member(1), member(3, { health: DOWN, isLearner: true }));
  const again = planJoin({ ...SELF, identity: OWN_DATA }, learner);
  assert.deepEqual(again, { kind: "restart", memberID: 3n, hasVote: false });
});

const LOCAL = { ...SELF, peerURLs: ["http://localhost:2380"] };
const REFUSED: readonly (readonly [
  what: string,
  self: JoiningMember,
  found: RunningCluster,
  problem: RegExp,
  advice: RegExp,
])[] = [
  [
    "data of another cluster",
    { ...SELF, identity: { memberID: 3n, clusterID: 0xc2n } },
    THREE,
    /^the data directory data is of another cluster \(c2\); .* is c1$/,
    /--data-dir/,
  ],
  [
    "data of a member that was removed",
    { ...SELF, identity: { ...OWN_DATA, memberID: 9n } },
    THREE,
    /is of member 9, which was removed$/,
    /move the directory away/,
  ],
  [
    "data of a member that runs",
    { ...SELF, identity: OWN_DATA },
    THREE,
    /^member etcd3, whose data directory data is, runs already$/,
    /another --data-dir/,
  ],
  [
    "a name that is taken",
    { ...SELF, name: "etcd2" },
    THREE,
    /etcd2 is taken by member 2/,
    /--name/,
  ],
  [
    "an address that is taken",
    { ...SELF, peerURLs: ["http://10.0.0.2:2380"] },
    THREE,
    /^http:\/\/10\.0\.0\.2:2380 is the address of member etcd2$/,
    /etcdctl member remove 2$/,
  ],
  [
    "an address that only this machine knows",
    LOCAL,
    THREE,
    /^other machines cannot reach this member at http:\/\/localhost:2380$/,
    /--initial-advertise-peer-urls/,
  ],
  [
    "a member that does not answer",
    SELF,
    cluster(member(1), member(2), member(3, { health: DOWN })),
    /^member etcd3 does not answer \(connection refused\)$/,
    /etcdctl member remove 3$/,
  ],
  [
    "a member that was never started",
    SELF,
    cluster(member(1), member(5, { name: "", health: DOWN })),
    /^member 5 does not answer/,
    /etcdctl member remove 5$/,
  ],
  [
    "another one that joins",
    SELF,
    cluster(member(1), member(5, { isLearner: true })),
    /^member etcd5 is joining and has no vote yet$/,
    /etcdctl member remove 5$/,
  ],
  ["a cluster without a leader", SELF, { ...THREE, leader: undefined }, /no leader/, /wait/],
];
for (const [what, self, found, problem, advice] of REFUSED) {
  test(`refused with what to do: ${what}`, () => {
    const plan = planJoin(self, found);
    assert.equal(plan.kind, "refused");
    assert.match(plan.problem, problem);
    assert.match(plan.advice, advice);
  });
}

test("on one machine loopback addresses are as good as any", () => {
  const local = cluster(member(1, { peerURLs: ["http://127.0.0.1:2380"] }));
  assert.deepEqual(planJoin({ ...SELF, peerURLs: ["http://127.0.0.1:2390"] }, local), {
    kind: "add",
  });
});

test("the others stand in the initial cluster by their ids, as names may be alike", () => {
  const members = [
    { ID: 0xan, peerURLs: ["http://a:1", "http://b:1"] },
    { ID: 4n, peerURLs: ["http://c:1"] },
  ];
  const expected = "a=http://a:1,a=http://b:1,etcd4=http://c:1";
  assert.equal(initialClusterFor("etcd4", 4n, members), expected);
});
