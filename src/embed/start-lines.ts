/**
 * What the log says of a member's settings: the line at the start that names nearly all of them,
 * and the fields by which the lines of start and stop name the member. Names are etcd's.
 */
import { availableParallelism, cpus } from "node:os";
import { SERVER_VERSION } from "../api/version.ts";
import { formatDuration, humanizeBytes } from "../base/go-text.ts";
import type { LogFields, Logger } from "../env/logger.ts";
import { goArchitecture, goOperatingSystem } from "../base/go-names.ts";
import { DEFAULT_QUOTA_BYTES, type ServerOptions } from "../server/index.ts";
import {
  autoCompactionOf,
  type EtcdConfig,
  type EtcdUrl,
  GATE_NAMES,
  gateSpec,
  hasDefault,
} from "./config/index.ts";

/** etcd's advice; more is allowed. */
const RECOMMENDED_REQUEST_BYTES = 10 * 1024 * 1024;

/** What the settings do not say. */
export interface StartFacts {
  /** The commit that the build was made from. */
  readonly gitSha: string | undefined;
  /** Whether the data directory holds a member already. */
  readonly isInitialized: boolean;
}

/** Fields of `starting an etcd server`. Nothing of them is secret. */
export function startFields(config: EtcdConfig, facts: StartFacts): LogFields {
  return {
    ...buildFields(facts.gitSha),
    "member-initialized": facts.isInitialized,
    name: config.name,
    "data-dir": config.dataDir,
    "wal-dir": config.walDir,
    "wal-dir-dedicated": config.walDir,
    "member-dir": `${config.dataDir}/member`,
    "force-new-cluster": config.forceNewCluster,
    "heartbeat-interval": formatDuration(config.heartbeatIntervalMs),
    "election-timeout": formatDuration(config.electionTimeoutMs),
    "initial-election-tick-advance": config.initialElectionTickAdvance,
    "snapshot-count": config.snapshotCount,
    "max-wals": config.maxWals,
    "max-snapshots": config.maxSnapshots,
    "snapshot-catchup-entries": config.snapshotCatchupEntries,
    ...addressFields(config),
    "experimental-local-address": "",
    cors: [...config.cors].sort(),
    "host-whitelist": [...config.hostWhitelist].sort(),
    "initial-cluster": config.initialCluster,
    "initial-cluster-state": config.initialClusterState,
    "initial-cluster-token": config.initialClusterToken,
    "quota-backend-bytes": config.quotaBackendBytes || DEFAULT_QUOTA_BYTES,
    "max-request-bytes": config.maxRequestBytes,
    "max-concurrent-streams": config.maxConcurrentStreams,
    "pre-vote": config.preVote,
    "feature-gates": gatesText(config),
    ...checkFields(config),
    ...discoveryFields(config),
    "downgrade-check-interval": formatDuration(config.downgradeCheckTimeMs),
    "max-learners": config.maxLearners,
    "v2-deprecation": config.v2Deprecation,
  };
}

/** What is unusual about the settings, or not taken as it was given. */
export function logUnusual(logger: Logger, config: EtcdConfig, options: ServerOptions): void {
  if (config.maxRequestBytes > RECOMMENDED_REQUEST_BYTES) {
    logger.warn("exceeded recommended request limit", {
      "max-request-bytes": config.maxRequestBytes,
      "max-request-size": humanizeBytes(config.maxRequestBytes),
      "recommended-request-bytes": RECOMMENDED_REQUEST_BYTES,
      "recommended-request-size": humanizeBytes(RECOMMENDED_REQUEST_BYTES),
    });
  }
  if (!hasDefault(config, "backendBatchLimit")) {
    logger.info("setting backend batch limit", { "batch limit": config.backendBatchLimit });
  }
  if (!hasDefault(config, "backendBatchIntervalMs")) {
    const interval = formatDuration(config.backendBatchIntervalMs);
    logger.info("setting backend batch interval", { "batch interval": interval });
  }
  const intervalMs = config.watchProgressNotifyIntervalMs;
  if (intervalMs > 0 && options.watchProgressNotifyIntervalMs > intervalMs) {
    logger.warn("adjusting watch progress notify interval to minimum period", {
      "min-watch-progress-notify-interval": formatDuration(options.watchProgressNotifyIntervalMs),
    });
  }
}

