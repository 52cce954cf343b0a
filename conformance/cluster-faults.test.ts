/**
 * Faults of whole processes: a leader that is killed or frozen, a minority, and what becomes of
 * writes, reads, leases and watches meanwhile.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { EtcdClient } from "../src/client/index.ts";
import { compare, idOf, type Lab, leaderOf, type Seen, until } from "./cluster-lab.ts";
import { assertAgreement, ClusterWorld, Writer } from "./cluster-world.ts";
import { type EtcdProcess, missing } from "./harness.ts";
import { PATIENCE_MS } from "../src/base/testing/patience.ts";

const OPTIONS = { skip: missing("ours"), timeout: 3 * PATIENCE_MS };

function others(members: readonly EtcdProcess[], member: EtcdProcess): EtcdProcess[] {
  return members.filter((each) => each !== member);
}

async function writes(writer: Writer, count: number): Promise<void> {
  const sum = (): number => [...writer.acknowledged.values()].reduce((a, b) => Math.max(a, b), 0);
  const before = sum();
  await until(`${count} writes`, () => sum() >= before + count);
}

test("the leader is killed under load, and comes back", OPTIONS, async () => {
  await using world = await ClusterWorld.start(["ours", "ours", "ours"]);
  const writer = new Writer(world.clientUrls, 40, 8);
  try {
    for (const _ of [1, 2]) {
      await writes(writer, 100);
      const leader = await leaderOf(world.members);
      await leader.kill();
      await leaderOf(others(world.members, leader));
      await writes(writer, 100);
      await leader.start();
    }
  } finally {
    await writer.stop();
  }
  await assertAgreement(world.members, [writer]);
});

test("the leader is frozen under load, and wakes up as a follower", OPTIONS, async () => {
  await using world = await ClusterWorld.start(["ours", "ours", "ours"]);
  const leader = await leaderOf(world.members);
  const rest = others(world.members, leader);
  const writer = new Writer(world.clientUrls, 40, 8);
  const { pid } = leader;
  assert.ok(pid !== undefined);
  try {
    await writes(writer, 100);
    process.kill(pid, "SIGSTOP");
    await leaderOf(rest);
    await using client = new EtcdClient({ endpoints: rest.map((each) => each.clientUrl) });
    await client.kv.put("while it sleeps", "new");
    const asleep = leader.logText.length;
    process.kill(pid, "SIGCONT");
    // It may not answer from what it knew before.
    await using old = new EtcdClient({ endpoints: leader.clientUrl });
    const { kv } = await old.kv.get("while it sleeps", { timeoutMs: PATIENCE_MS });
    assert.equal(kv?.valueText, "new");
    await until("it follows", () =>
      leader.logText.slice(asleep).includes("became follower at term"),
    );
    await writes(writer, 100);
  } finally {
    await writer.stop();
  }
  await assertAgreement(world.members, [writer]);
});

async function minority(lab: Lab): Promise<Seen> {
  const members = await lab.cluster(2);
  const [one, other] = members;
  assert.ok(one && other);
  await lab.ctl(members, "put", "k", "v");
  const lease = (await lab.ctl(one, "lease", "grant", "600")).split(" ")[1] ?? "";
  await lab.ctl(one, "get", "k");
  const id = await idOf(other);
  await other.kill();
  await until("it has no leader", async () => {
    const words = await lab.ctl(one, "endpoint", "status", "-w", "fields");
    return /"Leader" : 0\n/.test(words) || words;
  });
  const timeout = ["--command-timeout=20s"];
  const ask = async (...command: string[]): Promise<string> => {
    return lab.ctl(one, ...timeout, ...command);
  };
  const commands = {
    put: ask("put", "k", "w"),
    read: ask("get", "k"),
    "serializable read": ask("get", "--consistency=s", "k"),
    "lease granted": ask("lease", "grant", "10"),
    "lease revoked": ask("lease", "revoke", lease),
    "member removed": ask("member", "remove", id),
    health: ask("endpoint", "health").then((words) => words.replace(/took = .*/, "took = T")),
    compaction: ask("compaction", "1"),
    "leader moved": ask("move-leader", id),
  };
  const seen: Record<string, string> = {};
  for (const [what, words] of Object.entries(commands)) {
    seen[what] = (await words)
      .replace(/took too long.*|, took .*/g, "")
      // At the deadline it is chance whether the tool or a member of 3.4 says so first.
      .replace("rpc error: code = Unknown desc = context", "context");
  }
  await other.start();
  await leaderOf(members);
  seen["a write when it is whole again"] = await lab.ctl(members, "put", "k", "x");
  return seen;
}

const TIMED_OUT = "Error: etcdserver: request timed out\nexit 1";

compare("a minority serves what it has, and nothing else", minority, {
  // The reference lets the server's deadline through, which a client cannot tell from its own.
  own: ["put", "member removed", "compaction"],
  unlike34: ["lease granted", "lease revoked"],
  check: (seen) => {
    for (const what of ["put", "member removed", "compaction"]) assert.equal(seen[what], TIMED_OUT);
  },
});

test("leases and watches through a follower outlive the leader", OPTIONS, async () => {
  await using world = await ClusterWorld.start(["ours", "ours", "ours"]);
  const leader = await leaderOf(world.members);
  const rest = others(world.members, leader);
  const [follower] = rest;
  assert.ok(follower);
  await using client = new EtcdClient({ endpoints: follower.clientUrl });
  const { ID } = await client.lease.grant(60);
  await client.kv.put("held", "", { lease: ID });
  assert.equal((await client.lease.keepAliveOnce(ID)).TTL, 60);
  const watch = client.watch("w/", { prefix: true });
  await watch.created;
  await client.kv.put("w/0", "");
  await leader.kill();
  await leaderOf(rest);
  await client.kv.put("w/1", "", { timeoutMs: PATIENCE_MS });
  const { TTL, grantedTTL, keys } = await client.lease.timeToLive(ID, { keys: true });
  assert.equal(grantedTTL, 60);
  // A new leader gives at least what was left, and an election timeout at most on top.
  assert.ok(TTL > 0 && TTL <= 62, `TTL ${TTL}`);
  assert.equal(keys.length, 1);
  assert.equal((await client.lease.keepAliveOnce(ID)).TTL, 60);
  const seen: string[] = [];
  for await (const { events } of watch) {
    seen.push(...events.map(({ kv }) => kv.keyText));
    if (seen.length === 2) break;
  }
  assert.deepEqual(seen, ["w/0", "w/1"]);
  await client.lease.revoke(ID);
  assert.equal((await client.kv.get("held")).count, 0);
});
