/** A grpc-proxy between clients and a real member in this process. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer as createHttp2Server } from "node:http2";
import { after, before, type TestContext, test } from "node:test";
import { Permission, Permission_Type } from "../../api/gen/auth.ts";
import { StatusCode } from "../../api/errors.ts";
import { TestMember } from "../../embed/e2e/harness.ts";
import {
  bytes,
  keys,
  pairs,
  RpcClient,
  text,
  type WatchClient,
} from "../../embed/e2e/rpc-client.ts";
import { until } from "../../embed/e2e/wait.ts";
import { SystemClock } from "../../env/system-clock.ts";
import { MetricsRegistry } from "../../platform/index.ts";
import { SeededRandom } from "../../env/testing/seeded-random.ts";
import { MemoryLogger } from "../../env/testing/memory-logger.ts";
import { RpcError } from "../../transport/client/rpc-error.ts";
import { GrpcProxy, type GrpcProxyOptions } from "./grpc-proxy.ts";
import { freePort } from "../../base/testing/free-ports.ts";

let member: TestMember;
before(async () => {
  member = await TestMember.start();
});
after(() => member.stop());

interface Started {
  readonly proxy: GrpcProxy;
  readonly port: number;
  readonly client: RpcClient;
  connect(): Promise<RpcClient>;
  metric(name: string): number;
  readonly logger: MemoryLogger;
}

let made = 1;
async function startProxy(
  t: TestContext,
  changes: Partial<GrpcProxyOptions> = {},
  port = member.port,
): Promise<Started> {
  const metrics = new MetricsRegistry();
  const logger = new MemoryLogger();
  const options: GrpcProxyOptions = {
    listen: { host: "127.0.0.1", port: 0 },
    metricsListen: undefined,
    upstream: { endpoints: [`127.0.0.1:${port}`], dialTimeoutMs: 500 },
    namespace: "",
    logsMessages: false,
    commandLine: undefined,
    isOrdered: false,
    leasingPrefix: "",
    maxSendBytes: 1_572_864,
    registration: { prefix: "", ttl: 0, address: "", hostname: "here" },
    autoSyncIntervalMs: 0,
    listener: {},
    ...changes,
  };
  const proxy = await GrpcProxy.start(options, {
    clock: new SystemClock({ holdsProcess: true }),
    random: new SeededRandom(made++),
    logger,
    metrics,
    exposition: { contentType: "text/plain", render: () => metrics.render() },
    memberMetrics: async () => Buffer.from("of a member"),
    acceptor: () => undefined,
  });
  t.after(() => proxy.stop());
  const { address } = proxy;
  assert.ok(address !== undefined && "port" in address);
  const connect = async (): Promise<RpcClient> => {
    const client = await RpcClient.connect(address.port);
    t.after(() => client.close());
    return client;
  };
  const metric = (name: string): number =>
    Number(new RegExp(`^${name} (\\S+)$`, "m").exec(metrics.render())?.[1]);
  return { proxy, port: address.port, client: await connect(), connect, metric, logger };
}

/** A number that the member counts. */
async function memberMetric(name: string): Promise<number> {
  const answer = await fetch(`http://127.0.0.1:${member.port}/metrics`);
  const found = [
    ...(await answer.text()).matchAll(new RegExp(`^${name}(?:\\{[^}]*\\})? (\\S+)$`, "gm")),
  ];
  return found.reduce((sum, [, value]) => sum + Number(value), 0);
}

/** As "PUT key=value", without revisions. */
async function changes(watch: WatchClient, count: number): Promise<string[]> {
  return (await watch.events(count)).map((each) => each.replace(/@\d+$/, ""));
}

const memberWatches = (): Promise<number> => memberMetric("etcd_debugging_mvcc_watcher_total");

