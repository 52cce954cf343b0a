/** A member behind two threads of connections, by our client on real sockets. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { type AddressInfo, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { EtcdClient } from "../../src/client/index.ts";
import { compare, pairs, putOp, rangeOp, RpcClient, text } from "../../src/embed/e2e/rpc-client.ts";
import { until, within } from "../../src/embed/e2e/wait.ts";
import { createConfig } from "../../src/embed/index.ts";
import { MemoryLogger } from "../../src/env/testing/index.ts";
import { FrontEnds } from "./front-ends.ts";
import { type FrontedMember, startFronted } from "./member.ts";

const CONNECTIONS = 16;
const scratch = mkdtempSync(join(tmpdir(), "etcd-front-ends-"));
let member: FrontedMember;
let clients: RpcClient[];

before(async () => {
  member = await start("fronted");
  clients = await Promise.all(
    Array.from({ length: CONNECTIONS }, () => RpcClient.connect(member.port)),
  );
});
after(async () => {
  for (const client of clients) client.close();
  await member.stop();
  rmSync(scratch, { recursive: true, force: true });
});

function start(name: string, clientUrl = "http://127.0.0.1:0"): Promise<FrontedMember> {
  const config = createConfig({
    name,
    dataDir: join(scratch, name),
    listenClientUrls: [clientUrl],
    listenPeerUrls: ["http://127.0.0.1:0"],
  });
  return startFronted(config, 2, new MemoryLogger());
}

function client(index = 0): RpcClient {
  return clients[index % CONNECTIONS] as RpcClient;
}

/** Calls that have not ended, of both threads. */
function openCalls(): number {
  return (member.frontEnds?.calls ?? []).reduce((sum, count) => sum + count, 0);
}

async function nothingIsOpen(): Promise<void> {
  await until(() => openCalls() === 0, "the end of all calls");
}

async function hangingWatch(from: RpcClient, key: string): Promise<ReturnType<RpcClient["watch"]>> {
  const watch = from.watch();
  assert.equal((await watch.create(key)).created, true);
  return watch;
}

test("connections are spread over the threads", async () => {
  const watches = await Promise.all(clients.map((each) => hangingWatch(each, "spread")));
  const calls = member.frontEnds?.calls ?? [];
  assert.equal(calls.length, 2);
  assert.equal(openCalls(), CONNECTIONS);
  assert.ok(
    calls.every((count) => count > 0),
    calls.join(),
  );
  for (const watch of watches) watch.close();
  await nothingIsOpen();
});

test("puts, ranges, transactions and errors", async () => {
  await Promise.all(clients.map((each, i) => each.put(`unary/${i + 10}`, `${i}`)));
  const { kvs } = await client(3).range("unary/", { rangeEnd: Buffer.from("unary0") });
  assert.deepEqual(
    pairs(kvs),
    clients.map((_, i) => `unary/${i + 10}=${i}`),
  );
  const txn = {
    compare: [compare("unary/10", { case: "value", value: Buffer.from("0") }, "=")],
    success: [putOp("unary/10", "new"), rangeOp("unary/11")],
  };
  assert.equal((await client(1).txn(txn)).succeeded, true);
  assert.equal((await client(2).txn(txn)).succeeded, false);
  const refused = client().put("k", "v", { lease: 4711n });
  await assert.rejects(refused, { code: 5, message: "etcdserver: requested lease not found" });
  await assert.rejects(client().connection.unary("/etcdserverpb.KV/Nope", new Uint8Array(0)), {
    code: 12,
  });
  await nothingIsOpen();
});

test("values of megabytes cross whole", async () => {
  const value = Buffer.alloc(1_400_000, "0123456789abcdef");
  await client().put("large", value);
  const { kvs } = await client(1).range("large");
  assert.ok(value.equals(kvs[0]?.value ?? new Uint8Array(0)));
});

test("a watch hears of changes, until it is cancelled", async () => {
  const watch = client().watch();
  const { watchId } = await watch.create("watched");
  const { header } = await client(1).put("watched", "1");
  assert.deepEqual(await watch.events(1), [`PUT watched=1@${header?.revision}`]);
  watch.cancel(watchId);
  assert.equal((await watch.next()).canceled, true);
  await client(1).put("watched", "2");
  await watch.create("other");
  await client(1).put("other", "3");
  assert.match((await watch.events(1)).join(), /^PUT other=3@/);
  watch.close();
  await nothingIsOpen();
});

test("a watcher that reads nothing for a while misses nothing", async () => {
  const watch = await hangingWatch(client(), "flood");
  watch.stream.raw.pauseReceiving();
  const value = "x".repeat(100_000);
  for (let i = 0; i < 150; i++) await client(1).put("flood", `${i} ${value}`);
  watch.stream.raw.resumeReceiving();
  const events = await watch.events(150);
  assert.deepEqual(
    events.map((event) => Number(/=(\d+) /.exec(event)?.[1])),
    Array.from({ length: 150 }, (_, i) => i),
  );
  watch.close();
  await nothingIsOpen();
});

test("leases are kept alive on streams, and end with their keys", async () => {
  const { ID } = await client().grant(60);
  await client().put("leased", "1", { lease: ID });
  const stream = client(2).open("/etcdserverpb.Lease/LeaseKeepAlive");
  for (let i = 0; i < 3; i++) {
    stream.send({ ID });
    assert.equal((await stream.next()).TTL, 60);
  }
  stream.raw.halfClose();
  assert.equal(await stream.failure(), undefined);
  await client(1).call("/etcdserverpb.Lease/LeaseRevoke", { ID });
  assert.deepEqual((await client(3).range("leased")).kvs, []);
  await nothingIsOpen();
});

