/**
 * The attacks on HTTP/2 that have names: each runs against one connection, which must end or stay
 * within bounds, with the work that reaches the service bounded as well.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { MAX_QUEUED_OUTPUT_BYTES } from "../limits.ts";
import { OutputBudget } from "./output-budget.ts";
import { CoreHarness, describe } from "../testing/core-harness.ts";
import {
  call,
  continuation,
  data,
  END_STREAM,
  frame,
  grpcHead,
  HELLO,
  headers,
  message,
  ping,
  priority,
  rst,
  SETTINGS_ACK,
  settings,
  uint32,
  windowUpdate,
} from "../testing/raw-frames.ts";

const HEAD = grpcHead("Hang");

/** Repeats until the connection ends; returns how often. */
function flood(harness: CoreHarness, next: (i: number) => Uint8Array[], limit: number): number {
  for (let i = 0; i < limit; i++) {
    if (harness.ended !== "") return i;
    harness.feed(...next(i));
  }
  return limit;
}

test("rapid reset (CVE-2023-44487): about 200 resets, then ENHANCE_YOUR_CALM", () => {
  const harness = new CoreHarness();
  const rounds = flood(harness, (i) => [call(2 * i + 1, "x", "Hang"), rst(2 * i + 1)], 10_000);
  assert.equal(harness.ended, "ENHANCE_YOUR_CALM: too many stream resets");
  assert.ok(rounds <= 201);
});

test("a call reset in the turn of its arrival never reaches the service", () => {
  const harness = new CoreHarness();
  harness.feed(call(1, "x"), rst(1));
  assert.deepEqual(harness.service.batches, []);
});

test("abandoned calls count against the stream limit until the service has answered", () => {
  const harness = new CoreHarness({ maxConcurrentStreams: 10 });
  for (let id = 1; id < 21; id += 2) harness.feed(call(id, "", "Hang"));
  for (let id = 1; id < 21; id += 2) harness.feed(rst(id));
  assert.deepEqual(describe(harness.feed(call(21, "", "Hang"))), ["RST_STREAM 21 REFUSED_STREAM"]);
  assert.equal(harness.service.hanging.length, 10);
  harness.service.hanging[0]?.reply(Buffer.alloc(0));
  assert.deepEqual(describe(harness.feed(call(23, "", "Hang"))), []);
});

test("resets of old calls are no attack: a client whose deadlines all pass may say so", () => {
  const harness = new CoreHarness({ maxConcurrentStreams: 1_000 });
  for (let id = 1; id < 1_000; id += 2) harness.feed(call(id, "", "Hang"));
  harness.advance(5_000);
  for (let id = 1; id < 1_000; id += 2) harness.feed(rst(id));
  assert.equal(harness.ended, "");
});

const MADE_RESETS: readonly (readonly [string, (id: number) => Uint8Array[]])[] = [
  ["a window increment of 0", (id) => [call(id, "", "Hang"), windowUpdate(id, 0)]],
  ["a window overflow", (id) => [call(id, "", "Hang"), windowUpdate(id, 2 ** 31 - 1)]],
  ["DATA after END_STREAM", (id) => [call(id, "", "Hang"), data(id, "x")]],
  ["HEADERS after END_STREAM", (id) => [call(id, "", "Hang"), headers(id, HEAD, 5)]],
  ["PRIORITY of wrong length", (id) => [call(id, "", "Hang"), priority(id, 4)]],
  ["a malformed head", (id) => [headers(id, grpcHead("Hang", { connection: "x" }), 5)]],
];

for (const [what, attack] of MADE_RESETS) {
  test(`MadeYouReset (CVE-2025-8671) by ${what} has the same budget`, () => {
    const harness = new CoreHarness();
    const rounds = flood(harness, (i) => attack(2 * i + 1), 10_000);
    assert.match(harness.ended, /^ENHANCE_YOUR_CALM: too many stream errors/);
    assert.ok(rounds <= 201);
  });
}

test("CONTINUATION flood (CVE-2023-45288) ends after a few frames, nothing decoded", () => {
  const harness = new CoreHarness();
  harness.feed(headers(1, HEAD, 0));
  const rounds = flood(harness, () => [continuation(1, Buffer.alloc(4_000, 0x82))], 10_000);
  assert.equal(harness.ended, "ENHANCE_YOUR_CALM: header block too large");
  assert.ok(rounds <= 9);
});

