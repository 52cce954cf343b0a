/**
 * The server's metrics, under etcd's names. What can be asked for is read at the scrape; what is
 * counted on hot paths is a plain number.
 */
import { AlarmType } from "../api/gen/rpc.ts";
import { SERVER_VERSION } from "../api/version.ts";
import { formatID } from "../base/ids.ts";
import { MvccMetrics, NetworkMetrics, ServerMetrics } from "../env/etcd-metrics.ts";
import type { Counter, Gauge, Histogram, Labelled, Metrics } from "../env/index.ts";
import { shortVersion } from "../membership/index.ts";
import { NO_MEMBER } from "../raft/index.ts";
import type { ServerContext } from "./context.ts";

/** Operations seen by the store, whoever asked. */
export interface OperationCounts {
  range: number;
  put: number;
  delete: number;
  txn: number;
  /** Bytes of keys and values. */
  putBytes: number;
}

export interface ServerCounters {
  readonly operations: OperationCounts;
  readonly leaderChanges: Counter;
  readonly slowReadIndexes: Counter;
  readonly readIndexesFailed: Counter;
  readonly proposalsFailed: Counter;
  readonly slowApplies: Counter;
  readonly heartbeatsLate: Counter;
  /** 1 while a database from the leader is taken in. */
  readonly applyingSnapshot: Gauge;
  readonly learnerPromotions: Counter;
  /** Label: the reason in words. */
  readonly learnerPromoteFailures: Labelled<Counter>;
  readonly leaseExpired: Counter;
  /** Labels: version, op, success. */
  readonly applyDuration: Labelled<Histogram>;
  /** Label: success. */
  readonly rangeDuration: Labelled<Histogram>;
  /** Labels: "unary" or "stream", the client's API version. */
  readonly clientRequests: Labelled<Counter>;
  /** Labels: "send" or "receive", "watch" or "lease-keepalive". */
  readonly streamFailures: Labelled<Counter>;
  /** Label: the version; 1 for the one in force. */
  readonly clusterVersion: Labelled<Gauge>;
  /** Labels: this member, the other one; 0 for one that was removed. */
  readonly knownPeers: Labelled<Gauge>;
  readonly hashDuration: Histogram;
  readonly hashRevisionDuration: Histogram;
  readonly compactedKeys: Counter;
  readonly compactionTotalMs: Histogram;
  readonly compactionPauseMs: Histogram;
  /** Unix seconds of the last compaction's end. */
  lastCompactionSeconds: number;
}

type Needs = Pick<
  ServerContext,
  | "alarms"
  | "appliedIndex"
  | "auth"
  | "backend"
  | "cluster"
  | "committedIndex"
  | "isLeader"
  | "leader"
  | "memberID"
  | "proposals"
  | "quota"
  | "store"
  | "watchable"
>;

export function registerServerMetrics(metrics: Metrics, server: Needs): ServerCounters {
  const counters = makeCounters(metrics);
  registerMember(metrics, server);
  if (server.cluster.version !== undefined)
    counters.clusterVersion.of(shortVersion(server.cluster.version)).set(1);
  registerStore(metrics, server, counters);
  return counters;
}

