/** The small parts of the client that need no server. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { RpcError } from "../transport/client/rpc-error.ts";
import { Backoff } from "./backoff.ts";
import { authorityOf } from "./dial.ts";
import { nextKey, prefixEnd, toKeyRange } from "./bytes.ts";
import { fromRpcError, kindOfReason, kindOfStatus } from "./errors.ts";
import { ItemQueue } from "./item-queue.ts";
import { parseTarget } from "./target.ts";
import { VirtualClock } from "../env/testing/index.ts";
import { pause, within } from "./waiting.ts";

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");

test("the end of a prefix is the first key after all that begin with it", () => {
  assert.equal(hex(prefixEnd("a")), "62");
  assert.equal(hex(prefixEnd("ab/")), "616230");
  assert.equal(hex(prefixEnd(Uint8Array.of(0x61, 0xff))), "62");
  assert.equal(hex(prefixEnd(Uint8Array.of(0xff, 0xff))), "00");
  assert.equal(hex(prefixEnd("")), "00");
  const key = Buffer.from("shared");
  prefixEnd(key);
  assert.equal(key.toString(), "shared");
  assert.equal(hex(nextKey(Buffer.from("a"))), "6100");
});

test("a range is one key, a prefix, everything from a key on, or what two keys enclose", () => {
  const range = (key: string, options = {}): string[] => {
    const { key: start, rangeEnd } = toKeyRange(key, options);
    return [hex(start), hex(rangeEnd)];
  };
  assert.deepEqual(range("a"), ["61", ""]);
  assert.deepEqual(range("a", { prefix: true }), ["61", "62"]);
  assert.deepEqual(range("", { prefix: true }), ["00", "00"]);
  assert.deepEqual(range("a", { fromKey: true }), ["61", "00"]);
  assert.deepEqual(range("", { fromKey: true }), ["00", "00"]);
  assert.deepEqual(range("a", { rangeEnd: "c" }), ["61", "63"]);
  assert.throws(() => range("a", { prefix: true, rangeEnd: "c" }), TypeError);
});

test("a server is told the name of its address, or of its socket's file", () => {
  const names = {
    "http://a.example:1": "a.example:1",
    "https://[::1]:2379": "[::1]:2379",
    "unix:localhost:20000": "localhost:20000",
    "unixs://localhost:20000": "localhost:20000",
    "unix:///run/etcd/etcd.sock": "etcd.sock",
    "unix:///tmp/a socket?": "a%20socket%3F",
    "unix:/": "localhost",
  };
  for (const [url, name] of Object.entries(names)) {
    assert.equal(authorityOf(parseTarget(url, false)), name, url);
  }
});

test("endpoints are understood in every form", () => {
  const parse = (url: string, hasTls = false): unknown[] => {
    const { host, port, secure } = parseTarget(url, hasTls);
    return [host, port, secure];
  };
  assert.deepEqual(parse("http://a.example:1"), ["a.example", 1, false]);
  assert.deepEqual(parse("https://a.example:1/"), ["a.example", 1, true]);
  assert.deepEqual(parse("HTTP://a"), ["a", 2379, false]);
  assert.deepEqual(parse("a:65535", true), ["a", 65535, true]);
  assert.deepEqual(parse("http://a:1", true), ["a", 1, false]);
  assert.deepEqual(parse("[::1]:2379"), ["::1", 2379, false]);
  assert.deepEqual(parse("https://[fe80::1%eth0]"), ["fe80::1%eth0", 2379, true]);
  assert.deepEqual(parse("unix:///run/etcd.sock"), ["/run/etcd.sock", undefined, false]);
  assert.deepEqual(parse("unixs://relative"), ["relative", undefined, true]);
  assert.deepEqual(parse("unix:relative:1"), ["relative:1", undefined, false]);
  assert.deepEqual(parse("unixs:/run/etcd.sock"), ["/run/etcd.sock", undefined, true]);
  assert.deepEqual(parse(":2400"), ["localhost", 2400, false]);
  assert.deepEqual(parse("https://:2400"), ["localhost", 2400, true]);
  assert.deepEqual(parse("a:02379"), ["a", 2379, false]);
  assert.deepEqual(parse("http://[::1%25lo]:2400"), ["::1%lo", 2400, false]);
  for (const rest of ["/path", "/path?q=1", "?q=1", "#here", "/@b:2?@c:3"]) {
    assert.deepEqual(parse(`https://a:1${rest}`), ["a", 1, true], rest);
    assert.deepEqual(parse(`http://user:p@ss@a:1${rest}`), ["a", 1, false], rest);
  }
  for (const bad of [
    "",
    "user@a:1",
    "a:1/path",
    "http://user@",
    "unix:",
    "http://",
    "a:0",
    "a:70000",
    "a:x",
    "ftp://a",
    "a b",
    "unix://",
  ]) {
    assert.throws(() => parse(bad), TypeError, bad);
  }
});

test("statuses have kinds, etcd's by their text and others by their code", () => {
  assert.equal(kindOfStatus(14, "etcdserver: no leader"), "noLeader");
  assert.equal(kindOfStatus(14, "anything"), "unavailable");
  assert.equal(kindOfStatus(4, "context deadline exceeded"), "deadlineExceeded");
  assert.equal(kindOfStatus(4, "etcdserver: context deadline exceeded"), "deadlineExceeded");
  assert.equal(kindOfStatus(99, "?"), "unknown");
  const denied = "rpc error: code = PermissionDenied desc = etcdserver: permission denied";
  assert.equal(kindOfReason(denied), "permissionDenied");
  assert.equal(kindOfReason("etcdserver: mvcc: required revision has been compacted"), "compacted");
  assert.equal(kindOfReason("mvcc: watcher range is empty"), "watchCanceled");
});

test("a write's outcome is unknown only if it may have happened", () => {
  const unknown = (code: number, message: string, unprocessed = false): boolean =>
    fromRpcError(new RpcError(code, message, unprocessed), true, "x", 1).outcomeUnknown;
  assert.equal(unknown(14, "connection closed"), true);
  assert.equal(unknown(14, "connection closed", true), false);
  assert.equal(unknown(14, "etcdserver: request timed out"), true);
  assert.equal(unknown(4, "context deadline exceeded"), true);
  assert.equal(unknown(2, "etcdserver: too many requests"), false);
  assert.equal(unknown(3, "etcdserver: key is not provided"), false);
  assert.equal(unknown(8, "etcdserver: mvcc: database space exceeded"), false);
  const read = fromRpcError(new RpcError(14, "connection closed"), false, "x", 1);
  assert.equal(read.outcomeUnknown, false);
});

test("pauses double up to their bound, with jitter", () => {
  const delays = (value: number): number[] => {
    const backoff = new Backoff({ firstMs: 50, maxMs: 300, random: () => value });
    return [1, 2, 3, 4, 1000].map((n) => backoff.delayMs(n));
  };
  assert.deepEqual(delays(0), [25, 50, 100, 150, 150]);
  assert.deepEqual(delays(0.5), [37.5, 75, 150, 225, 225]);
});

test("a queue hands out what was pushed in order, then its end", async () => {
  const queue = new ItemQueue<number>();
  const first = queue.next();
  for (let i = 0; i < 5000; i++) queue.push(i);
  assert.equal(await first, 0);
  for (let i = 1; i < 5000; i++) assert.equal(await queue.next(), i);
  queue.push(1);
  queue.end(new Error("over"));
  queue.push(2);
  assert.equal(await queue.next(), 1);
  await assert.rejects(queue.next(), /over/);
  assert.equal(await queue.next(), undefined);
  const dropped = new ItemQueue<number>();
  const waiting = dropped.next();
  dropped.fail(new Error("now"));
  await assert.rejects(waiting, /now/);
  assert.equal(dropped.size, 0);
});

test("waiting ends by its limits and leaves no timer or listener behind", async () => {
  const clock = new VirtualClock();
  const never = new Promise<never>(() => undefined);
  const late = within(never, { deadlineMs: 10, signal: undefined }, clock, () => "why");
  clock.advance(10);
  await assert.rejects(late, { kind: "deadlineExceeded", cause: "why" });
  const controller = new AbortController();
  const { signal } = controller;
  const aborted = within(never, { deadlineMs: 100, signal }, clock);
  const paused = pause(5, clock, signal);
  controller.abort("r");
  await assert.rejects(aborted, { kind: "aborted", cause: "r" });
  await assert.rejects(paused, { kind: "aborted" });
  await assert.rejects(pause(5, clock, signal), { kind: "aborted" });
  assert.equal(clock.pendingTimers, 0);
  const fresh = new AbortController();
  assert.equal(
    await within(Promise.resolve(1), { deadlineMs: 100, signal: fresh.signal }, clock),
    1,
  );
  assert.equal(clock.pendingTimers, 0);
});
