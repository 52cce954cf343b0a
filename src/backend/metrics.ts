/** The backend's metrics, under etcd's names. */
import type { Clock } from "../env/clock.ts";
import { DISK_SECONDS, exponentialBuckets, histogram, plain } from "../env/metric-table.ts";
import type { Gauge, Histogram, Metrics } from "../env/metrics.ts";
import type { Backend } from "./types.ts";

export const BackendSeries = {
  commitDuration: histogram(
    "etcd_disk_backend_commit_duration_seconds",
    "The latency distributions of commit called by backend.",
    DISK_SECONDS,
  ),
  rebalanceDuration: histogram(
    "etcd_debugging_disk_backend_commit_rebalance_duration_seconds",
    "The latency distributions of commit.rebalance called by bboltdb backend.",
    DISK_SECONDS,
  ),
  spillDuration: histogram(
    "etcd_debugging_disk_backend_commit_spill_duration_seconds",
    "The latency distributions of commit.spill called by bboltdb backend.",
    DISK_SECONDS,
  ),
  writeDuration: histogram(
    "etcd_debugging_disk_backend_commit_write_duration_seconds",
    "The latency distributions of commit.write called by bboltdb backend.",
    DISK_SECONDS,
  ),
  defragDuration: histogram(
    "etcd_disk_backend_defrag_duration_seconds",
    "The latency distribution of backend defragmentation.",
    exponentialBuckets(0.1, 2, 13),
  ),
  snapshotDuration: histogram(
    "etcd_disk_backend_snapshot_duration_seconds",
    "The latency distribution of backend snapshots.",
    exponentialBuckets(0.01, 2, 17),
  ),
  defragInflight: plain(
    "etcd_disk_defrag_inflight",
    "Whether or not defrag is active on the member. 1 means active, 0 means not.",
  ),
  dbTotalSize: plain(
    "etcd_mvcc_db_total_size_in_bytes",
    "Total size of the underlying database physically allocated in bytes.",
  ),
  dbTotalSizeInUse: plain(
    "etcd_mvcc_db_total_size_in_use_in_bytes",
    "Total size of the underlying database logically in use in bytes.",
  ),
  dbOpenReadTransactions: plain(
    "etcd_mvcc_db_open_read_transactions",
    "The number of currently open read transactions",
  ),
} as const;

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

/** What is asked of the backend that a member serves from, at each scrape. */
export function registerBackendSizes(
  metrics: Metrics,
  backend: Pick<Backend, "openReadViews" | "sizeBytes" | "sizeInUseBytes">,
): void {
  metrics.gaugeFunction(BackendSeries.dbTotalSize, () => backend.sizeBytes);
  metrics.gaugeFunction(BackendSeries.dbTotalSizeInUse, () => backend.sizeInUseBytes);
  metrics.gaugeFunction(BackendSeries.dbOpenReadTransactions, () => backend.openReadViews);
}
