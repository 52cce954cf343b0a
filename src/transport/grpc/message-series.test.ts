/** Messages of one series arrive as if each had been sent alone, however little may leave at once. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { MessageSeries, StreamCall } from "../../env/rpc.ts";
import { CoreHarness, describe } from "../testing/core-harness.ts";
import {
  type Frame,
  grpcHead,
  HELLO,
  headers,
  rst,
  SETTINGS_ACK,
  settings,
  windowUpdate,
} from "../testing/raw-frames.ts";
import { MessageReader } from "./message-reader.ts";

const DATA = 0;

function open(streamWindow: number): { harness: CoreHarness; call: StreamCall } {
  const harness = new CoreHarness({ hello: false });
  harness.feed(HELLO.subarray(0, 24), settings({ 4: streamWindow }), SETTINGS_ACK);
  harness.feed(headers(1, grpcHead("Bidi")));
  const [call] = harness.service.streams;
  assert.ok(call !== undefined);
  call.send(Buffer.from("first"));
  harness.output();
  return { harness, call };
}

function series(count: number, afterBytes: number): MessageSeries {
  const between = Array.from({ length: count }, (_, i) => Buffer.from(i === 0 ? "" : `-${i}-`));
  return { before: Buffer.from("before"), between, after: Buffer.alloc(afterBytes, "a") };
}

function textsOf({ before, between, after }: MessageSeries): string[] {
  return between.map((middle) => Buffer.concat([before, middle, after]).toString());
}

/** The messages in the DATA of these frames. */
function messagesIn(frames: readonly Frame[]): string[] {
  const messages: string[] = [];
  const sink = {
    onGrpcMessage: (_: number, body: Buffer) => messages.push(body.toString()),
    onFramingError: (_: number, text: string) => assert.fail(text),
  };
  const reader = new MessageReader(sink, 1 << 20, { partialBytes: 0, maxPartialBytes: 1 << 20 });
  for (const { type, payload } of frames) {
    if (type === DATA) reader.feed(payload, 0, payload.length);
  }
  return messages;
}

test("messages of a series share frames, which are none too large", () => {
  const { harness, call } = open(1_000_000);
  call.sendSeries(series(130, 300));
  const frames = harness.output();
  assert.deepEqual(messagesIn(frames), textsOf(series(130, 300)));
  assert.equal(frames.length, 3);
  for (const { payload } of frames) assert.ok(payload.length <= 16_384);
});

test("large messages of a series have frames of their own", () => {
  const { harness, call } = open(1_000_000);
  call.sendSeries(series(3, 5_000));
  const frames = harness.output();
  assert.deepEqual(messagesIn(frames), textsOf(series(3, 5_000)));
  assert.equal(frames.length, 3);
});

test("what of a series no window lets go waits, in order, behind what waits already", () => {
  for (const window of [1, 11, 20, 100, 101, 333]) {
    const { harness, call } = open(window + "first".length + 5);
    const frames: Frame[] = [];
    for (const size of [0, 20, 200]) {
      call.sendSeries(series(5, size));
      call.send(Buffer.from("between"));
      frames.push(...harness.output(), ...harness.feed(windowUpdate(1, 50)));
      assert.ok(frames.every(({ type, payload }) => type !== DATA || payload.length > 0));
    }
    assert.ok(call.bufferedBytes > 0);
    frames.push(...harness.feed(windowUpdate(1, 10_000)));
    assert.equal(call.bufferedBytes, 0);
    const expected = [0, 20, 200].flatMap((size) => [...textsOf(series(5, size)), "between"]);
    assert.deepEqual(messagesIn(frames), expected, `window of ${window}`);
  }
});

test("the connection's window is kept, too", () => {
  const { harness, call } = open(1_000_000);
  call.sendSeries(series(300, 300));
  const sent = harness.output();
  const bytes = sent.reduce((sum, { payload }) => sum + payload.length, 0);
  assert.ok(bytes <= 65_535 - 10 && bytes > 60_000);
  const rest = harness.feed(windowUpdate(0, 100_000));
  assert.deepEqual(messagesIn([...sent, ...rest]), textsOf(series(300, 300)));
});

test("the head goes before a series, and nothing after the stream's end", () => {
  const harness = new CoreHarness();
  harness.feed(headers(1, grpcHead("Bidi")));
  const [call] = harness.service.streams;
  call?.sendSeries(series(2, 1));
  assert.deepEqual(describe(harness.output()), ["HEADERS 1", "DATA 1 12", "DATA 1 15"]);
  harness.feed(rst(1));
  call?.sendSeries(series(2, 1));
  assert.deepEqual(harness.output(), []);
});
