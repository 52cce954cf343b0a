/**
 * Names, labels and buckets of etcd's metrics, which dashboards and alerts depend on. The layers
 * register from these definitions, so that a name is spelt once. Label names keep etcd's odd
 * capitals. Only names of series whose feature exists here are meant to be registered.
 */

import type { HistogramOptions, MetricOptions } from "./metrics.ts";

/** A family with labels; pass `labels` as the second argument at registration. */
export interface LabelledMetric extends MetricOptions {
  readonly labels: readonly string[];
}
export interface LabelledHistogram extends HistogramOptions {
  readonly labels: readonly string[];
}

/** `count` upper bounds: `start`, `start * factor`, `start * factor^2` ... */
export function exponentialBuckets(start: number, factor: number, count: number): number[] {
  const buckets: number[] = [];
  let bound = start;
  for (let i = 0; i < count; i++) {
    buckets.push(bound);
    bound *= factor;
  }
  return buckets;
}

/** 1 ms to 8.2 s, the range that etcd uses for everything that touches a disk. */
const DISK_SECONDS = exponentialBuckets(0.001, 2, 14);
/** 0.1 ms to 52 s. */
const APPLY_SECONDS = exponentialBuckets(0.0001, 2, 20);
/** 0.1 s to 51 s. */
const TRANSFER_SECONDS = exponentialBuckets(0.1, 2, 10);

function plain(name: string, help: string): MetricOptions {
  return { name, help };
}

function labelled(name: string, help: string, ...labels: string[]): LabelledMetric {
  return { name, help, labels };
}

function histogram(name: string, help: string, buckets: readonly number[]): HistogramOptions {
  return { name, help, buckets };
}

export const ServerMetrics = {
  hasLeader: plain("etcd_server_has_leader", "1 while a leader is known, else 0."),
  isLeader: plain("etcd_server_is_leader", "1 while this member leads, else 0."),
  isLearner: plain("etcd_server_is_learner", "1 while this member is a learner, else 0."),
  leaderChanges: plain("etcd_server_leader_changes_seen_total", "Leader changes seen."),
  learnerPromoteFailures: labelled(
    "etcd_server_learner_promote_failures",
    "Learner promotions refused by this member as leader.",
    "Reason",
  ),
  learnerPromoteSuccesses: plain(
    "etcd_server_learner_promote_successes",
    "Learners promoted by this member as leader.",
  ),
  heartbeatSendFailures: plain(
    "etcd_server_heartbeat_send_failures_total",
    "Heartbeats that the leader sent too late, mostly because of a slow disk.",
  ),
  applySnapshotInProgress: plain(
    "etcd_server_snapshot_apply_in_progress_total",
    "1 while a received snapshot is being applied, else 0.",
  ),
  proposalsCommitted: plain("etcd_server_proposals_committed_total", "Raft proposals committed."),
  proposalsApplied: plain("etcd_server_proposals_applied_total", "Raft proposals applied."),
  proposalsPending: plain("etcd_server_proposals_pending", "Proposals waiting for their commit."),
  proposalsFailed: plain("etcd_server_proposals_failed_total", "Proposals that failed."),
  slowReadIndexes: plain(
    "etcd_server_slow_read_indexes_total",
    "Read index requests that were answered late or for an older request.",
  ),
  readIndexesFailed: plain("etcd_server_read_indexes_failed_total", "Read index requests failed."),
  slowApplies: plain("etcd_server_slow_apply_total", "Requests whose apply took too long."),
  applyDuration: {
    ...histogram("etcd_server_apply_duration_seconds", "Time to apply an entry.", APPLY_SECONDS),
    labels: ["version", "op", "success"],
  } as LabelledHistogram,
  rangeDuration: {
    ...histogram("etcd_server_range_duration_seconds", "Time of a range.", APPLY_SECONDS),
    labels: ["success"],
  } as LabelledHistogram,
  /** `type` is "unary" or "stream"; the version comes from metadata, else "unknown". */
  clientRequests: labelled(
    "etcd_server_client_requests_total",
    "Client requests by kind and by client API version.",
    "type",
    "client_api_version",
  ),
  version: labelled("etcd_server_version", "1 for the running version.", "server_version"),
  goVersion: labelled(
    "etcd_server_go_version",
    "1 for the version of the runtime, which is Node.js here.",
    "server_go_version",
  ),
  id: labelled("etcd_server_id", "1 for this member's id in hexadecimal.", "server_id"),
  featureEnabled: labelled(
    "etcd_server_feature_enabled",
    "1 for a feature that is enabled, else 0.",
    "name",
    "stage",
  ),
  quotaBackendBytes: plain("etcd_server_quota_backend_bytes", "Storage quota in bytes."),
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
  leaseExpired: plain("etcd_debugging_server_lease_expired_total", "Leases expired."),
  alarms: labelled(
    "etcd_debugging_server_alarms",
    "1 for an alarm that is raised by a member, else 0.",
    "server_id",
    "alarm_type",
  ),
  authRevision: plain("etcd_debugging_auth_revision", "Revision of the auth store."),
  clusterVersion: labelled(
    "etcd_cluster_version",
    "1 for the cluster version in force, 0 for earlier ones.",
    "cluster_version",
  ),
  fileDescriptorsUsed: plain("os_fd_used", "File descriptors in use."),
  fileDescriptorsLimit: plain("os_fd_limit", "Limit of file descriptors."),
} as const;

