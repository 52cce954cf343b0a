/** The metrics of the store and its watches, asked for at each scrape. */
import type { Metrics } from "../env/metrics.ts";
import type { WatchableStore } from "./watch/watchable-store.ts";
import { plain } from "../env/metric-table.ts";

export const MvccMetrics = {
  keys: plain("etcd_debugging_mvcc_keys_total", "Total number of keys."),
  currentRevision: plain("etcd_debugging_mvcc_current_revision", "The current revision of store."),
  compactRevision: plain(
    "etcd_debugging_mvcc_compact_revision",
    "The revision of the last compaction in store.",
  ),
  watchStreams: plain("etcd_debugging_mvcc_watch_stream_total", "Total number of watch streams."),
  watchers: plain("etcd_debugging_mvcc_watcher_total", "Total number of watchers."),
  slowWatchers: plain(
    "etcd_debugging_mvcc_slow_watcher_total",
    "Total number of unsynced slow watchers.",
  ),
  events: plain("etcd_debugging_mvcc_events_total", "Total number of events sent by this member."),
  pendingEvents: plain(
    "etcd_debugging_mvcc_pending_events_total",
    "Total number of pending events to be sent.",
  ),
} as const;

export function registerStoreMetrics(metrics: Metrics, watchable: WatchableStore): void {
  const { store } = watchable;
  metrics.gaugeFunction(MvccMetrics.keys, () => store.liveKeys);
  metrics.gaugeFunction(MvccMetrics.currentRevision, () => store.currentRevision);
  metrics.gaugeFunction(MvccMetrics.compactRevision, () => store.compactRevision);
  metrics.gaugeFunction(MvccMetrics.watchStreams, () => watchable.streams);
  metrics.gaugeFunction(MvccMetrics.watchers, () => watchable.watchers);
  metrics.gaugeFunction(MvccMetrics.slowWatchers, () => watchable.slowWatchers);
  metrics.counterFunction(MvccMetrics.events, () => watchable.eventsDelivered);
  // Slow watchers hold no events here: they read them again from the db.
  metrics.gaugeFunction(MvccMetrics.pendingEvents, () => 0);
}
