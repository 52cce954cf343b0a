/** The metrics of a member: who it is, and those of its wings, registered once. */
import { SERVER_VERSION } from "../api/version.ts";
import { registerAuthMetrics } from "../auth/index.ts";
import { registerBackendSizes } from "../backend/index.ts";
import { formatID } from "../base/ids.ts";
import type { Metrics } from "../env/index.ts";
import { registerStoreMetrics } from "../mvcc/index.ts";
import { type KeyStore, registerV2Metrics } from "../v2store/index.ts";
import { registerApplyMetrics } from "./apply/apply-metrics.ts";
import { registerConsensusMetrics } from "./consensus/consensus-metrics.ts";
import type { ServerContext, ServerCounters } from "./context.ts";
import { registerMembersMetrics } from "./members/members-metrics.ts";
import { registerServicesMetrics } from "./services/services-metrics.ts";
import { registerTracingMetrics } from "./tracing/tracing-metrics.ts";
import { registerUpkeepMetrics } from "./upkeep/upkeep-metrics.ts";
import { labelled } from "../env/metric-table.ts";

export const ServerMetrics = {
  version: labelled(
    "etcd_server_version",
    "Which version is running. 1 for 'server_version' label with current version.",
    "server_version",
  ),
  id: labelled(
    "etcd_server_id",
    "Server or member ID in hexadecimal format. 1 for 'server_id' label with current ID.",
    "server_id",
  ),
} as const;

type Needs = Parameters<typeof registerApplyMetrics>[1] &
  Parameters<typeof registerConsensusMetrics>[1] &
  Pick<ServerContext, "auth" | "backend" | "memberID" | "watchable">;

/** Of those that are counted; the others are asked for at the scrape. */
export function registerServerMetrics(
  metrics: Metrics,
  server: Needs,
  v2keys: KeyStore | undefined,
): ServerCounters {
  const { version, id } = ServerMetrics;
  metrics.gauges(version, version.labels).of(SERVER_VERSION).set(1);
  metrics.gauges(id, id.labels).of(formatID(server.memberID)).set(1);
  registerBackendSizes(metrics, server.backend);
  registerStoreMetrics(metrics, server.watchable);
  registerAuthMetrics(metrics, server.auth.store);
  registerV2Metrics(metrics, v2keys);
  // One literal: the engine looks names up slowly in objects that many were added to.
  return {
    ...registerApplyMetrics(metrics, server),
    ...registerTracingMetrics(metrics),
    ...registerConsensusMetrics(metrics, server),
    ...registerMembersMetrics(metrics, server),
    ...registerUpkeepMetrics(metrics),
    ...registerServicesMetrics(metrics),
  };
}
