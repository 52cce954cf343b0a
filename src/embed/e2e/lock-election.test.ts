/** The Lock and Election services: order, cleaning up behind those who go, and permissions. */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { StatusCode } from "../../api/errors.ts";
import { Permission, Permission_Type } from "../../api/gen/auth.ts";
import { RpcError } from "../../transport/client/rpc-error.ts";
import { EtcdClient, Mutex, Session } from "../../client/index.ts";
import { TestMember } from "./harness.ts";
import { bytes, keys, RpcClient, text } from "./rpc-client.ts";
import { until } from "./wait.ts";

let member: TestMember;
let client: RpcClient;
before(async () => {
  member = await TestMember.start();
  client = member.client;
});
after(() => member.stop());

const LOCK = "/v3lockpb.Lock/Lock";
const UNLOCK = "/v3lockpb.Lock/Unlock";
const CAMPAIGN = "/v3electionpb.Election/Campaign";
const OBSERVE = "/v3electionpb.Election/Observe";

async function lineOf(from: RpcClient, name: string): Promise<string[]> {
  return keys((await from.range(`${name}/`, { rangeEnd: bytes(`${name}0`) })).kvs);
}

async function lineHas(name: string, count: number): Promise<void> {
  await until(
    async () => (await lineOf(client, name)).length === count,
    `${count} in line for ${name}`,
  );
}

async function leases(): Promise<bigint[]> {
  const { leases: all } = await client.call("/etcdserverpb.Lease/LeaseLeases", {});
  return all.map(({ ID }) => ID);
}

function refusalOf(call: Promise<unknown>): Promise<RpcError> {
  return call.then(
    () => assert.fail("it was answered"),
    (error: unknown) => {
      if (!(error instanceof RpcError)) throw error;
      return error;
    },
  );
}

test("a lock goes from one to the next in the order of arrival, over all connections", async () => {
  const holder = await client.call(LOCK, { name: bytes("queue") });
  const order: number[] = [];
  const turns: Promise<void>[] = [];
  for (let i = 0; i < 4; i++) {
    const own = await member.connect();
    const take = async (): Promise<void> => {
      const { key } = await own.call(LOCK, { name: bytes("queue") });
      order.push(i);
      await own.call(UNLOCK, { key });
    };
    turns.push(take());
    await lineHas("queue", i + 2);
  }
  assert.deepEqual(order, []);
  await client.call(UNLOCK, { key: holder.key });
  await Promise.all(turns);
  assert.deepEqual(order, [0, 1, 2, 3]);
  assert.deepEqual(await lineOf(client, "queue"), []);
});

for (const own of [false, true]) {
  test(`a cancelled wait leaves no key behind${own ? ", nor the lease it was given" : ""}`, async () => {
    const name = `cancelled-${own}`;
    await client.call(LOCK, { name: bytes(name) });
    const before = await leases();
    const lease = own ? 0n : (await client.grant(600)).ID;
    for (const path of [LOCK, CAMPAIGN] as const) {
      const cancel = new AbortController();
      const { signal } = cancel;
      const waiting = client.call(path, { name: bytes(name), lease }, { signal });
      const aborted = assert.rejects(waiting, { name: "AbortError" });
      await lineHas(name, 2);
      cancel.abort();
      await aborted;
      await lineHas(name, 1);
    }
    if (own) {
      const asBefore = async () => (await leases()).length === before.length;
      await until(asBefore, "its lease to go");
    }
  });
}

test("a client that goes away leaves its line", async () => {
  await client.call(LOCK, { name: bytes("gone") });
  const other = await member.connect();
  const waiting = refusalOf(other.call(LOCK, { name: bytes("gone") }));
  await lineHas("gone", 2);
  other.close();
  await waiting;
  await lineHas("gone", 1);
});

test("contenders of the typed client and of the service exclude each other", async () => {
  await client.put("counter", "0");
  const addOne = async (own: RpcClient): Promise<void> => {
    const { kvs } = await own.range("counter");
    await own.put("counter", String(Number(text(kvs[0]?.value)) + 1));
  };
  const byService = async (): Promise<void> => {
    const own = await member.connect();
    for (let i = 0; i < 5; i++) {
      const { key } = await own.call(LOCK, { name: bytes("both") });
      await addOne(own);
      await own.call(UNLOCK, { key });
    }
  };
  const byClient = async (): Promise<void> => {
    await using etcd = new EtcdClient({ endpoints: [`127.0.0.1:${member.port}`] });
    await using session = await Session.create(etcd, { ttl: 60 });
    const mutex = new Mutex(session, "both");
    for (let i = 0; i < 5; i++) {
      await mutex.lock();
      await addOne(client);
      await mutex.unlock();
    }
  };
  await Promise.all([byService(), byClient(), byService(), byClient(), byService(), byClient()]);
  assert.equal(text((await client.range("counter")).kvs[0]?.value), "30");
  assert.deepEqual(await lineOf(client, "both"), []);
});