/** Where the member listens and what it advertises. */
export function addressFields(config: EtcdConfig): LogFields {
  return {
    "initial-advertise-peer-urls": hrefs(config.initialAdvertisePeerUrls),
    "listen-peer-urls": hrefs(config.listenPeerUrls),
    "advertise-client-urls": hrefs(config.advertiseClientUrls),
    "listen-client-urls": hrefs(config.listenClientUrls),
    "listen-metrics-urls": hrefs(config.listenMetricsUrls),
  };
}

/** Fields of `closing etcd server` and `closed etcd server`. */
export function stopFields(config: EtcdConfig): LogFields {
  return {
    name: config.name,
    "data-dir": config.dataDir,
    "advertise-peer-urls": hrefs(config.initialAdvertisePeerUrls),
    "advertise-client-urls": hrefs(config.advertiseClientUrls),
  };
}

/** The labels stay those of Go, as in `--version`; the runtime stands where Go's version does. */
function buildFields(gitSha: string | undefined): LogFields {
  return {
    "etcd-version": SERVER_VERSION,
    "git-sha": gitSha ?? "unknown",
    "go-version": `node ${process.version}`,
    "go-os": goOperatingSystem(process.platform),
    "go-arch": goArchitecture(process.arch),
    "max-cpu-set": availableParallelism(),
    "max-cpu-available": cpus().length,
  };
}

function checkFields(config: EtcdConfig): LogFields {
  const retention = retentionText(config);
  return {
    "initial-corrupt-check": config.featureGates.InitialCorruptCheck,
    "corrupt-check-time-interval": formatDuration(config.corruptCheckTimeMs),
    "compact-check-time-interval": formatDuration(config.compactHashCheckTimeMs),
    "auto-compaction-mode": config.autoCompactionMode,
    "auto-compaction-retention": retention,
    "auto-compaction-interval": retention,
  };
}

function discoveryFields(config: EtcdConfig): LogFields {
  // The setting may be "name:password".
  const [user = ""] = config.discoveryUser.split(":");
  return {
    "discovery-url": config.discovery,
    "discovery-proxy": config.discoveryProxy,
    "discovery-token": config.discoveryToken,
    "discovery-endpoints": config.discoveryEndpoints.join(","),
    "discovery-dial-timeout": formatDuration(config.discoveryDialTimeoutMs),
    "discovery-request-timeout": formatDuration(config.discoveryRequestTimeoutMs),
    "discovery-keepalive-time": formatDuration(config.discoveryKeepaliveTimeMs),
    "discovery-keepalive-timeout": formatDuration(config.discoveryKeepaliveTimeoutMs),
    "discovery-insecure-transport": config.discoveryInsecureTransport,
    "discovery-insecure-skip-tls-verify": config.discoveryInsecureSkipTlsVerify,
    "discovery-cert": config.discoveryCert,
    "discovery-key": config.discoveryKey,
    "discovery-cacert": config.discoveryCacert,
    "discovery-user": user,
  };
}

/** A duration, or a number of revisions. */
function retentionText(config: EtcdConfig): string {
  const compaction = autoCompactionOf(config);
  if (compaction.kind === "revision") return String(compaction.revisions);
  return formatDuration(compaction.kind === "periodic" ? compaction.periodMs : 0);
}

/** The gates that do not have their default. */
function gatesText({ featureGates }: EtcdConfig): string {
  const changed = GATE_NAMES.filter((gate) => featureGates[gate] !== gateSpec(gate).fallback);
  return changed.map((gate) => `${gate}=${featureGates[gate]}`).join(",");
}

function hrefs(urls: readonly EtcdUrl[]): string[] {
  return urls.map((url) => url.href);
}
