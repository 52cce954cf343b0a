/** The settings of a member in a test: etcd's defaults, with files that fit into memory. */
import type { ServerOptions } from "../server/index.ts";
import { addresses, WORLD_SETTINGS } from "./world/member-settings.ts";

/** A test writes little; a new segment is zeroed memory. */
const WAL_SEGMENT_BYTES = 16 * 1024;
const PAGE_CACHE_BYTES = 8 * 1024 * 1024;

/** As etcd's. */
const ELECTION_TIMEOUT_MS = 1000;
const HEARTBEAT_MS = 100;
/** A member alone has nobody to tell that it lives: hours of it pass faster. */
const LONE_HEARTBEAT_MS = 500;

/** The end of the log is read again by each fork. */
const LONE_SNAPSHOT_COUNT = 500;

/** What tests may choose; the rest is as etcd has it. */
export interface MemberSettings {
  /**
   * "1h" compacts every hour what is older than an hour, as `--auto-compaction-retention` does; a
   * number keeps so many revisions. Default: off.
   */
  readonly autoCompaction?: string | number | undefined;
  /** Size of the db at which writes are refused with "noSpace". Default 2 GiB. */
  readonly quotaBytes?: number | undefined;
  /** Operations of one transaction. Default 128. */
  readonly maxTxnOps?: number | undefined;
  /** Of one request. Default 1.5 MiB. */
  readonly maxRequestBytes?: number | undefined;
}

/** The same in all tests. */
const FIXED = {
  ...WORLD_SETTINGS,
  initialClusterToken: "etcd-ts-testing",
  initialClusterState: "new",
  strictReconfigCheck: true,
  backendBatchIntervalMs: 100,
  backendBatchLimit: 10_000,
  pageCacheBytes: PAGE_CACHE_BYTES,
  compactionBatchLimit: 1000,
  watchProgressNotifyIntervalMs: 600_000,
  leaseCheckpoint: false,
  leaseCheckpointPersist: false,
  corruptCheckIntervalMs: 0,
  compactHashCheckIntervalMs: 0,
  compactHashCheck: false,
  limits: {
    walSegmentBytes: WAL_SEGMENT_BYTES,
    // Time may stand still while much is written.
    maxSnapshotRestMs: 0,
  },
} as const satisfies Partial<ServerOptions>;

export function memberOptions(
  name: string,
  /** Peer URLs by the names of all members. */
  cluster: ReadonlyMap<string, string>,
  settings: MemberSettings,
  compaction: Pick<ServerOptions, "autoCompactionMode" | "autoCompactionRetention">,
): ServerOptions {
  const isAlone = cluster.size === 1;
  const heartbeatMs = isAlone ? LONE_HEARTBEAT_MS : HEARTBEAT_MS;
  return {
    ...FIXED,
    ...compaction,
    ...addresses(name, cluster),
    heartbeatIntervalMs: heartbeatMs,
    electionTicks: ELECTION_TIMEOUT_MS / heartbeatMs,
    snapshotCount: isAlone ? LONE_SNAPSHOT_COUNT : 10_000,
    catchUpEntries: isAlone ? 0 : 5000,
    quotaBackendBytes: settings.quotaBytes ?? FIXED.quotaBackendBytes,
    maxTxnOps: settings.maxTxnOps ?? FIXED.maxTxnOps,
    maxRequestBytes: settings.maxRequestBytes ?? FIXED.maxRequestBytes,
  };
}