test("an observer sees each value of a leader, once and in order", async () => {
  const { ID: lease } = await client.grant(600);
  await client.call(CAMPAIGN, { name: bytes("many"), lease, value: bytes("0") });
  const seen = client.openWith(OBSERVE, { name: bytes("many") });
  assert.equal(text((await seen.next()).kv?.value), "0");
  for (let i = 1; i <= 50; i++) {
    void client.call(CAMPAIGN, { name: bytes("many"), lease, value: bytes(String(i)) });
  }
  for (let i = 1; i <= 50; i++) assert.equal(text((await seen.next()).kv?.value), String(i));
  seen.raw.cancel();
});

test("the JSON gateway locks, campaigns and observes", async () => {
  const post = async (path: string, body: object): Promise<Response> =>
    fetch(`http://127.0.0.1:${member.port}/v3/${path}`, {
      method: "POST",
      body: JSON.stringify(body),
    });
  const encoded = (value: string): string => Buffer.from(value).toString("base64");
  const locked = (await (await post("lock/lock", { name: encoded("json") })).json()) as {
    key: string;
  };
  assert.deepEqual(await lineOf(client, "json"), [Buffer.from(locked.key, "base64").toString()]);
  await post("lock/unlock", { key: locked.key });
  assert.deepEqual(await lineOf(client, "json"), []);
  const none = await post("election/leader", { name: encoded("json") });
  assert.deepEqual(await none.json(), {
    code: 2,
    message: "election: no leader",
  });
  await post("election/campaign", { name: encoded("json"), value: encoded("v") });
  const { body } = await post("election/observe", { name: encoded("json") });
  const reader = body?.getReader();
  const { value } = (await reader?.read()) ?? {};
  assert.match(
    Buffer.from(value ?? []).toString(),
    /^\{"result":\{"header":.*"kv":\{"key":"anNvbi/,
  );
  await reader?.cancel();
});

test("a member that stops tells who waits, and takes their keys away", async () => {
  const own = await TestMember.start();
  const first = await own.client.grant(600);
  await own.client.call(LOCK, { name: bytes("stop"), lease: first.ID });
  // Of its own, so that it is not closed first.
  const other = await RpcClient.connect(own.port);
  const { ID: lease } = await other.grant(600);
  const waiting = refusalOf(other.call(LOCK, { name: bytes("stop"), lease }));
  await until(async () => (await lineOf(own.client, "stop")).length === 2, "both in line");
  const stopped = own.restart();
  const { code, message } = await waiting;
  assert.deepEqual([code, message], [StatusCode.UNAVAILABLE, "etcdserver: server stopped"]);
  other.close();
  await stopped;
  assert.deepEqual(await lineOf(own.client, "stop"), [`stop/${first.ID.toString(16)}`]);
  await own.stop();
});

test("permissions are those on the keys of the line", async () => {
  const own = await TestMember.start();
  const admin = own.client;
  await admin.call("/etcdserverpb.Auth/RoleAdd", { name: "r" });
  const perm = Permission.create({
    permType: Permission_Type.READWRITE,
    key: bytes("mine/"),
    rangeEnd: bytes("mine0"),
  });
  await admin.call("/etcdserverpb.Auth/RoleGrantPermission", { name: "r", perm });
  for (const [name, role] of [
    ["root", "root"],
    ["u", "r"],
  ] as const) {
    await admin.call("/etcdserverpb.Auth/UserAdd", { name, password: name });
    await admin.call("/etcdserverpb.Auth/UserGrantRole", { user: name, role });
  }
  await admin.call("/etcdserverpb.Auth/AuthEnable", {});
  const login = async (name: string): Promise<string> =>
    (await admin.call("/etcdserverpb.Auth/Authenticate", { name, password: name })).token;
  const metadata = { token: await login("u") };
  const root = { token: await login("root") };

  const denied = "etcdserver: permission denied";
  const name = bytes("theirs");
  const lease = (await admin.call("/etcdserverpb.Lease/LeaseGrant", { TTL: 600 }, { metadata })).ID;
  for (const path of [LOCK, CAMPAIGN] as const) {
    assert.equal(
      (await refusalOf(admin.call(path, { name, lease }, { metadata }))).message,
      denied,
    );
    const nobody = await refusalOf(admin.call(path, { name, lease }));
    assert.equal(nobody.message, "etcdserver: user name is empty");
  }
  const observing = admin.open(OBSERVE, { metadata });
  observing.send({ name });
  observing.raw.halfClose();
  assert.equal((await observing.failure())?.message, denied);

  const { key } = await admin.call(LOCK, { name: bytes("mine"), lease }, { metadata });
  assert.equal(text(key), `mine/${lease.toString(16)}`);
  const cancel = new AbortController();
  const options = { metadata, signal: cancel.signal };
  const { ID: second } = await admin.call(
    "/etcdserverpb.Lease/LeaseGrant",
    { TTL: 600 },
    { metadata },
  );
  const waiting = admin.call(LOCK, { name: bytes("mine"), lease: second }, options);
  const aborted = assert.rejects(waiting, { name: "AbortError" });
  const line = async (): Promise<number> => {
    const range = { key: bytes("mine/"), rangeEnd: bytes("mine0") };
    const { kvs } = await admin.call("/etcdserverpb.KV/Range", range, { metadata: root });
    return kvs.length;
  };
  await until(async () => (await line()) === 2, "both in line");
  cancel.abort();
  await aborted;
  await until(async () => (await line()) === 1, "one in line");
  await own.stop();
});
