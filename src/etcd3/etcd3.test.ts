/** The names of npm `etcd3` over a member in memory. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { after, before, beforeEach, test } from "node:test";
import { Etcd } from "../testing/index.ts";
import {
  Etcd3,
  EtcdLeaseInvalidError,
  EtcdLockFailedError,
  EtcdPermissionDeniedError,
  EtcdRoleExistsError,
  EtcdUserNotFoundError,
  ClientClosedError,
  GRPCDeadlineExceededError,
  GRPCUnavailableError,
  type IKeyValue,
  type IOptions,
  type IPolicy,
  Isolation,
  isRecoverableError,
  NotCampaigningError,
  Range,
  STMConflictError,
} from "./index.ts";

let etcd: Etcd;
let client: Etcd3;
before(async () => {
  etcd = await Etcd.memory({ listen: true });
  client = connect();
});
after(async () => {
  client.close();
  await etcd.close();
});
beforeEach(async () => {
  await client.delete().all();
});

const connect = (options: IOptions = {}): Etcd3 => new Etcd3({ hosts: [...etcd.urls], ...options });

test("values are read in the form that is asked for", async () => {
  await client.put("text").value("häuser");
  await client.put("number").value(7);
  await client.put("json").value('{"a":1}');
  await client.put("bytes").value(Buffer.of(0, 255));
  assert.equal(await client.get("text"), "häuser");
  assert.equal(await client.get("text").string("latin1"), "hÃ¤user");
  assert.equal(await client.get("number").number(), 7);
  assert.deepEqual(await client.get("json").json(), { a: 1 });
  assert.deepEqual(await client.get("bytes").buffer(), Buffer.of(0, 255));
  assert.equal(await client.get("none"), null);
  assert.equal(await client.get("none").json(), null);
  assert.equal(await client.get("none").exists(), false);
  assert.equal(await client.get("text").exists(), true);
});

test("ranges are sorted, limited, counted and read as of a revision", async () => {
  await client.put("a/1").value("1");
  const { header } = await client.put("a/2").value("2");
  await client.put("b/1").value("3");
  await client.put("a/2").value("changed");
  const a = client.getAll().prefix("a/");
  assert.deepEqual(await a.numbers(), { "a/1": 1, "a/2": Number.NaN });
  assert.deepEqual(await client.getAll().prefix("a/").revision(header.revision), {
    "a/1": "1",
    "a/2": "2",
  });
  assert.deepEqual(await client.getAll().sort("Key", "Descend").limit(2).keys(), ["b/1", "a/2"]);
  assert.equal(await client.getAll().inRange({ start: "a/2", end: "b/2" }).count(), 2);
  assert.throws(() => client.getAll().sort("Nothing" as "Key", "Ascend"), /Possible values are/);
});

test("etcd's own answers have its names, text for long integers, and buffers", async () => {
  await client.put("k").value("v1");
  const previous = await client.put("k").value("v2").getPrevious();
  assert.deepEqual(previous.value, Buffer.from("v1"));
  const { kvs, header } = await client.get("k").exec();
  assert.equal(kvs[0]?.version, "2");
  assert.equal(kvs[0]?.mod_revision, header.revision);
  assert.match(header.member_id, /^\d+$/);
  const before = Number(kvs[0]?.mod_revision);
  await client.put("k").touch();
  assert.equal(Number((await client.get("k").exec()).kvs[0]?.mod_revision), before + 1);
  assert.equal((await client.put("new").value("")).prev_kv, null);
  assert.deepEqual(
    (await client.delete().prefix("k").getPrevious()).map(({ value }) => String(value)),
    ["v2"],
  );
});

test("a transaction takes the branch of its conditions", async () => {
  await client.put("k").value("1");
  const taken = await client
    .if("k", "Value", "==", "1")
    .and("k", "Version", "<", 2)
    .then(client.put("k").value("2"), client.get("k"))
    .else(client.delete().key("k"))
    .commit();
  assert.equal(taken.succeeded, true);
  assert.equal(String(taken.responses[1]?.response_range.kvs[0]?.value), "2");
  const other = await client
    .if("k", "Create", "==", 0)
    .then()
    .else(client.delete().key("k"))
    .commit();
  assert.equal(other.responses[0]?.response_delete_range.deleted, "1");
});

test("a namespace sees its own keys only", async () => {
  const inside = client.namespace("ns/");
  await client.put("ns").value("outside");
  await inside.put("k").value("v");
  assert.equal(await client.get("ns/k"), "v");
  assert.deepEqual(await inside.getAll(), { k: "v" });
  await inside.if("k", "Value", "==", "v").then(inside.put("other").value("")).commit();
  assert.deepEqual(await inside.getAll().keys(), ["k", "other"]);
  await inside.delete().all();
  assert.deepEqual(await client.getAll().keys(), ["ns"]);
});

test("a watch tells changes with what was before, and is over when it is cancelled", async () => {
  const inside = client.namespace("w/");
  const watcher = await inside.watch().prefix("k").withPreviousKV().create();
  const put = once(watcher, "put") as Promise<[IKeyValue, IKeyValue | null]>;
  await inside.put("k1").value("1");
  const [first, before] = await put;
  assert.deepEqual([String(first.key), String(first.value), before], ["k1", "1", null]);
  const gone = once(watcher, "delete") as Promise<[IKeyValue, IKeyValue]>;
  await inside.delete().key("k1");
  const [deleted, last] = await gone;
  assert.deepEqual([String(deleted.key), String(last.value)], ["k1", "1"]);
  const past = await inside
    .watch()
    .key("k1")
    .only("delete")
    .startRevision(first.mod_revision)
    .create();
  const [replayed] = (await once(past, "delete")) as [IKeyValue];
  assert.equal(replayed.mod_revision, deleted.mod_revision);
  const ended = once(watcher, "end");
  await Promise.all([watcher.cancel(), past.cancel()]);
  await ended;
});

test("a lease says when it is lost, and its keys go with it", async () => {
  const lease = client.lease(100);
  await lease.put("leased").value("v");
  const { kvs } = await client.get("leased").exec();
  assert.equal(kvs[0]?.lease, await lease.grant());
  assert.equal((await lease.keepaliveOnce()).TTL, "100");
  const lost = once(lease, "lost");
  await client.leaseClient.leaseRevoke({ ID: await lease.grant() });
  const failure = await lease.keepaliveOnce().catch((error: unknown) => error);
  assert.ok(failure instanceof EtcdLeaseInvalidError);
  assert.deepEqual(await lost, [failure]);
  assert.equal(lease.revoked(), true);
  assert.equal(await client.get("leased"), null);
  assert.throws(() => client.lease(0), /at least 1 second/);
});

test("a lease renews itself until it is released", async () => {
  const lease = client.lease(3600);
  const [answer] = (await once(lease, "keepaliveSucceeded")) as [{ ID: string; TTL: string }];
  assert.deepEqual([answer.ID, answer.TTL], [await lease.grant(), "3600"]);
  lease.release();
  assert.equal(lease.revoked(), true);
  const { TTL } = await client.leaseClient.leaseTimeToLive({ ID: answer.ID });
  assert.ok(Number(TTL) > 0, "a released lease lives on");
});

test("a lock is held by one, and released after the work", async () => {
  const lock = await client.lock("resource").acquire();
  await assert.rejects(client.lock("resource").acquire(), EtcdLockFailedError);
  assert.throws(() => lock.ttl(5), /after acquiring/);
  await lock.release();
  await assert.rejects(
    client.lock("resource").do(() => {
      throw new Error("work failed");
    }),
    /work failed/,
  );
  assert.equal(await client.lock("resource").do(async () => "done"), "done");
  assert.equal(await client.get("resource"), null);
});

test("a software transaction is tried again after a conflict, and gives up in the end", async () => {
  await client.put("n").value(1);
  let tries = 0;
  await client.stm().transact(async (tx) => {
    const value = await tx.get("n").number();
    if (++tries === 1) await client.put("n").value(10);
    await tx.put("n").value(Number(value) + 1);
    assert.equal(await tx.get("n").number(), Number(value) + 1, "reads what it has written");
  });
  assert.deepEqual([tries, await client.get("n").number()], [2, 11]);
  const stubborn = client.stm({ retries: 1, isolation: Isolation.RepeatableReads });
  await assert.rejects(
    stubborn.transact(async (tx) => {
      await tx.get("n");
      await client.put("n").value(0);
    }),
    STMConflictError,
  );
  await assert.rejects(
    client.stm().transact(async (tx) => {
      await tx.get("n");
      await tx.delete().prefix("n");
    }),
    /cannot delete ranges/,
  );
});

test("a campaign leads when those before it have resigned, and observers see it", async () => {
  const election = client.election("e", 60);
  const first = await election.campaign("one").wait();
  const second = election.campaign("two");
  await second.getCampaignKey();
  const observer = await election.observe();
  assert.equal(observer.leader(), "one");
  const proclaimed = once(observer, "change");
  await first.proclaim("one!");
  assert.deepEqual(await proclaimed, ["one!"]);
  const changed = once(observer, "change");
  await first.resign();
  assert.deepEqual(await changed, ["two"]);
  assert.equal(await second.wait(), second);
  await assert.rejects(first.proclaim("late"), NotCampaigningError);
  const over = once(observer, "change");
  await second.resign();
  assert.deepEqual(await over, [undefined]);
  assert.equal(await election.leader(), undefined);
  await observer.cancel();
});

test("users, roles and permissions; refusals have classes of their own", async () => {
  const role = await client.role("reader").create();
  await assert.rejects(client.role("reader").create(), EtcdRoleExistsError);
  await role.grant({ permission: "Readwrite", range: client.range({ prefix: "f" }) });
  await role.grant([
    { permission: "Read", key: "single" },
    { permission: "Write", key: "other" },
  ]);
  const permissions = await role.permissions();
  assert.deepEqual(permissions.map(({ permission }) => permission).toSorted(), [
    "Read",
    "Readwrite",
    "Write",
  ]);
  await role.revoke([{ permission: "Write", key: "other" }]);
  assert.equal((await role.permissions()).length, 2);
  const root = await client.user("root").create("secret");
  await root.addRole("root");
  await (await client.user("ann").create("word")).addRole(role);
  await assert.rejects(client.user("nobody").delete(), EtcdUserNotFoundError);
  await client.auth.authEnable();
  const ann = connect({ auth: { username: "ann", password: "word" } });
  const admin = connect({ auth: { username: "root", password: "secret" } });
  try {
    await ann.put("foo").value("v");
    const refused = await ann
      .put("x")
      .value("v")
      .catch((error: unknown) => error);
    assert.ok(refused instanceof EtcdPermissionDeniedError);
    await assert.rejects(ann.watch().key("x").create(), EtcdPermissionDeniedError);
    assert.deepEqual(
      (await admin.getUsers()).map(({ name }) => name),
      ["ann", "root"],
    );
  } finally {
    await admin.auth.authDisable();
    ann.close();
    admin.close();
  }
  await Promise.all((await client.getUsers()).map((user) => user.delete()));
  await Promise.all((await client.getRoles()).map((each) => each.delete()));
});

test("deadlines, of a call or of all calls, and closed clients have their errors", async () => {
  const late = { deadline: new Date(0) };
  await assert.rejects(client.get("k").options(late).string(), GRPCDeadlineExceededError);
  const impatient = connect({ defaultCallOptions: ({ method }) => (method === "put" ? late : {}) });
  await assert.rejects(impatient.put("k").value("").exec(), GRPCDeadlineExceededError);
  assert.equal(await impatient.get("k"), null);
  impatient.close();
  await assert.rejects(impatient.get("k").string(), ClientClosedError);
});

test("policies stand around calls, and choose among hosts", async () => {
  const refusing: IPolicy = { execute: () => Promise.reject(new Error("open circuit")) };
  const through: IPolicy = { execute: async (fn) => fn(undefined as never) };
  const twice: IPolicy = {
    execute: async (fn) => {
      try {
        return await fn(undefined as never);
      } catch (error) {
        assert.ok(isRecoverableError(error as Error));
        return fn(undefined as never);
      }
    },
  };
  const hosts = ["127.0.0.1:1", ...etcd.urls];
  const isDead = (host: string): boolean => host === "127.0.0.1:1";
  const passing = connect({
    hosts,
    dialTimeout: 50,
    faultHandling: { host: (host) => (isDead(host) ? refusing : through) },
  });
  assert.equal(await passing.get("k"), null);
  passing.close();
  const repeating = connect({ hosts, dialTimeout: 50, faultHandling: { global: twice } });
  assert.equal(await repeating.get("k"), null);
  repeating.close();
  const dead = connect({
    hosts: "127.0.0.1:1",
    dialTimeout: 50,
    faultHandling: { global: through },
  });
  await assert.rejects(dead.get("k").string(), GRPCUnavailableError);
  dead.close();
  assert.throws(() => connect({ hosts: [] }), /no hosts/);
  assert.throws(() => connect({ hosts: ["https://a", "http://b"] }), /mix of secure/);
});

test("a mock answers instead of a member", async () => {
  const calls: string[] = [];
  client.mock({
    exec: async (service, method) => {
      calls.push(`${service}.${method}`);
      return { kvs: [] };
    },
  });
  assert.equal(await client.get("k"), null);
  client.unmock();
  assert.deepEqual(calls, ["KV.range"]);
});

test("services that have no builders are called by their methods", async () => {
  const { members } = await client.cluster.memberList({});
  assert.equal(members.length, 1);
  const status = await client.maintenance.status();
  assert.equal(status.leader, members[0]?.ID);
  const { alarms } = await client.maintenance.alarm({ action: "Get", alarm: "None" });
  assert.deepEqual(alarms, []);
  const stream = await client.maintenance.snapshot();
  let bytes = 0;
  stream.on("data", ({ blob }) => {
    bytes += blob.length;
  });
  await once(stream, "end");
  assert.ok(bytes > Number(status.dbSize) / 2);
  await assert.rejects(client.kv.range({ key: Buffer.from("k"), limit: "many" }), TypeError);
});

test("ranges compare, and know what they hold", () => {
  const range = new Range("b", "d");
  assert.deepEqual(
    ["a", "b", "c", "d"].map((key) => range.includes(key)),
    [...[false, true, true, false]],
  );
  assert.equal(range.compare(new Range("d", "e")), -1);
  assert.equal(range.compare(new Range("a", "b")), 1);
  assert.equal(range.compare(new Range("c", "z")), 0);
  assert.deepEqual(Range.prefix("").end, Buffer.of(0));
});