export const LeaseMetrics = {
  granted: plain("etcd_debugging_lease_granted_total", "Leases granted."),
  revoked: plain("etcd_debugging_lease_revoked_total", "Leases revoked."),
  renewed: plain("etcd_debugging_lease_renewed_total", "Renewals seen by the leader."),
  ttl: histogram(
    "etcd_debugging_lease_ttl_total",
    "Time to live of granted leases in seconds.",
    exponentialBuckets(1, 2, 24),
  ),
} as const;

export const WalMetrics = {
  fsyncDuration: histogram(
    "etcd_disk_wal_fsync_duration_seconds",
    "The latency distributions of fsync called by WAL.",
    DISK_SECONDS,
  ),
  writeDuration: histogram(
    "etcd_disk_wal_write_duration_seconds",
    "The latency distributions of write called by WAL.",
    DISK_SECONDS,
  ),
  writeBytes: plain("etcd_disk_wal_write_bytes_total", "Total number of bytes written in WAL."),
} as const;

export const SnapMetrics = {
  saveMarshallingDuration: histogram(
    "etcd_debugging_snap_save_marshalling_duration_seconds",
    "The marshalling cost distributions of save called by snapshot.",
    DISK_SECONDS,
  ),
  saveTotalDuration: histogram(
    "etcd_debugging_snap_save_total_duration_seconds",
    "The total latency distributions of save called by snapshot.",
    DISK_SECONDS,
  ),
  fsyncDuration: histogram(
    "etcd_snap_fsync_duration_seconds",
    "The latency distributions of fsync called by snap.",
    DISK_SECONDS,
  ),
  dbSaveTotalDuration: histogram(
    "etcd_snap_db_save_total_duration_seconds",
    "The total latency distributions of v3 snapshot save",
    TRANSFER_SECONDS,
  ),
  dbFsyncDuration: histogram(
    "etcd_snap_db_fsync_duration_seconds",
    "The latency distributions of fsyncing .snap.db file",
    DISK_SECONDS,
  ),
} as const;

export const BackendMetrics = {
  commitDuration: histogram(
    "etcd_disk_backend_commit_duration_seconds",
    "The latency distributions of commit called by backend.",
    DISK_SECONDS,
  ),
  rebalanceDuration: histogram(
    "etcd_debugging_disk_backend_commit_rebalance_duration_seconds",
    "The latency distributions of commit.rebalance called by bboltdb backend.",
    DISK_SECONDS,
  ),
  spillDuration: histogram(
    "etcd_debugging_disk_backend_commit_spill_duration_seconds",
    "The latency distributions of commit.spill called by bboltdb backend.",
    DISK_SECONDS,
  ),
  writeDuration: histogram(
    "etcd_debugging_disk_backend_commit_write_duration_seconds",
    "The latency distributions of commit.write called by bboltdb backend.",
    DISK_SECONDS,
  ),
  defragDuration: histogram(
    "etcd_disk_backend_defrag_duration_seconds",
    "The latency distribution of backend defragmentation.",
    exponentialBuckets(0.1, 2, 13),
  ),
  snapshotDuration: histogram(
    "etcd_disk_backend_snapshot_duration_seconds",
    "The latency distribution of backend snapshots.",
    exponentialBuckets(0.01, 2, 17),
  ),
  defragInflight: plain(
    "etcd_disk_defrag_inflight",
    "Whether or not defrag is active on the member. 1 means active, 0 means not.",
  ),
} as const;

