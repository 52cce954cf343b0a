/** From the settings that users know to what the server is told. */
import { parseTokenOptions } from "../auth/index.ts";
import type { ServerOptions } from "../server/index.ts";
import {
  autoCompactionOf,
  type EtcdConfig,
  type EtcdUrl,
  parseInitialCluster,
} from "./config/index.ts";

/** What 0 stands for, as in etcd. */
const DEFAULT_COMPACTION_BATCH_LIMIT = 1000;
const DEFAULT_COMPACTION_SLEEP_MS = 10;
const DEFAULT_PROGRESS_INTERVAL_MS = 10 * 60 * 1000;
/** Shorter intervals are raised to this one. */
const MIN_PROGRESS_INTERVAL_MS = 100;

export function serverOptionsOf(config: EtcdConfig): ServerOptions {
  const compaction = autoCompactionOf(config);
  const initialCluster = new Map<string, readonly string[]>();
  for (const [name, urls] of parseInitialCluster(config.initialCluster)) {
    initialCluster.set(name, hrefs(urls));
  }
  return {
    name: config.name,
    dataDirectory: config.dataDir,
    walDirectory: config.walDir,
    initialCluster,
    initialClusterToken: config.initialClusterToken,
    initialClusterState: config.initialClusterState === "existing" ? "existing" : "new",
    forceNewCluster: config.forceNewCluster,
    strictReconfigCheck: config.strictReconfigCheck,
    maxLearners: config.maxLearners,
    clientURLs: hrefs(config.advertiseClientUrls),
    peerURLs: hrefs(config.initialAdvertisePeerUrls),
    heartbeatIntervalMs: config.heartbeatIntervalMs,
    electionTicks: Math.floor(config.electionTimeoutMs / config.heartbeatIntervalMs),
    preVote: config.preVote,
    initialElectionTickAdvance: config.initialElectionTickAdvance,
    snapshotCount: config.snapshotCount,
    catchUpEntries: config.snapshotCatchupEntries,
    maxWals: config.maxWals,
    maxSnapshots: config.maxSnapshots,
    quotaBackendBytes: config.quotaBackendBytes,
    maxTxnOps: config.maxTxnOps,
    maxRequestBytes: config.maxRequestBytes,
    backendBatchIntervalMs: config.backendBatchIntervalMs,
    backendBatchLimit: config.backendBatchLimit,
    pageCacheBytes: config.backendPageCacheBytes,
    bootstrapDefragThresholdBytes: config.bootstrapDefragThresholdMegabytes * 1024 * 1024,
    autoCompactionMode: compaction.kind === "revision" ? "revision" : "periodic",
    autoCompactionRetention: retentionOf(compaction),
    compactionBatchLimit: config.compactionBatchLimit || DEFAULT_COMPACTION_BATCH_LIMIT,
    compactionSleepIntervalMs: config.compactionSleepIntervalMs || DEFAULT_COMPACTION_SLEEP_MS,
    watchProgressNotifyIntervalMs: progressIntervalOf(config),
    leaseCheckpoint: config.featureGates.LeaseCheckpoint,
    leaseCheckpointPersist: config.featureGates.LeaseCheckpointPersist,
    warningApplyDurationMs: config.warningApplyDurationMs,
    warningUnaryRequestDurationMs: config.warningUnaryRequestDurationMs,
    unsafeNoFsync: config.unsafeNoFsync,
    corruptCheckIntervalMs: config.corruptCheckTimeMs,
    compactHashCheckIntervalMs: config.compactHashCheckTimeMs,
    compactHashCheck: config.featureGates.CompactHashCheck,
    initialCorruptCheck: config.featureGates.InitialCorruptCheck,
    downgradeCheckIntervalMs: config.downgradeCheckTimeMs,
    stopServiceOnDefrag: config.featureGates.StopGRPCServiceOnDefrag,
    tokens: parseTokenOptions(config.authToken),
    simpleTokenTTLMs: config.authTokenTtlSeconds * 1000,
    bcryptCost: config.bcryptCost,
    clientCertAuth: config.clientCertAuth,
    servesV2: config.enableV2,
    dropsV2Content: config.v2Deprecation === "write-only-skip-check",
    limits: { walSegmentBytes: config.walSegmentBytes },
  };
}

function retentionOf(compaction: ReturnType<typeof autoCompactionOf>): number {
  switch (compaction.kind) {
    case "off":
      return 0;
    case "revision":
      return compaction.revisions;
    case "periodic":
      return compaction.periodMs;
  }
}

function hrefs(urls: readonly EtcdUrl[]): string[] {
  return urls.map((url) => url.href);
}

function progressIntervalOf(config: EtcdConfig): number {
  const given = config.watchProgressNotifyIntervalMs;
  return given <= 0 ? DEFAULT_PROGRESS_INTERVAL_MS : Math.max(given, MIN_PROGRESS_INTERVAL_MS);
}
