/**
 * Decides which calls are recorded, and makes the spans. Who calls as part of a trace has decided for
 * the member as well, either way; of the others as many are recorded as configured (etcd's
 * parent-based sampler).
 */
import { Span, Span_SpanKind } from "../api/gen/trace.ts";
import type { CallSpan } from "../env/call-span.ts";
import type { Random } from "../env/random.ts";
import type { Call } from "../env/rpc.ts";
import type { Tracer } from "../env/tracer.ts";
import { RecordedCall, type Recorder, SpanFlags } from "./recorded-call.ts";
import { SpanIDs } from "./span-ids.ts";
import { parseTraceContext } from "./trace-context.ts";
import type { UnixTime } from "./unix-time.ts";

export interface SpanTracerOptions {
  readonly random: Random;
  readonly time: UnixTime;
  /** `Clock.nowMs`. */
  readonly nowMs: () => number;
  /** Calls that belong to no trace yet: so many of a million are recorded. */
  readonly samplesPerMillion: number;
  /** Takes each span that is over. */
  readonly sink: (span: Span) => void;
}

export class SpanTracer implements Tracer {
  readonly #options: SpanTracerOptions;
  readonly #ids: SpanIDs;
  readonly #recorder: Recorder;

  constructor(options: SpanTracerOptions) {
    this.#options = options;
    this.#ids = new SpanIDs(options.random);
    this.#recorder = { ids: this.#ids, time: options.time, sink: options.sink };
  }

  begin(call: Call): CallSpan | undefined {
    const { samplesPerMillion, nowMs } = this.#options;
    const header = call.metadata("traceparent");
    if (header !== undefined) {
      const parent = parseTraceContext(header, call.metadata("tracestate"));
      if (parent !== undefined) {
        if (!parent.isSampled) return undefined;
        return new RecordedCall(this.#recorder, call, nowMs(), parent.traceID, parent);
      }
    }
    if (samplesPerMillion === 0 || !this.#ids.isNextTraceChosen(samplesPerMillion)) {
      return undefined;
    }
    return new RecordedCall(this.#recorder, call, nowMs(), this.#ids.newTraceID(), undefined);
  }

  shared(name: string, startMs: number, endMs: number, calls: readonly CallSpan[]): void {
    const { sink, time } = this.#options;
    sink(
      Span.create({
        traceId: this.#ids.newTraceID(),
        spanId: this.#ids.newSpanID(),
        name,
        kind: Span_SpanKind.INTERNAL,
        startTimeUnixNano: time.nanos(startMs),
        endTimeUnixNano: time.nanos(endMs),
        links: calls.filter((call) => call instanceof RecordedCall).map((call) => call.link()),
        flags: SpanFlags.SAMPLED | SpanFlags.PARENT_IS_KNOWN,
      }),
    );
  }
}
