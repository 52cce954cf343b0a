/** The settings of a simulated member, as its plan has them. */
import type { ServerOptions } from "../src/server/index.ts";
import type { Plan } from "./plan.ts";

export function peerURL(name: string): string {
  return `http://${name}:2380`;
}

export function memberOptions(
  plan: Plan,
  name: string,
  initialCluster: ReadonlyMap<string, string>,
  state: "new" | "existing",
): ServerOptions {
  return {
    name,
    dataDirectory: "/data",
    walDirectory: "",
    initialCluster: new Map([...initialCluster].map(([each, url]) => [each, [url]])),
    initialClusterToken: "simulation",
    initialClusterState: state,
    forceNewCluster: false,
    strictReconfigCheck: plan.strictReconfigCheck,
    maxLearners: 1,
    clientURLs: [`http://${name}:2379`],
    peerURLs: [peerURL(name)],
    heartbeatIntervalMs: plan.heartbeatIntervalMs,
    electionTicks: plan.electionTicks,
    preVote: true,
    initialElectionTickAdvance: true,
    snapshotCount: plan.snapshotCount,
    catchUpEntries: plan.catchUpEntries,
    maxWals: 2,
    maxSnapshots: 2,
    quotaBackendBytes: 0,
    maxTxnOps: 128,
    maxRequestBytes: 1_572_864,
    backendBatchIntervalMs: plan.backendBatchIntervalMs,
    backendBatchLimit: plan.backendBatchLimit,
    pageCacheBytes: 1 << 20,
    bootstrapDefragThresholdBytes: 0,
    autoCompactionMode: "periodic",
    autoCompactionRetention: 0,
    compactionBatchLimit: plan.compactionBatchLimit,
    compactionSleepIntervalMs: 10,
    watchProgressNotifyIntervalMs: plan.progressIntervalMs,
    leaseCheckpoint: plan.leaseCheckpoint,
    leaseCheckpointPersist: true,
    warningApplyDurationMs: 100,
    warningUnaryRequestDurationMs: 300,
    unsafeNoFsync: false,
    corruptCheckIntervalMs: 2500,
    compactHashCheckIntervalMs: 1500,
    compactHashCheck: true,
    initialCorruptCheck: false,
    downgradeCheckIntervalMs: 5000,
    stopServiceOnDefrag: false,
    tokens: { kind: "simple" },
    simpleTokenTTLMs: 300_000,
    bcryptCost: 4,
    clientCertAuth: false,
    servesV2: false,
    dropsV2Content: false,
    limits: plan.limits,
  };
}
