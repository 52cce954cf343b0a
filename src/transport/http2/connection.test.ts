import assert from "node:assert/strict";
import { test } from "node:test";
import { CoreHarness, describe, type HarnessOptions } from "../testing/core-harness.ts";

import {
  block,
  call,
  continuation,
  data,
  END_HEADERS,
  END_STREAM,
  type Frame,
  frame,
  GRPC_HEAD,
  grpcHead,
  HELLO,
  headers,
  message,
  ping,
  priority,
  rst,
  SETTINGS_ACK,
  settings,
  windowUpdate,
} from "../testing/raw-frames.ts";

function run(bytes: Uint8Array[], options: HarnessOptions = {}) {
  const harness = new CoreHarness({ hello: true, ...options });
  const frames = describe(harness.feed(...bytes));
  return { harness, frames, ended: harness.ended };
}

test("the server greets with SETTINGS and a larger connection window", () => {
  const harness = new CoreHarness({ hello: false });
  assert.deepEqual(describe(harness.output()), ["SETTINGS 0", "WINDOW_UPDATE 0 16711681"]);
  assert.deepEqual(describe(harness.feed(HELLO)), ["SETTINGS 0 ACK"]);
});

test("a unary call is answered with head, message and trailers", () => {
  const { harness, frames } = run([call(1, "hello")]);
  assert.deepEqual(frames, ["HEADERS 1", "DATA 1 10", "HEADERS 1 END"]);
  assert.equal(harness.connection.streams.size, 0);
});

test("from the second answer on, head and trailers are a few indexed bytes", () => {
  const harness = new CoreHarness();
  harness.feed(call(1, "a"));
  const frames = harness.feed(call(3, "b"));
  assert.deepEqual(
    frames.map((f) => f.payload.length),
    [2, 6, 1],
  );
});

test("any chunking of the input gives the same frames", () => {
  const input = Buffer.concat([
    HELLO,
    call(1, "one"),
    headers(3, grpcHead("Echo").subarray(0, 10), 0),
    continuation(3, grpcHead("Echo").subarray(10), END_HEADERS),
    data(3, message("two").subarray(0, 3)),
    frame(0, 8, 3, Buffer.concat([Buffer.from([4]), message("two").subarray(3), Buffer.alloc(4)])),
    data(3, "", END_STREAM),
    ping(),
    call(5, "x".repeat(3_000)),
  ]);
  const whole = new CoreHarness({ hello: false });
  const expected = describe(whole.feed(input));
  for (let size = 1; size < 60; size++) {
    const harness = new CoreHarness({ hello: false });
    const frames: string[] = [];
    for (let at = 0; at < input.length; at += size) {
      frames.push(...describe(harness.feed(input.subarray(at, at + size))));
    }
    assert.deepEqual(frames.sort(), [...expected].sort(), `chunks of ${size}`);
    assert.equal(harness.ended, "");
  }
});

const HEAD = grpcHead("Echo");
const INDEXED = Buffer.from([0x40]);
const withField = (name: string, value: string): Buffer =>
  Buffer.concat([HEAD, block([[name, value]])]);