test("ten thousand watchers of one key cost the member one watch, and all see each event", async (t) => {
  const { client, connect, metric } = await startProxy(t);
  const beforeWatches = await memberWatches();
  const streams: WatchClient[] = [];
  for (let i = 0; i < 10; i++) {
    const stream = (await connect()).watch();
    streams.push(stream);
    for (let k = 0; k < 1_000; k++) stream.request("popular");
  }
  for (const stream of streams) {
    for (let k = 0; k < 1_000; k++) assert.equal((await stream.next()).created, true);
  }
  assert.equal((await memberWatches()) - beforeWatches, 1);
  assert.equal(metric("etcd_grpc_proxy_watchers_coalescing_total"), 9_999);
  await client.put("popular", "news");
  for (const stream of streams) {
    const ids = new Set<number>();
    for (let k = 0; k < 1_000; k++) {
      const { events, watchId } = await stream.next();
      assert.equal(text(events[0]?.kv?.value), "news");
      ids.add(watchId);
    }
    assert.equal(ids.size, 1_000);
  }
});

test("a watch from now on does not see what its client has written before", async (t) => {
  const { client, connect } = await startProxy(t);
  const first = client.watch();
  await first.create("order");
  const second = (await connect()).watch();
  for (let i = 0; i < 20; i++) {
    const { header } = await client.put("order", `${i}`);
    const { watchId, header: at } = await second.create("order");
    assert.ok((at?.revision ?? 0) >= (header?.revision ?? 0));
    await client.put("order", `after ${i}`);
    const seen = await second.next();
    assert.equal(text(seen.events[0]?.kv?.value), `after ${i}`);
    second.cancel(watchId);
    assert.equal((await second.next()).canceled, true);
  }
});

test("a watch from the past sees all of it, in order, and then shares the live one", async (t) => {
  const { client, connect } = await startProxy(t);
  const live = client.watch();
  await live.create("past");
  const { header } = await client.put("past", "1");
  for (const value of ["2", "3"]) await client.put("past", value);
  const own = await memberWatches();
  const late = (await connect()).watch();
  await late.create("past", { startRevision: header?.revision ?? 0 });
  assert.deepEqual(await changes(late, 3), ["PUT past=1", "PUT past=2", "PUT past=3"]);
  await client.put("past", "4");
  assert.deepEqual(await changes(late, 1), ["PUT past=4"]);
  await until(async () => (await memberWatches()) === own, "the watches to become one");
  await client.put("past", "5");
  assert.deepEqual(await changes(late, 1), ["PUT past=5"]);
  assert.deepEqual((await changes(live, 5)).at(-1), "PUT past=5");
});

test("watches that begin behind a list share one watch of the member", async (t) => {
  const { client, connect } = await startProxy(t);
  const { header } = await client.put("listed", "1");
  const startRevision = (header?.revision ?? 0) + 1;
  const own = await memberWatches();
  const watches = await Promise.all(
    Array.from({ length: 5 }, async () => (await connect()).watch()),
  );
  for (const watch of watches) await watch.create("listed", { startRevision });
  assert.equal((await memberWatches()) - own, 1);
  await client.put("listed", "2");
  for (const watch of watches) assert.deepEqual(await changes(watch, 1), ["PUT listed=2"]);
});

test("a progress request is answered when all watches of the stream have caught up", async (t) => {
  const { client, connect } = await startProxy(t);
  const watch = (await connect()).watch();
  await watch.create("progress/a");
  await watch.create("progress/b");
  const { header } = await client.put("unrelated", "1");
  watch.requestProgress();
  const answer = await watch.next();
  assert.equal(answer.watchId, -1);
  assert.equal(answer.header?.revision, header?.revision);
  watch.requestProgress();
  watch.requestProgress();
  assert.equal((await watch.next()).watchId, -1);
});

