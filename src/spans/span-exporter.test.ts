/** The queue before a collector: batches, retries, what is dropped, and what the log says of it. */
import assert from "node:assert/strict";
import { test } from "node:test";
import {
  ExportTracePartialSuccess,
  ExportTraceServiceRequest,
  ExportTraceServiceResponse,
  InstrumentationScope,
  Resource,
  Span,
} from "../api/gen/trace.ts";
import { MemoryLogger, VirtualClock } from "../env/testing/index.ts";
import { RpcError } from "../transport/client/rpc-error.ts";
import { ExportReport, REPORT_INTERVAL_MS } from "./export-report.ts";
import { isPassing } from "./grpc-collector.ts";
import {
  BATCH_DELAY_MS,
  type Collector,
  MAX_BATCH_SPANS,
  MAX_QUEUED_SPANS,
  MAX_RETRY_MS,
  SpanExporter,
} from "./span-exporter.ts";

const TAKEN = ExportTraceServiceResponse.encode(ExportTraceServiceResponse.create());

class World implements Collector {
  readonly clock = new VirtualClock();
  readonly logger = new MemoryLogger();
  /** Spans of each message that came. */
  readonly batches: number[] = [];
  answer: (deadlineMs: number) => Promise<Uint8Array> = async () => TAKEN;
  closed = false;
  readonly exporter = new SpanExporter({
    clock: this.clock,
    collector: this,
    report: new ExportReport(this.clock, this.logger, "there:1"),
    resource: Resource.create(),
    scope: InstrumentationScope.create({ name: "test" }),
    isPassing,
    onBatch: () => undefined,
  });

  send(request: Uint8Array, deadlineMs: number): Promise<Uint8Array> {
    const { resourceSpans } = ExportTraceServiceRequest.decode(request);
    this.batches.push(resourceSpans[0]?.scopeSpans[0]?.spans.length ?? 0);
    return this.answer(deadlineMs);
  }

  close(): void {
    this.closed = true;
  }

  add(count: number): void {
    for (let i = 0; i < count; i++) this.exporter.add(Span.create({ name: `s${i}` }));
  }

  get dropped(): unknown {
    return this.logger.lines.at(-1)?.fields["dropped-spans"];
  }
}

function down(): Promise<Uint8Array> {
  return Promise.reject(new RpcError(14, "nobody there"));
}

test("spans wait for company, and leave at once when a batch is full", async () => {
  const world = new World();
  world.add(3);
  await world.clock.advanceAsync(BATCH_DELAY_MS - 1);
  assert.deepEqual(world.batches, []);
  await world.clock.advanceAsync(1);
  assert.deepEqual(world.batches, [3]);
  world.add(MAX_BATCH_SPANS * 2 + 1);
  await world.clock.advanceAsync(0);
  assert.deepEqual(world.batches, [3, MAX_BATCH_SPANS, MAX_BATCH_SPANS]);
  await world.clock.advanceAsync(BATCH_DELAY_MS);
  assert.equal(world.batches.at(-1), 1);
});

test("a collector that comes back gets what waited; the log told of both once", async () => {
  const world = new World();
  world.answer = down;
  world.add(1);
  await world.clock.advanceAsync(BATCH_DELAY_MS + 4000);
  assert.equal(world.batches.length, 3);
  world.answer = async () => TAKEN;
  await world.clock.advanceAsync(MAX_RETRY_MS);
  assert.equal(world.batches.length, 4);
  assert.deepEqual(world.logger.messages(), [
    "failed to export traces",
    "traces reach the collector again",
  ]);
  assert.equal(world.dropped, 0);
});

test("a batch that nobody takes is dropped in the end, or at once when it is refused", async () => {
  const world = new World();
  world.answer = down;
  world.add(7);
  await world.clock.advanceAsync(BATCH_DELAY_MS + 2 * MAX_RETRY_MS);
  const attempts = world.batches.length;
  await world.clock.advanceAsync(10 * MAX_RETRY_MS);
  assert.equal(world.batches.length, attempts, "given up");
  world.answer = () => Promise.reject(new RpcError(12, "unknown service"));
  world.add(1);
  await world.clock.advanceAsync(BATCH_DELAY_MS + REPORT_INTERVAL_MS);
  assert.equal(world.batches.length, attempts + 1);
  assert.equal(world.dropped, 8);
});

test("a queue that is full drops, and says so at most once a minute", async () => {
  const world = new World();
  world.answer = () => new Promise(() => undefined);
  world.add(MAX_BATCH_SPANS + MAX_QUEUED_SPANS + 50);
  await world.clock.advanceAsync(1);
  assert.deepEqual(world.logger.messages(), ["failed to export traces"]);
  await world.clock.advanceAsync(REPORT_INTERVAL_MS);
  world.add(10);
  assert.deepEqual(world.logger.messages().length, 2);
  assert.equal(world.dropped, 51);
});

test("spans that the collector rejects are told of with its reason", async () => {
  const world = new World();
  const partialSuccess = ExportTracePartialSuccess.create({
    rejectedSpans: 2,
    errorMessage: "too old",
  });
  world.answer = async () => ExportTraceServiceResponse.encode({ partialSuccess });
  world.add(5);
  await world.clock.advanceAsync(BATCH_DELAY_MS);
  assert.match(String(world.logger.lines[0]?.fields.error), /too old/);
  assert.equal(world.dropped, 2);
});

test("an answer that is no message costs its batch only", async () => {
  const world = new World();
  world.answer = async () => Buffer.from([0xff, 0xff]);
  world.add(1);
  await world.clock.advanceAsync(BATCH_DELAY_MS);
  world.answer = async () => TAKEN;
  world.add(1);
  await world.clock.advanceAsync(BATCH_DELAY_MS);
  assert.deepEqual(world.batches, [1, 1]);
});

test("a stop sends what waits, within its time, also amid a pause", async () => {
  const world = new World();
  world.answer = down;
  world.add(2);
  await world.clock.advanceAsync(BATCH_DELAY_MS);
  world.add(3);
  let deadline = 0;
  world.answer = async (deadlineMs) => {
    deadline = deadlineMs;
    return TAKEN;
  };
  const stopMs = world.clock.nowMs();
  const stopped = world.exporter.stop(3000);
  await world.clock.advanceAsync(0);
  await stopped;
  assert.deepEqual(world.batches, [2, 2, 3]);
  assert.equal(deadline, stopMs + 3000);
  assert.ok(world.closed);
  world.add(1);
  await world.clock.advanceAsync(2 * BATCH_DELAY_MS);
  assert.equal(world.batches.length, 3);
});

test("a stop does not wait for a collector that does not answer", async () => {
  const world = new World();
  world.answer = () => new Promise(() => undefined);
  world.add(MAX_BATCH_SPANS + 1);
  await world.clock.advanceAsync(1);
  let isStopped = false;
  const stopped = world.exporter.stop(3000).then(() => {
    isStopped = true;
  });
  await world.clock.advanceAsync(2999);
  assert.ok(!isStopped);
  await world.clock.advanceAsync(1);
  await stopped;
  assert.ok(world.closed);
  assert.equal(world.batches.length, 1);
});
