/** The settings of a simulated member, as its plan has them. */
import type { ServerOptions } from "../src/server/index.ts";
import { addresses, WORLD_SETTINGS } from "../src/testing/world/member-settings.ts";
import type { Plan } from "./plan.ts";

export function memberOptions(
  plan: Plan,
  name: string,
  initialCluster: ReadonlyMap<string, string>,
  state: "new" | "existing",
): ServerOptions {
  return {
    ...WORLD_SETTINGS,
    ...addresses(name, initialCluster),
    initialClusterToken: "simulation",
    initialClusterState: state,
    strictReconfigCheck: plan.strictReconfigCheck,
    heartbeatIntervalMs: plan.heartbeatIntervalMs,
    electionTicks: plan.electionTicks,
    snapshotCount: plan.snapshotCount,
    catchUpEntries: plan.catchUpEntries,
    backendBatchIntervalMs: plan.backendBatchIntervalMs,
    backendBatchLimit: plan.backendBatchLimit,
    pageCacheBytes: 1 << 20,
    autoCompactionMode: "periodic",
    autoCompactionRetention: 0,
    compactionBatchLimit: plan.compactionBatchLimit,
    watchProgressNotifyIntervalMs: plan.progressIntervalMs,
    leaseCheckpoint: plan.leaseCheckpoint,
    leaseCheckpointPersist: true,
    corruptCheckIntervalMs: 2500,
    compactHashCheckIntervalMs: 1500,
    compactHashCheck: true,
    limits: plan.limits,
  };
}
