/** Going back, and going two ways from one point. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { Etcd } from "./index.ts";

test("restore brings back what the snapshot held, for clients that were there before", async () => {
  await using etcd = await Etcd.memory();
  const client = etcd.client();
  await client.kv.put("k", "before");
  const snapshot = await etcd.snapshot();
  await client.kv.put("k", "after");
  await client.kv.put("other", "1");
  await etcd.restore(snapshot);
  assert.deepEqual(etcd.dump(), { k: "before" });
  await client.kv.put("k", "again");
  await etcd.restore(snapshot);
  assert.deepEqual(etcd.dump(), { k: "before" });
});

test("a fork and its origin do not see each other's writes", async () => {
  await using etcd = await Etcd.memory();
  const client = etcd.client();
  await client.kv.put("k", "1");
  await using fork = await etcd.fork();
  await fork.client().kv.put("k", "2");
  await client.kv.put("mine", "1");
  assert.deepEqual(etcd.dump(), { k: "1", mine: "1" });
  assert.deepEqual(fork.dump(), { k: "2" });
  assert.deepEqual(
    fork.history("k").map(({ revision }) => revision),
    [2, 3],
  );
});

test("leases are kept over a snapshot, with all of their time", async () => {
  await using etcd = await Etcd.memory();
  const client = etcd.client();
  const { ID } = await client.lease.grant(20);
  await client.kv.put("owner", "me", { lease: ID });
  await etcd.clock.advance("15s");
  await using fork = await etcd.fork();
  await fork.clock.advance("15s");
  assert.deepEqual(fork.dump(), { owner: "me" });
  await fork.clock.advance("10s");
  assert.deepEqual(fork.dump(), {});
});

test("a fork has the history and the leases of its origin, and a future of its own", async () => {
  await using etcd = await Etcd.memory();
  const client = etcd.client();
  const { ID } = await client.lease.grant(20);
  for (let i = 0; i < 40; i++) {
    const lease = i % 10 === 0 ? { lease: ID } : {};
    await client.kv.put(`k${i % 20}`, String(i), lease);
  }
  await client.kv.delete("k5");
  await etcd.compactNow(15);
  const snapshot = await etcd.snapshot();
  await client.kv.put("k6", "later");
  for (let turn = 0; turn < 2; turn++) {
    await using fork = await etcd.fork(snapshot);
    const [changes, origin] = [fork, etcd].map((each) =>
      Array.from({ length: 20 }, (_, i) => each.history(`k${i}`)),
    );
    origin![6] = origin![6]!.slice(0, -1);
    assert.deepEqual(changes, origin);
    await fork.client().kv.put("k5", "again");
    assert.equal(fork.history("k5").length, 4, "as the fork before did not");
    await fork.expireLease(ID);
    assert.deepEqual(fork.dump("k10"), {});
  }
});

test("what is written while a snapshot is taken is in it whole or not at all", async () => {
  await using etcd = await Etcd.memory();
  const client = etcd.client();
  for (let turn = 0; turn < 10; turn++) {
    const puts = Array.from({ length: 30 }, (_, i) => client.kv.put(`k${i}`, String(turn)));
    const [fork] = await Promise.all([etcd.fork(), ...puts]);
    const { kvs } = await fork.client().kv.get("k", { prefix: true });
    assert.deepEqual(
      fork.dump(),
      Object.fromEntries(kvs.map(({ keyText, valueText }) => [keyText, valueText])),
    );
    await fork.close();
  }
});

test("a watch does not outlive the time that it was in", async () => {
  await using etcd = await Etcd.memory();
  const client = etcd.client();
  const snapshot = await etcd.snapshot();
  const watcher = client.watch("k");
  await watcher.created;
  const ended = assert.rejects(watcher.next(), { message: /set back to an earlier state/ });
  await etcd.restore(snapshot);
  await ended;
});

test("reset leaves nothing, and the clock goes on", async () => {
  await using etcd = await Etcd.memory();
  const client = etcd.client();
  await client.kv.put("k", "1");
  await etcd.clock.advance("1m");
  etcd.failNext("range", "noLeader");
  await etcd.reset();
  assert.deepEqual(etcd.dump(), {});
  assert.equal(etcd.requests().length, 0);
  assert.equal(etcd.clock.nowMs(), 60_000);
  assert.equal((await client.kv.get("k")).kvs.length, 0);
});

test("a snapshot of a cluster is no snapshot of one member", async () => {
  await using cluster = await Etcd.cluster(3);
  await cluster.client().kv.put("k", "1");
  const snapshot = await cluster.snapshot();
  await using etcd = await Etcd.memory();
  await assert.rejects(etcd.restore(snapshot), {
    name: "TypeError",
    message: "restore: a snapshot of 3 members is none of 1",
  });
  await using fork = await cluster.fork(snapshot);
  assert.deepEqual(fork.dump(), { k: "1" });
  await fork.client().kv.put("k", "2");
});
