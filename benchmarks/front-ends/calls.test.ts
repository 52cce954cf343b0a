/**
 * Both ends of the way between a thread of connections and the main thread, in one thread: what is
 * posted is delivered when the test says so.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { ReplySource, RpcService, StreamCall, UnaryCall } from "../../src/env/rpc.ts";
import { METHOD } from "../../src/api/rpc-table.ts";
import { MemoryLogger } from "../../src/env/testing/index.ts";
import { FakeStreamCall, FakeUnaryCall } from "../../src/server/testing/fake-call.ts";
import { STREAM_LOW_WATER_BYTES } from "../../src/transport/limits.ts";
import { CallDesk } from "./call-desk.ts";
import { FrontService } from "./front-service.ts";

const BODY = Buffer.from("body");
const MEGABYTE = 1_048_576;

/** Keeps the calls that it gets. */
class KeptCalls implements RpcService {
  readonly unaryCalls: UnaryCall[] = [];
  readonly batches: number[] = [];
  readonly streams: StreamCall[] = [];
  readonly messages: string[] = [];
  readonly cancelled: number[] = [];

  unary(calls: readonly UnaryCall[]): void {
    this.batches.push(calls.length);
    for (const call of calls) {
      const index = this.unaryCalls.push(call) - 1;
      call.onCancel = () => this.cancelled.push(index);
    }
  }

  stream(call: StreamCall): void {
    this.streams.push(call);
    call.onMessage = (message) => this.messages.push(Buffer.from(message).toString());
    call.onCancel = () => this.cancelled.push(-1);
  }
}

/** A client's stream whose connection takes what the test says. */
class SlowStream extends FakeStreamCall {
  waitingBytes = 0;
  isPaused = false;
  override get bufferedBytes(): number {
    return this.waitingBytes;
  }
  override send(...parts: readonly Uint8Array[]): void {
    super.send(...parts);
    for (const part of parts) this.waitingBytes += part.length;
  }
  override pauseReceiving(): void {
    this.isPaused = true;
  }
  override resumeReceiving(): void {
    this.isPaused = false;
  }
  drain(): void {
    this.waitingBytes = 0;
    this.onDrain?.();
  }
}

class World {
  readonly service = new KeptCalls();
  readonly front: FrontService;
  readonly desk: CallDesk;
  toMain: Uint8Array[] = [];
  toFront: Uint8Array[] = [];

  constructor() {
    const port = (queue: () => Uint8Array[]) => ({
      postMessage(value: unknown, transfer: readonly ArrayBuffer[]) {
        queue().push(structuredClone(value as Uint8Array, { transfer: [...transfer] }));
      },
    });
    this.front = new FrontService(port(() => this.toMain));
    this.desk = new CallDesk(
      port(() => this.toFront),
      this.service,
      new MemoryLogger(),
    );
  }

  /** Until nothing is under way any more. */
  async settle(): Promise<void> {
    for (let quiet = 0; quiet < 2; quiet++) {
      await new Promise((resolve) => setImmediate(resolve));
      if (this.toMain.length + this.toFront.length > 0) quiet = 0;
      await this.main();
      for (const message of this.toFront.splice(0)) this.front.receive(message);
    }
  }

  /** What has been sent to the main thread arrives there, and nothing the other way. */
  async main(): Promise<void> {
    await new Promise((resolve) => setImmediate(resolve));
    for (const message of this.toMain.splice(0)) this.desk.receive(message);
  }

  async unary(body: Uint8Array = BODY, metadata = {}): Promise<FakeUnaryCall> {
    const call = new FakeUnaryCall(METHOD.Put, body, metadata);
    this.front.unary([call]);
    await this.main();
    return call;
  }

  async stream(call = new SlowStream(METHOD.Watch)): Promise<SlowStream> {
    this.front.stream(call);
    await this.main();
    return call;
  }
}