test("a client that does not read holds nobody up, and gets everything later", async (t) => {
  const { client, connect } = await startProxy(t);
  const [slow, fast] = [(await connect()).watch(), (await connect()).watch()];
  await slow.create("slow");
  await fast.create("slow");
  slow.stream.raw.pauseReceiving();
  const value = "x".repeat(1_000_000);
  const count = 16;
  for (let i = 0; i < count; i++) {
    await client.put("slow", `${i} ${value}`);
    const { events } = await fast.next();
    assert.equal(text(events[0]?.kv?.value).split(" ")[0], String(i));
  }
  slow.stream.raw.resumeReceiving();
  const seen: string[] = [];
  while (seen.length < count) {
    const { events } = await slow.next();
    seen.push(...events.map(({ kv }) => text(kv?.value).split(" ")[0] ?? ""));
  }
  assert.deepEqual(
    seen,
    Array.from({ length: count }, (_, i) => String(i)),
  );
});

test("filters and previous values are each watch's own", async (t) => {
  const { client, connect } = await startProxy(t);
  await client.put("both", "1");
  const [plain, noPut, previous] = [
    client.watch(),
    (await connect()).watch(),
    (await connect()).watch(),
  ];
  await plain.create("both");
  await noPut.create("both", { filters: [0] });
  await previous.create("both", { prevKv: true });
  await client.put("both", "2");
  await client.deleteRange("both");
  const [put, del] = [await plain.next(), await plain.next()];
  assert.equal(put.events[0]?.prevKv, undefined);
  assert.equal(del.events[0]?.type, 1);
  assert.equal((await noPut.next()).events[0]?.type, 1);
  assert.equal(text((await previous.next()).events[0]?.prevKv?.value), "1");
});

test("a compacted beginning ends the watch with the revision that is left", async (t) => {
  const { client } = await startProxy(t);
  await client.put("compacted", "1");
  const { header } = await client.put("compacted", "2");
  const revision = header?.revision ?? 0;
  await client.compact(revision);
  const watch = client.watch();
  const first = await watch.create("compacted", { startRevision: 1 });
  const answer = first.canceled ? first : await watch.next();
  assert.equal(answer.canceled, true);
  assert.equal(answer.compactRevision, revision);
  const refused = await watch.create("compacted", { startRevision: -1 });
  assert.equal(refused.cancelReason, "etcdserver: mvcc: required revision has been compacted");
});

test("serializable reads are remembered until the key is written through the proxy", async (t) => {
  const { client, metric } = await startProxy(t);
  await client.put("cached", "1");
  const read = async (): Promise<string[]> =>
    pairs((await client.range("cached", { serializable: true })).kvs);
  assert.deepEqual(await read(), ["cached=1"]);
  assert.deepEqual(await read(), ["cached=1"]);
  assert.equal(metric("etcd_grpc_proxy_cache_hits_total"), 1);
  await member.client.put("cached", "elsewhere");
  assert.deepEqual(await read(), ["cached=1"]);
  await client.put("cached", "2");
  assert.deepEqual(await read(), ["cached=2"]);
  await client.range("c", { rangeEnd: bytes("d") });
  await client.deleteRange("b", { rangeEnd: bytes("cz") });
  const range = await client.range("c", { rangeEnd: bytes("d"), serializable: true });
  assert.equal(keys(range.kvs).includes("cached"), false);
});

test("with a namespace clients see their own keys only", async (t) => {
  const { client } = await startProxy(t, { namespace: "own/" });
  await client.put("a", "1");
  await member.client.put("foreign", "x");
  const all = await client.range("\0", { rangeEnd: Uint8Array.of(0) });
  assert.deepEqual(pairs(all.kvs), ["a=1"]);
  assert.deepEqual(pairs((await member.client.range("own/a")).kvs), ["own/a=1"]);
  const watch = client.watch();
  await watch.create("\0", { rangeEnd: Uint8Array.of(0) });
  await member.client.put("outside", "x");
  await member.client.put("own/b", "2");
  assert.deepEqual(await changes(watch, 1), ["PUT b=2"]);
  const { ID: lease } = await client.grant(60);
  await client.put("leased", "", { lease });
  await member.client.put("unseen", "", { lease });
  const request = { ID: lease, keys: true };
  const { keys: attached } = await client.call("/etcdserverpb.Lease/LeaseTimeToLive", request);
  assert.deepEqual(attached.map(text), ["leased"]);
});

