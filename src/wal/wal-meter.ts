/** Durations and bytes of the log under etcd's metric names. Without a clock only bytes count. */
import type { Clock } from "../env/clock.ts";
import type { Logger } from "../env/logger.ts";
import type { Gauge, Histogram, Metrics } from "../env/metrics.ts";

/** A sync that takes longer is worth a line in the log. */
const SLOW_SYNC_MS = 1000;

/** 1 ms to 8 s, doubling. */
const BUCKETS: readonly number[] = Array.from({ length: 14 }, (_, i) => 0.001 * 2 ** i);

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
    this.#bytes = deps.metrics?.gauge({
      name: "etcd_disk_wal_write_bytes_total",
      help: "Total number of bytes written in WAL.",
    });
    this.#writes = deps.metrics?.histogram({
      name: "etcd_disk_wal_write_duration_seconds",
      help: "The latency distributions of write called by WAL.",
      buckets: BUCKETS,
    });
    this.#syncs = deps.metrics?.histogram({
      name: "etcd_disk_wal_fsync_duration_seconds",
      help: "The latency distributions of fsync called by WAL.",
      buckets: BUCKETS,
    });
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
