/** What a grpc-proxy counts, with etcd's names and helps. */
import type { Counter, Gauge, Metrics } from "../../env/metrics.ts";

export interface ProxyMetrics {
  readonly watchersCoalescing: Gauge;
  readonly eventsCoalescing: Counter;
  readonly cacheKeys: Gauge;
  readonly cacheHits: Gauge;
  readonly cacheMisses: Gauge;
}

export function registerProxyMetrics(metrics: Metrics): ProxyMetrics {
  return {
    watchersCoalescing: metrics.gauge({
      name: "etcd_grpc_proxy_watchers_coalescing_total",
      help: "Total number of current watchers coalescing",
    }),
    eventsCoalescing: metrics.counter({
      name: "etcd_grpc_proxy_events_coalescing_total",
      help: "Total number of events coalescing",
    }),
    cacheKeys: metrics.gauge({
      name: "etcd_grpc_proxy_cache_keys_total",
      help: "Total number of keys/ranges cached",
    }),
    cacheHits: metrics.gauge({
      name: "etcd_grpc_proxy_cache_hits_total",
      help: "Total number of cache hits",
    }),
    cacheMisses: metrics.gauge({
      name: "etcd_grpc_proxy_cache_misses_total",
      help: "Total number of cache misses",
    }),
  };
}
