/** The metrics of the state machine: operations, compactions, alarms, versions. */
import { AlarmType } from "../../api/gen/rpc.ts";
import { formatID } from "../../base/ids.ts";
import type { Counter, Gauge, Histogram, Labelled, Metrics } from "../../env/index.ts";
import { shortVersion } from "../../membership/index.ts";
import type { ServerContext } from "../context.ts";
import { alarmName, type Alarms } from "./alarms.ts";
import { exponentialBuckets, histogram, labelled, plain } from "../../env/metric-table.ts";

export const ApplyMetrics = {
  range: plain("etcd_mvcc_range_total", "Total number of ranges seen by this member."),
  put: plain("etcd_mvcc_put_total", "Total number of puts seen by this member."),
  delete: plain("etcd_mvcc_delete_total", "Total number of deletes seen by this member."),
  txn: plain("etcd_mvcc_txn_total", "Total number of txns seen by this member."),
  totalPutSize: plain(
    "etcd_debugging_mvcc_total_put_size_in_bytes",
    "The total size of put kv pairs seen by this member.",
  ),
  indexCompactionPause: histogram(
    "etcd_debugging_mvcc_index_compaction_pause_duration_milliseconds",
    "Bucketed histogram of index compaction pause duration.",
    exponentialBuckets(0.5, 2, 14),
  ),
  dbCompactionPause: histogram(
    "etcd_debugging_mvcc_db_compaction_pause_duration_milliseconds",
    "Bucketed histogram of db compaction pause duration.",
    exponentialBuckets(1, 2, 13),
  ),
  dbCompactionTotal: histogram(
    "etcd_debugging_mvcc_db_compaction_total_duration_milliseconds",
    "Bucketed histogram of db compaction total duration.",
    exponentialBuckets(100, 2, 14),
  ),
  dbCompactionLast: plain(
    "etcd_debugging_mvcc_db_compaction_last",
    "The unix time of the last db compaction. Resets to 0 on start.",
  ),
  dbCompactionKeys: plain(
    "etcd_debugging_mvcc_db_compaction_keys_total",
    "Total number of db keys compacted.",
  ),
  quotaBackendBytes: plain(
    "etcd_server_quota_backend_bytes",
    "Current backend storage quota size in bytes.",
  ),
  alarms: labelled(
    "etcd_debugging_server_alarms",
    "Alarms for every member in cluster. 1 for 'server_id' label with current ID. 2 for 'alarm_type' label with type of this alarm",
    "server_id",
    "alarm_type",
  ),
  clusterVersion: labelled(
    "etcd_cluster_version",
    "Which version is running. 1 for 'cluster_version' label with current cluster version",
    "cluster_version",
  ),
} as const;

/** Operations seen by the store, whoever asked. */
export interface OperationCounts {
  range: number;
  put: number;
  delete: number;
  txn: number;
  /** Bytes of keys and values. */
  putBytes: number;
}

export interface CompactionCounters {
  readonly compactedKeys: Counter;
  readonly compactionTotalMs: Histogram;
  readonly compactionPauseMs: Histogram;
  /** What the changes of the index take of such a pause. */
  readonly indexPauseMs: Histogram;
  /** Unix seconds of the last one's end. */
  readonly compactedAtSeconds: Gauge;
}

export interface ApplyCounters extends CompactionCounters {
  readonly operations: OperationCounts;
  /** Label: the version; 1 for the one in force. */
  readonly clusterVersion: Labelled<Gauge>;
}

type Needs = Pick<ServerContext, "alarms" | "cluster" | "quota">;

export function registerApplyMetrics(metrics: Metrics, server: Needs): ApplyCounters {
  const { clusterVersion } = ApplyMetrics;
  const counters = {
    operations: registerOperations(metrics),
    clusterVersion: metrics.gauges(clusterVersion, clusterVersion.labels),
    compactedKeys: metrics.counter(ApplyMetrics.dbCompactionKeys),
    compactionTotalMs: metrics.histogram(ApplyMetrics.dbCompactionTotal),
    compactionPauseMs: metrics.histogram(ApplyMetrics.dbCompactionPause),
    indexPauseMs: metrics.histogram(ApplyMetrics.indexCompactionPause),
    compactedAtSeconds: metrics.gauge(ApplyMetrics.dbCompactionLast),
  };
  const { alarms, cluster, quota } = server;
  if (cluster.version !== undefined)
    counters.clusterVersion.of(shortVersion(cluster.version)).set(1);
  metrics.gaugeFunction(ApplyMetrics.quotaBackendBytes, () =>
    Number.isFinite(quota.limitBytes) ? quota.limitBytes : 0,
  );
  registerAlarms(metrics, alarms);
  return counters;
}

function registerOperations(metrics: Metrics): OperationCounts {
  const operations = { range: 0, put: 0, delete: 0, txn: 0, putBytes: 0 };
  metrics.counterFunction(ApplyMetrics.range, () => operations.range);
  metrics.counterFunction(ApplyMetrics.put, () => operations.put);
  metrics.counterFunction(ApplyMetrics.delete, () => operations.delete);
  metrics.counterFunction(ApplyMetrics.txn, () => operations.txn);
  metrics.gaugeFunction(ApplyMetrics.totalPutSize, () => operations.putBytes);
  return operations;
}

function registerAlarms(metrics: Metrics, alarms: Alarms): void {
  const raised = metrics.gauges(ApplyMetrics.alarms, ApplyMetrics.alarms.labels);
  for (const { memberID, alarm } of alarms.list(AlarmType.NONE)) {
    raised.of(formatID(memberID), alarmName(alarm)).set(1);
  }
  alarms.onChange = (member, isRaised) => {
    raised.of(formatID(member.memberID), alarmName(member.alarm)).set(isRaised ? 1 : 0);
  };
}
