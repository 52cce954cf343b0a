/** The metrics of leases. */
import type { Counter, Histogram, Metrics } from "../env/metrics.ts";
import { exponentialBuckets, histogram, plain } from "../env/metric-table.ts";

export const LeaseMetrics = {
  granted: plain("etcd_debugging_lease_granted_total", "Leases granted."),
  revoked: plain("etcd_debugging_lease_revoked_total", "Leases revoked."),
  renewed: plain("etcd_debugging_lease_renewed_total", "Renewals seen by the leader."),
  ttl: histogram(
    "etcd_debugging_lease_ttl_total",
    "Time to live of granted leases in seconds.",
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
