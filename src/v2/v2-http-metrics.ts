/** The metrics of `/v2/keys`. Waiting is counted as received by nobody, as in etcd. */
import { exponentialBuckets, labelled, labelledHistogram } from "../env/metric-table.ts";
import type { Counter, Histogram, Labelled, Metrics } from "../env/metrics.ts";

export const V2HttpMetrics = {
  received: labelled(
    "etcd_http_received_total",
    "Counter of requests received into the system (successfully parsed and authd).",
    "method",
  ),
  failed: labelled(
    "etcd_http_failed_total",
    "Counter of handle failures of requests (non-watches), by method (GET/PUT etc.) and code " +
      "(400, 500 etc.).",
    "method",
    "code",
  ),
  duration: labelledHistogram(
    "etcd_http_successful_duration_seconds",
    "Bucketed histogram of processing time (s) of successfully handled requests (non-watches), " +
      "by method (GET/PUT etc.).",
    exponentialBuckets(0.0005, 2, 13),
    ["method"],
  ),
} as const;

export interface V2HttpCounters {
  readonly received: Labelled<Counter>;
  readonly failed: Labelled<Counter>;
  readonly duration: Labelled<Histogram>;
}

export function registerV2HttpMetrics(metrics: Metrics): V2HttpCounters {
  const { received, failed, duration } = V2HttpMetrics;
  return {
    received: metrics.counters(received, received.labels),
    failed: metrics.counters(failed, failed.labels),
    duration: metrics.histograms(duration, duration.labels),
  };
}