test("keep-alives of one lease at once cost the member few", async (t) => {
  const { client } = await startProxy(t);
  const { ID } = await client.grant(60);
  const asked = (): Promise<number> =>
    memberMetric('grpc_server_started_total\\{grpc_method="LeaseKeepAlive"[^}]*\\}');
  const beforeAsked = await asked();
  const stream = client.open("/etcdserverpb.Lease/LeaseKeepAlive");
  for (let i = 0; i < 100; i++) stream.send({ ID });
  for (let i = 0; i < 100; i++) assert.equal((await stream.next()).TTL, 60);
  assert.ok((await asked()) - beforeAsked < 10);
  stream.send({ ID: 404n });
  assert.equal((await stream.next()).TTL, 0);
  stream.raw.halfClose();
  assert.equal(await stream.failure(), undefined);
});

test("locks, elections, maintenance and snapshots pass through", async (t) => {
  const { client } = await startProxy(t);
  const { key } = await client.call("/v3lockpb.Lock/Lock", { name: bytes("through") });
  assert.match(text(key), /^through\//);
  await client.call("/v3electionpb.Election/Campaign", { name: bytes("e"), value: bytes("v") });
  const observed = client.openWith("/v3electionpb.Election/Observe", { name: bytes("e") });
  assert.equal(text((await observed.next()).kv?.value), "v");
  observed.raw.cancel();
  const snapshot = client.openWith("/etcdserverpb.Maintenance/Snapshot", {});
  let last = await snapshot.next();
  while (last.remainingBytes > 0) last = await snapshot.next();
  assert.equal(await snapshot.failure(), undefined);
  const { members } = await client.call("/etcdserverpb.Cluster/MemberList", {});
  assert.equal(members[0]?.name, "default");
});

test("proxies that are registered are listed in place of the members", async (t) => {
  const registration = { prefix: "proxies", ttl: 60, hostname: "here" };
  const first = await startProxy(t, { registration: { ...registration, address: "first:1" } });
  const second = await startProxy(t, { registration: { ...registration, address: "second:1" } });
  const urls = async ({ client }: Started): Promise<string[]> => {
    const { members } = await client.call("/etcdserverpb.Cluster/MemberList", {});
    return members.flatMap(({ clientURLs }) => clientURLs).sort();
  };
  for (const each of [first, second]) {
    await until(async () => (await urls(each)).length === 2, "both to be listed");
    assert.deepEqual(await urls(each), ["first:1", "second:1"]);
  }
  const { kvs } = await member.client.range("proxies/first:1");
  assert.equal(
    text(kvs[0]?.value),
    '{"Op":0,"Addr":"first:1","Metadata":"{\\"name\\":\\"here\\"}"}',
  );
});

test("health and metrics are told by HTTP", async (t) => {
  const { port } = await startProxy(t);
  const get = async (path: string, method = "GET"): Promise<[number, string]> => {
    const answer = await fetch(`http://127.0.0.1:${port}${path}`, { method });
    return [answer.status, await answer.text()];
  };
  assert.deepEqual(await get("/health"), [200, '{"health":"true","reason":""}']);
  assert.deepEqual(await get("/proxy/health"), [200, '{"health":"true","reason":""}']);
  assert.deepEqual(await get("/health", "POST"), [405, "Method Not Allowed\n"]);
  assert.deepEqual(await get("/metrics"), [200, "of a member"]);
  assert.match((await get("/proxy/metrics"))[1], /^etcd_grpc_proxy_cache_keys_total 0$/m);
  assert.deepEqual(await get("/v3/kv/range"), [404, "404 page not found\n"]);
});

test("without a member calls fail soon, and go on when it is back", async (t) => {
  const own = await TestMember.start();
  const { client, port } = await startProxy(t, {}, own.port);
  const address = own.port;
  const watch = client.watch();
  await watch.create("survives");
  await own.stop();
  const failure = await client.put("survives", "1").catch((error: unknown) => error);
  assert.ok(failure instanceof RpcError);
  const codes: number[] = [StatusCode.UNAVAILABLE, StatusCode.DEADLINE_EXCEEDED];
  assert.ok(codes.includes(failure.code), failure.message);
  const health = await fetch(`http://127.0.0.1:${port}/health`);
  assert.equal(health.status, 503);
  await own.restart({
    "listen-client-urls": `http://127.0.0.1:${address}`,
    "advertise-client-urls": `http://127.0.0.1:${address}`,
  });
  await until(
    () =>
      client.put("survives", "2").then(
        () => true,
        () => false,
      ),
    "the member again",
  );
  assert.deepEqual((await changes(watch, 1)).at(-1), "PUT survives=2");
  await own.stop();
});

test("a request beyond the limit is refused by the proxy", async (t) => {
  const { client } = await startProxy(t, { maxSendBytes: 1000 });
  const failure = await client.put("large", "x".repeat(2000)).catch((error: unknown) => error);
  assert.ok(failure instanceof RpcError);
  assert.match(failure.message, /^trying to send message larger than max \(20\d\d vs\. 1000\)$/);
});

test("nobody gets by cache or by shared watch what the token does not allow", async (t) => {
  const own = await TestMember.start();
  const { client } = await startProxy(t, {}, own.port);
  await client.call("/etcdserverpb.Auth/RoleAdd", { name: "r" });
  const perm = Permission.create({ permType: Permission_Type.READ, key: bytes("secret") });
  await client.call("/etcdserverpb.Auth/RoleGrantPermission", { name: "r", perm });
  for (const [name, role] of [
    ["root", "root"],
    ["u", "r"],
    ["v", ""],
  ] as const) {
    await client.call("/etcdserverpb.Auth/UserAdd", { name, password: name });
    if (role !== "") await client.call("/etcdserverpb.Auth/UserGrantRole", { user: name, role });
  }
  await client.put("secret", "1");
  await client.call("/etcdserverpb.Auth/AuthEnable", {});
  const login = async (name: string): Promise<{ token: string }> => {
    const request = { name, password: name };
    return { token: (await client.call("/etcdserverpb.Auth/Authenticate", request)).token };
  };
  const [u, v] = [await login("u"), await login("v")];
  const read = (metadata?: { token: string }): Promise<unknown> =>
    client
      .call("/etcdserverpb.KV/Range", { key: bytes("secret"), serializable: true }, { metadata })
      .then(
        ({ kvs }) => pairs(kvs),
        (error: Error) => error.message,
      );
  assert.deepEqual(await read(u), ["secret=1"]);
  assert.deepEqual(await read(u), ["secret=1"]);
  assert.equal(await read(v), "etcdserver: permission denied");
  assert.equal(await read(), "etcdserver: user name is empty");
  const allowed = client.watch({ metadata: u });
  assert.equal((await allowed.create("secret")).canceled, false);
  for (const [metadata, reason] of [
    [v, "rpc error: code = PermissionDenied desc = etcdserver: permission denied"],
    [undefined, "rpc error: code = InvalidArgument desc = etcdserver: user name is empty"],
  ] as const) {
    const { canceled, cancelReason } = await client.watch({ metadata }).create("secret");
    assert.deepEqual([canceled, cancelReason], [true, reason]);
  }
  await own.stop();
});

test("a watch that wants pieces gets a large revision in pieces", async (t) => {
  const { client, connect } = await startProxy(t);
  const [pieces, whole] = [(await connect()).watch(), (await connect()).watch()];
  const rangeEnd = bytes("pieces0");
  await pieces.create("pieces/", { rangeEnd, fragment: true });
  await whole.create("pieces/", { rangeEnd });
  const value = bytes("x".repeat(1_000_000));
  // More in one transaction than in one request: the values are there already.
  for (let i = 0; i < 5; i++) await client.put(`pieces/${i}`, value);
  for (let i = 0; i < 5; i++) assert.equal((await pieces.next()).fragment, false);
  for (let i = 0; i < 5; i++) await whole.next();
  const withPrevious = (await connect()).watch();
  await withPrevious.create("pieces/", { rangeEnd, fragment: true, prevKv: true });
  await client.deleteRange("pieces/", { rangeEnd });
  const seen: [boolean, number][] = [];
  while (seen.at(-1)?.[0] !== false) {
    const { fragment, events } = await withPrevious.next();
    seen.push([fragment, events.length]);
  }
  assert.deepEqual(seen, [
    [true, 2],
    [true, 2],
    [false, 1],
  ]);
  assert.deepEqual((await pieces.next()).events.length, 5);
});

test("a snapshot waits for a client that does not read", async (t) => {
  const own = await TestMember.start();
  const { client, connect } = await startProxy(t, {}, own.port);
  const value = "x".repeat(1_000_000);
  for (let i = 0; i < 24; i++) await client.put(`big/${i}`, value);
  const sent = async (): Promise<number> => {
    const answer = await fetch(`http://127.0.0.1:${own.port}/metrics`);
    const name = "etcd_network_client_grpc_sent_bytes_total";
    return Number(new RegExp(`^${name} (\\S+)$`, "m").exec(await answer.text())?.[1]);
  };
  const earlier = await sent();
  const slow = await connect();
  const snapshot = slow.openWith("/etcdserverpb.Maintenance/Snapshot", {});
  let last = await snapshot.next();
  snapshot.raw.pauseReceiving();
  for (let i = 0; i < 200; i++) await client.put("meanwhile", `${i}`);
  assert.ok((await sent()) - earlier < 16_000_000);
  snapshot.raw.resumeReceiving();
  while (last.remainingBytes > 0) last = await snapshot.next();
  assert.equal(await snapshot.failure(), undefined);
  await own.stop();
});

test("with leasing, reads of one key ask the member once, and no writer is overlooked", async (t) => {
  const changed = { leasingPrefix: "leases/", namespace: "own/" };
  const [first, second] = [await startProxy(t, changed), await startProxy(t, changed)];
  const marks = async (): Promise<string[]> =>
    keys((await member.client.range("own/leases/", { rangeEnd: bytes("own/leases0") })).kvs);
  const read = async ({ client }: Started): Promise<string[]> =>
    pairs((await client.range("leased")).kvs);
  await first.client.put("leased", "1");
  await until(async () => {
    await read(first);
    return (await marks()).length === 1;
  }, "the key to be owned");
  assert.deepEqual(await marks(), ["own/leases/leased"]);
  const asked = (): Promise<number> =>
    memberMetric('grpc_server_started_total\\{grpc_method="(?:Range|Txn)"[^}]*\\}');
  const earlier = await asked();
  for (let i = 0; i < 50; i++) assert.deepEqual(await read(first), ["leased=1"]);
  assert.equal(await asked(), earlier);
  await second.client.put("leased", "2");
  assert.deepEqual(await read(first), ["leased=2"]);
  await first.proxy.stop();
  await second.proxy.stop();
  assert.deepEqual(await marks(), []);
});

test("in order, no serializable read goes back behind what was seen", async (t) => {
  // Two clusters, so that one of them lags for good.
  const [ahead, behind] = [await TestMember.start(), await TestMember.start()];
  for (let i = 0; i < 5; i++) await ahead.client.put("ordered", `${i}`);
  await behind.client.put("ordered", "old");
  const endpoints = [behind, ahead].map(({ port }) => `127.0.0.1:${port}`);
  const { client } = await startProxy(t, { isOrdered: true, upstream: { endpoints } });
  const seen: string[] = [];
  for (let limit = 1; limit <= 40; limit++) {
    // Each limit is another question: none is answered from memory.
    const { kvs } = await client.range("ordered", { serializable: true, limit });
    seen.push(text(kvs[0]?.value));
  }
  const first = seen.indexOf("4");
  assert.ok(first >= 0 && first < seen.length - 1, seen.join(" "));
  assert.deepEqual(new Set(seen.slice(first)), new Set(["4"]));
  await Promise.all([ahead.stop(), behind.stop()]);
});

test("messages are logged when asked for, without secrets", async (t) => {
  const { client, logger } = await startProxy(t, { logsMessages: true });
  await client.put("logged", "v");
  const watch = client.watch();
  await watch.create("logged");
  await client.call("/etcdserverpb.Auth/UserAdd", { name: "logged", password: "hidden" });
  const lines = logger.lines.map(({ message, fields }) => JSON.stringify([message, fields]));
  const about = (text: string): string[] => lines.filter((line) => line.includes(text));
  assert.equal(about('"grpc.method":"Put"').length, 2);
  assert.match(
    about("server request payload logged as grpc.request.content field").join("\n"),
    /"grpc.service":"etcdserverpb.KV","grpc.method":"Put","peer.address":"127.0.0.1:\d+","grpc.request.content":{"msg":{"key":"bG9nZ2Vk","value":"dg=="/,
  );
  assert.equal(about('"grpc.method":"Watch"').length, 2);
  assert.equal(about('"grpc.method":"UserAdd"').length, 2);
  assert.deepEqual(about("hidden"), []);
  await client.call("/etcdserverpb.Auth/UserDelete", { name: "logged" });
});

test("profiles are served when asked for", async (t) => {
  const [plain, profiled] = [await startProxy(t), await startProxy(t, { commandLine: ["etcd"] })];
  const status = async ({ port }: Started): Promise<number> =>
    (await fetch(`http://127.0.0.1:${port}/debug/pprof/cmdline`)).status;
  assert.equal(await status(plain), 404);
  assert.equal(await status(profiled), 200);
});

test("a ring of proxies says so, and a line of proxies works", async (t) => {
  const port = await freePort();
  const itself = await startProxy(t, { listen: { host: "127.0.0.1", port } }, port);
  const later = await freePort();
  const first = await startProxy(t, {}, later);
  const second = await startProxy(t, { listen: { host: "127.0.0.1", port: later } }, first.port);
  for (const { client, port: at } of [itself, first, second]) {
    await rejects(client.put("ring", "1"), /the endpoints of this proxy lead back to itself/);
    const { canceled, cancelReason } = await client.watch().create("ring");
    assert.equal(canceled, true);
    assert.match(cancelReason, /lead back to itself/);
    const health = await fetch(`http://127.0.0.1:${at}/health`);
    assert.equal(health.status, 503);
    assert.match(await health.text(), /lead back to itself/);
  }
  const one = await startProxy(t);
  const two = await startProxy(t, {}, one.port);
  await two.client.put("line", "1");
  assert.deepEqual(pairs((await member.client.range("line")).kvs), ["line=1"]);
});

test("answers of an upstream that are no messages are errors of the call", async (t) => {
  const server = createHttp2Server();
  server.on("stream", (stream) => {
    stream.on("error", () => undefined);
    stream.respond({ ":status": 200, "content-type": "application/grpc" });
    stream.end(Buffer.from("\0\0\0\0\x05\xff\xff\xff\xff\xff", "latin1"));
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  t.after(() => server.close());
  const address = server.address();
  const port = typeof address === "object" && address !== null ? address.port : 0;
  const { client } = await startProxy(t, {}, port);
  for (let i = 0; i < 3; i++) await rejects(client.range("x"), /./);
  await rejects(client.put("x", "y"), /./);
  const { ID } = { ID: 7n };
  const stream = client.open("/etcdserverpb.Lease/LeaseKeepAlive");
  stream.send({ ID });
  assert.notEqual(await stream.failure(), undefined);
});

test("of endpoints that are dead, one that lives is enough", async (t) => {
  const dead = await Promise.all([freePort(), freePort()]);
  const endpoints = [...dead, member.port].map((port) => `127.0.0.1:${port}`);
  const { client } = await startProxy(t, { upstream: { endpoints } });
  const watch = client.watch();
  await watch.create("alive");
  for (let i = 0; i < 10; i++) await client.put("alive", `${i}`);
  assert.equal((await changes(watch, 10)).at(-1), "PUT alive=9");
});

test("a lock whose lease ends while it waits fails, and leaves no key behind", async (t) => {
  const { client, connect } = await startProxy(t);
  const held = await client.call("/v3lockpb.Lock/Lock", { name: bytes("ends") });
  const { ID: lease } = await client.grant(60);
  const waiter = await connect();
  const waiting = waiter.call("/v3lockpb.Lock/Lock", { name: bytes("ends"), lease });
  const queue = async (): Promise<string[]> =>
    keys((await client.range("ends/", { rangeEnd: bytes("ends0") })).kvs);
  await until(async () => (await queue()).length === 2, "the second to wait");
  await client.call("/etcdserverpb.Lease/LeaseRevoke", { ID: lease });
  await until(async () => (await queue()).length === 1, "the key of the second to go");
  await client.call("/v3lockpb.Lock/Unlock", { key: held.key });
  await rejects(waiting, /./);
  assert.deepEqual(await queue(), []);
});

test("endpoints are taken from the cluster, for callers with tokens too", async (t) => {
  const dead = await freePort();
  const upstream = { endpoints: [`127.0.0.1:${dead}`, `127.0.0.1:${member.port}`] };
  const { client, logger } = await startProxy(t, { upstream, autoSyncIntervalMs: 20 });
  const put = { key: bytes("synced"), value: bytes("1") };
  const metadata = { token: "that nobody checks" };
  await client.call("/etcdserverpb.KV/Put", put, { metadata });
  const updates = (): unknown[] =>
    logger.lines.flatMap(({ message, fields }) =>
      message === "endpoints were updated" ? [fields.endpoints] : [],
    );
  await until(() => updates().length > 0, "the endpoints of the cluster");
  const { members } = await client.call("/etcdserverpb.Cluster/MemberList", {});
  assert.deepEqual(updates(), [members[0]?.clientURLs]);
  await client.call("/etcdserverpb.KV/Put", put, { metadata });
});

test("the listener of metrics has health and metrics, and no calls", async (t) => {
  const port = await freePort();
  const address = { host: "127.0.0.1", port };
  await startProxy(t, { metricsListen: { address, isSecure: false } });
  const get = async (path: string): Promise<number> =>
    (await fetch(`http://127.0.0.1:${port}${path}`)).status;
  assert.deepEqual(
    await Promise.all(["/health", "/proxy/health", "/metrics", "/proxy/metrics"].map(get)),
    [200, 200, 200, 200],
  );
  const other = await RpcClient.connect(port);
  t.after(() => other.close());
  await rejects(other.range("x"), /./);
});

test("an answer beyond the limit is refused, and a registration lasts as long as asked", async (t) => {
  const upstream = { endpoints: [`127.0.0.1:${member.port}`], maxMessageBytes: 10_000 };
  const registration = { prefix: "limits", ttl: 77, address: "own:1", hostname: "here" };
  const { client } = await startProxy(t, { upstream, registration });
  await member.client.put("too-large", "x".repeat(20_000));
  await rejects(client.range("too-large"), /larger than|max/);
  let lease = 0n;
  await until(async () => {
    const { kvs } = await member.client.range("limits/own:1");
    lease = kvs[0]?.lease ?? 0n;
    return lease !== 0n;
  }, "the registration");
  const request = { ID: lease };
  const { grantedTTL } = await member.client.call("/etcdserverpb.Lease/LeaseTimeToLive", request);
  assert.equal(grantedTTL, 77);
});

async function rejects(promise: Promise<unknown>, pattern: RegExp): Promise<void> {
  const failure = await promise.then(
    () => assert.fail("expected a failure"),
    (error: unknown) => error,
  );
  assert.ok(failure instanceof RpcError, String(failure));
  assert.match(failure.message, pattern);
}