export const MvccMetrics = {
  range: plain("etcd_mvcc_range_total", "Ranges seen."),
  put: plain("etcd_mvcc_put_total", "Puts seen."),
  delete: plain("etcd_mvcc_delete_total", "Deletes seen."),
  txn: plain("etcd_mvcc_txn_total", "Transactions seen."),
  keys: plain("etcd_debugging_mvcc_keys_total", "Keys in the store."),
  watchStreams: plain("etcd_debugging_mvcc_watch_stream_total", "Open watch streams."),
  watchers: plain("etcd_debugging_mvcc_watcher_total", "Active watchers."),
  slowWatchers: plain("etcd_debugging_mvcc_slow_watcher_total", "Watchers that lag behind."),
  events: plain("etcd_debugging_mvcc_events_total", "Events sent."),
  pendingEvents: plain("etcd_debugging_mvcc_pending_events_total", "Events waiting to be sent."),
  indexCompactionPause: histogram(
    "etcd_debugging_mvcc_index_compaction_pause_duration_milliseconds",
    "Pauses caused by compaction of the index.",
    exponentialBuckets(0.5, 2, 14),
  ),
  dbCompactionPause: histogram(
    "etcd_debugging_mvcc_db_compaction_pause_duration_milliseconds",
    "Pauses caused by compaction of the database.",
    exponentialBuckets(1, 2, 13),
  ),
  dbCompactionTotal: histogram(
    "etcd_debugging_mvcc_db_compaction_total_duration_milliseconds",
    "Time of a whole compaction.",
    exponentialBuckets(100, 2, 14),
  ),
  dbCompactionLast: plain(
    "etcd_debugging_mvcc_db_compaction_last",
    "Unix time of the last compaction; 0 since the start if there was none.",
  ),
  dbCompactionKeys: plain("etcd_debugging_mvcc_db_compaction_keys_total", "Revisions compacted."),
  dbTotalSize: plain("etcd_mvcc_db_total_size_in_bytes", "Size of the database file."),
  dbTotalSizeInUse: plain(
    "etcd_mvcc_db_total_size_in_use_in_bytes",
    "Part of the database file that holds data.",
  ),
  dbOpenReadTransactions: plain(
    "etcd_mvcc_db_open_read_transactions",
    "Read transactions open in the storage engine.",
  ),
  hashDuration: histogram(
    "etcd_mvcc_hash_duration_seconds",
    "Time to hash the database.",
    exponentialBuckets(0.01, 2, 15),
  ),
  hashRevDuration: histogram(
    "etcd_mvcc_hash_rev_duration_seconds",
    "Time to hash the store at a revision.",
    exponentialBuckets(0.01, 2, 15),
  ),
  currentRevision: plain("etcd_debugging_mvcc_current_revision", "Revision of the store."),
  compactRevision: plain("etcd_debugging_mvcc_compact_revision", "Revision last compacted."),
  totalPutSize: plain("etcd_debugging_mvcc_total_put_size_in_bytes", "Bytes of all puts seen."),
} as const;

