/**
 * The metrics of the v2 store. As etcd registers them: those of failures alone are defined there, and
 * never shown.
 */
import { labelled, plain } from "../env/metric-table.ts";
import type { Counter, Labelled, Metrics } from "../env/metrics.ts";
import type { KeyStore } from "./key-store.ts";

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

/** By the names of the actions; those of a read are "get" and "getRecursive". */
export interface V2StoreCounters {
  readonly reads: Labelled<Counter>;
  readonly writes: Labelled<Counter>;
  readonly expires: Counter;
  readonly watchRequests: Counter;
}

/** Also where there is no tree: then they stay 0. */
export function registerV2Metrics(metrics: Metrics, keys: KeyStore | undefined): void {
  const { reads, writes, expires, watchRequests, watchers } = V2Metrics;
  const counters: V2StoreCounters = {
    reads: metrics.counters(reads, reads.labels),
    writes: metrics.counters(writes, writes.labels),
    expires: metrics.counter(expires),
    watchRequests: metrics.counter(watchRequests),
  };
  // A Go member has done these to the membership before anybody asks; an alert may name them.
  for (const action of ["create", "set"]) counters.writes.of(action);
  counters.reads.of("getRecursive");
  metrics.gaugeFunction(watchers, () => keys?.watcherCount ?? 0);
  keys?.countWith(counters);
}