/** What the peer does, and the connection error that it gets. */
const CONNECTION_ERRORS: readonly (readonly [string, Uint8Array[], string])[] = [
  ["DATA on stream 0", [data(0, "x")], "PROTOCOL_ERROR"],
  ["DATA on an idle stream", [data(1, "x")], "PROTOCOL_ERROR"],
  ["HEADERS on stream 0", [headers(0, HEAD)], "PROTOCOL_ERROR"],
  ["HEADERS on an even stream", [headers(2, HEAD)], "PROTOCOL_ERROR"],
  ["a frame above 16384 bytes", [frame(0, 0, 1, Buffer.alloc(16_385))], "FRAME_SIZE_ERROR"],
  [
    "padding as long as the frame",
    [headers(1, HEAD), frame(0, 8, 1, Buffer.from([1]))],
    "PROTOCOL_ERROR",
  ],
  ["HEADERS padding beyond the frame", [frame(1, 12, 1, Buffer.from([9, 0]))], "PROTOCOL_ERROR"],
  ["HEADERS too short for priority", [frame(1, 36, 1, Buffer.alloc(4))], "FRAME_SIZE_ERROR"],
  ["CONTINUATION from nowhere", [continuation(1, HEAD, 4)], "PROTOCOL_ERROR"],
  ["another frame inside a header block", [headers(1, HEAD, 0), ping()], "PROTOCOL_ERROR"],
  [
    "CONTINUATION of another stream",
    [headers(1, HEAD, 0), continuation(3, HEAD, 4)],
    "PROTOCOL_ERROR",
  ],
  ["a malformed header block", [headers(1, Buffer.from([0x80]))], "COMPRESSION_ERROR"],
  ["SETTINGS on a stream", [frame(4, 0, 1)], "PROTOCOL_ERROR"],
  ["SETTINGS of 5 bytes", [frame(4, 0, 0, Buffer.alloc(5))], "FRAME_SIZE_ERROR"],
  ["SETTINGS ACK with payload", [frame(4, 1, 0, Buffer.alloc(6))], "FRAME_SIZE_ERROR"],
  ["ENABLE_PUSH of 2", [settings({ 2: 2 })], "PROTOCOL_ERROR"],
  ["INITIAL_WINDOW_SIZE of 2^31", [settings({ 4: 2 ** 31 })], "FLOW_CONTROL_ERROR"],
  ["MAX_FRAME_SIZE of 100", [settings({ 5: 100 })], "PROTOCOL_ERROR"],
  ["MAX_FRAME_SIZE of 2^24", [settings({ 5: 2 ** 24 })], "PROTOCOL_ERROR"],
  ["PING on a stream", [frame(6, 0, 1, Buffer.alloc(8))], "PROTOCOL_ERROR"],
  ["PING of 7 bytes", [frame(6, 0, 0, Buffer.alloc(7))], "FRAME_SIZE_ERROR"],
  ["GOAWAY on a stream", [frame(7, 0, 1, Buffer.alloc(8))], "PROTOCOL_ERROR"],
  ["GOAWAY of 7 bytes", [frame(7, 0, 0, Buffer.alloc(7))], "FRAME_SIZE_ERROR"],
  ["RST_STREAM on an idle stream", [rst(1)], "PROTOCOL_ERROR"],
  [
    "RST_STREAM of 3 bytes",
    [headers(1, HEAD), frame(3, 0, 1, Buffer.alloc(3))],
    "FRAME_SIZE_ERROR",
  ],
  ["WINDOW_UPDATE of 0", [windowUpdate(0, 0)], "PROTOCOL_ERROR"],
  ["WINDOW_UPDATE on an idle stream", [windowUpdate(1, 1)], "PROTOCOL_ERROR"],
  ["WINDOW_UPDATE of 3 bytes", [frame(8, 0, 0, Buffer.alloc(3))], "FRAME_SIZE_ERROR"],
  ["a connection window above 2^31-1", [windowUpdate(0, 2 ** 31 - 1)], "FLOW_CONTROL_ERROR"],
  ["PUSH_PROMISE", [frame(5, 4, 1, Buffer.alloc(4))], "PROTOCOL_ERROR"],
  ["PRIORITY on stream 0", [priority(0)], "PROTOCOL_ERROR"],
  ["HEADERS on a finished stream", [call(1, "x"), headers(1, HEAD, 5)], "STREAM_CLOSED"],
  ["a lower stream id", [call(5, "x"), headers(3, HEAD, 5)], "STREAM_CLOSED"],
  [
    "a window pushed over 2^31-1 by SETTINGS",
    [headers(1, HEAD), windowUpdate(1, 2 ** 31 - 65_536), settings({ 4: 65_537 })],
    "FLOW_CONTROL_ERROR",
  ],
];

for (const [what, bytes, code] of CONNECTION_ERRORS) {
  test(`${what} ends the connection with ${code}`, () => {
    const harness = new CoreHarness();
    const frames = bytes.flatMap((chunk) => describe(harness.feed(chunk)));
    assert.match(harness.ended, new RegExp(`^${code}: `));
    assert.match(frames.at(-1) ?? "", new RegExp(`^GOAWAY 0 last=\\d+ ${code}$`));
    assert.deepEqual(describe(harness.feed(call(101, "late"))), []);
  });
}

