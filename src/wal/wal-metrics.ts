/** The log's metrics. */
import { DISK_SECONDS, histogram, plain } from "../env/metric-table.ts";

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