test("the calls of a turn arrive together, whole, and their answers go where they belong", async () => {
  const world = new World();
  const { front, service } = world;
  const metadata = { token: "secret", hasleader: "true" };
  const calls = ["a", "b", "c"].map(
    (text) => new FakeUnaryCall(METHOD.Put, Buffer.from(text), metadata),
  );
  front.unary(calls);
  assert.equal(world.toMain.length, 1);
  await world.main();
  assert.deepEqual(service.batches, [3]);
  const [first, second, third] = service.unaryCalls;
  assert.deepEqual(
    [first?.method, first?.remote, first?.metadata("token"), first?.metadata("hasleader")],
    [METHOD.Put, "127.0.0.1:1", "secret", "true"],
  );
  assert.equal(first?.metadata("authorization"), undefined);
  assert.equal(first?.deadlineMs, Number.POSITIVE_INFINITY);
  third?.reply(Buffer.from("C"));
  second?.fail(9, "größer");
  first?.replyParts([Buffer.from("A"), Buffer.from("a")]);
  await world.settle();
  assert.deepEqual(
    calls.map(({ answer }) => answer && Buffer.from(answer).toString()),
    ["Aa", undefined, "C"],
  );
  assert.deepEqual(calls[1]?.failure, { code: 9, message: "größer" });
  assert.equal(world.desk.calls, 0);
});

test("metadata that does not cross is an error, and is not taken for absent", async () => {
  const world = new World();
  await world.unary();
  assert.throws(() => world.service.unaryCalls[0]?.metadata("another"), /does not cross/);
});

test("a caller whose token changes is not taken for the one before, nor is a new one for a forgotten", async () => {
  const world = new World();
  for (const token of ["one", "two", "one"]) await world.unary(BODY, { token });
  const from = async (remote: string, token: string): Promise<void> => {
    world.front.unary([Object.assign(new FakeUnaryCall(METHOD.Put, BODY, { token }), { remote })]);
    await world.main();
  };
  await from("first", "its own");
  for (let i = 0; i < 5_000; i++) await from("others", `t${i}`);
  await from("first", "its own");
  const tokens = world.service.unaryCalls.map((call) => call.metadata("token"));
  const others = Array.from({ length: 5_000 }, (_, i) => `t${i}`);
  assert.deepEqual(tokens, ["one", "two", "one", "its own", ...others, "its own"]);
});

test("places of calls that have ended are taken again", async () => {
  const world = new World();
  let refused = 0;
  for (let round = 0; round < 70; round++) {
    const calls = Array.from({ length: 1_000 }, () => new FakeUnaryCall(METHOD.Put, BODY));
    world.front.unary(calls);
    await world.main();
    for (const call of world.service.unaryCalls.splice(0)) call.reply(BODY);
    await world.settle();
    refused += calls.filter(({ answer }) => answer === undefined).length;
  }
  assert.equal(refused, 0);
});

test("a call that is cancelled is told so once, and keeps its place until the service has ended it", async () => {
  const world = new World();
  const call = await world.unary();
  call.cancelled = true;
  call.onCancel?.();
  await world.settle();
  const [served] = world.service.unaryCalls;
  assert.deepEqual([served?.cancelled, world.service.cancelled], [true, [0]]);
  assert.deepEqual([world.desk.calls, call.answered], [1, false]);
  served?.fail(1, "context canceled");
  await world.settle();
  assert.deepEqual([world.desk.calls, call.answered], [0, true]);
  // The place is taken again, by a call of its own.
  const next = await world.unary();
  assert.equal(world.service.unaryCalls[1]?.cancelled, false);
  world.service.unaryCalls[1]?.reply(BODY);
  await world.settle();
  assert.ok(next.answer !== undefined);
});

test("a call that is cancelled before the main thread hears of it is not served, and ended", async () => {
  const world = new World();
  const call = new FakeUnaryCall(METHOD.Put, BODY);
  world.front.unary([call]);
  call.onCancel?.();
  await new Promise((resolve) => setImmediate(resolve));
  // One message, as when both happen in one turn.
  const [calls, cancels] = world.toMain.splice(0);
  assert.ok(calls !== undefined && cancels !== undefined);
  world.desk.receive(Buffer.concat([calls, cancels.subarray(8)]));
  await world.settle();
  assert.deepEqual([world.service.batches, world.desk.calls, call.answered], [[], 0, true]);
});

test("an answer and a cancellation that cross do no harm", async () => {
  const world = new World();
  const call = await world.unary();
  world.service.unaryCalls[0]?.reply(BODY);
  call.onCancel?.();
  await world.settle();
  assert.deepEqual([world.service.cancelled, world.desk.calls], [[], 0]);
});

