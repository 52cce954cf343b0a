/** The metrics of checks of health. */
import { labelled, plain } from "../../env/metric-table.ts";

export const HealthMetrics = {
  healthSuccess: plain(
    "etcd_server_health_success",
    "The total number of successful health checks",
  ),
  healthFailures: plain("etcd_server_health_failures", "The total number of failed health checks"),
  healthcheck: labelled(
    "etcd_server_healthcheck",
    "The result of each kind of healthcheck.",
    "type",
    "name",
  ),
  healthchecks: labelled(
    "etcd_server_healthchecks_total",
    "The total number of each kind of healthcheck.",
    "type",
    "name",
    "status",
  ),
} as const;
