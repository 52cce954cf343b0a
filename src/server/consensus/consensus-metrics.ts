/** The metrics of raft, as this member sees it. */
import type { Counter, Gauge, Metrics } from "../../env/index.ts";
import { NO_MEMBER } from "../../raft/index.ts";
import type { ServerContext } from "../context.ts";
import { plain } from "../../env/metric-table.ts";

export const ConsensusMetrics = {
  hasLeader: plain(
    "etcd_server_has_leader",
    "Whether or not a leader exists. 1 is existence, 0 is not.",
  ),
  isLeader: plain(
    "etcd_server_is_leader",
    "Whether or not this member is a leader. 1 if is, 0 otherwise.",
  ),
  leaderChanges: plain(
    "etcd_server_leader_changes_seen_total",
    "The number of leader changes seen.",
  ),
  heartbeatSendFailures: plain(
    "etcd_server_heartbeat_send_failures_total",
    "The total number of leader heartbeat send failures (likely overloaded from slow disk).",
  ),
  applySnapshotInProgress: plain(
    "etcd_server_snapshot_apply_in_progress_total",
    "1 if the server is applying the incoming snapshot. 0 if none.",
  ),
  proposalsCommitted: plain(
    "etcd_server_proposals_committed_total",
    "The total number of consensus proposals committed.",
  ),
  proposalsApplied: plain(
    "etcd_server_proposals_applied_total",
    "The total number of consensus proposals applied.",
  ),
  proposalsPending: plain(
    "etcd_server_proposals_pending",
    "The current number of pending proposals to commit.",
  ),
  proposalsFailed: plain(
    "etcd_server_proposals_failed_total",
    "The total number of failed proposals seen.",
  ),
  slowReadIndexes: plain(
    "etcd_server_slow_read_indexes_total",
    "The total number of pending read indexes not in sync with leader's or timed out read index requests.",
  ),
  readIndexesFailed: plain(
    "etcd_server_read_indexes_failed_total",
    "The total number of failed read indexes seen.",
  ),
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
