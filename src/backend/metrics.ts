/** The backend's metrics, under etcd's names. */

import type { Clock } from "../env/clock.ts";
import { BackendMetrics as BackendSeries } from "../env/etcd-metrics.ts";
import type { Gauge, Histogram, Metrics } from "../env/metrics.ts";

export class BackendMetrics {
  readonly #commit: Histogram | undefined;
  readonly #rebalance: Histogram | undefined;
  readonly #spill: Histogram | undefined;
  readonly #write: Histogram | undefined;
  readonly #defrag: Histogram | undefined;
  readonly #snapshot: Histogram | undefined;
  readonly #defragInflight: Gauge | undefined;
  #applyMs = 0;

  constructor(metrics: Metrics | undefined) {
    this.#commit = metrics?.histogram(BackendSeries.commitDuration);
    this.#rebalance = metrics?.histogram(BackendSeries.rebalanceDuration);
    this.#spill = metrics?.histogram(BackendSeries.spillDuration);
    this.#write = metrics?.histogram(BackendSeries.writeDuration);
    this.#defrag = metrics?.histogram(BackendSeries.defragDuration);
    this.#snapshot = metrics?.histogram(BackendSeries.snapshotDuration);
    this.#defragInflight = metrics?.gauge(BackendSeries.defragInflight);
  }

  /** Merging rebalances and spills in one pass; it is all counted as spilling. */
  applied(ms: number): void {
    this.#applyMs = ms;
    this.#rebalance?.observe(0);
    this.#spill?.observe(ms / 1000);
  }

  written(ms: number): void {
    this.#write?.observe(ms / 1000);
    this.#commit?.observe((this.#applyMs + ms) / 1000);
  }

  defragInflight(count: number): void {
    this.#defragInflight?.set(count);
  }

  defragmented(ms: number): void {
    this.#defrag?.observe(ms / 1000);
  }

  /** Starts timing a snapshot; call the result when it ends. */
  snapshotTimer(clock: Clock): () => void {
    const begin = clock.nowMs();
    return () => this.#snapshot?.observe((clock.nowMs() - begin) / 1000);
  }
}
