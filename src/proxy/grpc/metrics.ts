/** What a grpc-proxy counts, with etcd's names and helps. */
import { plain } from "../../env/metric-table.ts";
import type { Counter, Gauge, Metrics } from "../../env/metrics.ts";

export const GrpcProxyTable = {
  watchersCoalescing: plain(
    "etcd_grpc_proxy_watchers_coalescing_total",
    "Total number of current watchers coalescing",
  ),
  eventsCoalescing: plain(
    "etcd_grpc_proxy_events_coalescing_total",
    "Total number of events coalescing",
  ),
  cacheKeys: plain("etcd_grpc_proxy_cache_keys_total", "Total number of keys/ranges cached"),
  cacheHits: plain("etcd_grpc_proxy_cache_hits_total", "Total number of cache hits"),
  cacheMisses: plain("etcd_grpc_proxy_cache_misses_total", "Total number of cache misses"),
} as const;

export interface ProxyMetrics {
  readonly watchersCoalescing: Gauge;
  readonly eventsCoalescing: Counter;
  readonly cacheKeys: Gauge;
  readonly cacheHits: Gauge;
  readonly cacheMisses: Gauge;
}

export function registerProxyMetrics(metrics: Metrics): ProxyMetrics {
  return {
    watchersCoalescing: metrics.gauge(GrpcProxyTable.watchersCoalescing),
    eventsCoalescing: metrics.counter(GrpcProxyTable.eventsCoalescing),
    cacheKeys: metrics.gauge(GrpcProxyTable.cacheKeys),
    cacheHits: metrics.gauge(GrpcProxyTable.cacheHits),
    cacheMisses: metrics.gauge(GrpcProxyTable.cacheMisses),
  };
}
