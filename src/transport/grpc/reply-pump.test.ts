/**
 * Large answers are made as the client takes them. Once they were made whole, and 24 connections
 * that read nothing took 2.3 GB.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { ReplySource } from "../../env/rpc.ts";
import { OutputBudget } from "../http2/output-budget.ts";
import { CoreHarness, describe, type HarnessOptions } from "../testing/core-harness.ts";
import {
  call,
  type Frame,
  HELLO,
  rst,
  SETTINGS_ACK,
  settings,
  windowUpdate,
} from "../testing/raw-frames.ts";

const PIECE_BYTES = 100_000;

/** So many pieces, the n-th filled with n. */
class Pieces implements ReplySource {
  readonly bytes: number;
  readonly heldBytes: number;
  readonly #count: number;
  made = 0;
  closed = 0;

  constructor(count: number, heldBytes = 0) {
    this.#count = count;
    this.bytes = count * PIECE_BYTES;
    this.heldBytes = heldBytes;
  }

  next(): Uint8Array | undefined {
    if (this.made === this.#count) return undefined;
    this.made += 1;
    return Buffer.alloc(PIECE_BYTES, this.made);
  }

  close(): void {
    this.closed += 1;
  }
}

/** Its bytes count up, and fields of ten of them are not cut. */
class Written implements ReplySource {
  readonly bytes: number;
  readonly heldBytes = 0;
  #at = 0;
  pieces = 0;
  closed = 0;

  constructor(bytes: number) {
    this.bytes = bytes;
  }