test("anything but SETTINGS as the first frame ends the connection", () => {
  const harness = new CoreHarness({ hello: false });
  harness.feed(HELLO.subarray(0, 24), ping());
  assert.equal(harness.ended, "PROTOCOL_ERROR: expected SETTINGS");
});

test("a wrong preface ends the connection", () => {
  const harness = new CoreHarness({ hello: false });
  harness.feed(Buffer.from("PRI * HTTP/2.0\r\n\r\nXX"));
  assert.equal(harness.ended, "PROTOCOL_ERROR: bad connection preface");
});

/** What the peer does on stream 1, and the RST_STREAM that it gets. */
const STREAM_ERRORS: readonly (readonly [string, Uint8Array[], string])[] = [
  ["an upper-case field name", [headers(1, withField("Abc", "x"), 5)], "PROTOCOL_ERROR"],
  ["an empty field name", [headers(1, withField("", "x"), 5)], "PROTOCOL_ERROR"],
  ["a field name with a blank", [headers(1, withField("a b", "x"), 5)], "PROTOCOL_ERROR"],
  ["a line feed in a value", [headers(1, withField("a", "x\ny: z"), 5)], "PROTOCOL_ERROR"],
  ["a carriage return in a value", [headers(1, withField("a", "x\ry"), 5)], "PROTOCOL_ERROR"],
  ["NUL in a value", [headers(1, withField("a", "x\0"), 5)], "PROTOCOL_ERROR"],
  ["a value that begins with a blank", [headers(1, withField("a", " x"), 5)], "PROTOCOL_ERROR"],
  ["connection", [headers(1, withField("connection", "close"), 5)], "PROTOCOL_ERROR"],
  [
    "transfer-encoding",
    [headers(1, withField("transfer-encoding", "chunked"), 5)],
    "PROTOCOL_ERROR",
  ],
  ["upgrade", [headers(1, withField("upgrade", "h2c"), 5)], "PROTOCOL_ERROR"],
  ["te: gzip", [headers(1, withField("te", "gzip"), 5)], "PROTOCOL_ERROR"],
  ["a pseudo-header after fields", [headers(1, withField(":path", "/x"), 5)], "PROTOCOL_ERROR"],
  [
    "an unknown pseudo-header",
    [headers(1, block({ ":foo": "x", ...GRPC_HEAD }), 5)],
    "PROTOCOL_ERROR",
  ],
  [
    "a response pseudo-header",
    [headers(1, block({ ":status": "200", ...GRPC_HEAD }), 5)],
    "PROTOCOL_ERROR",
  ],
  [
    "a repeated :method",
    [headers(1, Buffer.concat([block([[":method", "GET"]]), HEAD]), 5)],
    "PROTOCOL_ERROR",
  ],
  ["no :path", [headers(1, block({ ":method": "GET", ":scheme": "http" }), 5)], "PROTOCOL_ERROR"],
  ["no :scheme", [headers(1, block({ ":method": "GET", ":path": "/" }), 5)], "PROTOCOL_ERROR"],
  ["no :method", [headers(1, block({ ":scheme": "http", ":path": "/" }), 5)], "PROTOCOL_ERROR"],
  [
    "a repeated :authority",
    [headers(1, Buffer.concat([block([[":authority", "a"]]), HEAD]), 5)],
    "PROTOCOL_ERROR",
  ],
  [
    "two content-lengths",
    [
      headers(
        1,
        Buffer.concat([withField("content-length", "1"), block([["content-length", "2"]])]),
        5,
      ),
    ],
    "PROTOCOL_ERROR",
  ],
  [
    "a content-length with a sign",
    [headers(1, withField("content-length", "+1"), 5)],
    "PROTOCOL_ERROR",
  ],
  [
    "content-length without a body",
    [headers(1, withField("content-length", "1"), 5)],
    "PROTOCOL_ERROR",
  ],
  [
    "less body than content-length",
    [headers(1, withField("content-length", "3")), data(1, "xx", END_STREAM)],
    "PROTOCOL_ERROR",
  ],
  [
    "more body than content-length",
    [headers(1, withField("content-length", "1")), data(1, "xx")],
    "PROTOCOL_ERROR",
  ],
  [
    "trailers without END_STREAM",
    [headers(1, HEAD), headers(1, block({ a: "b" }))],
    "PROTOCOL_ERROR",
  ],
  ["a pseudo-header in trailers", [headers(1, HEAD), headers(1, HEAD, 5)], "PROTOCOL_ERROR"],
  ["DATA after END_STREAM", [call(1, "", "Hang"), data(1, "x")], "STREAM_CLOSED"],
  ["HEADERS after END_STREAM", [call(1, "", "Hang"), headers(1, HEAD, 5)], "STREAM_CLOSED"],
  ["DATA on a finished stream", [call(1, "x"), data(1, "x")], "STREAM_CLOSED"],
  ["a window increment of 0", [headers(1, HEAD), windowUpdate(1, 0)], "PROTOCOL_ERROR"],
  ["a window above 2^31-1", [headers(1, HEAD), windowUpdate(1, 2 ** 31 - 1)], "FLOW_CONTROL_ERROR"],
  ["PRIORITY of 4 bytes", [headers(1, HEAD), priority(1, 4)], "FRAME_SIZE_ERROR"],
  [
    "a header list above 32 KiB",
    [
      headers(
        1,
        // One indexed entry of 93 bytes, named 400 times.
        Buffer.concat([
          HEAD,
          INDEXED,
          block({ a: "x".repeat(60) }).subarray(1),
          Buffer.alloc(400, 0xbe),
        ]),
        5,
      ),
    ],
    "ENHANCE_YOUR_CALM",
  ],
];