test("a service that throws fails its calls, and serves the next", async () => {
  const world = new World();
  const { unary } = world.service;
  world.service.unary = () => {
    throw new Error("broken");
  };
  const call = await world.unary();
  world.service.unary = unary;
  await world.settle();
  assert.deepEqual(call.failure, { code: 13, message: "internal error" });
  await world.unary();
  assert.equal(world.service.unaryCalls.length, 1);
});

test("messages of a stream go both ways in order, and its end comes last", async () => {
  const world = new World();
  const client = await world.stream();
  for (const text of ["one", "two"]) client.onMessage?.(Buffer.from(text));
  await world.settle();
  assert.deepEqual(world.service.messages, ["one", "two"]);
  const [served] = world.service.streams;
  let isHalfClosed = false;
  if (served !== undefined) {
    served.onHalfClose = () => {
      isHalfClosed = true;
    };
  }
  client.onHalfClose?.();
  await world.settle();
  assert.ok(isHalfClosed);
  served?.send(Buffer.from("a"), Buffer.from("b"));
  served?.finish(0, "");
  served?.send(Buffer.from("late"));
  await world.settle();
  assert.deepEqual(
    client.sent.map((message) => Buffer.from(message).toString()),
    ["ab"],
  );
  assert.deepEqual(client.status, { code: 0, message: "" });
  assert.equal(world.desk.calls, 0);
});

test("messages that share their beginning and end arrive as if each were sent alone", async () => {
  const world = new World();
  const client = await world.stream();
  const [served] = world.service.streams;
  const [before, after] = [Buffer.from("<"), Buffer.from(">")];
  served?.sendSeries({ before, between: [Buffer.from("a"), Buffer.from("bc")], after });
  assert.equal(served?.bufferedBytes, 7);
  served?.send(Buffer.from("next"));
  await world.settle();
  assert.deepEqual(
    client.sent.map((message) => Buffer.from(message).toString()),
    ["<a>", "<bc>", "next"],
  );
});

test("a service hears when a slow client has caught up, and not before", async () => {
  const world = new World();
  const client = await world.stream();
  const [served] = world.service.streams;
  let drained = 0;
  assert.ok(served !== undefined);
  served.onDrain = () => drained++;
  const half = Buffer.alloc(STREAM_LOW_WATER_BYTES / 2 + 1);
  served.send(half);
  served.send(half);
  assert.equal(served.bufferedBytes, 2 * half.length);
  await world.settle();
  assert.deepEqual([drained, served.bufferedBytes], [0, 2 * half.length]);
  client.drain();
  await world.settle();
  assert.deepEqual([drained, served.bufferedBytes], [1, 0]);
});

test("what waits below the low-water mark counts as gone", async () => {
  const world = new World();
  const client = await world.stream();
  const [served] = world.service.streams;
  assert.ok(served !== undefined);
  let drained = 0;
  served.onDrain = () => drained++;
  for (let i = 0; i < 100; i++) {
    served.send(Buffer.alloc(STREAM_LOW_WATER_BYTES / 4));
    await world.settle();
    client.waitingBytes = STREAM_LOW_WATER_BYTES / 2;
  }
  assert.ok(served.bufferedBytes < STREAM_LOW_WATER_BYTES);
  assert.equal(drained, 0, "it was never above");
});

test("a service stops reading a client, and goes on", async () => {
  const world = new World();
  const client = await world.stream();
  const [served] = world.service.streams;
  served?.pauseReceiving();
  await world.settle();
  assert.equal(client.isPaused, true);
  served?.resumeReceiving();
  await world.settle();
  assert.equal(client.isPaused, false);
});

test("a main thread that does not come round gets no more than it may have waiting", async () => {
  const world = new World();
  const client = new SlowStream(METHOD.Watch);
  world.front.stream(client);
  const refused: FakeUnaryCall[] = [];
  for (let i = 0; i < 80; i++) {
    const call = new FakeUnaryCall(METHOD.Put, Buffer.alloc(MEGABYTE));
    world.front.unary([call]);
    if (call.answered) refused.push(call);
  }
  assert.ok(refused.length >= 16 && refused.length <= 18, `${refused.length}`);
  const failure = { code: 8, message: "etcdserver: too many requests" };
  for (const call of refused) assert.deepEqual(call.failure, failure);
  client.onMessage?.(Buffer.alloc(MEGABYTE));
  assert.equal(client.isPaused, true);
  await world.settle();
  assert.equal(client.isPaused, false);
  const call = await world.unary();
  assert.equal(call.answered, false);
});

