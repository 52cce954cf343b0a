/** What members say in etcd's words of leaders, membership, quota, databases and slow requests. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { METHOD } from "../api/rpc-table.ts";
import { CompactionRequest, MemberAddRequest, RangeRequest } from "../api/gen/rpc.ts";
import type { LogLevel } from "../env/index.ts";
import { type LogLine, MemoryLogger } from "../env/testing/index.ts";
import type { FakeUnaryCall } from "./testing/fake-call.ts";
import { logQuota } from "./start/start-lines.ts";
import { TestCluster } from "./testing/test-cluster.ts";
import type { TestMember } from "./testing/test-member.ts";

/** Lines whose message matches, as level, message without ids and numbers, names of fields. */
function told({ logger }: TestMember, messages: RegExp): string[] {
  return logger.lines.filter(({ message }) => messages.test(message)).map(textOf);
}

function textOf({ level, message, fields }: LogLine): string {
  const text = message.replace(/\b[0-9a-f]{13,16}\b/g, "ID").replace(/\d+/g, "N");
  return `${level} ${text} ${Object.keys(fields).join(",")}`.trim();
}

async function answered(member: TestMember, call: FakeUnaryCall): Promise<FakeUnaryCall> {
  await member.until(() => call.answered);
  return call;
}

async function threeMembers(): Promise<{
  readonly cluster: TestCluster;
  readonly leader: TestMember;
  readonly alone: TestMember;
}> {
  const cluster = new TestCluster(["m1", "m2", "m3"]);
  await cluster.start();
  const leader = cluster.leader();
  const alone = cluster.members.find((member) => member !== leader);
  assert.ok(alone);
  return { cluster, leader, alone };
}

test("a member that loses its leader says so once, and nothing of the writes that wait", async () => {
  const { cluster, alone } = await threeMembers();
  alone.logger.lines.length = 0;
  cluster.cut(alone);
  await cluster.until(() => alone.server.leader === 0n);
  const call = await answered(alone, alone.put("k", "v"));
  assert.match(call.failure?.message ?? "", /request timed out/);
  assert.deepEqual(told(alone, /^raft\.node|dropping proposal/), [
    "info raft.node: ID lost leader ID at term N",
  ]);
  alone.logger.lines.length = 0;
  cluster.heal(alone);
  await cluster.until(() => alone.server.leader !== 0n);
  assert.deepEqual(told(alone, /^raft\.node/), ["info raft.node: ID elected leader ID at term N"]);
  await cluster.stop();
});

test("leadership that is handed over is told with the old leader and the new one", async () => {
  const { cluster, leader } = await threeMembers();
  await leader.stop();
  assert.deepEqual(told(leader, /^leadership transfer/), [
    "info leadership transfer starting local-member-id,current-leader-member-id,transferee-member-id",
    "info leadership transfer finished local-member-id,old-leader-member-id,new-leader-member-id,took",
  ]);
  await cluster.stop();
});

test("a change of the membership that could cost the quorum is refused with a warning", async () => {
  const { cluster, leader } = await threeMembers();
  const add = MemberAddRequest.encode(
    MemberAddRequest.create({ peerURLs: ["http://new:1"], isLearner: false }),
  );
  for (const other of cluster.members) if (other !== leader) cluster.cut(other);
  const call = await answered(leader, leader.call(METHOD.MemberAdd, add));
  assert.match(call.failure?.message ?? "", /unhealthy cluster/);
  assert.deepEqual(told(leader, /^rejecting/), [
    "warn rejecting member add request; local member has not been connected to majority peers, " +
      "reconfigure breaks active quorum local-member-id,requested-member-add,error",
  ]);
  await cluster.stop();
});

test("a follower tells each step of taking in the leader's database, and the leader the sending", async () => {
  const cluster = new TestCluster(["m1", "m2", "m3"], { snapshotCount: 20, catchUpEntries: 5 });
  await cluster.start();
  const leader = cluster.leader();
  const behind = cluster.members.find((member) => member !== leader);
  assert.ok(behind);
  cluster.cut(behind);
  for (let i = 0; i < 2000; i += 100) {
    const calls = Array.from({ length: 100 }, (_, j) => leader.put(`k${i + j}`, "v"));
    await cluster.until(() => calls.every((call) => call.answered));
  }
  behind.logger.lines.length = 0;
  cluster.heal(behind);
  await cluster.until(() => behind.server.appliedIndex === leader.server.appliedIndex);
  const incoming =
    "current-snapshot-index,current-applied-index,incoming-leader-snapshot-index,incoming-leader-snapshot-term";
  const steps = /^(appl(ying|ied) |applySnapshot|restor(ing|ed) .*(store|cluster)|clos|remov|add)/;
  assert.deepEqual(told(behind, steps), [
    "info applied incoming Raft snapshot snapshot-index",
    `info applying snapshot ${incoming}`,
    "info applySnapshot: opened snapshot backend",
    "info restoring lease store",
    "info restoring mvcc store",
    "info restoring alarm store",
    "info restoring auth store",
    "info restoring cluster configuration",
    "info closing old backend file",
    "info closed old backend file",
    "info restored lease store",
    "info restored alarm store",
    "info restored auth store",
    "info restored cluster configuration",
    "info restored mvcc store consistent-index",
    "info removing old peers from network",
    "info removed old peers from network",
    "info adding peers from new cluster configuration",
    "info added peers from new cluster configuration",
    `info applied snapshot ${incoming}`,
  ]);
  assert.deepEqual(told(leader, /merged snapshot/), [
    "info sending merged snapshot from,to,bytes,size",
    "info sent merged snapshot from,to,bytes,size,took",
  ]);
  await cluster.stop();
});