for (const [what, bytes, code] of STREAM_ERRORS) {
  test(`${what} resets the stream with ${code} and nothing else`, () => {
    const harness = new CoreHarness();
    const frames = bytes.flatMap((chunk) => describe(harness.feed(chunk)));
    assert.equal(frames.at(-1), `RST_STREAM 1 ${code}`);
    assert.equal(harness.ended, "");
    assert.deepEqual(describe(harness.feed(call(7, "x"))), [
      "HEADERS 7",
      "DATA 7 6",
      "HEADERS 7 END",
    ]);
  });
}

test("late frames of a stream that we reset are forgiven", () => {
  const harness = new CoreHarness();
  harness.feed(headers(1, HEAD), windowUpdate(1, 0));
  assert.deepEqual(describe(harness.feed(data(1, "x"), headers(1, block({ a: "b" }), 5))), []);
  assert.equal(harness.ended, "");
});

test("after the peer's own RST_STREAM nothing is a late frame any more", () => {
  const harness = new CoreHarness();
  harness.feed(headers(1, HEAD), windowUpdate(1, 0), rst(1));
  assert.deepEqual(describe(harness.feed(data(1, "x"))), ["RST_STREAM 1 STREAM_CLOSED"]);
});

test("unknown frame types, flags, settings and PRIORITY are ignored", () => {
  const { frames, ended } = run([
    frame(0x42, 0xff, 7, Buffer.alloc(100)),
    settings({ 77: 1, 8: 1 }),
    priority(9),
    frame(1, 0xff & ~0x2a, 1, HEAD),
  ]);
  assert.deepEqual(frames, ["SETTINGS 0 ACK", "HEADERS 1 END"]);
  assert.equal(ended, "");
});

test("PING is answered with the same bytes", () => {
  const harness = new CoreHarness();
  const [answer] = harness.feed(ping(0, "abcdefgh"));
  assert.equal(String(answer?.payload), "abcdefgh");
  assert.equal(answer?.flags, 1);
});

test("streams above the limit are refused; a finished one makes room", () => {
  const harness = new CoreHarness({ maxConcurrentStreams: 2 });
  const hang = (id: number) => describe(harness.feed(call(id, "", "Hang")));
  assert.deepEqual(hang(1), []);
  assert.deepEqual(hang(3), []);
  assert.deepEqual(hang(5), ["RST_STREAM 5 REFUSED_STREAM"]);
  harness.service.hanging[0]?.reply(Buffer.alloc(0));
  harness.output();
  assert.deepEqual(hang(7), []);
});

