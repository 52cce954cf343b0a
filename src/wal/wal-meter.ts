/** Durations and bytes of the log under etcd's metric names. Without a clock only bytes count. */
import type { Clock } from "../env/clock.ts";
import type { Logger } from "../env/logger.ts";
import type { Gauge, Histogram, Metrics } from "../env/metrics.ts";
import { WalMetrics } from "./wal-metrics.ts";

/** A sync that takes longer is worth a line in the log. */
const SLOW_SYNC_MS = 1000;

export class WalMeter {
  readonly #clock: Clock | undefined;
  readonly #logger: Logger;
  readonly #bytes: Gauge | undefined;
  readonly #writes: Histogram | undefined;
  readonly #syncs: Histogram | undefined;

  constructor(deps: {
    readonly logger: Logger;
    readonly metrics?: Metrics;
    readonly clock?: Clock;
  }) {
    this.#clock = deps.clock;
    this.#logger = deps.logger;
    this.#bytes = deps.metrics?.gauge(WalMetrics.writeBytes);
    this.#writes = deps.metrics?.histogram(WalMetrics.writeDuration);
    this.#syncs = deps.metrics?.histogram(WalMetrics.fsyncDuration);
  }

  startMs(): number {
    return this.#clock?.nowMs() ?? 0;
  }

  written(bytes: number, startMs: number): void {
    this.#bytes?.add(bytes);
    if (this.#clock !== undefined) this.#writes?.observe((this.#clock.nowMs() - startMs) / 1000);
  }

  synced(startMs: number): void {
    if (this.#clock === undefined) return;
    const tookMs = this.#clock.nowMs() - startMs;
    this.#syncs?.observe(tookMs / 1000);
    if (tookMs <= SLOW_SYNC_MS) return;
    this.#logger.warn("slow fdatasync", {
      took: `${tookMs.toFixed(3)}ms`,
      "expected-duration": "1s",
    });
  }
}
