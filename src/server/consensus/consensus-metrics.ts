/** The metrics of raft, as this member sees it. */
import type { Counter, Gauge, Metrics } from "../../env/index.ts";
import { NO_MEMBER } from "../../raft/index.ts";
import type { ServerContext } from "../context.ts";
import { plain } from "../../env/metric-table.ts";

export const ConsensusMetrics = {
  hasLeader: plain("etcd_server_has_leader", "1 while a leader is known, else 0."),
  isLeader: plain("etcd_server_is_leader", "1 while this member leads, else 0."),
  leaderChanges: plain("etcd_server_leader_changes_seen_total", "Leader changes seen."),
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
} as const;

export interface ConsensusCounters {
  readonly leaderChanges: Counter;
  readonly slowReadIndexes: Counter;
  readonly readIndexesFailed: Counter;
  readonly proposalsFailed: Counter;
  readonly heartbeatsLate: Counter;
  /** 1 while a database from the leader is taken in. */
  readonly applyingSnapshot: Gauge;
}

type Needs = Pick<
  ServerContext,
  "appliedIndex" | "committedIndex" | "isLeader" | "leader" | "proposals"
>;

/** What is asked of `server` is asked at the scrape, when the member runs. */
export function registerConsensusMetrics(metrics: Metrics, server: Needs): ConsensusCounters {
  const m = ConsensusMetrics;
  metrics.gaugeFunction(m.hasLeader, () => (server.leader === NO_MEMBER ? 0 : 1));
  metrics.gaugeFunction(m.isLeader, () => (server.isLeader ? 1 : 0));
  metrics.gaugeFunction(m.proposalsCommitted, () => server.committedIndex);
  metrics.gaugeFunction(m.proposalsApplied, () => server.appliedIndex);
  metrics.gaugeFunction(m.proposalsPending, () => server.proposals.waitingCount);
  return {
    leaderChanges: metrics.counter(m.leaderChanges),
    slowReadIndexes: metrics.counter(m.slowReadIndexes),
    readIndexesFailed: metrics.counter(m.readIndexesFailed),
    proposalsFailed: metrics.counter(m.proposalsFailed),
    heartbeatsLate: metrics.counter(m.heartbeatSendFailures),
    applyingSnapshot: metrics.gauge(m.applySnapshotInProgress),
  };
}