export const NetworkMetrics = {
  clientSentBytes: plain(
    "etcd_network_client_grpc_sent_bytes_total",
    "The total number of bytes sent to grpc clients.",
  ),
  clientReceivedBytes: plain(
    "etcd_network_client_grpc_received_bytes_total",
    "The total number of bytes received from grpc clients.",
  ),
  /** `Type` is "send" or "receive", `API` is "watch" or "lease-keepalive". */
  serverStreamFailures: labelled(
    "etcd_network_server_stream_failures_total",
    "Streams that failed on this side.",
    "Type",
    "API",
  ),
  activePeers: labelled(
    "etcd_network_active_peers",
    "Peers that are connected.",
    "Local",
    "Remote",
  ),
  disconnectedPeers: labelled(
    "etcd_network_disconnected_peers_total",
    "Times that a peer was lost.",
    "Local",
    "Remote",
  ),
  knownPeers: labelled(
    "etcd_network_known_peers",
    "1 for each member, 0 for each that was removed.",
    "Local",
    "Remote",
  ),
  peerSentBytes: labelled("etcd_network_peer_sent_bytes_total", "Bytes sent to a peer.", "To"),
  peerReceivedBytes: labelled(
    "etcd_network_peer_received_bytes_total",
    "Bytes received from a peer.",
    "From",
  ),
  peerSentFailures: labelled(
    "etcd_network_peer_sent_failures_total",
    "Failures to send to a peer.",
    "To",
  ),
  peerReceivedFailures: labelled(
    "etcd_network_peer_received_failures_total",
    "Failures to receive from a peer.",
    "From",
  ),
  peerRoundTripTime: {
    ...histogram(
      "etcd_network_peer_round_trip_time_seconds",
      "Round trip time to a peer.",
      exponentialBuckets(0.0001, 2, 16),
    ),
    labels: ["To"],
  } as LabelledHistogram,
  snapshotSendSuccess: labelled(
    "etcd_network_snapshot_send_success",
    "Database snapshots sent.",
    "To",
  ),
  snapshotSendFailures: labelled(
    "etcd_network_snapshot_send_failures",
    "Database snapshots that could not be sent.",
    "To",
  ),
  snapshotSendInflights: labelled(
    "etcd_network_snapshot_send_inflights_total",
    "Database snapshots being sent.",
    "To",
  ),
  snapshotSendDuration: {
    ...histogram(
      "etcd_network_snapshot_send_total_duration_seconds",
      "Time to send a database snapshot to a peer.",
      TRANSFER_SECONDS,
    ),
    labels: ["To"],
  } as LabelledHistogram,
  snapshotReceiveSuccess: labelled(
    "etcd_network_snapshot_receive_success",
    "Database snapshots received.",
    "From",
  ),
  snapshotReceiveFailures: labelled(
    "etcd_network_snapshot_receive_failures",
    "Database snapshots whose receipt failed.",
    "From",
  ),
  snapshotReceiveInflights: labelled(
    "etcd_network_snapshot_receive_inflights_total",
    "Database snapshots being received.",
    "From",
  ),
  snapshotReceiveDuration: {
    ...histogram(
      "etcd_network_snapshot_receive_total_duration_seconds",
      "Time to receive a database snapshot from a peer.",
      TRANSFER_SECONDS,
    ),
    labels: ["From"],
  } as LabelledHistogram,
} as const;

const GRPC_LABELS = ["grpc_type", "grpc_service", "grpc_method"];

/** `grpc_type` is "unary", "client_stream", "server_stream" or "bidi_stream". */
export const GrpcMetrics = {
  started: labelled(
    "grpc_server_started_total",
    "Total number of RPCs started on the server.",
    ...GRPC_LABELS,
  ),
  handled: labelled(
    "grpc_server_handled_total",
    "Total number of RPCs completed on the server, regardless of success or failure.",
    ...GRPC_LABELS,
    "grpc_code",
  ),
  messagesReceived: labelled(
    "grpc_server_msg_received_total",
    "Total number of RPC stream messages received on the server.",
    ...GRPC_LABELS,
  ),
  messagesSent: labelled(
    "grpc_server_msg_sent_total",
    "Total number of gRPC stream messages sent by the server.",
    ...GRPC_LABELS,
  ),
  /** Only with `--metrics=extensive`. */
  handlingDuration: {
    ...histogram(
      "grpc_server_handling_seconds",
      "Histogram of response latency (seconds) of gRPC that had been application-level handled by the server.",
      [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10],
    ),
    labels: GRPC_LABELS,
  } as LabelledHistogram,
} as const;

/** The legacy v2 store. */
export const StoreMetrics = {
  reads: labelled("etcd_debugging_store_reads_total", "Reads.", "action"),
  readsFailed: labelled("etcd_debugging_store_reads_failed_total", "Failed reads.", "action"),
  writes: labelled("etcd_debugging_store_writes_total", "Writes.", "action"),
  writesFailed: labelled("etcd_debugging_store_writes_failed_total", "Failed writes.", "action"),
  expires: plain("etcd_debugging_store_expires_total", "Expired keys."),
  watchRequests: plain("etcd_debugging_store_watch_requests_total", "Watch requests."),
  watchers: plain("etcd_debugging_store_watchers", "Active watchers."),
} as const;
