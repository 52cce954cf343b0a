/** What a v2 proxy counts, with the names, labels and helps of etcd 3.5. */
import { exponentialBuckets, labelled, labelledHistogram } from "../../env/metric-table.ts";
import type { Counter, Histogram, Labelled, Metrics } from "../../env/metrics.ts";

export const HttpProxyTable = {
  incoming: labelled("etcd_proxy_requests_total", "Counter requests incoming by method.", "method"),
  handled: labelled(
    "etcd_proxy_handled_total",
    "Counter of requests fully handled (by authoratitave servers)",
    "method",
    "code",
  ),
  dropped: labelled(
    "etcd_proxy_dropped_total",
    "Counter of requests dropped on the proxy.",
    "method",
    "proxying_error",
  ),
  seconds: labelledHistogram(
    "etcd_proxy_handling_duration_seconds",
    "Bucketed histogram of handling time of successful events (non-watches), by method (GET/PUT etc.).",
    exponentialBuckets(0.0005, 2, 13),
    ["method"],
  ),
} as const;

export interface HttpProxyMetrics {
  readonly incoming: Labelled<Counter>;
  readonly handled: Labelled<Counter>;
  readonly dropped: Labelled<Counter>;
  readonly seconds: Labelled<Histogram>;
}

export function registerHttpProxyMetrics(metrics: Metrics): HttpProxyMetrics {
  const { incoming, handled, dropped, seconds } = HttpProxyTable;
  return {
    incoming: metrics.counters(incoming, incoming.labels),
    handled: metrics.counters(handled, handled.labels),
    dropped: metrics.counters(dropped, dropped.labels),
    seconds: metrics.histograms(seconds, seconds.labels),
  };
}
