/** Which calls are recorded: the caller's decision, and a share of the others. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Span } from "../api/gen/trace.ts";
import { METHOD } from "../api/rpc-table.ts";
import type { Call } from "../env/rpc.ts";
import { SeededRandom, VirtualClock } from "../env/testing/index.ts";
import { SpanTracer } from "./span-tracer.ts";
import { UnixTime } from "./unix-time.ts";

const SEED = 7;

function callWith(traceparent: string | undefined, remote = "10.0.0.1:5"): Call {
  return {
    method: METHOD.Put,
    metadata: (key) => (key === "traceparent" ? traceparent : undefined),
    deadlineMs: Number.POSITIVE_INFINITY,
    remote,
    viaGateway: false,
    certificateName: undefined,
    cancelled: false,
  };
}

function tracerOf(samplesPerMillion: number): {
  tracer: SpanTracer;
  clock: VirtualClock;
  spans: Span[];
} {
  const clock = new VirtualClock(1_000_000);
  const spans: Span[] = [];
  const tracer = new SpanTracer({
    random: new SeededRandom(SEED),
    time: new UnixTime(clock),
    nowMs: () => clock.nowMs(),
    samplesPerMillion,
    sink: (span) => spans.push(span),
  });
  return { tracer, clock, spans };
}

test("a share of the calls without a trace is recorded, as configured", () => {
  const count = (rate: number): number => {
    const { tracer } = tracerOf(rate);
    let recorded = 0;
    for (let i = 0; i < 10_000; i++) {
      if (tracer.begin(callWith(undefined)) !== undefined) recorded++;
    }
    return recorded;
  };
  assert.equal(count(0), 0);
  assert.equal(count(1_000_000), 10_000);
  const some = count(200_000);
  assert.ok(some > 1800 && some < 2200, `${some} with seed ${SEED}`);
});

test("the caller's decision counts, whatever the rate", () => {
  const parent = (flags: string) => callWith(`00-${"a".repeat(32)}-${"b".repeat(16)}-${flags}`);
  for (const rate of [0, 1_000_000]) {
    const { tracer } = tracerOf(rate);
    assert.ok(tracer.begin(parent("01")) !== undefined);
    assert.ok(tracer.begin(parent("00")) === undefined);
    assert.equal(tracer.begin(callWith("nonsense")) !== undefined, rate > 0);
  }
});

test("times are those of the wall clock, to the part of a millisecond", () => {
  const { tracer, clock, spans } = tracerOf(1_000_000);
  const span = tracer.begin(callWith(undefined));
  clock.advance(2.25);
  span?.child("work", 0.125, 1);
  span?.end(clock.nowMs(), 0, "");
  assert.deepEqual(
    spans.map((s) => s.endTimeUnixNano - s.startTimeUnixNano),
    [875_000n, 2_250_000n],
  );
  assert.equal(spans[1]?.startTimeUnixNano, 1_000_000_500_000n);
  assert.deepEqual(spans[0]?.parentSpanId, spans[1]?.spanId);
});

test("a peer that has no IP address has no such attributes", () => {
  const { tracer, spans } = tracerOf(1_000_000);
  for (const remote of ["@", "[fe80::1]:7"])
    tracer.begin(callWith(undefined, remote))?.end(1, 0, "");
  const peers = spans.map(({ attributes }) =>
    attributes.filter(({ key }) => key.startsWith("net.")).map(({ value }) => value?.value?.value),
  );
  assert.deepEqual(peers, [[], ["fe80::1", 7]]);
});