test("a header block above 32 KiB ends the connection before it is decoded", () => {
  const harness = new CoreHarness();
  const part = Buffer.alloc(16_384, 0x82);
  harness.feed(headers(1, part, 0), continuation(1, part), continuation(1, Buffer.alloc(10), 4));
  assert.equal(harness.ended, "ENHANCE_YOUR_CALM: header block too large");
});

test("a header block that never ends times out", () => {
  const harness = new CoreHarness();
  harness.feed(headers(1, HEAD, 0));
  harness.advance(11_000);
  assert.equal(harness.ended, "ENHANCE_YOUR_CALM: header block timeout");
});

test("PING flood (CVE-2019-9512): three strikes, then too_many_pings", () => {
  const harness = new CoreHarness();
  const rounds = flood(harness, () => [ping()], 1_000_000);
  assert.equal(harness.ended, "ENHANCE_YOUR_CALM: too_many_pings");
  assert.equal(rounds, 4);
});

test("pings at the allowed distance on a busy connection are no strikes", () => {
  const harness = new CoreHarness({ keepaliveMinTimeMs: 5_000 });
  harness.feed(headers(1, grpcHead("Bidi")));
  for (let i = 0; i < 20; i++) {
    harness.advance(5_000);
    harness.feed(ping());
  }
  assert.equal(harness.ended, "");
});

test("without a stream, pings every ten seconds are too many", () => {
  const harness = new CoreHarness({ keepaliveMinTimeMs: 5_000 });
  for (let i = 0; i < 5; i++) {
    harness.advance(10_000);
    harness.feed(ping());
  }
  assert.equal(harness.ended, "ENHANCE_YOUR_CALM: too_many_pings");
});

test("answers between pings forgive strikes (window probing of grpc-go)", () => {
  const harness = new CoreHarness();
  for (let i = 0; i < 100; i++) harness.feed(call(2 * i + 1, "x"), ping());
  assert.equal(harness.ended, "");
});

test("SETTINGS flood (CVE-2019-9515) ends at its budget", () => {
  const harness = new CoreHarness();
  const rounds = flood(harness, () => [settings({ 4: 1 })], 100_000);
  assert.equal(harness.ended, "ENHANCE_YOUR_CALM: too many SETTINGS");
  assert.ok(rounds <= 100);
});

test("empty DATA flood (CVE-2019-9518) ends at its budget", () => {
  const harness = new CoreHarness();
  harness.feed(headers(1, grpcHead("Bidi")));
  const rounds = flood(harness, () => [data(1, "")], 100_000);
  assert.equal(harness.ended, "ENHANCE_YOUR_CALM: too many empty frames");
  assert.ok(rounds <= 101);
});

test("empty DATA hidden in padding counts as empty", () => {
  const harness = new CoreHarness();
  harness.feed(headers(1, grpcHead("Bidi")));
  flood(harness, () => [frame(0, 8, 1, Buffer.from([9, ...Buffer.alloc(9)]))], 100_000);
  assert.equal(harness.ended, "ENHANCE_YOUR_CALM: too many empty frames");
});

test("empty field names (CVE-2019-9516) are malformed, one by one within the budget", () => {
  const harness = new CoreHarness();
  const bad = Buffer.concat([HEAD, Buffer.from([0, 0, 0])]);
  const rounds = flood(harness, (i) => [headers(2 * i + 1, bad, 5)], 10_000);
  assert.ok(rounds <= 201);
  assert.equal(harness.service.hanging.length, 0);
});

for (const [what, bytes] of [
  ["PRIORITY churn (CVE-2019-9513)", priority(3)],
  ["unknown frames", frame(99, 0, 0)],
  ["acknowledged pings that nobody sent", ping(1)],
  ["acknowledged SETTINGS that nobody sent", SETTINGS_ACK],
] as const) {
  test(`${what} cost nothing and end at a generous budget`, () => {
    const harness = new CoreHarness();
    const rounds = flood(harness, () => [bytes], 100_000);
    assert.equal(harness.ended, "ENHANCE_YOUR_CALM: too many ignored frames");
    assert.ok(rounds >= 10_000);
  });
}