test("receive windows are given back after half of them, for stream and connection", () => {
  const harness = new CoreHarness({ maxMessageBytes: 100_000_000 });
  const head = Buffer.concat([Buffer.from([0]), Buffer.from([2, 0, 0, 0])]);
  harness.feed(headers(1, HEAD), data(1, head));
  const updates: string[] = [];
  for (let sent = 0; sent < 9_000_000; sent += 16_384) {
    updates.push(...describe(harness.feed(data(1, Buffer.alloc(16_384)))));
  }
  assert.ok(updates.some((u) => u.startsWith("WINDOW_UPDATE 1 ")));
  assert.ok(updates.some((u) => u.startsWith("WINDOW_UPDATE 0 ")));
  assert.equal(harness.ended, "");
});

test("DATA beyond the stream's window is a flow-control error of the stream", () => {
  const harness = new CoreHarness();
  harness.feed(headers(1, grpcHead("Bidi")));
  harness.service.streams[0]?.pauseReceiving();
  let frames: string[] = [];
  for (let i = 0; i < 65 && frames.length === 0; i++) {
    frames = describe(
      harness.feed(
        data(
          1,
          Buffer.concat([Buffer.from([0]), Buffer.from([0, 31, 0, 0]), Buffer.alloc(16_379)]),
        ),
      ),
    );
  }
  assert.deepEqual(frames, ["RST_STREAM 1 FLOW_CONTROL_ERROR"]);
  assert.equal(harness.service.cancelledStreams, 1);
});

test("our DATA respects the peer's windows and goes on when they open", () => {
  const harness = new CoreHarness({ hello: false });
  harness.feed(HELLO.subarray(0, 24), settings({ 4: 10 }), SETTINGS_ACK);
  const first = describe(harness.feed(call(1, "x".repeat(25))));
  assert.deepEqual(first, ["HEADERS 1", "DATA 1 10"]);
  assert.deepEqual(describe(harness.feed(windowUpdate(1, 5))), ["DATA 1 5"]);
  assert.deepEqual(describe(harness.feed(windowUpdate(1, 100))), ["DATA 1 15", "HEADERS 1 END"]);
});

test("the connection's window limits all streams together", () => {
  const harness = new CoreHarness({ hello: false });
  harness.feed(HELLO.subarray(0, 24), settings({ 4: 1_000_000 }), SETTINGS_ACK);
  const sent = (frames: readonly Frame[]): number =>
    frames.reduce((sum, { type, payload }) => sum + (type === 0 ? payload.length : 0), 0);
  let bytes = 0;
  for (let id = 1; id < 21; id += 2) bytes += sent(harness.feed(call(id, "9000", "Big")));
  assert.equal(bytes, 65_535);
  bytes += sent(harness.feed(windowUpdate(0, 100_000)));
  assert.equal(bytes, 10 * 9_005);
});

test("END_STREAM comes with the last byte, however the windows cut the body", () => {
  const harness = new CoreHarness({ hello: false });
  harness.feed(HELLO.subarray(0, 24), settings({ 4: 10 }), SETTINGS_ACK);
  harness.feed(call(1, "", "Hang"));
  const stream = harness.connection.streams.get(1);
  assert.ok(stream !== undefined);
  harness.connection.send.data(stream, Buffer.alloc(15), false);
  harness.connection.send.data(stream, Buffer.alloc(10), true);
  assert.deepEqual(describe(harness.output()), ["DATA 1 10"]);
  assert.deepEqual(describe(harness.feed(windowUpdate(1, 10))), ["DATA 1 10"]);
  assert.deepEqual(describe(harness.feed(windowUpdate(1, 10))), ["DATA 1 5 END"]);
  assert.equal(harness.connection.streams.size, 0);
});

test("a smaller INITIAL_WINDOW_SIZE makes windows negative until they are paid back", () => {
  const harness = new CoreHarness({ hello: false });
  harness.feed(HELLO.subarray(0, 24), settings({ 4: 20 }), SETTINGS_ACK);
  assert.deepEqual(describe(harness.feed(call(1, "x".repeat(45)))), ["HEADERS 1", "DATA 1 20"]);
  assert.deepEqual(describe(harness.feed(settings({ 4: 5 }))), ["SETTINGS 0 ACK"]);
  assert.deepEqual(describe(harness.feed(windowUpdate(1, 15))), []);
  assert.deepEqual(describe(harness.feed(windowUpdate(1, 1))), ["DATA 1 1"]);
  const rest = describe(harness.feed(settings({ 4: 1_000 })));
  assert.deepEqual(rest.sort(), ["DATA 1 29", "HEADERS 1 END", "SETTINGS 0 ACK"]);
});

