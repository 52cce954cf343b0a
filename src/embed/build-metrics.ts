/** What the member runs on, and which of its features are on, as metrics. */
import type { Metrics } from "../env/metrics.ts";
import { labelled } from "../env/metric-table.ts";
import { type EtcdConfig, GATE_NAMES, gateSpec } from "./config/index.ts";

export const BuildMetrics = {
  goVersion: labelled(
    "etcd_server_go_version",
    "Which Go version server is running with. 1 for 'server_go_version' label with current version.",
    "server_go_version",
  ),
  featureEnabled: labelled(
    "etcd_server_feature_enabled",
    "Whether or not a feature is enabled. 1 is enabled, 0 is not.",
    "name",
    "stage",
  ),
} as const;

export function registerBuildMetrics(
  metrics: Metrics,
  config: EtcdConfig,
  nodeVersion: string,
): void {
  const { goVersion, featureEnabled } = BuildMetrics;
  metrics.gauges(goVersion, goVersion.labels).of(`node ${nodeVersion}`).set(1);
  const enabled = metrics.gauges(featureEnabled, featureEnabled.labels);
  for (const gate of GATE_NAMES) {
    enabled.of(gate, gateSpec(gate).stage).set(config.featureGates[gate] ? 1 : 0);
  }
}
