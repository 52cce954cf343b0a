/**
 * How calls behave when endpoints fail, time runs out or callers lose interest, on any etcd: what
 * is sent again, what is not, and what errors tell.
 */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { VirtualClock } from "../../env/testing/index.ts";
import {
  compare,
  EtcdClient,
  EtcdClientError,
  type EtcdClientOptions,
  METHODS,
  op,
  Session,
  stm,
} from "../index.ts";
import { CA_CERT, CLIENT_CERT, CLIENT_KEY, SERVER_CERT, SERVER_KEY } from "./certificates.ts";
import { failure, isUnimplemented, soon, take } from "./check.ts";
import { FaultyProxy } from "./faulty-proxy.ts";
import { Clients, type SuiteServer, type World } from "./world.ts";

/** A port of the loopback address where nobody listens. */
const DEAD = "http://127.0.0.1:1";

export function callsSuite(world: World): void {
  const on = `on ${world.name}`;
  let server: SuiteServer;
  let clients: Clients;
  let client: EtcdClient;

  before(async () => {
    server = await world.startServer();
    clients = new Clients(server);
    client = clients.make();
  });
  after(async () => {
    clients[Symbol.dispose]();
    await server[Symbol.asyncDispose]();
  });

  /** Resolves when a key has been written by whoever. */
  async function written(key: string): Promise<void> {
    const watcher = client.watch(key, { startRevision: 1 });
    await take(watcher, 1);
    watcher.cancel();
  }

  test(`calls go round all endpoints, and around those that fail, ${on}`, async () => {
    await using first = await FaultyProxy.start(server.endpoint);
    await using second = await FaultyProxy.start(server.endpoint);
    const own = clients.make({ endpoints: [DEAD, first.endpoint, second.endpoint] });
    for (let i = 0; i < 10; i++) await own.kv.put("round", String(i));
    assert.deepEqual([first.accepted, second.accepted], [1, 1]);
    first.refuse();
    for (let i = 0; i < 10; i++) await own.kv.get("round");
    second.refuse();
    first.restore();
    for (let i = 0; i < 10; i++) await own.kv.get("round");
    assert.ok(first.accepted > 1);
  });

  // Node takes a timer above 2^31-1 ms, not quite 25 days, for one of 1 ms, with a warning.
  test(`a call may have a deadline in 30 days, ${on}`, async () => {
    const warnings: Error[] = [];
    const onWarning = (warning: Error): unknown => warnings.push(warning);
    process.on("warning", onWarning);
    await clients.make().kv.put("in time", "1", { timeoutMs: 30 * 86_400_000 });
    await new Promise((resolve) => setImmediate(resolve));
    process.off("warning", onWarning);
    assert.deepEqual(warnings, []);
  });

  test(`a long run of quick calls, answered or refused, stays on one connection, ${on}`, async () => {
    // grpc-go pings at nearly every one of them; 16,000 are more than a flood of pings would get.
    await using proxy = await FaultyProxy.start(server.endpoint);
    const own = clients.make({ endpoints: [proxy.endpoint] });
    for (let i = 0; i < 8_000; i++) await own.kv.get("quick");
    for (let i = 0; i < 8_000; i++) {
      await failure(own.kv.get("quick", { revision: 2 ** 50 }), "futureRevision");
    }
    assert.equal(proxy.accepted, 1);
  });

  test(`a read whose connection is cut is sent again elsewhere, ${on}`, async () => {
    await using first = await FaultyProxy.start(server.endpoint);
    await using second = await FaultyProxy.start(server.endpoint);
    const own = clients.make({ endpoints: [first.endpoint, second.endpoint] });
    await own.kv.put("again", "1");
    first.holdAnswers();
    const reads = Promise.all([own.kv.get("again"), own.kv.get("again"), own.kv.get("again")]);
    await using third = await FaultyProxy.start(server.endpoint);
    own.setEndpoints([second.endpoint, third.endpoint]);
    for (const { kv } of await soon(reads, "the reads")) assert.equal(kv?.valueText, "1");
    assert.deepEqual(own.endpoints, [second.endpoint, third.endpoint]);
  });

  test(`a write whose answer is lost is not sent again, and says so, ${on}`, async () => {
    await using proxy = await FaultyProxy.start(server.endpoint);
    const own = clients.make({ endpoints: proxy.endpoint });
    const writes = [
      () => own.kv.put("lost/put", "1"),
      () => own.kv.txn().do(op.put("lost/txn", "1")).commit(),
    ];
    for (const [i, key] of ["lost/put", "lost/txn"].entries()) {
      await own.kv.get("a connection stands");
      proxy.holdAnswers();
      const write = failure(writes[i]!(), "unavailable");
      await written(key);
      proxy.restore();
      proxy.cut();
      const error = await write;
      assert.deepEqual([error.outcomeUnknown, error.attempts], [true, 1], key);
      assert.equal((await client.kv.get(key)).kv?.version, 1, key);
    }
    await own.kv.get("a connection stands");
    proxy.holdAnswers();
    const removal = failure(own.kv.delete("lost/put"), "unavailable");
    while ((await client.kv.get("lost/put")).count > 0);
    proxy.restore();
    proxy.cut();
    assert.equal((await removal).outcomeUnknown, true);
  });

  test(`a write that never left is sent when it can be, ${on}`, async () => {
    await using proxy = await FaultyProxy.start(server.endpoint);
    proxy.refuse();
    const own = clients.make({ endpoints: proxy.endpoint });
    const put = own.kv.put("patient", "1");
    await soon(proxy.acceptedReach(2), "two attempts");
    proxy.restore();
    await soon(put, "the put");
    assert.equal((await client.kv.get("patient")).kv?.version, 1);
  });

  test(`a transaction that only reads is sent again, ${on}`, async () => {
    await using proxy = await FaultyProxy.start(server.endpoint);
    const own = clients.make({ endpoints: proxy.endpoint });
    await client.kv.put("only", "read");
    await own.kv.get("a connection stands");
    proxy.holdAnswers();
    const answer = own.kv
      .txn()
      .do(op.txn(own.kv.txn().do(op.get("only"))))
      .commit();
    proxy.cut();
    proxy.restore();
    const [nested] = (await soon(answer, "the answer")).responses;
    assert.equal(nested?.kind === "txn" && nested.get(0).kv?.valueText, "read");
  });

  test(`a deadline ends a call, and says whether it was a write, ${on}`, async () => {
    await using proxy = await FaultyProxy.start(server.endpoint);
    const own = clients.make({ endpoints: proxy.endpoint });
    await own.kv.get("a connection stands");
    proxy.holdAnswers();
    const get = await failure(own.kv.get("slow", { timeoutMs: 20 }), "deadlineExceeded");
    assert.deepEqual([get.outcomeUnknown, get.code], [false, 4]);
    const put = await failure(own.kv.put("slow", "", { timeoutMs: 20 }), "deadlineExceeded");
    assert.equal(put.outcomeUnknown, true);
    const hurried = clients.make({ endpoints: proxy.endpoint, requestTimeoutMs: 20 });
    const unsent = await failure(hurried.kv.put("slow", ""), "deadlineExceeded");
    assert.equal(unsent.outcomeUnknown, false);
    await failure(
      hurried.maintenance.snapshot()[Symbol.asyncIterator]().next(),
      "deadlineExceeded",
    );
    await failure(hurried.lease.keepAliveOnce(1n), "deadlineExceeded");
  });

  test(`a signal ends a call at any stage, ${on}`, async () => {
    await using proxy = await FaultyProxy.start(server.endpoint);
    const own = clients.make({ endpoints: proxy.endpoint });
    const unsent = await failure(
      own.kv.put("a", "", { signal: AbortSignal.abort("no") }),
      "aborted",
    );
    assert.deepEqual([unsent.cause, unsent.outcomeUnknown, proxy.accepted], ["no", false, 0]);
    await own.kv.get("a connection stands");
    proxy.holdAnswers();
    const warnings: string[] = [];
    const onWarning = (warning: Error): number => warnings.push(String(warning));
    process.on("warning", onWarning);
    const controller = new AbortController();
    const { signal } = controller;
    const many = Array.from({ length: 30 }, () =>
      failure(own.kv.get("many", { signal }), "aborted"),
    );
    const sent = failure(own.kv.put("sent", "", { signal }), "aborted");
    await written("sent");
    controller.abort("enough");
    const error = await sent;
    await Promise.all(many);
    process.off("warning", onWarning);
    assert.deepEqual(warnings, []);
    assert.deepEqual(
      [error.outcomeUnknown, error.cause, error.name],
      [true, "enough", "AbortError"],
    );
    const dead = clients.make({ endpoints: DEAD });
    const dialling = new AbortController();
    const waiting = failure(dead.kv.get("x", { signal: dialling.signal }), "aborted");
    setImmediate(() => dialling.abort());
    await waiting;
  });

  test(`closing the client ends what is under way, ${on}`, async () => {
    await using proxy = await FaultyProxy.start(server.endpoint);
    const own = clients.make({ endpoints: proxy.endpoint });
    await own.kv.get("a connection stands");
    proxy.holdAnswers();
    const read = failure(own.kv.get("x"), "clientClosed");
    const write = failure(own.kv.put("closing", ""), "clientClosed");
    await written("closing");
    own.close();
    assert.equal((await read).outcomeUnknown, false);
    assert.equal((await write).outcomeUnknown, true);
    await failure(own.kv.get("x"), "clientClosed");
    const dead = new EtcdClient({ endpoints: DEAD, dialTimeoutMs: 60_000 });
    const waiting = failure(dead.kv.get("x"), "clientClosed");
    setImmediate(() => dead.close());
    await waiting;
  });

  test(`endpoints that cannot be reached are named, with the reason of each, ${on}`, async () => {
    const own = clients.make({ endpoints: [DEAD, "127.0.0.1:2"], dialTimeoutMs: 50 });
    const error = await failure(own.kv.put("x", ""), "unavailable");
    assert.match(error.message, /no endpoint is reachable/);
    assert.match(
      error.message,
      /http:\/\/127\.0\.0\.1:1: .*dial tcp 127\.0\.0\.1:1: connect: connection refused/,
    );
    assert.match(error.message, /127\.0\.0\.1:2: /);
    assert.equal(error.outcomeUnknown, false);
    const late = await failure(own.kv.get("x", { timeoutMs: 30 }), "deadlineExceeded");
    assert.match(String(late.cause), /connection refused/);
  });

  test(`an endpoint that accepts and is silent is passed over, ${on}`, async () => {
    await using silent = await FaultyProxy.start(server.endpoint);
    silent.holdAnswers();
    const own = clients.make({ endpoints: [silent.endpoint, server.endpoint] });
    await soon(own.kv.get("x"), "the answer of the other");
  });

  test(`a connection that has gone silent is given up, and its watch moves, ${on}`, async () => {
    await using proxy = await FaultyProxy.start(server.endpoint);
    const clock = new VirtualClock();
    const own = clients.make({ endpoints: [proxy.endpoint, server.endpoint], clock });
    const watcher = own.watch("silent");
    await watcher.created;
    proxy.holdAnswers();
    await client.kv.put("silent", "1");
    let isDone = false;
    const next = take(watcher, 1).finally(() => {
      isDone = true;
    });
    await clock.advanceAsync(29_000);
    assert.equal(isDone, false);
    while (!isDone) await clock.advanceAsync(1_000);
    assert.equal((await next)[0]?.events[0]?.kv.valueText, "1");
  });

  test(`a call can name its endpoint, one of the client's or not, ${on}`, async () => {
    await using proxy = await FaultyProxy.start(server.endpoint);
    const own = clients.make({ endpoints: [DEAD] });
    await own.maintenance.status({ endpoint: proxy.endpoint });
    await own.maintenance.status({ endpoint: proxy.endpoint });
    assert.equal(proxy.accepted, 1);
    const error = await failure(own.kv.put("", "", { endpoint: proxy.endpoint }), "emptyKey");
    assert.equal(error.endpoint, proxy.endpoint);
    await assert.rejects(own.kv.get("x", { endpoint: "ftp://x" }), TypeError);
  });

  test(`status, alarms, hashes, defragmentation and members are served, ${on}`, async () => {
    const status = await client.maintenance.status();
    assert.match(status.version, /^3\./);
    assert.ok(status.dbSize > 0);
    assert.deepEqual((await client.maintenance.alarmList()).alarms, []);
    const memberID = status.header?.memberId ?? 0n;
    const raised = await client.maintenance.alarmActivate(memberID, "noSpace");
    assert.deepEqual(
      raised.alarms.map(({ alarm }) => alarm),
      [1],
    );
    await failure(client.kv.put("full", ""), "noSpace");
    await client.maintenance.alarmDisarm(0n, "none");
    await client.kv.put("full", "");
    const [one, other] = [await client.maintenance.hashKV(), await client.maintenance.hashKV()];
    assert.equal(one.hash, other.hash);
    assert.ok((await client.maintenance.hash()).hash > 0);
    await client.maintenance.defragment();
    const { members } = await client.cluster.memberList();
    assert.deepEqual(
      members.map(({ ID }) => ID),
      [memberID],
    );
    const own = clients.make();
    assert.deepEqual(await own.syncEndpoints(), members[0]?.clientURLs);
    await own.kv.get("synced");
  });

  test(`members are added, changed and removed, ${on}`, async (t) => {
    await using own = await world.startServer();
    using ownClients = new Clients(own);
    const { cluster } = ownClients.make();
    if (await isUnimplemented(cluster.memberRemove(404n))) {
      t.skip(`${world.name} cannot change members`);
      return;
    }
    await failure(cluster.memberRemove(404n), "memberNotFound");
    await failure(cluster.memberPromote(404n), "memberNotFound");
    await failure(cluster.memberAdd(["not a url"]), "memberBadURLs");
    const { member, members } = await cluster.memberAdd(["http://127.0.0.1:3"], {
      isLearner: true,
    });
    assert.deepEqual([members.length, member?.isLearner, member?.name], [2, true, ""]);
    const id = member?.ID ?? 0n;
    const changed = await cluster.memberUpdate(id, ["http://127.0.0.1:4"]);
    const found = changed.members.find(({ ID }) => ID === id);
    assert.deepEqual(found?.peerURLs, ["http://127.0.0.1:4"]);
    await failure(cluster.memberPromote(id), "learnerNotReady");
    assert.equal((await cluster.memberRemove(id)).members.length, 1);
    assert.equal((await cluster.memberList({ linearizable: false })).members.length, 1);
  });

  test(`a snapshot comes whole and checked, to quick and slow readers, ${on}`, async () => {
    for (let i = 0; i < 4; i++) await client.kv.put(`snap/${i}`, "s".repeat(1_000_000));
    const snapshot = client.maintenance.snapshot();
    let bytes = 0;
    for await (const blob of snapshot) {
      bytes += blob.length;
      await new Promise((resolve) => setImmediate(resolve));
    }
    assert.equal(bytes % 512, 32);
    assert.ok(bytes > 4_000_000);
    assert.deepEqual([snapshot.receivedBytes, snapshot.remainingBytes], [bytes, 0]);
    // Leaving early ends the transfer.
    for await (const blob of client.maintenance.snapshot()) {
      assert.ok(blob.length > 0);
      break;
    }
    await using proxy = await FaultyProxy.start(server.endpoint);
    const own = clients.make({ endpoints: proxy.endpoint });
    const cut = (async () => {
      for await (const _ of own.maintenance.snapshot()) proxy.cut();
    })();
    await failure(cut, "unavailable");
  });

  test(`TLS is verified, with certificates of both sides, ${on}`, async () => {
    const tls = {
      cert: SERVER_CERT,
      key: SERVER_KEY,
      ca: CA_CERT,
      requestCert: true,
      rejectUnauthorized: true,
      ALPNProtocols: ["h2"],
    };
    await using proxy = await FaultyProxy.start(server.endpoint, tls);
    const certificate = { cert: CLIENT_CERT, key: Buffer.from(CLIENT_KEY) };
    const good = clients.make({
      endpoints: proxy.endpoint,
      tls: { ...certificate, ca: [CA_CERT] },
    });
    await good.kv.put("tls", "1");
    const plainName = clients.make({
      endpoints: proxy.endpoint.replace("https://", ""),
      tls: { ...certificate, ca: CA_CERT, serverName: "etcd.test" },
    });
    assert.equal((await plainName.kv.get("tls")).kv?.valueText, "1");
    const careless = clients.make({
      endpoints: proxy.endpoint,
      tls: { ...certificate, insecureSkipVerify: true },
    });
    await careless.kv.get("tls");
    const refusals: [string, RegExp][] = [];
    const endings = { endpoints: proxy.endpoint, dialTimeoutMs: 500 };
    const bad = {
      "an unknown authority": { ...certificate },
      "another name": { ...certificate, ca: CA_CERT, serverName: "elsewhere.test" },
    };
    for (const [what, options] of Object.entries(bad)) {
      const error = await failure(
        clients.make({ ...endings, tls: options }).kv.get("x"),
        "unavailable",
      );
      refusals.push([`${what}: ${error.message}`, /certificate|altnames/]);
    }
    for (const [text, pattern] of refusals) assert.match(text, pattern);
    // TLS 1.3 clients learn of a refused certificate only after the handshake.
    const anonymous = clients.make({ ...endings, tls: { ca: CA_CERT } });
    const refused = await failure(anonymous.kv.get("x"), "unavailable");
    assert.match(refused.message, /: remote error: tls: certificate required"$/);
    // With a deadline it is tried until time is up.
    const late = await failure(anonymous.kv.get("x", { timeoutMs: 500 }), "deadlineExceeded");
    assert.match(late.message, /^context deadline exceeded; .*tls: certificate required"$/);
  });

  test(`errors are of one class, and options are checked, ${on}`, async () => {
    assert.throws(() => new EtcdClient({ endpoints: [] }), TypeError);
    assert.throws(() => new EtcdClient({ endpoints: "ftp://x" }), /unknown scheme ftp/);
    assert.throws(() => new EtcdClient({ endpoints: "http://x:99999" }), /not of the form/);
    const typo = { requestTimeoutMS: 5 } as EtcdClientOptions;
    assert.throws(() => new EtcdClient(typo), {
      name: "TypeError",
      message: 'EtcdClient has no option "requestTimeoutMS"; did you mean "requestTimeoutMs"?',
    });
    const inside = { tls: { caFile: "x" }, credentials: { user: "x" } } as unknown;
    assert.throws(
      () => new EtcdClient(inside as EtcdClientOptions),
      /^TypeError: tls has no option "caFile"/,
    );
    for (const [name, value] of [
      ["Upper", "x"],
      ["token", "x"],
      ["grpc-timeout", "1S"],
      ["a", "\n"],
    ]) {
      const options = { metadata: { [name as string]: value as string } };
      assert.throws(() => new EtcdClient(options), /^TypeError: .*metadata/, name);
    }
    const meant = /TypeError: delete has no option "prefx"; did you mean "prefix"\?/;
    await assert.rejects(client.kv.delete("x", { prefx: true } as object), meant);
    assert.throws(() => op.delete("x", { prefx: true } as object), meant);
    const late: object = { timeoutMS: 5 };
    for (const call of [
      () => client.kv.get("x", late),
      () => client.kv.put("x", "", late),
      () => client.kv.txn().commit(late),
      async () => client.watch("x", late),
    ]) {
      await assert.rejects(call, /TypeError: \w+ has no option "timeoutMS"/);
    }
    for (const [name, call] of callsWith(client, late)) {
      await assert.rejects(call, /TypeError: \w+ has no option "timeoutMS"/, name);
    }
    const error = await failure(client.kv.get(""), "emptyKey");
    assert.ok(error instanceof EtcdClientError && error instanceof Error);
  });
}

/** Of calls that take other things than text. */
const ARGUMENTS: Readonly<Record<string, readonly unknown[]>> = {
  grant: [1],
  grantAndKeep: [1],
  revoke: [1n],
  timeToLive: [1n],
  keepAlive: [1n],
  keepAliveOnce: [1n],
  memberRemove: [1n],
  memberUpdate: [1n, []],
  memberPromote: [1n],
  moveLeader: [1n],
  alarmActivate: [1n, "noSpace"],
  alarmDisarm: [1n, "noSpace"],
};

/** Every call of the services with such options in the last place, and what else takes options. */
function callsWith(client: EtcdClient, options: object): [string, () => Promise<unknown>][] {
  const calls: [string, () => Promise<unknown>][] = [
    ["kv.compact", () => client.kv.compact(1, options)],
    ["kv.pages", () => client.kv.pages("x", options).next()],
    ["kv.iterate", () => client.kv.iterate("x", options).next()],
    ["compare", async () => compare.value("x", options)],
    ["stm", () => stm(client, () => undefined, options)],
    ["Session", () => Session.create(client, options)],
    ["call", () => client.call(METHODS.status, {}, options)],
    ["receive", () => client.receive(METHODS.snapshot, {}, () => undefined, options)],
    ["syncEndpoints", () => client.syncEndpoints(options)],
    [
      "maintenance.snapshot",
      () => client.maintenance.snapshot(options)[Symbol.asyncIterator]().next(),
    ],
    ["maintenance.hashKV", () => client.maintenance.hashKV(0, options)],
  ];
  const others = new Set(["constructor", "inside", "snapshot", "hashKV"]);
  for (const service of ["auth", "cluster", "lease", "maintenance"] as const) {
    const target = client[service] as unknown as Record<string, (...args: unknown[]) => unknown>;
    for (const name of Object.getOwnPropertyNames(Object.getPrototypeOf(target))) {
      const method = target[name];
      if (others.has(name) || method === undefined) continue;
      // What has no default comes before the options.
      const args = ARGUMENTS[name] ?? Array(method.length).fill("1");
      calls.push([`${service}.${name}`, async () => method.call(target, ...args, options)]);
    }
  }
  assert.ok(calls.length > 40, `${calls.length} calls`);
  return calls;
}
