/** The metrics of users and roles. */
import type { Metrics } from "../env/metrics.ts";
import type { AuthStore } from "./auth-store.ts";
import { plain } from "../env/metric-table.ts";

export const AuthMetrics = {
  authRevision: plain("etcd_debugging_auth_revision", "The current revision of auth store."),
} as const;

export function registerAuthMetrics(metrics: Metrics, store: Pick<AuthStore, "revision">): void {
  metrics.gaugeFunction(AuthMetrics.authRevision, () => store.revision);
}
