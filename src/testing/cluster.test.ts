/** Several members in one process, and what can go wrong between them. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { Etcd } from "./index.ts";

/** Also a name when nobody leads, which fails the test by itself. */
function leaderOf(etcd: Etcd): string {
  return etcd.leader?.name ?? "nobody";
}

test("three members agree on what is written", async () => {
  await using etcd = await Etcd.cluster(3);
  const client = etcd.client();
  for (const { url, name } of etcd.members)
    await client.kv.put(name, "was here", { endpoint: url });
  assert.deepEqual(etcd.dump(), { m1: "was here", m2: "was here", m3: "was here" });
  const { members } = await client.cluster.memberList();
  assert.deepEqual(members.map(({ name }) => name).sort(), ["m1", "m2", "m3"]);
});

test("when the leader is killed another one serves, and the dead one comes back", async () => {
  await using etcd = await Etcd.cluster(3);
  const client = etcd.client();
  await client.kv.put("k", "1");
  const old = leaderOf(etcd);
  await etcd.kill(old);
  const leader = await etcd.waitForLeader();
  assert.notEqual(leader.name, old);
  await client.kv.put("k", "2");
  await etcd.restart(old);
  const { kvs } = await client.kv.get("k", { endpoint: `http://${old}:2379` });
  assert.equal(kvs[0]?.valueText, "2");
});

test("a leader that is cut off answers no more, and follows when the wires are whole", async () => {
  await using etcd = await Etcd.cluster(3);
  const client = etcd.client();
  const old = leaderOf(etcd);
  etcd.partition([old]);
  await assert.rejects(client.kv.get("k", { endpoint: `http://${old}:2379`, timeoutMs: 3000 }), {
    kind: "deadlineExceeded",
  });
  const leader = await etcd.waitForLeader();
  assert.notEqual(leader.name, old);
  await client.kv.put("k", "1", { endpoint: leader.url });
  etcd.heal();
  await etcd.clock.advance("1s");
  await client.kv.put("k", "2", { endpoint: `http://${old}:2379` });
  assert.deepEqual(etcd.dump(), { k: "2" });
});

test("a leader that stands still is replaced", async () => {
  await using etcd = await Etcd.cluster(3);
  const old = leaderOf(etcd);
  etcd.pause(old);
  await etcd.clock.advance("10s");
  assert.notEqual(leaderOf(etcd), old);
  etcd.resume(old);
  await etcd.clock.advance("1s");
  assert.equal(etcd.members.find(({ name }) => name === old)?.isLeader, false);
});

test("a slow disk of the only member makes a write take its time", async () => {
  await using etcd = await Etcd.cluster(1, { sync: 0 });
  const client = etcd.client();
  etcd.slowDisk("m1", "500ms");
  const begunMs = etcd.clock.nowMs();
  await client.kv.put("k", "1");
  const tookMs = etcd.clock.nowMs() - begunMs;
  assert.ok(tookMs >= 250 && tookMs <= 5000, `${tookMs} ms`);
});

test("without a quorum nothing is written, and the client is told", async () => {
  await using etcd = await Etcd.cluster(3);
  const client = etcd.client();
  await etcd.kill("m1");
  await etcd.kill("m2");
  await assert.rejects(client.kv.put("k", "1", { timeoutMs: 2000 }), { kind: "deadlineExceeded" });
  await etcd.restart();
  await etcd.waitForLeader();
  await client.kv.put("k", "2");
  assert.equal(etcd.dump()["k"], "2");
});

test("a seed repeats a run", async () => {
  const run = async (seed: number): Promise<string> => {
    await using etcd = await Etcd.cluster(3, { seed });
    const client = etcd.client();
    const story: string[] = [];
    for (let round = 0; round < 3; round++) {
      const leader = leaderOf(etcd);
      await etcd.kill(leader);
      await etcd.waitForLeader();
      await client.kv.put("round", String(round));
      story.push(`${leader} ${etcd.clock.nowMs().toFixed(3)}`);
      await etcd.restart();
    }
    return story.join(", ");
  };
  const first = await run(7);
  assert.equal(await run(7), first);
  assert.notEqual(await run(8), first);
});

test("watches that are dropped go on where they were", async () => {
  await using etcd = await Etcd.cluster(3);
  const client = etcd.client();
  const watcher = client.watch("k");
  await watcher.created;
  await client.kv.put("k", "1");
  assert.equal(etcd.dropWatches(), 1);
  await client.kv.put("k", "2");
  const seen: string[] = [];
  for await (const { kv } of watcher.events()) {
    seen.push(kv.valueText);
    if (seen.length === 2) break;
  }
  assert.deepEqual(seen, ["1", "2"]);
});

test("a lease can be ended, and the past be taken away, at once", async () => {
  await using etcd = await Etcd.cluster(3);
  const client = etcd.client();
  const { ID } = await client.lease.grant(600);
  await client.kv.put("owner", "me", { lease: ID });
  await etcd.expireLease(ID);
  assert.deepEqual(etcd.dump(), {});
  await assert.rejects(etcd.expireLease(ID), { message: "etcdserver: requested lease not found" });
  await client.kv.put("k", "1");
  await client.kv.put("k", "2");
  await etcd.compactNow();
  await assert.rejects(client.kv.get("k", { revision: 2 }), { kind: "compacted" });
});

test("a member that does not exist or does not run is told by name", async () => {
  await using etcd = await Etcd.cluster(3);
  await assert.rejects(etcd.kill("m4"), {
    name: "TypeError",
    message: 'kill: no member is named "m4"; there are m1, m2, m3',
  });
  await etcd.kill("m1");
  await assert.rejects(etcd.kill("m1"), { message: "kill: m1 does not run" });
  assert.throws(() => etcd.pause("m1"), { message: "pause: m1 does not run" });
  assert.throws(() => etcd.resume("m2"), { message: "resume: m2 is not paused" });
  await assert.rejects(Etcd.cluster(0), { name: "RangeError" });
});

test("a leader that is cut off from the others is not waited for", async () => {
  await using etcd = await Etcd.cluster(3);
  const old = await etcd.waitForLeader();
  etcd.partition([old]);
  const leader = await etcd.waitForLeader();
  assert.notEqual(leader.name, old.name);
});
