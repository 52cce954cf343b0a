/** The backend's metrics, under etcd's names. */

import type { Clock } from "../env/clock.ts";
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
    const histogram = (name: string, help: string, first: number, count: number) =>
      metrics?.histogram({ name, help, buckets: doublingBuckets(first, count) });
    this.#commit = histogram(
      "etcd_disk_backend_commit_duration_seconds",
      "The latency distributions of commit called by backend.",
      0.001,
      14,
    );
    const phase = (name: string) =>
      histogram(
        `etcd_debugging_disk_backend_commit_${name}_duration_seconds`,
        `The latency distributions of commit.${name} called by bboltdb backend.`,
        0.001,
        14,
      );
    this.#rebalance = phase("rebalance");
    this.#spill = phase("spill");
    this.#write = phase("write");
    this.#defrag = histogram(
      "etcd_disk_backend_defrag_duration_seconds",
      "The latency distribution of backend defragmentation.",
      0.1,
      13,
    );
    this.#snapshot = histogram(
      "etcd_disk_backend_snapshot_duration_seconds",
      "The latency distribution of backend snapshots.",
      0.01,
      17,
    );
    this.#defragInflight = metrics?.gauge({
      name: "etcd_disk_defrag_inflight",
      help: "Whether or not defrag is active on the member. 1 means active, 0 means not.",
    });
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

function doublingBuckets(first: number, count: number): number[] {
  return Array.from({ length: count }, (_, index) => first * 2 ** index);
}
