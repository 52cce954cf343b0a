/** The metrics of leases. */
import type { Counter, Histogram, Metrics } from "../env/metrics.ts";
import { exponentialBuckets, histogram, plain } from "../env/metric-table.ts";

export const LeaseMetrics = {
  granted: plain("etcd_debugging_lease_granted_total", "The total number of granted leases."),
  revoked: plain("etcd_debugging_lease_revoked_total", "The total number of revoked leases."),
  renewed: plain(
    "etcd_debugging_lease_renewed_total",
    "The number of renewed leases seen by the leader.",
  ),
  ttl: histogram(
    "etcd_debugging_lease_ttl_total",
    "Bucketed histogram of lease TTLs.",
    exponentialBuckets(1, 2, 24),
  ),
} as const;

export interface LessorMetrics {
  readonly granted: Counter;
  readonly revoked: Counter;
  readonly renewed: Counter;
  readonly ttl: Histogram;
}

export function registerLessorMetrics(metrics: Metrics): LessorMetrics {
  return {
    granted: metrics.counter(LeaseMetrics.granted),
    revoked: metrics.counter(LeaseMetrics.revoked),
    renewed: metrics.counter(LeaseMetrics.renewed),
    ttl: metrics.histogram(LeaseMetrics.ttl),
  };
}
