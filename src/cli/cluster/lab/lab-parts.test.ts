/** What can be done to a cluster, and its story, without processes. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { LAB_VARIABLE, type RaftEvent } from "../../../lab/lab-protocol.ts";
import { statusRows } from "../status-watch.ts";
import { ClusterLab } from "./cluster-lab.ts";
import { FaultPlan } from "./fault-plan.ts";
import { Timeline } from "./timeline.ts";
import { eventText, isTold } from "./timeline-text.ts";

const PLACES = ["a", "b", "c"].map((name) => ({ name, peerURL: `http://${name}` }));

test("a partition cuts both sides off from each other, until it is healed or another comes", () => {
  const plan = new FaultPlan(PLACES);
  plan.partition(["a"]);
  assert.deepEqual(plan.cutOffFrom("a"), ["b", "c"]);
  assert.deepEqual(plan.cutOffFrom("b"), ["a"]);
  assert.deepEqual(plan.faultsOf("c"), { cutOff: ["http://a"], delayMs: 0 });
  plan.partition(["a", "b"]);
  assert.deepEqual(plan.cutOffFrom("a"), ["c"]);
  plan.slow("a", 50);
  assert.deepEqual(plan.faultsOf("a"), { cutOff: ["http://c"], delayMs: 50 });
  plan.heal();
  for (const { name } of PLACES) {
    assert.deepEqual(plan.faultsOf(name), { cutOff: [], delayMs: 0 });
  }
});

test("a partition with nobody on one side is refused and changes nothing", () => {
  const plan = new FaultPlan(PLACES);
  plan.partition(["a"]);
  for (const names of [[], ["a", "b", "c"]]) {
    assert.throws(() => plan.partition(names), /members on both sides/);
  }
  assert.throws(() => plan.slow("a", 10_001), /up to 10000 milliseconds, not 10001/);
  assert.deepEqual(plan.cutOffFrom("a"), ["b", "c"]);
});

const command = { kind: "program", file: "etcd", args: [], env: {}, isOwn: true } as const;

function labOf(peerURL?: string, isOwn = true): ClusterLab {
  const plan = { name: "a", endpoint: undefined, addresses: [], command: { ...command, isOwn } };
  return new ClusterLab([{ ...plan, ...(peerURL !== undefined && { peerURL }) }], () => 7);
}

const VIEW = {
  ...({ id: "1f", role: "leader", term: 2, leader: "1f", vote: "1f" } as const),
  ...{ first: 1, last: 9, commit: 8, applied: 7 },
};

test("a member begins with the faults of its cluster, and is known by what it reports", () => {
  const lab = labOf("http://a", false);
  lab.faults.slow("a", 20);
  const text = lab.environment("a")[LAB_VARIABLE] ?? "";
  assert.deepEqual(JSON.parse(text), { cutOff: [], delayMs: 20 });
  assert.match(lab.networkProblem(["a"]) ?? "", /a has told nothing of itself/);
  for (const rubbish of [undefined, "x", {}, { lab: "report", view: null, events: [] }]) {
    lab.heard("a", rubbish);
  }
  assert.equal(lab.viewOf("a"), undefined);
  lab.heard("a", { lab: "report", view: VIEW, events: [], missed: 0 });
  assert.deepEqual(lab.viewOf("a"), VIEW);
  assert.equal(lab.nameOf("1f"), "a");
  assert.equal(lab.networkProblem(["a"]), undefined);
  assert.equal(labOf("http://a").networkProblem(["a"]), undefined);
  lab.forget("a");
  assert.equal(lab.viewOf("a"), undefined);
});

test("processes of a Procfile are left to their own network, with what to do instead", () => {
  assert.match(labOf().networkProblem([]) ?? "", /a comes from a Procfile.*start` without -f/);
});

const commit = (index: number): RaftEvent => ({ kind: "commit", atMs: index, index });

test("the timeline keeps the newest, and gives what somebody has not seen", () => {
  const timeline = new Timeline(8);
  for (let index = 1; index <= 20; index++) timeline.add("a", [commit(index)]);
  const numbers = (after: number, limit = 100) =>
    timeline.after(after, limit).map(({ number }) => number);
  assert.equal(numbers(0).at(-1), 20);
  assert.ok(numbers(0).length <= 8);
  assert.deepEqual(numbers(17), [18, 19, 20]);
  assert.deepEqual(numbers(17, 2), [18, 19]);
  assert.deepEqual(numbers(20), []);
});

test("heartbeats push the story out of no timeline, nor what each member is", () => {
  const timeline = new Timeline(100);
  const state = { kind: "state", atMs: 1, role: "leader", leader: "1f", vote: "1f" } as const;
  timeline.add("a", [{ ...state, term: 3 }]);
  const head = { peer: "2f", term: 3, index: 0, commit: 0, entries: 0, reject: false };
  const heartbeat = { kind: "sent", type: "Heartbeat", ...head } as const;
  for (let i = 0; i < 1000; i++) timeline.add("a", [{ ...heartbeat, atMs: i + 2 }]);
  assert.equal(timeline.newest(10, isTold)[0]?.kind, "state");
  const seen = timeline.after(0, 1000);
  assert.equal(seen[0]?.kind, "state");
  assert.deepEqual(timeline.after(seen.at(-3)?.number ?? 0, 10), seen.slice(-2));
  // A member that is cut off asks for votes for ever; what the others are stays known.
  const vote = { kind: "lost", type: "PreVote", ...head } as const;
  for (let i = 0; i < 1000; i++) timeline.add("b", [{ ...vote, atMs: i + 2000 }]);
  assert.equal(timeline.after(0, 1)[0]?.process, "a");
  assert.ok(timeline.after(0, 1000).length <= 100);
});

test("the timeline is told in the order of time, without the stream of messages", () => {
  const timeline = new Timeline();
  const head = { peer: "2f", term: 3, index: 0, commit: 0, entries: 0, reject: false };
  timeline.add("b", [{ kind: "sent", atMs: 5, type: "VoteResp", ...head, reject: true }]);
  timeline.add("a", [
    { kind: "state", atMs: 1, role: "candidate", term: 3, leader: "0", vote: "1f" },
    { kind: "lost", atMs: 2, type: "Vote", ...head },
    { kind: "sent", atMs: 3, type: "Heartbeat", ...head },
    commit(4),
    { kind: "state", atMs: 6, role: "follower", term: 3, leader: "2f", vote: "1f" },
  ]);
  timeline.note("a", "paused", 4);
  const texts = timeline.newest(10, isTold).map((event) => eventText(event, (id) => `<${id}>`));
  assert.deepEqual(texts, [
    "term 3: stands for election",
    "asks for the vote of <2f> (lost on the way)",
    "paused",
    "answers the election of <2f>: no",
    "term 3: follows <2f>",
  ]);
});

test("the view of the members names the leader and what keeps them apart", () => {
  const rows = statusRows(
    [
      { name: "a", state: { kind: "running", pid: 5 }, endpoint: "", cutOff: ["b"], delayMs: 30 },
      {
        name: "b",
        state: { kind: "ended", status: "killed" },
        endpoint: "",
        cutOff: [],
        delayMs: 0,
      },
    ],
    [VIEW, undefined],
  );
  assert.deepEqual(rows, [
    ["a", "running (5)", "leader", "2", "a", "1", "9", "8", "7", "cut off from b; 30 ms late"],
    ["b", "killed", "", "", "", "", "", "", "", ""],
  ]);
});
