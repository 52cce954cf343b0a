/** The metrics of how long requests take. */
import type { Counter, Histogram, Labelled, Metrics } from "../../env/index.ts";
import { exponentialBuckets, labelledHistogram, plain } from "../../env/metric-table.ts";

/** 0.1 ms to 52 s. */
const APPLY_SECONDS = exponentialBuckets(0.0001, 2, 20);

export const TracingMetrics = {
  slowApplies: plain(
    "etcd_server_slow_apply_total",
    "The total number of slow apply requests (likely overloaded from slow disk).",
  ),
  applyDuration: labelledHistogram(
    "etcd_server_apply_duration_seconds",
    "The latency distributions of v2 apply called by backend.",
    APPLY_SECONDS,
    ["version", "op", "success"],
  ),
  rangeDuration: labelledHistogram(
    "etcd_server_range_duration_seconds",
    "The latency distributions of txn.Range",
    APPLY_SECONDS,
    ["success"],
  ),
} as const;

export interface TracingCounters {
  readonly slowApplies: Counter;
  /** Labels: version, op, success. */
  readonly applyDuration: Labelled<Histogram>;
  /** Label: success. */
  readonly rangeDuration: Labelled<Histogram>;
}

export function registerTracingMetrics(metrics: Metrics): TracingCounters {
  const { slowApplies, applyDuration, rangeDuration } = TracingMetrics;
  return {
    slowApplies: metrics.counter(slowApplies),
    applyDuration: metrics.histograms(applyDuration, applyDuration.labels),
    rangeDuration: metrics.histograms(rangeDuration, rangeDuration.labels),
  };
}
