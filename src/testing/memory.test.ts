/** One member in memory, as a test of a program uses it. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { EtcdClientError, Session } from "../client/index.ts";
import { Etcd } from "./index.ts";

test("a member in memory answers the typed client, and no time passes", async () => {
  await using etcd = await Etcd.memory();
  const client = etcd.client();
  await client.kv.put("greeting", "hello");
  const { kvs } = await client.kv.get("greeting");
  assert.equal(kvs[0]?.valueText, "hello");
  assert.deepEqual(etcd.dump("greet"), { greeting: "hello" });
  assert.equal(etcd.clock.nowMs(), 0);
});

test("a lease ends when its time has been moved on, and not before", async () => {
  await using etcd = await Etcd.memory();
  const client = etcd.client();
  const { ID } = await client.lease.grant(30);
  await client.kv.put("owner", "me", { lease: ID });
  await etcd.clock.advance("29s");
  assert.deepEqual(etcd.dump(), { owner: "me" });
  await etcd.clock.advance("2s");
  assert.deepEqual(etcd.dump(), {});
  assert.deepEqual(
    etcd.history("owner").map(({ type }) => type),
    ["put", "delete"],
  );
});

test("a lease that is kept alive outlives its time", async () => {
  await using etcd = await Etcd.memory();
  const client = etcd.client();
  const { ID } = await client.lease.grant(10);
  await client.kv.put("owner", "me", { lease: ID });
  const keeper = client.lease.keepAlive(ID);
  await etcd.clock.advance("5m");
  assert.deepEqual(etcd.dump(), { owner: "me" });
  keeper.stop();
  await etcd.clock.advance("15s");
  assert.deepEqual(etcd.dump(), {});
});

test("time does not go back, and a duration must be one", async () => {
  await using etcd = await Etcd.memory();
  await assert.rejects(etcd.clock.advance("-1s"), {
    name: "RangeError",
    message: "clock.advance: time does not go back (-1s)",
  });
  await assert.rejects(etcd.clock.advance("soon"), {
    name: "TypeError",
    message: 'clock.advance: time: invalid duration "soon"',
  });
  assert.equal(etcd.clock.nowMs(), 0);
});

test("watchers get what was written when time has not moved at all", async () => {
  await using etcd = await Etcd.memory();
  const client = etcd.client();
  const watcher = client.watch("job/", { prefix: true });
  await watcher.created;
  await client.kv.put("job/1", "a");
  await client.kv.delete("job/1");
  const seen: string[] = [];
  for await (const { type, kv } of watcher.events()) {
    seen.push(`${type} ${kv.keyText}`);
    if (seen.length === 2) break;
  }
  assert.deepEqual(seen, ["put job/1", "delete job/1"]);
});

test("compaction runs by the clock", async () => {
  await using etcd = await Etcd.memory({ autoCompaction: "10m" });
  const client = etcd.client();
  for (const value of ["1", "2", "3"]) await client.kv.put("k", value);
  assert.equal(etcd.history("k").length, 3);
  await etcd.clock.advance("30m");
  assert.equal(etcd.history("k").length, 1);
});

test("the next call fails as the test wants it, and the one after it does not", async () => {
  await using etcd = await Etcd.memory();
  const client = etcd.client();
  etcd.failNext("put", "noSpace");
  await assert.rejects(client.kv.put("k", "1"), { kind: "noSpace" });
  await client.kv.put("k", "2");
  assert.deepEqual(etcd.dump(), { k: "2" });
});

test("an answer that gets lost leaves the outcome of a write unknown, though it happened", async () => {
  await using etcd = await Etcd.memory();
  const client = etcd.client();
  etcd.failNext("put", "answerLost");
  const error = await client.kv.put("k", "1").catch((reason: unknown) => reason);
  assert.ok(error instanceof EtcdClientError);
  assert.equal(error.outcomeUnknown, true);
  assert.deepEqual(etcd.dump(), { k: "1" });
});

test("names of calls and errors that do not exist are told", async () => {
  await using etcd = await Etcd.memory();
  assert.throws(() => etcd.failNext("putt", "noSpace"), {
    name: "TypeError",
    message: 'failNext: no call is named "putt"; did you mean "put"?',
  });
  assert.throws(() => etcd.failNext("put", "nospace" as "noSpace"), {
    name: "TypeError",
    message: 'failNext: no error is named "nospace"; did you mean "noSpace"?',
  });
  await assert.rejects(Etcd.memory({ sead: 1 } as object), {
    name: "TypeError",
    message: 'Etcd.memory has no option "sead"; did you mean "seed"?',
  });
});

test("the requests of a program are there to be looked at", async () => {
  await using etcd = await Etcd.memory();
  const client = etcd.client();
  await client.kv.put("a", "1");
  await client.kv.get("b");
  assert.deepEqual(
    etcd.requests().map(({ call, key, member }) => [call, key, member]),
    [
      ["put", "a", "m1"],
      ["range", "b", "m1"],
    ],
  );
});

test("waitFor settles when the key is as wanted", async () => {
  await using etcd = await Etcd.memory();
  const client = etcd.client();
  const done = etcd.waitFor("state", (kv) => kv?.valueText === "done");
  await client.kv.put("state", "begun");
  await client.kv.put("state", "done");
  assert.equal((await done)?.valueText, "done");
});

test("one waitFor after the other settles for what is the case already", async () => {
  await using etcd = await Etcd.memory();
  await etcd.client().kv.put("a", "1");
  await etcd.client().kv.put("b", "2");
  assert.equal((await etcd.waitFor("a"))?.valueText, "1");
  assert.equal((await etcd.waitFor("b"))?.valueText, "2");
});

test("a predicate that throws rejects its waitFor, and nothing else", async () => {
  await using etcd = await Etcd.memory();
  const other = etcd.waitFor("there", undefined, { within: "1m" });
  const reason = new Error("no key yet");
  const failing = (): boolean => {
    throw reason;
  };
  await assert.rejects(etcd.waitFor("k", failing), reason);
  await assert.rejects(etcd.waitFor("k", failing, { within: "1m" }), reason);
  await etcd.client().kv.put("there", "1");
  assert.equal((await other)?.valueText, "1");
});

test("waitFor lets time pass when it is told how much, and then says what is the case", async () => {
  await using etcd = await Etcd.memory();
  const client = etcd.client();
  const { ID } = await client.lease.grant(10);
  await client.kv.put("owner", "me", { lease: ID });
  await etcd.waitFor("owner", (kv) => kv === undefined, { within: "1m" });
  assert.deepEqual(etcd.dump(), {});
  await assert.rejects(etcd.waitFor("owner", undefined, { within: "5s" }), {
    message: 'waitFor("owner"): not true within 5s; there is no such key',
  });
});

test("many at once do not know of each other", async () => {
  const all = await Promise.all(Array.from({ length: 10 }, () => Etcd.memory()));
  await Promise.all(all.map((etcd, i) => etcd.client().kv.put("k", String(i))));
  assert.deepEqual(
    all.map((etcd) => etcd.dump()["k"]),
    all.map((_, i) => String(i)),
  );
  await Promise.all(all.map((etcd) => etcd.close()));
});

test("inputs that are none are told", async () => {
  await using etcd = await Etcd.memory();
  const cases: readonly (readonly [() => unknown, string])[] = [
    [() => Etcd.memory({ seed: Number.NaN }), "Etcd.memory: seed is a whole number, not NaN"],
    [() => Etcd.memory({ maxTxnOps: -1 }), "Etcd.memory: maxTxnOps is a whole number, not -1"],
    [() => Etcd.memory(null as never), "Etcd.memory: options are an object, not null"],
    [() => Etcd.cluster(0), "Etcd.cluster: a cluster has 1 to 9 members, not 0"],
    [() => etcd.fork({ size: 1 } as never), "fork: takes what `snapshot()` gave"],
    [() => etcd.restore(undefined as never), "restore: takes what `snapshot()` gave"],
    [() => etcd.clock.advance(undefined as never), "clock.advance: undefined is no duration"],
    [() => etcd.clock.advance(1e300), "clock.advance: 1e+300 is no duration"],
    [() => etcd.clock.setTimer(1, 5 as never), "clock.setTimer: fire is a function"],
    [() => etcd.clock.setTimer(Number.NaN, () => undefined), "clock.setTimer: NaN is no duration"],
    [() => etcd.clock.advance(-1), "clock.advance: time does not go back (-1)"],
    [() => etcd.partition("m1" as never), "partition: a group is a list of members"],
    [() => etcd.pause(undefined as never), 'pause: no member is named "undefined"; there are m1'],
    [() => etcd.failNext("put", "noSpace", 0), "failNext: 0 is no number of calls"],
    [
      () => etcd.failNext("put", { code: 99, message: "x" }),
      "failNext: an error is a name or { code: 1 to 16, message }",
    ],
  ];
  for (const [call, message] of cases) {
    await assert.rejects(async () => call(), { message });
  }
});

test("what was closed says so", async () => {
  const etcd = await Etcd.memory();
  const client = etcd.client();
  await etcd.close();
  await etcd.close();
  assert.throws(() => etcd.dump(), { message: "dump: this etcd was closed" });
  assert.throws(() => etcd.client(), { message: "client: this etcd was closed" });
  await assert.rejects(etcd.clock.advance("1s"), {
    message: "clock.advance: this etcd was closed",
  });
  await assert.rejects(client.kv.get("a"), { kind: "clientClosed" });
});

test("a session whose lease is gone closes", async () => {
  await using etcd = await Etcd.memory();
  const session = await Session.create(etcd.client(), { ttl: 10 });
  await etcd.expireLease(session.leaseID);
  await session.close();
  assert.equal(session.isHeld, false);
});

test("a timer at no time is refused, and time goes on", async () => {
  await using etcd = await Etcd.memory();
  const client = etcd.client();
  await assert.rejects(client.kv.get("k", { timeoutMs: Number.NaN }), TypeError);
  await etcd.clock.advance("1s");
  assert.equal(etcd.clock.nowMs(), 1000);
});

test("what tests give by mistake is told", async () => {
  await using etcd = await Etcd.memory();
  const untyped = (value: unknown): never => value as never;
  await assert.rejects(etcd.waitFor("k", untyped({ within: "1s" })), {
    message: "waitFor: the predicate is a function",
  });
  await assert.rejects(etcd.waitFor("k", undefined, untyped({ whithin: "1s" })), {
    message: 'waitFor has no option "whithin"; did you mean "within"?',
  });
  await assert.rejects(etcd.waitForLeader(untyped({ limit: "1s" })), TypeError);
  await assert.rejects(etcd.expireLease(untyped(5)), {
    message: "expireLease: a lease's ID is a bigint, not 5",
  });
  await assert.rejects(etcd.compactNow(Number.NaN), {
    message: "compactNow: a revision is a whole number, not NaN",
  });
});
