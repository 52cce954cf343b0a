/** The server's metrics, under etcd's names. What can be asked for is read at the scrape. */
import { SERVER_VERSION } from "../api/version.ts";
import { formatID } from "../base/ids.ts";
import type { Counter, Metrics } from "../env/index.ts";
import { ServerMetrics } from "../env/etcd-metrics.ts";
import { NO_MEMBER } from "../raft/index.ts";
import type { ServerContext } from "./context.ts";

export interface ServerCounters {
  readonly leaderChanges: Counter;
  readonly slowReadIndexes: Counter;
  readonly proposalsFailed: Counter;
  readonly leaseExpired: Counter;
  readonly healthSuccess: Counter;
  readonly healthFailures: Counter;
}

export function registerServerMetrics(metrics: Metrics, server: ServerContext): ServerCounters {
  const is = (condition: boolean) => (condition ? 1 : 0);
  metrics.gaugeFunction(ServerMetrics.hasLeader, () => is(server.leader !== NO_MEMBER));
  metrics.gaugeFunction(ServerMetrics.isLeader, () => is(server.isLeader));
  metrics.gaugeFunction(ServerMetrics.isLearner, () =>
    is(server.cluster.local?.isLearner === true),
  );
  metrics.gaugeFunction(ServerMetrics.proposalsCommitted, () => server.committedIndex);
  metrics.gaugeFunction(ServerMetrics.proposalsApplied, () => server.appliedIndex);
  metrics.gaugeFunction(ServerMetrics.proposalsPending, () => server.proposals.waitingCount);
  metrics.gaugeFunction(ServerMetrics.quotaBackendBytes, () =>
    Number.isFinite(server.quota.limitBytes) ? server.quota.limitBytes : 0,
  );
  const { version, id } = ServerMetrics;
  metrics.gauges(version, version.labels).of(SERVER_VERSION).set(1);
  metrics.gauges(id, id.labels).of(formatID(server.memberID)).set(1);
  return {
    leaderChanges: metrics.counter(ServerMetrics.leaderChanges),
    slowReadIndexes: metrics.counter(ServerMetrics.slowReadIndexes),
    proposalsFailed: metrics.counter(ServerMetrics.proposalsFailed),
    leaseExpired: metrics.counter(ServerMetrics.leaseExpired),
    healthSuccess: metrics.counter(ServerMetrics.healthSuccess),
    healthFailures: metrics.counter(ServerMetrics.healthFailures),
  };
}
