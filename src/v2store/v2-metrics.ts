/** The metrics of the v2 store. */
import { labelled, plain } from "../env/metric-table.ts";

export const V2Metrics = {
  reads: labelled("etcd_debugging_store_reads_total", "Reads.", "action"),
  readsFailed: labelled("etcd_debugging_store_reads_failed_total", "Failed reads.", "action"),
  writes: labelled("etcd_debugging_store_writes_total", "Writes.", "action"),
  writesFailed: labelled("etcd_debugging_store_writes_failed_total", "Failed writes.", "action"),
  expires: plain("etcd_debugging_store_expires_total", "Expired keys."),
  watchRequests: plain("etcd_debugging_store_watch_requests_total", "Watch requests."),
  watchers: plain("etcd_debugging_store_watchers", "Active watchers."),
} as const;