test("a client that reads nothing (CVE-2019-9517) gets no more answers at the output limit", () => {
  const harness = new CoreHarness({ hello: false });
  harness.feed(HELLO.subarray(0, 24), settings({ 4: 1 }), SETTINGS_ACK);
  const size = 1_500_000;
  let refused = 0;
  for (let i = 0; i < 100; i++) {
    const frames = harness.feed(call(2 * i + 1, String(size), "Big"));
    const [head] = frames;
    assert.ok(head !== undefined);
    if (harness.parser.decode(head).get("grpc-status") === "8") refused += 1;
    assert.ok(harness.connection.send.backlog.queuedBytes <= MAX_QUEUED_OUTPUT_BYTES + size + 100);
  }
  assert.equal(refused, 100 - Math.ceil(MAX_QUEUED_OUTPUT_BYTES / size));
  harness.connection.socketClosed();
  assert.equal(harness.connection.send.backlog.queuedBytes, 0);
});

test("many clients that read nothing share one limit, and one that reads is still served", () => {
  const budget = new OutputBudget(20_000_000);
  const windows = [HELLO.subarray(0, 24), settings({ 4: 1 }), SETTINGS_ACK];
  const size = 3_000_000;
  const greedy = Array.from({ length: 4 }, () => {
    const harness = new CoreHarness({ hello: false, outputBudget: budget });
    harness.feed(...windows);
    return harness;
  });
  let refused = 0;
  for (let i = 0; i < 20; i++) {
    for (const harness of greedy) {
      const [head] = harness.feed(call(2 * i + 1, String(size), "Big"));
      assert.ok(head !== undefined);
      if (harness.parser.decode(head).get("grpc-status") === "8") refused += 1;
    }
  }
  assert.ok(budget.queuedBytes <= 20_000_000 + 100, `${budget.queuedBytes} are queued`);
  const late = new CoreHarness({ outputBudget: budget });
  const [refusal] = late.feed(call(1, String(size), "Big"));
  assert.ok(refusal !== undefined);
  const status = late.parser.decode(refusal).get("grpc-status");
  assert.equal(status, "8", "an empty queue is no right to an answer of any size");
  assert.ok(refused > 60, `${refused} of 80 were refused`);
  const modest = new CoreHarness({ outputBudget: budget });
  const frames = modest.feed(call(1, "100", "Big"));
  assert.ok(frames.length >= 3, "an answer with its message");
  for (const harness of greedy) harness.connection.socketClosed();
  assert.equal(budget.queuedBytes, 0, "what a client leaves behind is given back");
});

test("a single answer larger than the output limit is allowed", () => {
  const harness = new CoreHarness();
  harness.feed(call(1, String(MAX_QUEUED_OUTPUT_BYTES + 10), "Big"));
  assert.equal(harness.ended, "");
});

test("a stalled reader (CVE-2019-9511) with much unread is closed after a minute", () => {
  const harness = new CoreHarness({ hello: false });
  harness.feed(HELLO.subarray(0, 24), settings({ 4: 1 }), SETTINGS_ACK);
  harness.feed(call(1, "2000000", "Big"));
  harness.advance(59_000);
  assert.equal(harness.ended, "");
  harness.advance(2_000);
  assert.equal(harness.ended, "ENHANCE_YOUR_CALM: peer does not read");
});

test("a paused watcher that holds little may stay as long as it likes", () => {
  const harness = new CoreHarness({ hello: false });
  harness.feed(HELLO.subarray(0, 24), settings({ 4: 1 }), SETTINGS_ACK);
  harness.feed(headers(1, grpcHead("Bidi")), data(1, message("x".repeat(1_000))));
  harness.advance(600_000);
  assert.equal(harness.ended, "");
});

test("a slow preface times out", () => {
  const harness = new CoreHarness({ hello: false });
  harness.feed(HELLO.subarray(0, 20));
  harness.advance(9_000);
  assert.equal(harness.ended, "");
  harness.advance(1_500);
  assert.equal(harness.ended, "PROTOCOL_ERROR: preface timeout");
});

test("an announced message takes memory only as it arrives", () => {
  const harness = new CoreHarness({ maxMessageBytes: 50_000_000 });
  for (let id = 1; id < 200; id += 2) {
    const prefix = Buffer.concat([Buffer.from([0]), uint32(49_000_000), Buffer.alloc(10)]);
    harness.feed(headers(id, grpcHead("Echo")), data(id, prefix));
  }
  assert.ok(harness.grpc.partialBytes <= 100 * 4_096);
});