test("the connection's window is shared fairly: streams take turns", () => {
  const harness = new CoreHarness();
  harness.feed(call(1, String(200_000), "Big"), call(3, String(200_000), "Big"));
  const frames = describe(
    harness.feed(windowUpdate(1, 1_000_000), windowUpdate(3, 1_000_000), windowUpdate(0, 100_000)),
  );
  const ids = frames.filter((f) => f.startsWith("DATA")).map((f) => f.split(" ")[1]);
  assert.ok(ids.slice(0, 4).includes("1") && ids.slice(0, 4).includes("3"));
});

test("HEADER_TABLE_SIZE 0 of the peer keeps our blocks free of references", () => {
  const harness = new CoreHarness({ hello: false });
  harness.feed(HELLO.subarray(0, 24), settings({ 1: 0 }), SETTINGS_ACK);
  for (const id of [1, 3, 5]) {
    const frames = harness.feed(call(id, "x"));
    const [head, , trailers] = frames;
    assert.ok(head !== undefined && trailers !== undefined);
    assert.equal(harness.parser.decode(head).get("content-type"), "application/grpc");
    assert.equal(harness.parser.decode(trailers).get("grpc-status"), "0");
    if (id > 1) assert.ok(trailers.payload.length > 3);
  }
});

test("an answer before the request has ended is complete and then resets with NO_ERROR", () => {
  const { frames } = run([headers(1, block({ ...GRPC_HEAD, ":path": "/no.Such/Method" }))]);
  assert.deepEqual(frames, ["HEADERS 1 END", "RST_STREAM 1 NO_ERROR"]);
});

test("a graceful stop: GOAWAY, a round trip for late requests, GOAWAY with the last id, end", () => {
  const harness = new CoreHarness();
  harness.feed(call(1, "", "Hang"));
  harness.connection.drain();
  const first = harness.output();
  assert.deepEqual(describe(first), ["GOAWAY 0 last=2147483647 NO_ERROR", "PING 0"]);
  harness.feed(call(3, "", "Hang"));
  const pong = frame(6, 1, 0, first[1]?.payload);
  assert.deepEqual(describe(harness.feed(pong)), ["GOAWAY 0 last=3 NO_ERROR"]);
  assert.deepEqual(describe(harness.feed(call(5, "too late"))), []);
  assert.equal(harness.ended, "");
  for (const hanging of harness.service.hanging) hanging.reply(Buffer.from("done"));
  assert.equal(harness.service.hanging.length, 2);
  assert.equal(harness.ended, "NO_ERROR: drained");
});

test("a graceful stop does not wait for a peer that never answers the ping", () => {
  const harness = new CoreHarness();
  harness.connection.drain();
  harness.output();
  assert.deepEqual(describe(harness.advance(1_500)), ["GOAWAY 0 last=0 NO_ERROR"]);
  assert.equal(harness.ended, "NO_ERROR: drained");
});

test("a silent peer is pinged after the interval and closed after the timeout", () => {
  const harness = new CoreHarness({ keepaliveIntervalMs: 10_000, keepaliveTimeoutMs: 5_000 });
  assert.deepEqual(describe(harness.advance(10_500)), ["PING 0"]);
  harness.advance(5_000);
  assert.equal(harness.ended, "NO_ERROR: keepalive ping not acked within timeout");
});

test("a peer that answers keepalive pings stays", () => {
  const harness = new CoreHarness({ keepaliveIntervalMs: 10_000, keepaliveTimeoutMs: 5_000 });
  for (let i = 0; i < 5; i++) {
    const [sent] = harness.advance(10_500);
    assert.equal(sent?.type, 6);
    harness.feed(frame(6, 1, 0, sent?.payload));
  }
  assert.equal(harness.ended, "");
});