function makeCounters(metrics: Metrics): ServerCounters {
  const { applyDuration, rangeDuration, clientRequests, clusterVersion } = ServerMetrics;
  const { learnerPromoteFailures: promoteFailures } = ServerMetrics;
  const { serverStreamFailures } = NetworkMetrics;
  return {
    operations: { range: 0, put: 0, delete: 0, txn: 0, putBytes: 0 },
    leaderChanges: metrics.counter(ServerMetrics.leaderChanges),
    slowReadIndexes: metrics.counter(ServerMetrics.slowReadIndexes),
    readIndexesFailed: metrics.counter(ServerMetrics.readIndexesFailed),
    proposalsFailed: metrics.counter(ServerMetrics.proposalsFailed),
    slowApplies: metrics.counter(ServerMetrics.slowApplies),
    heartbeatsLate: metrics.counter(ServerMetrics.heartbeatSendFailures),
    applyingSnapshot: metrics.gauge(ServerMetrics.applySnapshotInProgress),
    learnerPromotions: metrics.counter(ServerMetrics.learnerPromoteSuccesses),
    learnerPromoteFailures: metrics.counters(promoteFailures, promoteFailures.labels),
    leaseExpired: metrics.counter(ServerMetrics.leaseExpired),
    applyDuration: metrics.histograms(applyDuration, applyDuration.labels),
    rangeDuration: metrics.histograms(rangeDuration, rangeDuration.labels),
    clientRequests: metrics.counters(clientRequests, clientRequests.labels),
    streamFailures: metrics.counters(serverStreamFailures, serverStreamFailures.labels),
    clusterVersion: metrics.gauges(clusterVersion, clusterVersion.labels),
    knownPeers: metrics.gauges(NetworkMetrics.knownPeers, NetworkMetrics.knownPeers.labels),
    hashDuration: metrics.histogram(MvccMetrics.hashDuration),
    hashRevisionDuration: metrics.histogram(MvccMetrics.hashRevDuration),
    compactedKeys: metrics.counter(MvccMetrics.dbCompactionKeys),
    compactionTotalMs: metrics.histogram(MvccMetrics.dbCompactionTotal),
    compactionPauseMs: metrics.histogram(MvccMetrics.dbCompactionPause),
    lastCompactionSeconds: 0,
  };
}

function registerMember(metrics: Metrics, server: Needs): void {
  const is = (condition: boolean) => (condition ? 1 : 0);
  metrics.gaugeFunction(ServerMetrics.authRevision, () => server.auth.store.revision);
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
  const { version, id, alarms } = ServerMetrics;
  metrics.gauges(version, version.labels).of(SERVER_VERSION).set(1);
  metrics.gauges(id, id.labels).of(formatID(server.memberID)).set(1);
  const raised = metrics.gauges(alarms, alarms.labels);
  for (const { memberID, alarm } of server.alarms.list(AlarmType.NONE)) {
    raised.of(formatID(memberID), alarmName(alarm)).set(1);
  }
  server.alarms.onChange = (member, isRaised) => {
    raised.of(formatID(member.memberID), alarmName(member.alarm)).set(is(isRaised));
  };
}

function registerStore(metrics: Metrics, server: Needs, counters: ServerCounters): void {
  const { operations } = counters;
  const { store, watchable, backend } = server;
  metrics.counterFunction(MvccMetrics.range, () => operations.range);
  metrics.counterFunction(MvccMetrics.put, () => operations.put);
  metrics.counterFunction(MvccMetrics.delete, () => operations.delete);
  metrics.counterFunction(MvccMetrics.txn, () => operations.txn);
  metrics.gaugeFunction(MvccMetrics.totalPutSize, () => operations.putBytes);
  metrics.gaugeFunction(MvccMetrics.keys, () => store.liveKeys);
  metrics.gaugeFunction(MvccMetrics.currentRevision, () => store.currentRevision);
  metrics.gaugeFunction(MvccMetrics.compactRevision, () => store.compactRevision);
  metrics.gaugeFunction(MvccMetrics.dbCompactionLast, () => counters.lastCompactionSeconds);
  metrics.gaugeFunction(MvccMetrics.watchStreams, () => watchable.streams);
  metrics.gaugeFunction(MvccMetrics.watchers, () => watchable.watchers);
  metrics.gaugeFunction(MvccMetrics.slowWatchers, () => watchable.slowWatchers);
  metrics.counterFunction(MvccMetrics.events, () => watchable.eventsDelivered);
  // Slow watchers hold no events here: they read them again from the db.
  metrics.gaugeFunction(MvccMetrics.pendingEvents, () => 0);
  metrics.gaugeFunction(MvccMetrics.dbTotalSize, () => backend.sizeBytes);
  metrics.gaugeFunction(MvccMetrics.dbTotalSizeInUse, () => backend.sizeInUseBytes);
  metrics.gaugeFunction(MvccMetrics.dbOpenReadTransactions, () => backend.openReadViews);
}

/** The alarm's name as etcd prints it; the number for one that is not known. */
export function alarmName(alarm: number): string {
  return Object.entries(AlarmType).find(([, value]) => value === alarm)?.[0] ?? String(alarm);
}
