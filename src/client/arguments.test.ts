/** What programs without types give by mistake: it is refused by name, before anything is sent. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { runInNewContext } from "node:vm";
import {
  compare,
  EtcdClient,
  type EtcdClientOptions,
  Mutex,
  op,
  type Session,
  stm,
} from "./index.ts";

/** Nobody listens there, and nobody is asked. */
const client = new EtcdClient({ endpoints: "127.0.0.1:1" });

/** As a program without types calls it. */
function untyped<T>(value: unknown): T {
  return value as T;
}

async function refused(ask: () => unknown, message: string): Promise<void> {
  await assert.rejects(async () => ask(), { name: "TypeError", message });
}

const MISTAKES: readonly (readonly [unknown, string])[] = [
  [undefined, "undefined"],
  [null, "null"],
  [Number.NaN, "NaN"],
  [5, "5"],
  [{}, "an object (Object)"],
  [[], "an object (Array)"],
  [new Uint16Array(1), "an object (Uint16Array)"],
  [new Date(0), "an object (Date)"],
  [() => 1, "a function"],
  [Symbol("s"), "Symbol(s)"],
];

test("keys and values are text or bytes", async () => {
  const { kv } = client;
  for (const [value, shown] of MISTAKES) {
    const bad = untyped<string>(value);
    const message = (name: string): string => `${name} is text or bytes, not ${shown}`;
    await refused(() => kv.get(bad), message("key"));
    await refused(() => kv.delete(bad, { prefix: true }), message("key"));
    await refused(() => kv.put(bad, "v"), message("key"));
    await refused(() => kv.put("k", bad), message("value"));
    await refused(() => op.put("k", bad), message("value"));
    await refused(() => compare.value("k").equal(bad), message("value"));
    await refused(() => client.watch(bad), message("key"));
    await refused(() => client.namespace(bad), message("prefix"));
    await refused(() => stm(client, (txn) => txn.put("k", bad)), message("value"));
    if (value !== undefined) {
      await refused(() => kv.get("k", { rangeEnd: bad }), message("rangeEnd"));
    }
  }
});

test("bytes of another realm are bytes", () => {
  const foreign = untyped<Uint8Array>(runInNewContext("Uint8Array.of(107)"));
  assert.equal(foreign instanceof Uint8Array, false);
  const { request } = op.put(foreign, foreign);
  assert.ok(request.case === "requestPut" && request.value.key === foreign);
});

test("what is counted is a whole number", async () => {
  for (const value of [Number.NaN, Number.POSITIVE_INFINITY, 1.5, "5", 1n, 2 ** 53]) {
    const bad = untyped<number>(value);
    const shown = typeof value === "string" ? '"5"' : String(value);
    const message = (name: string): string => `${name} is a whole number, not ${shown}`;
    await refused(() => client.kv.get("k", { limit: bad }), message("limit"));
    await refused(() => client.kv.get("k", { revision: bad }), message("revision"));
    await refused(() => client.kv.get("k", { minModRevision: bad }), message("minModRevision"));
    await refused(() => client.kv.compact(bad), message("revision"));
    await refused(() => client.lease.grant(bad), message("ttl"));
    await refused(() => client.watch("k", { startRevision: bad }), message("startRevision"));
    await refused(() => client.maintenance.hashKV(bad), message("revision"));
    await refused(() => compare.version("k").less(bad), message("version"));
  }
});

test("leases and members are named by bigints", async () => {
  for (const value of [5, Number.NaN, "5", null]) {
    const bad = untyped<bigint>(value);
    const shown = typeof value === "string" ? '"5"' : String(value);
    const message = (name: string): string => `${name} is a bigint, not ${shown}`;
    await refused(() => client.lease.revoke(bad), message("leaseID"));
    await refused(() => client.lease.timeToLive(bad), message("leaseID"));
    await refused(() => client.lease.keepAliveOnce(bad), message("leaseID"));
    await refused(() => client.lease.keepAlive(bad), message("leaseID"));
    await refused(() => compare.lease("k").equal(bad), message("lease"));
    await refused(() => client.cluster.memberRemove(bad), message("memberID"));
    await refused(() => client.maintenance.moveLeader(bad), message("targetID"));
    if (value !== null) await refused(() => op.put("k", "v", { lease: bad }), message("lease"));
  }
});

test("names in options are those that exist", async () => {
  const order = { sortOrder: untyped<"ascend">("asc") };
  await refused(() => client.kv.get("k", order), 'sortOrder is one of ascend, descend, not "asc"');
  const filters = untyped<"noPut"[]>(["put"]);
  await refused(
    () => client.watch("k", { filters }),
    'filter is one of noPut, noDelete, not "put"',
  );
  await refused(
    () => stm(client, () => 1, { isolation: untyped<"serializable">("toString") }),
    "isolation is one of serializableSnapshot, serializable, repeatableReads, readCommitted, " +
      'not "toString"',
  );
});

test("what bounds a call is a time and a signal", async () => {
  const timeoutMs = Number.NaN;
  const message = "timeoutMs is a number of milliseconds, not NaN";
  await refused(() => client.kv.get("k", { timeoutMs }), message);
  await refused(() => client.watch("k", { timeoutMs }), message);
  await refused(() => stm(client, () => 1, { timeoutMs }), message);
  const signal = untyped<AbortSignal>(null);
  await refused(() => client.kv.get("k", { signal }), "signal is an AbortSignal, not null");
});

test("the last argument is options", async () => {
  await refused(
    () => client.kv.get("k", untyped(null)),
    "get: the last argument is an object of options, not null",
  );
  await refused(
    () => client.kv.put("k", "v", untyped("60")),
    'put: the last argument is an object of options, not "60"',
  );
});

test("a lock has a name, and a transaction a function", async () => {
  const session = untyped<Session>({ client, leaseID: 1n });
  await refused(() => new Mutex(session, untyped(undefined)), "name is text, not undefined");
  await refused(() => stm(client, untyped(undefined)), "body is a function, not undefined");
});

test("a client is made with options that have a sense", async () => {
  const make = (options: object) => () => new EtcdClient(options as EtcdClientOptions);
  const credentials = { username: "app", password: undefined };
  await refused(make({ credentials }), "credentials.password is text, not undefined");
  await refused(
    make({ requestTimeoutMs: "5s" }),
    'requestTimeoutMs is a number of milliseconds, not "5s"',
  );
  await refused(make({ maxAttempts: Number.NaN }), "maxAttempts is a whole number, not NaN");
  await refused(make({ logger: null }), "logger.debug is a function, not undefined");
  await refused(
    make({ logger: { debug() {}, info() {} } }),
    "logger.warn is a function, not undefined",
  );
  await refused(make({ onEvent: {} }), "onEvent is a function, not an object (Object)");
  await refused(make({ endpoints: [undefined] }), "endpoint is text, not undefined");
  await refused(make({ endpoints: 2379 }), "endpoints is text, or a list of texts, not 2379");
  await refused(() => client.setEndpoints(untyped([5])), "endpoint is text, not 5");
});
