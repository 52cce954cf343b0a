/** The metrics of calls as the services see them. */
import type { Counter, Histogram, Labelled, Metrics } from "../../env/index.ts";
import { exponentialBuckets, histogram, labelled } from "../../env/metric-table.ts";

export const ServicesMetrics = {
  /** `type` is "unary" or "stream"; the version comes from metadata, else "unknown". */
  clientRequests: labelled(
    "etcd_server_client_requests_total",
    "The total number of client requests per client version.",
    "type",
    "client_api_version",
  ),
  /** `Type` is "send" or "receive", `API` is "watch" or "lease-keepalive". */
  serverStreamFailures: labelled(
    "etcd_network_server_stream_failures_total",
    "The total number of stream failures from the local server.",
    "Type",
    "API",
  ),
  hashDuration: histogram(
    "etcd_mvcc_hash_duration_seconds",
    "The latency distribution of storage hash operation.",
    exponentialBuckets(0.01, 2, 15),
  ),
} as const;

export interface ServicesCounters {
  /** Labels: "unary" or "stream", the client's API version. */
  readonly clientRequests: Labelled<Counter>;
  /** Labels: "send" or "receive", "watch" or "lease-keepalive". */
  readonly streamFailures: Labelled<Counter>;
  readonly hashDuration: Histogram;
}

export function registerServicesMetrics(metrics: Metrics): ServicesCounters {
  const { clientRequests, serverStreamFailures, hashDuration } = ServicesMetrics;
  return {
    clientRequests: metrics.counters(clientRequests, clientRequests.labels),
    streamFailures: metrics.counters(serverStreamFailures, serverStreamFailures.labels),
    hashDuration: metrics.histogram(hashDuration),
  };
}