test("unfinished messages of one connection are bounded together", () => {
  const harness = new CoreHarness();
  const start = Buffer.concat([Buffer.from([0]), uint32(2_000_000)]);
  const body = Buffer.alloc(16_384);
  let refused = 0;
  for (let id = 1; id < 2 * 80; id += 2) {
    harness.feed(headers(id, grpcHead("Echo")), data(id, start));
    for (let sent = 0; sent < 1_900_000; sent += body.length) {
      const frames = harness.feed(data(id, body));
      const last = frames.find((f) => f.type === 1);
      if (last === undefined) continue;
      assert.equal(harness.parser.decode(last).get("grpc-status"), "8");
      refused += 1;
      break;
    }
    assert.ok(harness.grpc.partialBytes <= 67_108_864);
  }
  assert.ok(refused > 10);
  assert.equal(harness.ended, "");
});

test("a truncated message is an error of the call only", () => {
  const harness = new CoreHarness();
  const frames = harness.feed(
    headers(1, grpcHead("Echo")),
    data(1, message("abc").subarray(0, 6), END_STREAM),
  );
  const [answer] = frames;
  assert.ok(answer !== undefined);
  const status = harness.parser.decode(answer);
  assert.equal(status.get("grpc-status"), "2");
  assert.equal(status.get("grpc-message"), "unexpected EOF");
});

test("an oversized message is refused by its prefix", () => {
  const harness = new CoreHarness();
  const prefix = Buffer.concat([Buffer.from([0]), uint32(0xffff_ffff)]);
  const [answer] = harness.feed(headers(1, grpcHead("Echo")), data(1, prefix));
  assert.ok(answer !== undefined);
  const status = harness.parser.decode(answer);
  assert.equal(
    status.get("grpc-message"),
    "grpc: received message larger than max (4294967295 vs. 2097152)",
  );
});

/** A small deterministic generator, so that a failing seed can be run again. */
function randomBelow(seed: number): (limit: number) => number {
  let state = seed >>> 0;
  return (limit) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * limit);
  };
}

test("mutated traffic never throws, hangs or grows; seeds are printed on failure", () => {
  const rounds = Number(process.env.FUZZ_ROUNDS ?? 400);
  const traffic = Buffer.concat([
    HELLO,
    call(1, "one"),
    headers(3, grpcHead("Bidi")),
    data(3, message("x")),
    windowUpdate(0, 1_000),
    settings({ 4: 100, 1: 0 }),
    ping(),
    headers(5, HEAD.subarray(0, 9), 0),
    continuation(5, HEAD.subarray(9), 4),
    data(3, "", END_STREAM),
    rst(5),
    call(7, "y".repeat(5_000)),
  ]);
  for (let seed = 1; seed <= rounds; seed++) {
    const below = randomBelow(seed);
    const harness = new CoreHarness({ hello: false });
    try {
      const bytes = Buffer.from(traffic);
      for (let n = below(8); n >= 0; n--) bytes[24 + below(bytes.length - 24)] = below(256);
      for (let at = 0; at < bytes.length; ) {
        const end = at + 1 + below(200);
        harness.feed(bytes.subarray(at, end));
        at = end;
      }
      harness.advance(12_000);
      harness.connection.socketClosed();
      assert.equal(harness.connection.streams.size, 0);
      assert.equal(harness.connection.send.backlog.queuedBytes, 0);
      assert.equal(harness.grpc.partialBytes, 0);
    } catch (error) {
      throw new Error(`seed ${seed}`, { cause: error });
    }
  }
});

test("random bytes after the preface never throw", () => {
  for (let seed = 1; seed <= 300; seed++) {
    const below = randomBelow(seed);
    const harness = new CoreHarness();
    const bytes = Buffer.from(Array.from({ length: 600 }, () => below(256)));
    // Short plausible lengths reach deeper than random ones.
    for (let at = 0; at + 9 < bytes.length; at += 9 + (bytes[at + 2] ?? 0)) {
      bytes[at] = 0;
      bytes[at + 1] = 0;
      bytes[at + 2] = below(40);
      bytes[at + 3] = below(11);
      bytes.writeUInt32BE(below(6), at + 5);
    }
    harness.feed(bytes);
    harness.connection.socketClosed();
    assert.equal(harness.connection.streams.size, 0, `seed ${seed}`);
  }
});
