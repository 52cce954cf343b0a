/** Figures of a member from two looks at its /metrics. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { parseExposition } from "./exposition.ts";
import { figuresBetween } from "./member-figures.ts";

const FSYNC = "etcd_disk_wal_fsync_duration_seconds";

/** A page as a member shows it, after `n` puts that took 3 ms each on the disk. */
function page(n: number): string {
  return `# HELP ${FSYNC} The latency distributions of fsync called by WAL.
# TYPE ${FSYNC} histogram
${FSYNC}_bucket{le="0.002"} 10
${FSYNC}_bucket{le="0.004"} ${10 + n}
${FSYNC}_bucket{le="+Inf"} ${10 + n}
${FSYNC}_sum 1
${FSYNC}_count ${10 + n}
grpc_server_handled_total{grpc_code="OK",grpc_method="Put",grpc_service="etcdserverpb.KV",grpc_type="unary"} ${n}
grpc_server_handled_total{grpc_code="NotFound",grpc_method="Put",grpc_service="etcdserverpb.KV",grpc_type="unary"} ${n / 10}
grpc_server_handled_total{grpc_code="OK",grpc_method="Range",grpc_service="etcdserverpb.KV",grpc_type="unary"} 7
etcd_network_peer_round_trip_time_seconds_bucket{To="91bc",le="0.0016"} ${n}
etcd_network_peer_round_trip_time_seconds_bucket{To="91bc",le="+Inf"} ${n}
etcd_network_peer_round_trip_time_seconds_sum{To="91bc"} 0.1
etcd_network_peer_round_trip_time_seconds_count{To="91bc"} ${n}
etcd_mvcc_db_total_size_in_bytes 1.2345e+06
process_cpu_seconds_total ${n / 100}
no sample at all {
`;
}

const scrape = (atMs: number, n: number) => ({ atMs, samples: parseExposition(page(n)) });

test("rates and latencies are those between the two looks", () => {
  const figures = figuresBetween(scrape(0, 100), scrape(2000, 300));
  assert.deepEqual(figures.rpcs, [
    { method: "KV/Put", perSecond: 110, failuresPerSecond: 10, timing: undefined },
  ]);
  assert.equal(figures.requestsPerSecond, 110);
  assert.equal(figures.fsync?.perSecond, 100);
  assert.equal(figures.fsync.p50, 0.003);
  assert.ok((figures.fsync.p99 ?? 0) > 0.0039 && (figures.fsync.p99 ?? 0) <= 0.004);
  assert.deepEqual(
    figures.peers.map(({ id }) => id),
    ["91bc"],
  );
  assert.equal(figures.dbBytes, 1_234_500);
  assert.equal(figures.processorShare, 1);
  assert.equal(figures.keys, undefined);
});

test("a member that started anew between the looks is counted from its start", () => {
  const figures = figuresBetween(scrape(0, 300), scrape(1000, 20));
  assert.equal(figures.rpcs[0]?.perSecond, 22);
  assert.equal(figures.fsync?.perSecond, 30);
});

test("label values keep their quotes, line feeds and backslashes", () => {
  const [sample] = parseExposition('a{b="x\\"y\\\\z\\n",c="}"} +Inf 123\n').get("a") ?? [];
  assert.deepEqual(sample, { labels: { b: 'x"y\\z\n', c: "}" }, value: Number.POSITIVE_INFINITY });
});