test("a compaction is told from its beginning to the hash that it leaves", async () => {
  const { cluster, leader } = await threeMembers();
  await cluster.put(leader, "k", "v");
  const request = CompactionRequest.create({ revision: 2, physical: true });
  await answered(leader, leader.call(METHOD.Compact, CompactionRequest.encode(request)));
  assert.deepEqual(told(leader, /compact|storing/), [
    "info compact tree index revision",
    "info finished scheduled compaction compact-revision,took,hash,current-db-size-bytes," +
      "current-db-size,current-db-size-in-use-bytes,current-db-size-in-use",
    "info storing new hash hash,revision,compact-revision",
  ]);
  await cluster.stop();
});

test("a read that no quorum confirms is told in its steps", async () => {
  const { cluster, alone } = await threeMembers();
  cluster.cut(alone);
  alone.logger.lines.length = 0;
  const request = RangeRequest.create({ key: Buffer.from("k") });
  await answered(alone, alone.call(METHOD.Range, RangeRequest.encode(request)));
  const lines = [...new Set(told(alone, /ReadIndex|read index|trace|took too long|request stats/))];
  assert.deepEqual(lines, [
    "warn waiting for ReadIndex response took too long, retrying sent-request-id,retry-timeout",
    "warn timed out waiting for read index response (local node might have slow network) timeout",
    "info trace[N] range detail,duration,start,end,steps,step_count",
    "warn apply request took too long took,expected-duration,prefix,request,response,error",
    "debug request stats start time,time spent,remote,response type,request count,request size," +
      "response count,response size,request content",
  ]);
  const trace = alone.logger.lines.find(({ message }) => message.startsWith("trace["));
  assert.match(
    String(trace?.fields.steps),
    /^trace\[\d+\] 'agreement among raft nodes before linearized reading' {2}\(duration: \S+s\)$/,
  );
  assert.equal(trace?.fields.detail, "{range_begin:k; range_end:; }");
  await cluster.stop();
});

test("a call that took long is warned of with its sizes and its content, but not its value", async () => {
  const { cluster, leader } = await threeMembers();
  leader.logger.enabled = (level?: LogLevel) => level !== "debug";
  leader.logger.lines.length = 0;
  await cluster.put(leader, "fast", "it is");
  const others = cluster.members.filter((member) => member !== leader);
  for (const other of others) cluster.cut(other);
  const call = leader.put("slow", "secret");
  const sinceMs = cluster.clock.nowMs();
  await cluster.until(() => cluster.clock.nowMs() > sinceMs + 400);
  for (const other of others) cluster.heal(other);
  await cluster.until(() => call.answered);
  const told = leader.logger.lines.filter(({ message }) => /request stats|^trace/.test(message));
  assert.deepEqual(
    told.map(({ level, message }) => `${level} ${message.replace(/\d+/, "N")}`),
    ["info trace[N] put", "warn request stats"],
  );
  const [trace, stats] = told;
  assert.match(String(trace?.fields.steps), /'process raft request' {2}\(duration: \S+\)$/);
  const { "start time": start, "time spent": spent, ...rest } = stats?.fields ?? {};
  assert.match(String(start), /^2026-01-01T00:00:\d\d\.\d{3}Z$/);
  assert.match(String(spent), /^\d+(\.\d+)?(ms|s)$/);
  assert.deepEqual(rest, {
    remote: "127.0.0.1:1",
    "response type": "/etcdserverpb.KV/Put",
    "request count": 1,
    "request size": 14,
    "response count": 0,
    "response size": call.answer?.length,
    "request content": 'key:"slow" value_size:6 ',
  });
  await cluster.stop();
});

test("the quota in force is told, and warned of when it is larger than etcd advises", () => {
  const gib = 2 ** 30;
  const cases: [number, string[], string][] = [
    [0, ["info enabled backend quota with default value"], "2.1 GB"],
    [400_000, ["info enabled backend quota"], "400 kB"],
    [9 * gib, ["warn quota exceeds the maximum value", "info enabled backend quota"], "9.7 GB"],
    [-1, ["info disabled backend quota"], "undefined"],
  ];
  for (const [quota, messages, size] of cases) {
    const logger = new MemoryLogger();
    logQuota(logger, quota);
    assert.deepEqual(
      logger.lines.map(({ level, message }) => `${level} ${message}`),
      messages,
    );
    for (const { fields } of logger.lines) {
      assert.equal(String(fields["quota-size"]), size);
      assert.equal(fields["quota-name"], "v3-applier");
    }
  }
});
