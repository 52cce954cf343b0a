/** The metrics of checks of health. */
import { labelled, plain } from "../../env/metric-table.ts";

export const HealthMetrics = {
  healthSuccess: plain("etcd_server_health_success", "Health checks answered with success."),
  healthFailures: plain("etcd_server_health_failures", "Health checks answered with failure."),
  healthcheck: labelled("etcd_server_healthcheck", "Last result of a check.", "type", "name"),
  healthchecks: labelled(
    "etcd_server_healthchecks_total",
    "Checks run, by kind, name and result.",
    "type",
    "name",
    "status",
  ),
} as const;
