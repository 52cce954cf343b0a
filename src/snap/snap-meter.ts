/** Durations of saving snapshots under etcd's metric names. Without a clock nothing is measured. */
import type { Clock } from "../env/clock.ts";
import type { Histogram, Metrics } from "../env/metrics.ts";

export type SnapStage = "encode" | "fsync" | "save" | "databaseFsync" | "databaseSave";

/** 1 ms to 8 s, doubling. */
const SHORT: readonly number[] = Array.from({ length: 14 }, (_, i) => 0.001 * 2 ** i);
/** 100 ms to 51 s, doubling. */
const LONG: readonly number[] = Array.from({ length: 10 }, (_, i) => 0.1 * 2 ** i);

const STAGES: Readonly<Record<SnapStage, readonly [string, string, readonly number[]]>> = {
  encode: [
    "etcd_debugging_snap_save_marshalling_duration_seconds",
    "The marshalling cost distributions of save called by snapshot.",
    SHORT,
  ],
  save: [
    "etcd_debugging_snap_save_total_duration_seconds",
    "The total latency distributions of save called by snapshot.",
    SHORT,
  ],
  fsync: [
    "etcd_snap_fsync_duration_seconds",
    "The latency distributions of fsync called by snap.",
    SHORT,
  ],
  databaseSave: [
    "etcd_snap_db_save_total_duration_seconds",
    "The total latency distributions of v3 snapshot save",
    LONG,
  ],
  databaseFsync: [
    "etcd_snap_db_fsync_duration_seconds",
    "The latency distributions of fsyncing .snap.db file",
    SHORT,
  ],
};

export class SnapMeter {
  readonly #clock: Clock | undefined;
  readonly #histograms = new Map<SnapStage, Histogram>();

  constructor(metrics: Metrics | undefined, clock: Clock | undefined) {
    this.#clock = clock;
    if (metrics === undefined) return;
    for (const [stage, [name, help, buckets]] of Object.entries(STAGES)) {
      this.#histograms.set(stage as SnapStage, metrics.histogram({ name, help, buckets }));
    }
  }

  nowMs(): number {
    return this.#clock?.nowMs() ?? 0;
  }

  took(stage: SnapStage, startMs: number): void {
    if (this.#clock === undefined) return;
    this.#histograms.get(stage)?.observe((this.#clock.nowMs() - startMs) / 1000);
  }
}
