/** The metrics of the v2 store. */
import { labelled, plain } from "../env/metric-table.ts";

export const V2Metrics = {
  reads: labelled(
    "etcd_debugging_store_reads_total",
    "Total number of reads action by (get/getRecursive), local to this member.",
    "action",
  ),
  readsFailed: labelled(
    "etcd_debugging_store_reads_failed_total",
    "Failed read actions by (get/getRecursive), local to this member.",
    "action",
  ),
  writes: labelled(
    "etcd_debugging_store_writes_total",
    "Total number of writes (e.g. set/compareAndDelete) seen by this member.",
    "action",
  ),
  writesFailed: labelled(
    "etcd_debugging_store_writes_failed_total",
    "Failed write actions (e.g. set/compareAndDelete), seen by this member.",
    "action",
  ),
  expires: plain("etcd_debugging_store_expires_total", "Total number of expired keys."),
  watchRequests: plain(
    "etcd_debugging_store_watch_requests_total",
    "Total number of incoming watch requests (new or reestablished).",
  ),
  watchers: plain("etcd_debugging_store_watchers", "Count of currently active watchers."),
} as const;
