/** Durations of saving snapshots under etcd's metric names. Without a clock nothing is measured. */
import type { Clock } from "../env/clock.ts";
import type { Histogram, HistogramOptions, Metrics } from "../env/metrics.ts";
import { SnapMetrics } from "./snap-metrics.ts";

export type SnapStage = "encode" | "fsync" | "save" | "databaseFsync" | "databaseSave";

const HISTOGRAMS: Readonly<Record<SnapStage, HistogramOptions>> = {
  encode: SnapMetrics.saveMarshallingDuration,
  save: SnapMetrics.saveTotalDuration,
  fsync: SnapMetrics.fsyncDuration,
  databaseSave: SnapMetrics.dbSaveTotalDuration,
  databaseFsync: SnapMetrics.dbFsyncDuration,
};

export class SnapMeter {
  readonly #clock: Clock | undefined;
  readonly #histograms = new Map<SnapStage, Histogram>();

  constructor(metrics: Metrics | undefined, clock: Clock | undefined) {
    this.#clock = clock;
    if (metrics === undefined) return;
    for (const [stage, options] of Object.entries(HISTOGRAMS)) {
      this.#histograms.set(stage as SnapStage, metrics.histogram(options));
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