test("answers that a thread does not take are withheld, and a stream of them ends", async () => {
  const world = new World();
  await world.stream();
  const calls: FakeUnaryCall[] = [];
  for (let i = 0; i < 80; i++) calls.push(await world.unary());
  for (const served of world.service.unaryCalls) served.reply(Buffer.alloc(MEGABYTE));
  const [served] = world.service.streams;
  served?.send(Buffer.alloc(MEGABYTE));
  assert.deepEqual([served?.cancelled, world.service.cancelled], [true, [-1]]);
  await world.settle();
  const withheld = calls.filter(({ failure }) => failure?.code === 8);
  assert.ok(withheld.length >= 16 && withheld.length <= 18, `${withheld.length}`);
  assert.equal(calls.filter(({ answer }) => answer !== undefined).length, 80 - withheld.length);
  assert.equal(world.desk.calls, 0);
});

/** So many pieces of 100,000 bytes. */
class Pieces implements ReplySource {
  readonly bytes: number;
  readonly heldBytes = 7;
  readonly #count: number;
  readonly #failsAt: number;
  made = 0;
  closed = 0;

  constructor(count: number, failsAt = Number.POSITIVE_INFINITY) {
    this.#count = count;
    this.#failsAt = failsAt;
    this.bytes = count * 100_000;
  }
  next(): Uint8Array | undefined {
    if (this.made === this.#failsAt) throw new Error("compacted meanwhile");
    if (this.made === this.#count) return undefined;
    return Buffer.alloc(100_000, ++this.made);
  }
  close(): void {
    this.closed += 1;
  }
}

/** A call whose client takes pieces when the test says so. */
class PieceCall extends FakeUnaryCall {
  source: ReplySource | undefined;
  override replyFrom(source: ReplySource): void {
    this.source = source;
  }
}

async function pieceCall(world: World, source: ReplySource): Promise<PieceCall> {
  const call = new PieceCall(METHOD.Range, BODY);
  world.front.unary([call]);
  await world.main();
  world.service.unaryCalls.at(-1)?.replyFrom(source);
  await world.settle();
  return call;
}

test("of a large answer a few pieces are made before the client takes them", async () => {
  const world = new World();
  const pieces = new Pieces(20);
  const call = await pieceCall(world, pieces);
  const { source } = call;
  assert.deepEqual([source?.bytes, source?.heldBytes, pieces.made], [2_000_000, 7, 3]);
  const taken: number[] = [];
  while (source?.isReady === true) {
    const piece = source.next();
    if (piece === undefined) break;
    taken.push(piece[0] ?? 0);
    await world.settle();
    assert.ok(pieces.made <= taken.length + 3, `${pieces.made} made, ${taken.length} taken`);
  }
  assert.deepEqual(
    taken,
    Array.from({ length: 20 }, (_, i) => i + 1),
  );
  source?.close();
  await world.settle();
  assert.deepEqual([pieces.closed, world.desk.calls], [1, 0]);
});

test("a client that leaves a large answer closes it, once", async () => {
  const world = new World();
  const pieces = new Pieces(20);
  const { source } = await pieceCall(world, pieces);
  source?.next();
  source?.close();
  source?.close();
  await world.settle();
  assert.deepEqual([pieces.closed, world.desk.calls], [1, 0]);
  assert.ok(pieces.made < 20);
});

test("a large answer that cannot be completed says so behind its pieces", async () => {
  const world = new World();
  const pieces = new Pieces(20, 1);
  const { source } = await pieceCall(world, pieces);
  assert.equal(source?.next()?.length, 100_000);
  assert.equal(source?.isReady, true);
  assert.throws(() => source?.next(), /compacted meanwhile/);
  assert.deepEqual([pieces.closed, world.desk.calls], [1, 0]);
});

test("a thread that ends takes its calls along", async () => {
  const world = new World();
  const pieces = new Pieces(20);
  await pieceCall(world, pieces);
  await world.unary();
  await world.stream();
  world.desk.lost();
  assert.deepEqual(world.service.cancelled, [1, -1]);
  assert.deepEqual([pieces.closed, world.desk.calls], [1, 0]);
});
