/**
 * Spans on their way to the collector: they wait in a bounded queue and leave in batches, one at a
 * time. Nobody waits for it: what does not fit is dropped and counted, and a collector that is down,
 * slow or speaks nonsense costs its spans and a line in the log.
 *
 *   idle --span--> collecting --due or full--> sending --sent, given up--> idle, collecting
 *                                                |   ^
 *                                         failed v   | again
 *                                               pausing
 */
import {
  ExportTraceServiceRequest,
  ExportTraceServiceResponse,
  type InstrumentationScope,
  type Resource,
  ResourceSpans,
  ScopeSpans,
  type Span,
} from "../api/gen/trace.ts";
import type { Clock, Timer } from "../env/clock.ts";
import type { ExportReport } from "./export-report.ts";

/** Spans that wait; about a kilobyte each. Bounds memory while the collector does not take them. */
export const MAX_QUEUED_SPANS = 4096;
/** Spans of one message, encoded in one stretch: about a millisecond. */
export const MAX_BATCH_SPANS = 256;
/** A span waits so long for company, as in OpenTelemetry's SDKs. */
export const BATCH_DELAY_MS = 5000;
/** The collector's time for one message, connecting included, as in OpenTelemetry's SDKs. */
const EXPORT_TIMEOUT_MS = 10_000;
/** A batch that could not be sent is dropped after so long, as in OpenTelemetry's SDKs. */
export const MAX_RETRY_MS = 60_000;
/** Pauses between the attempts to send a batch: this, and twice as long each time. */
const FIRST_PAUSE_MS = 1000;
const MAX_PAUSE_MS = 30_000;

export interface Collector {
  /** Resolves with the encoded answer. `deadlineMs` is on the scale of `Clock.nowMs`. */
  send(request: Uint8Array, deadlineMs: number): Promise<Uint8Array>;
  close(): void;
}

export interface SpanExporterOptions {
  readonly clock: Clock;
  readonly collector: Collector;
  readonly report: ExportReport;
  /** Who sends. */
  readonly resource: Resource;
  readonly scope: InstrumentationScope;
  /** Whether to send a batch again after such an error. */
  readonly isPassing: (error: unknown) => boolean;
  /** Called before a batch is sent. */
  readonly onBatch: () => void;
}

export class SpanExporter {
  readonly #options: SpanExporterOptions;
  #queue: Span[] = [];
  #timer: Timer | undefined;
  /** The run that sends; never rejects. */
  #running: Promise<void> | undefined;
  #wake: (() => void) | undefined;
  /** Gives up the attempt that is under way. */
  #abandon: (() => void) | undefined;
  /** `Clock.nowMs` by which everything is sent or dropped; Infinity while the member runs. */
  #endMs = Number.POSITIVE_INFINITY;

  constructor(options: SpanExporterOptions) {
    this.#options = options;
  }

  add(span: Span): void {
    if (this.#queue.length >= MAX_QUEUED_SPANS || this.#isStopping) {
      this.#options.report.dropped(1);
      return;
    }
    this.#queue.push(span);
    if (this.#running !== undefined) return;
    if (this.#queue.length >= MAX_BATCH_SPANS) this.#start();
    else this.#timer ??= this.#options.clock.setTimer(BATCH_DELAY_MS, () => this.#start());
  }

  /** Sends what waits, for at most `graceMs`, and ends. */
  async stop(graceMs: number): Promise<void> {
    const { clock, collector } = this.#options;
    this.#endMs = clock.nowMs() + graceMs;
    const timer = clock.setTimer(graceMs, () => this.#abandon?.());
    this.#wake?.();
    this.#start();
    await this.#running;
    timer.cancel();
    collector.close();
  }

  get #isStopping(): boolean {
    return this.#endMs !== Number.POSITIVE_INFINITY;
  }

  #start(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    this.#running ??= this.#run().finally(() => {
      this.#running = undefined;
      // Fewer than a batch have come meanwhile.
      if (this.#queue.length > 0) {
        this.#timer ??= this.#options.clock.setTimer(BATCH_DELAY_MS, () => this.#start());
      }
    });
  }

  /** Sends all full batches, and the first one however small it is. */
  async #run(): Promise<void> {
    do {
      if (this.#options.clock.nowMs() >= this.#endMs) {
        this.#options.report.dropped(this.#queue.length);
        this.#queue = [];
        return;
      }
      const batch = this.#queue.slice(0, MAX_BATCH_SPANS);
      this.#queue = this.#queue.slice(MAX_BATCH_SPANS);
      if (batch.length > 0) await this.#deliver(batch);
    } while (this.#queue.length >= (this.#isStopping ? 1 : MAX_BATCH_SPANS));
  }

  async #deliver(batch: readonly Span[]): Promise<void> {
    const { clock, report, isPassing } = this.#options;
    const sinceMs = clock.nowMs();
    let pauseMs = FIRST_PAUSE_MS;
    for (;;) {
      try {
        const rejected = await this.#send(batch);
        report.sent(rejected.count, rejected.reason);
        return;
      } catch (error) {
        const isOver = clock.nowMs() - sinceMs >= MAX_RETRY_MS || this.#isStopping;
        const isLost = isOver || !isPassing(error);
        report.failed(error, isLost ? batch.length : 0);
        if (isLost) return;
      }
      await this.#pause(pauseMs);
      pauseMs = Math.min(pauseMs * 2, MAX_PAUSE_MS);
    }
  }

  async #send(batch: readonly Span[]): Promise<{ count: number; reason: string }> {
    const { clock, resource, scope, onBatch } = this.#options;
    onBatch();
    const scopeSpans = [ScopeSpans.create({ scope, spans: [...batch] })];
    const request = ExportTraceServiceRequest.encode({
      resourceSpans: [ResourceSpans.create({ resource, scopeSpans })],
    });
    const deadlineMs = Math.min(clock.nowMs() + EXPORT_TIMEOUT_MS, this.#endMs);
    const answer = ExportTraceServiceResponse.decode(await this.#answer(request, deadlineMs));
    const { rejectedSpans, errorMessage } = answer.partialSuccess ?? NOTHING_REJECTED;
    return { count: rejectedSpans, reason: errorMessage };
  }

  #answer(request: Uint8Array, deadlineMs: number): Promise<Uint8Array> {
    return new Promise((resolve, reject) => {
      this.#abandon = () => reject(new Error("the member stops"));
      this.#options.collector.send(request, deadlineMs).then(resolve, reject);
    });
  }

  #pause(pauseMs: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = this.#options.clock.setTimer(pauseMs, () => this.#wake?.());
      this.#wake = () => {
        this.#wake = undefined;
        timer.cancel();
        resolve();
      };
    });
  }
}

const NOTHING_REJECTED = { rejectedSpans: 0, errorMessage: "" };
