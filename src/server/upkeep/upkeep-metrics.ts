/** The metrics of what goes on beside serving. */
import type { Counter, Histogram, Metrics } from "../../env/index.ts";
import { exponentialBuckets, histogram, plain } from "../../env/metric-table.ts";

export const UpkeepMetrics = {
  leaseExpired: plain(
    "etcd_debugging_server_lease_expired_total",
    "The total number of expired leases.",
  ),
  hashRevDuration: histogram(
    "etcd_mvcc_hash_rev_duration_seconds",
    "The latency distribution of storage hash by revision operation.",
    exponentialBuckets(0.01, 2, 15),
  ),
} as const;

export interface UpkeepCounters {
  readonly leaseExpired: Counter;
  readonly hashRevisionDuration: Histogram;
}

export function registerUpkeepMetrics(metrics: Metrics): UpkeepCounters {
  return {
    leaseExpired: metrics.counter(UpkeepMetrics.leaseExpired),
    hashRevisionDuration: metrics.histogram(UpkeepMetrics.hashRevDuration),
  };
}
