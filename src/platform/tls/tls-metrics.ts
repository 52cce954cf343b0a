/** What a member tells of its TLS. etcd has no such metrics; the names follow its style. */
import type { Counter, Gauge, Labelled, Metrics } from "../../env/metrics.ts";

/** "client" or "peer": which listeners and connections a figure is about. */
export type TlsSide = "client" | "peer";

const TlsMetricNames = {
  notAfter: {
    name: "etcd_tls_certificate_not_after_seconds",
    help: "Unix time at which the certificate in force ends.",
    labels: ["Side", "Serial"],
  },
  handshakes: {
    name: "etcd_tls_handshakes_total",
    help: "Handshakes of clients and members, done or rejected.",
    labels: ["Side", "Outcome"],
  },
  reloadFailures: {
    name: "etcd_tls_reload_failures_total",
    help: "Changed files that could not be used; the last good ones serve on.",
    labels: ["Side", "What"],
  },
} as const;

export interface TlsMetrics {
  readonly notAfter: Labelled<Gauge>;
  readonly handshakes: Labelled<Counter>;
  readonly reloadFailures: Labelled<Counter>;
}

export function registerTlsMetrics(metrics: Metrics): TlsMetrics {
  const { notAfter, handshakes, reloadFailures } = TlsMetricNames;
  return {
    notAfter: metrics.gauges(notAfter, notAfter.labels),
    handshakes: metrics.counters(handshakes, handshakes.labels),
    reloadFailures: metrics.counters(reloadFailures, reloadFailures.labels),
  };
}
