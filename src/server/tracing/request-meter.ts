/**
 * Durations of requests: histograms, and a line in the log for those that took too long, in
 * etcd's words.
 */
import { formatDuration } from "../../base/go-text.ts";
import type { Clock, Histogram, Logger } from "../../env/index.ts";
import type { Outcome } from "../log/proposals.ts";
import { logRequestOf } from "../log/log-requests.ts";
import { raftRequestText } from "./request-text.ts";
import type { TracingCounters } from "./tracing-metrics.ts";

const API_VERSION = "v3";

export interface RequestMeterOptions {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly counters: TracingCounters;
  readonly warningDurationMs: number;
}

/** A request of the log, which may have to be decoded when it is asked for. */
export interface LogWrite {
  readonly field: number;
  /** Of the type that `field` says. */
  readonly request: unknown;
}

export class RequestMeter {
  readonly #options: RequestMeterOptions;
  /** Histograms of applied requests by field and success, found once. */
  readonly #applied = new Map<number, { readonly ok: Histogram; readonly failed: Histogram }>();
  readonly #rangesOk: Histogram;

  constructor(options: RequestMeterOptions) {
    this.#options = options;
    this.#rangesOk = options.counters.rangeDuration.of("true");
  }

  nowMs(): number {
    return this.#options.clock.nowMs();
  }

  applied(applied: LogWrite, startMs: number, outcome: Outcome): void {
    const { field } = applied;
    const tookMs = this.#options.clock.nowMs() - startMs;
    const { error } = outcome;
    const histograms = this.#applied.get(field) ?? this.#find(field);
    const isSuccess = error === undefined || error.kind === "compacted";
    (isSuccess ? histograms.ok : histograms.failed).observe(tookMs / 1000);
    if (tookMs > this.#options.warningDurationMs) {
      this.#warn(tookMs, "", raftRequestText(field, applied.request), sizeText(outcome), error);
    }
    if (isSuccess) return;
    this.#options.logger.warn("failed to apply request", {
      took: formatDuration(tookMs),
      request: raftRequestText(field, applied.request),
      response: "",
      error,
    });
  }

  /** A range was read from `executedMs` to `nowMs`. */
  rangeRead(executedMs: number, nowMs: number): void {
    this.#rangesOk.observe((nowMs - executedMs) / 1000);
  }

  /** Warns if it took too long to answer a read. `request` and `response` in the log's words. */
  read(
    kind: "range" | "txn",
    tookMs: number,
    told: { readonly request: string; readonly response: string; readonly error?: unknown },
  ): void {
    if (tookMs <= this.#options.warningDurationMs) return;
    this.#warn(tookMs, `read-only ${kind} `, told.request, told.response, told.error);
  }

  #find(field: number): { readonly ok: Histogram; readonly failed: Histogram } {
    const operation = logRequestOf(field).name;
    const { applyDuration } = this.#options.counters;
    const found = {
      ok: applyDuration.of(API_VERSION, operation, "true"),
      failed: applyDuration.of(API_VERSION, operation, "false"),
    };
    this.#applied.set(field, found);
    return found;
  }

  #warn(tookMs: number, prefix: string, request: string, response: string, error: unknown): void {
    this.#options.counters.slowApplies.add();
    this.#options.logger.warn("apply request took too long", {
      took: formatDuration(tookMs),
      "expected-duration": formatDuration(this.#options.warningDurationMs),
      prefix,
      request,
      response,
      ...(error === undefined ? {} : { error }),
    });
  }
}

function sizeText(outcome: Outcome): string {
  if (outcome.reply === undefined) return "";
  let bytes = 0;
  for (const part of outcome.reply) bytes += part.length;
  return `size:${bytes}`;
}
