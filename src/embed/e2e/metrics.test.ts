/** What monitoring sees of a member: the series that dashboards and alerts of etcd rely on. */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { TestMember } from "./harness.ts";
import { FROM_KEY, rangeOp } from "./rpc-client.ts";

let member: TestMember;

before(async () => {
  member = await TestMember.start();
});
after(() => member.remove());

/** Series with their labels, as scraped. */
async function scrape(of: TestMember = member): Promise<Map<string, number>> {
  const reply = await fetch(`http://127.0.0.1:${of.port}/metrics`);
  const series = new Map<string, number>();
  for (const line of (await reply.text()).split("\n")) {
    const space = line.lastIndexOf(" ");
    if (line !== "" && !line.startsWith("#")) {
      series.set(line.slice(0, space), Number(line.slice(space + 1)));
    }
  }
  return series;
}

test("OPS-03 operations, revisions and keys are counted", async () => {
  const { client } = member;
  const before = await scrape();
  const grown = async (name: string) => ((await scrape()).get(name) ?? 0) - (before.get(name) ?? 0);
  await client.put("metrics-a", "12345");
  await client.put("metrics-b", "1");
  await client.range("metrics-a");
  await client.txn({ success: [rangeOp("metrics-a")] });
  await client.deleteRange("metrics-b");
  const { header } = await client.compact(await client.revision(), true);
  assert.equal(await grown("etcd_mvcc_put_total"), 2);
  assert.equal(await grown("etcd_mvcc_delete_total"), 1);
  assert.ok((await grown("etcd_mvcc_range_total")) >= 1);
  assert.equal(await grown("etcd_debugging_mvcc_total_put_size_in_bytes"), 9 + 5 + 9 + 1);
  assert.equal(await grown("etcd_debugging_mvcc_keys_total"), 1);
  assert.ok((await grown("etcd_debugging_mvcc_db_compaction_keys_total")) >= 1);
  const now = await scrape();
  assert.equal(now.get("etcd_debugging_mvcc_current_revision"), header?.revision);
  assert.equal(now.get("etcd_debugging_mvcc_compact_revision"), header?.revision);
  const puts = 'etcd_server_apply_duration_seconds_count{op="Put",success="true",version="v3"}';
  assert.equal(now.get(puts), 2);
  assert.ok((now.get("etcd_mvcc_db_total_size_in_bytes") ?? 0) > 0);
});

test("OPS-03 the member tells leader, version, quota and requests", async () => {
  await member.client.put("metrics-c");
  const now = await scrape();
  assert.equal(now.get("etcd_server_has_leader"), 1);
  assert.equal(now.get("etcd_server_is_leader"), 1);
  assert.equal(now.get('etcd_cluster_version{cluster_version="3.6"}'), 1);
  assert.equal(now.get("etcd_server_quota_backend_bytes"), 2 * 1024 ** 3);
  const unary = 'etcd_server_client_requests_total{client_api_version="unknown",type="unary"}';
  assert.ok((now.get(unary) ?? 0) >= 1);
  assert.ok((now.get("etcd_disk_wal_fsync_duration_seconds_count") ?? 0) > 0);
  assert.ok((now.get("etcd_server_proposals_committed_total") ?? 0) > 0);
});

test("OPS-03 watchers and their events are counted", async () => {
  const watch = member.client.watch();
  await watch.create(FROM_KEY, { rangeEnd: FROM_KEY });
  const before = await scrape();
  assert.ok((before.get("etcd_debugging_mvcc_watcher_total") ?? 0) >= 1);
  await member.client.put("metrics-d");
  const now = await scrape();
  const name = "etcd_debugging_mvcc_events_total";
  assert.equal((now.get(name) ?? 0) - (before.get(name) ?? 0), 1);
});

test("OPS-04 what is done to the v2 store is shown with 0 also where there is none", async () => {
  const now = await scrape();
  for (const action of ["create", "set"]) {
    assert.equal(now.get(`etcd_debugging_store_writes_total{action="${action}"}`), 0);
  }
  assert.equal(now.get('etcd_debugging_store_reads_total{action="getRecursive"}'), 0);
});

test("CFG-34 extensive metrics add the durations of calls, basic ones do not", async () => {
  const puts =
    'grpc_server_handling_seconds_count{grpc_method="Put",grpc_service="etcdserverpb.KV",grpc_type="unary"}';
  await member.client.put("metrics-e");
  assert.equal((await scrape()).get(puts), undefined);
  const extensive = await TestMember.start({ metrics: "extensive" });
  try {
    await extensive.client.put("metrics-f");
    assert.equal((await scrape(extensive)).get(puts), 1);
  } finally {
    await extensive.remove();
  }
});

test("OPS-04 the first error of a call raises a series that was there with 0", async () => {
  const { client } = member;
  const before = await scrape();
  const series = [...before.keys()].filter((name) => name.startsWith("grpc_server_handled_total{"));
  const methods = [...before.keys()].filter((name) =>
    name.startsWith("grpc_server_started_total{"),
  );
  assert.equal(series.length, methods.length * 17, "a series for each method and code");
  // What etcd has: KV without RangeStream, Watch, Lease, Cluster, Auth, Maintenance, and Health.
  const ofEtcd = series.filter((name) => !/RangeStream|v3electionpb|v3lockpb/.test(name));
  assert.ok(ofEtcd.length >= 43 * 17 && ofEtcd.length <= 44 * 17, `${ofEtcd.length} series`);
  const failed =
    'grpc_server_handled_total{grpc_code="OutOfRange",grpc_method="Compact",grpc_service="etcdserverpb.KV",grpc_type="unary"}';
  assert.equal(before.get(failed), 0);
  await assert.rejects(client.compact(1_000_000));
  assert.equal((await scrape()).get(failed), 1);
});

test("OPS-04 a stream that ends because of a request that does not decode is counted", async () => {
  const watch = member.client.watch();
  await watch.create("metrics-g");
  watch.stream.raw.send(Buffer.from([0xff]));
  assert.equal((await watch.stream.failure())?.code, 13);
  const name = 'etcd_network_server_stream_failures_total{API="watch",Type="receive"}';
  assert.equal((await scrape()).get(name), 1);
});

test("OPS-06 the process tells memory, time and file descriptors", async () => {
  const now = await scrape();
  for (const name of [
    "process_cpu_seconds_total",
    "process_resident_memory_bytes",
    "process_start_time_seconds",
  ]) {
    assert.ok((now.get(name) ?? 0) > 0, name);
  }
});