test("a large range comes in pieces, and a client may leave in the middle", async () => {
  const value = "v".repeat(20_000);
  const puts = Array.from({ length: 1_000 }, (_, i) => client(i).put(`pages/${i}`, value));
  await Promise.all(puts);
  const all = { rangeEnd: Buffer.from("pages0") };
  const { kvs } = await client().range("pages/", all);
  assert.equal(kvs.length, 1_000);
  assert.ok(kvs.every((kv) => text(kv.value) === value));
  const leaver = await RpcClient.connect(member.port);
  const lost = leaver.range("pages/", all);
  // As soon as a part is there, or nothing yet.
  await until(() => openCalls() > 0, "the call to arrive");
  leaver.close();
  await assert.rejects(lost);
  await nothingIsOpen();
});

test("a client that disconnects leaves nothing behind", async () => {
  const leaver = await RpcClient.connect(member.port);
  const watch = await hangingWatch(leaver, "left");
  const lock = leaver.call("/v3lockpb.Lock/Lock", { name: Buffer.from("mutex") });
  await lock;
  const waiting = leaver.call("/v3lockpb.Lock/Lock", { name: Buffer.from("mutex") });
  await until(() => openCalls() === 2, "the watch and the lock");
  leaver.close();
  await assert.rejects(waiting);
  assert.notEqual(await watch.stream.failure(), undefined);
  await nothingIsOpen();
});

test("a deadline ends a call on both threads", async () => {
  await client().call("/v3lockpb.Lock/Lock", { name: Buffer.from("held") });
  const deadlineMs = client(1).connection.nowMs() + 50;
  const name = Buffer.from("held");
  const late = client(1).call("/v3lockpb.Lock/Lock", { name }, { deadlineMs });
  await assert.rejects(late, { code: 4 });
  await nothingIsOpen();
});

test("a deadline is the same moment on the main thread", async () => {
  const deadlines: number[] = [];
  const frontEnds = await FrontEnds.start({
    workers: 1,
    address: { host: "127.0.0.1", port: 0 },
    limits: {},
    logger: new MemoryLogger(),
    service: {
      unary(calls) {
        deadlines.push(...calls.map(({ deadlineMs }) => deadlineMs));
        for (const call of calls) call.fail(9, "seen");
      },
      stream: (call) => call.finish(9, "seen"),
    },
  });
  const own = await RpcClient.connect(frontEnds.address.port);
  const sentMs = own.connection.nowMs();
  const deadlineMs = sentMs + 60_000;
  await assert.rejects(own.call("/etcdserverpb.KV/Put", {}, { deadlineMs }), { code: 9 });
  const answeredMs = own.connection.nowMs();
  await assert.rejects(own.put("without"), { code: 9 });
  const [deadline = 0, none] = deadlines;
  // The client's rest is counted anew where it arrives, and rounded.
  assert.ok(deadline > sentMs + 59_990 && deadline < answeredMs + 60_010, `${deadline - sentMs}`);
  assert.equal(none, Number.POSITIVE_INFINITY);
  own.close();
  await frontEnds.stop(0);
});

test("tokens reach the member, and each client has its own", async () => {
  const guarded = await start("guarded");
  const endpoints = `http://127.0.0.1:${guarded.port}`;
  try {
    await using admin = new EtcdClient({ endpoints });
    await admin.auth.userAdd("root", "secret");
    await admin.auth.userGrantRole("root", "root");
    await admin.auth.userAdd("alice", "wonder");
    await admin.auth.roleAdd("reader");
    await admin.auth.roleGrantPermission("reader", "read", "a");
    await admin.auth.userGrantRole("alice", "reader");
    await admin.auth.enable();
    await using root = new EtcdClient({
      endpoints,
      credentials: { username: "root", password: "secret" },
    });
    await using alice = new EtcdClient({
      endpoints,
      credentials: { username: "alice", password: "wonder" },
    });
    await root.kv.put("a", "1");
    assert.equal((await alice.kv.get("a")).kv?.valueText, "1");
    await assert.rejects(alice.kv.put("a", "2"), /permission denied/);
    await assert.rejects(admin.kv.get("a"), /user name is empty/);
  } finally {
    await guarded.stop();
  }
});

test("a port that is taken stops the start, and the member", async () => {
  const other = createServer().listen(0, "127.0.0.1");
  await once(other, "listening");
  const { port } = other.address() as AddressInfo;
  await assert.rejects(start("refused", `http://127.0.0.1:${port}`), /EADDRINUSE/);
  other.close();
  // Its data directory is free again.
  await (await start("refused")).stop();
});

test("when a thread is lost, the calls of its clients end", async () => {
  const crashing = await start("crashing");
  const own = await Promise.all(Array.from({ length: 8 }, () => RpcClient.connect(crashing.port)));
  try {
    const watches = await Promise.all(own.map((each) => hangingWatch(each, "k")));
    await crashing.frontEnds?.crash(0);
    assert.equal(crashing.frontEnds?.calls[0], 0);
    await within(crashing.ended, "the member to hear of it");
    for (const watch of watches) watch.close();
  } finally {
    for (const each of own) each.close();
    await crashing.frontEnds?.crash(1);
    await crashing.etcd.stop();
  }
});

test("what is written to one thread is read from the other at once", async () => {
  for (let i = 0; i < 100; i++) {
    await client(i).put("counter", `${i}`);
    const { kvs } = await client(i + 1).range("counter");
    assert.equal(text(kvs[0]?.value), `${i}`);
  }
});
