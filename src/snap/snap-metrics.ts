/** The metrics of snapshot files. */
import { DISK_SECONDS, histogram, TRANSFER_SECONDS } from "../env/metric-table.ts";

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