  next(): Uint8Array | undefined {
    const left = Math.min(this.bytes - this.#at, 40_000);
    if (left === 0) return undefined;
    this.pieces += 1;
    const piece = Buffer.alloc(left);
    this.write(piece, 0, left);
    return piece;
  }

  write(target: Buffer, start: number, end: number): number {
    let at = start;
    for (; end - at >= 10 && this.#at < this.bytes; this.#at += 10) {
      for (let i = 0; i < 10; i++) target[at++] = (this.#at + i) % 251;
    }
    return at;
  }

  close(): void {
    this.closed += 1;
  }
}

/** What a client got of an answer by `Written`. */
function checkWritten(frames: readonly Frame[], bytes: number): void {
  const body = Buffer.concat(frames.filter(({ type }) => type === 0).map((each) => each.payload));
  assert.equal(body.readUInt32BE(1), bytes);
  const wanted = Buffer.from(Array.from({ length: bytes }, (_, i) => i % 251));
  assert.ok(body.subarray(5).equals(wanted));
  assert.equal(describe(frames).at(-1), "HEADERS 1 END");
}

/** A connection with one call that waits for its answer; its client grants no window. */
function waiting(options: HarnessOptions = {}): CoreHarness {
  const harness = new CoreHarness({ ...options, hello: false });
  harness.feed(HELLO.subarray(0, 24), settings({ 4: 0 }), SETTINGS_ACK);
  harness.feed(call(1, "", "Hang"));
  return harness;
}

function answer(harness: CoreHarness, source: ReplySource): void {
  harness.service.hanging[0]?.replyFrom(source);
}

test("a piece is made when most of the one before has left", () => {
  const harness = waiting();
  const source = new Pieces(30);
  answer(harness, source);
  assert.equal(source.made, 1);
  let received: Buffer = Buffer.alloc(0);
  for (let ended = false; !ended; ) {
    assert.ok(harness.connection.send.backlog.queuedBytes <= 2 * PIECE_BYTES);
    const frames = harness.feed(windowUpdate(0, 50_000), windowUpdate(1, 50_000));
    const bodies = frames.filter((frame) => frame.type === 0).map((frame) => frame.payload);
    received = Buffer.concat([received, ...bodies]);
    ended = describe(frames).includes("HEADERS 1 END");
  }
  assert.equal(received.readUInt32BE(1), source.bytes);
  assert.equal(received.length, 5 + source.bytes);
  const at = (piece: number): number => received[5 + piece * PIECE_BYTES] as number;
  assert.deepEqual([at(0), at(1), at(29)], [1, 2, 30]);
  assert.deepEqual([source.made, source.closed], [30, 1]);
  assert.equal(harness.connection.send.backlog.owedBytes, 0);
});

test("an answer that may leave at once is written where it leaves from, in frames as large as can be", () => {
  const harness = waiting();
  harness.feed(windowUpdate(0, 10_000_000), windowUpdate(1, 10_000_000));
  const flushed: Frame[] = [];
  harness.flushNow = () => flushed.push(...harness.output());
  const source = new Written(500_000);
  answer(harness, source);
  assert.ok(flushed.length > 0, "much output does not wait for the end of the turn");
  const frames = [...flushed, ...harness.output()];
  checkWritten(frames, 500_000);
  const sizes = frames.filter(({ type }) => type === 0).map(({ payload }) => payload.length);
  assert.ok(sizes.slice(0, -1).every((size) => size > 16_384 - 10 && size <= 16_384));
  assert.deepEqual([source.pieces, source.closed], [0, 1]);
  assert.equal(harness.connection.send.backlog.owedBytes, 0);
});

test("what a window does not let go is made whole if it is little, and sent in order", () => {
  for (const window of [0, 500, 5_000, 100_000]) {
    const harness = waiting();
    if (window > 0) harness.feed(windowUpdate(1, window));
    const source = new Written(200_000);
    answer(harness, source);
    assert.ok(source.pieces > 0);
    assert.equal(source.closed, 1);
    const first = harness.output();
    const rest = harness.feed(windowUpdate(0, 1_000_000), windowUpdate(1, 1_000_000));
    checkWritten([...first, ...rest], 200_000);
    assert.equal(harness.connection.send.backlog.owedBytes, 0);
  }
});

test("a large answer leaves in turns, and is not made before its turn", () => {
  const harness = waiting();
  harness.feed(windowUpdate(0, 10_000_000), windowUpdate(1, 10_000_000));
  const frames: Frame[] = [];
  harness.flushNow = () => frames.push(...harness.output());
  const source = new Written(5_000_000);
  answer(harness, source);
  const { backlog } = harness.connection.send;
  assert.ok(backlog.owedBytes > 3_500_000 && backlog.totalBytes < 300_000);
  frames.push(...harness.output());
  checkWritten(frames, 5_000_000);
  assert.equal(backlog.owedBytes, 0);
});

test("an answer that breaks off while it is written leaves no part of a frame", () => {
  const harness = waiting();
  harness.feed(windowUpdate(0, 10_000_000), windowUpdate(1, 10_000_000));
  const source = new Written(100_000);
  const { write } = source;
  let calls = 0;
  source.write = (target, start, end) => {
    const to = write.call(source, target, start, end);
    if (++calls === 3) throw new Error("gone");
    return to;
  };
  answer(harness, source);
  const frames = harness.output();
  assert.deepEqual(describe(frames), [
    "HEADERS 1",
    "DATA 1 16375",
    "DATA 1 16380",
    "RST_STREAM 1 INTERNAL_ERROR",
  ]);
  assert.equal(source.closed, 1);
  assert.equal(harness.connection.send.backlog.owedBytes, 0);
});

test("an empty answer by pieces is an answer", () => {
  const harness = waiting();
  answer(harness, new Pieces(0));
  const frames = harness.feed(windowUpdate(1, 100));
  assert.deepEqual(describe(frames), ["HEADERS 1", "DATA 1 5", "HEADERS 1 END"]);
});

const ENDS: readonly (readonly [string, (harness: CoreHarness) => void])[] = [
  ["a reset", (harness) => harness.feed(rst(1))],
  ["the end of the connection", (harness) => harness.connection.socketClosed()],
  ["a minute without reading", (harness) => harness.advance(61_000)],
  ["the limit of a whole answer", (harness) => slowly(harness, 601_000)],
];

/** A byte every half minute. */
function slowly(harness: CoreHarness, ms: number): void {
  for (let left = ms; left > 0; left -= 30_000) {
    harness.feed(windowUpdate(1, 1));
    harness.advance(30_000);
  }
}

for (const [what, end] of ENDS) {
  test(`${what} frees what an answer holds`, () => {
    const budget = new OutputBudget(1_000_000_000);
    const harness = waiting({ outputBudget: budget });
    const source = new Pieces(30, 5_000_000);
    answer(harness, source);
    assert.equal(budget.queuedBytes, 5_000_000 + PIECE_BYTES + 5);
    end(harness);
    assert.equal(source.closed, 1);
    assert.equal(budget.queuedBytes, 0);
  });
}

test("an answer that cannot be completed resets its stream and nothing else", () => {
  const harness = waiting();
  const source = new Pieces(30);
  const { next } = source;
  source.next = () => {
    if (source.made === 1) throw new Error("gone");
    return next.call(source);
  };
  answer(harness, source);
  const frames = describe(harness.feed(windowUpdate(0, 1_000_000), windowUpdate(1, 1_000_000)));
  assert.equal(frames.at(-1), "RST_STREAM 1 INTERNAL_ERROR");
  assert.equal(source.closed, 1);
  assert.equal(harness.ended, "");
});

test("an answer for which there is no room is refused before it is made", () => {
  const budget = new OutputBudget(10_000_000);
  const first = waiting({ outputBudget: budget });
  answer(first, new Pieces(30, 9_000_000));
  const second = waiting({ outputBudget: budget });
  const source = new Pieces(30, 5_000_000);
  answer(second, source);
  const [head] = second.output();
  assert.ok(head !== undefined);
  assert.equal(second.parser.decode(head).get("grpc-status"), "8");
  assert.deepEqual([source.made, source.closed], [0, 1]);
  first.connection.socketClosed();
  assert.equal(budget.queuedBytes, 0);
});

test("a call that was cancelled before its answer closes the source", () => {
  const harness = waiting();
  harness.feed(rst(1));
  const source = new Pieces(3);
  answer(harness, source);
  assert.deepEqual([source.made, source.closed], [0, 1]);
});

/** Its pieces come from elsewhere, one each time that `arrive` is called; so does the end. */
class LatePieces extends Pieces {
  isReady = false;
  onReady: (() => void) | undefined;

  arrive(): void {
    this.isReady = true;
    this.onReady?.();
  }

  override next(): Uint8Array | undefined {
    assert.ok(this.isReady, "a piece was asked for that is not there");
    this.isReady = false;
    return super.next();
  }
}

test("pieces that come from elsewhere are waited for, and so is their end", () => {
  const harness = waiting();
  const source = new LatePieces(2);
  answer(harness, source);
  const window = [windowUpdate(0, 1_000_000), windowUpdate(1, 1_000_000)];
  assert.deepEqual(describe(harness.feed(...window)), ["HEADERS 1", "DATA 1 5"]);
  const bodyOf = (frames: readonly Frame[]): number =>
    frames.reduce((sum, { type, payload }) => (type === 0 ? sum + payload.length : sum), 0);
  for (const made of [1, 2]) {
    source.arrive();
    assert.equal(bodyOf(harness.output()), PIECE_BYTES);
    assert.equal(source.made, made);
  }
  source.arrive();
  assert.deepEqual(describe(harness.output()), ["HEADERS 1 END"]);
  assert.equal(source.closed, 1);
});
