/** Members inside this process, through the embedding API. */
import assert from "node:assert/strict";
import { existsSync, mkdtempSync, readdirSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { EtcdClient } from "../client/index.ts";
import { MemoryLogger } from "../env/testing/index.ts";
import { RpcClient, text } from "./e2e/rpc-client.ts";
import { within } from "./e2e/wait.ts";
import { createConfig, type EtcdConfigInput, type RunningEtcd, startEtcd } from "./index.ts";

const scratch = mkdtempSync(join(tmpdir(), "etcd-embed-"));
const cleanUps: (() => Promise<void> | void)[] = [];
after(async () => {
  for (const cleanUp of cleanUps.reverse()) await cleanUp();
  rmSync(scratch, { recursive: true, force: true });
});

const ANY_PORT = ["http://127.0.0.1:0"];

async function start(name: string, more: EtcdConfigInput = {}): Promise<RunningEtcd> {
  const config = createConfig({
    name,
    dataDir: join(scratch, name),
    listenClientUrls: ANY_PORT,
    listenPeerUrls: ANY_PORT,
    ...more,
  });
  const etcd = await startEtcd(config, { logger: new MemoryLogger() });
  cleanUps.push(() => etcd.stop());
  await within(etcd.ready, "the member to be ready");
  return etcd;
}

function portOf(etcd: RunningEtcd): number {
  return Number(new URL(etcd.clientAddresses[0] ?? "").port);
}

async function client(etcd: RunningEtcd): Promise<RpcClient> {
  const connected = await RpcClient.connect(portOf(etcd));
  cleanUps.push(() => connected.close());
  return connected;
}

async function memberList(etcd: RunningEtcd) {
  const { members } = await (await client(etcd)).call("/etcdserverpb.Cluster/MemberList", {});
  return members;
}

test("addresses of clients are URLs that a client takes", async () => {
  const etcd = await start("urls", {
    listenClientUrls: ["http://127.0.0.1:0", `unix://${join(scratch, "socket")}`],
    advertiseClientUrls: ["http://127.0.0.1:1"],
  });
  const [tcp = "", unix = ""] = etcd.clientAddresses;
  assert.match(tcp, /^http:\/\/127\.0\.0\.1:[1-9]\d*$/);
  assert.equal(unix, `unix://${join(scratch, "socket")}`);
  for (const endpoints of etcd.clientAddresses) {
    await using own = new EtcdClient({ endpoints });
    assert.equal((await own.maintenance.status()).dbSizeQuota, 2 ** 31);
  }
});

test("a setting or an option that does not exist is refused by name", async () => {
  const typo: object = { datadir: "/data" };
  assert.throws(() => createConfig(typo), {
    name: "ConfigError",
    message: 'createConfig has no option "datadir"; did you mean "dataDir"?',
  });
  const config = createConfig({ dataDir: join(scratch, "none") });
  const wrong: object = { log: new MemoryLogger() };
  await assert.rejects(startEtcd(config, wrong), /^ConfigError: startEtcd has no option "log"/);
});

test("port 0 is advertised as the port that the system chose", async () => {
  const etcd = await start("any-port");
  const port = portOf(etcd);
  assert.notEqual(port, 0);
  const [member] = await memberList(etcd);
  assert.deepEqual(member?.clientURLs, [`http://127.0.0.1:${port}`]);
  assert.match(member?.peerURLs[0] ?? "", /^http:\/\/127\.0\.0\.1:[1-9]\d*$/);
});

test("an advertised address that was given stays as it is", async () => {
  const advertiseClientUrls = ["http://etcd.example.com:2379"];
  const initialAdvertisePeerUrls = ["http://127.0.0.1:28999"];
  const etcd = await start("given", { advertiseClientUrls, initialAdvertisePeerUrls });
  const [member] = await memberList(etcd);
  assert.deepEqual(member?.clientURLs, advertiseClientUrls);
  assert.deepEqual(member?.peerURLs, initialAdvertisePeerUrls);
});

test("members of one process do not know of each other", async () => {
  const [one, two] = await Promise.all([start("one"), start("two")]);
  await (await client(one)).put("whose", "one");
  assert.equal((await (await client(two)).range("whose")).count, 0);
  const [kv] = (await (await client(one)).range("whose")).kvs;
  assert.equal(text(kv?.value), "one");
});

test("stop may be called again, and ends what waits for it", async () => {
  const etcd = await start("stopped");
  await Promise.all([etcd.stop(), etcd.stop()]);
  await etcd.stop();
  assert.equal(await etcd.stopped, undefined);
  await assert.rejects(RpcClient.connect(portOf(etcd)), { code: 14 });
});

test("await using stops the member at the end of the block", async () => {
  let port = 0;
  {
    await using etcd = await start("disposed");
    port = portOf(etcd);
    await (await client(etcd)).put("k", "v");
  }
  await assert.rejects(RpcClient.connect(port), { code: 14 });
});

test("a member stops while clients use it, and answers them", async () => {
  const etcd = await start("busy");
  const user = await client(etcd);
  const watch = user.watch();
  await watch.create("k");
  const puts = Array.from({ length: 500 }, (_, i) => user.put(`k${i}`, "v"));
  const outcomes = Promise.allSettled(puts);
  await puts[0];
  await within(etcd.stop(), "the member to stop");
  const settled = await outcomes;
  for (const outcome of settled) {
    if (outcome.status === "rejected") assert.equal((outcome.reason as { code: number }).code, 14);
  }
  const acknowledged = settled.filter((outcome) => outcome.status === "fulfilled").length;
  const again = await start("busy");
  const found = await (await client(again)).range("k", { rangeEnd: Buffer.from("l") });
  assert.ok(found.count >= acknowledged, `${found.count} of ${acknowledged}`);
});

test("a port in use refuses the start and leaves no data directory behind", async () => {
  const etcd = await start("holder");
  const taken = [`http://127.0.0.1:${portOf(etcd)}`];
  await assert.rejects(start("late", { listenClientUrls: taken }), /address already in use/);
  assert.equal(existsSync(join(scratch, "late")), false);
});

test("with --socket-reuse-port, members share a port", async () => {
  const first = await start("shared-1", { socketReusePort: true });
  const listenClientUrls = [...first.clientAddresses];
  const second = await start("shared-2", { socketReusePort: true, listenClientUrls });
  assert.deepEqual(second.clientAddresses, first.clientAddresses);
  await first.stop();
  const [member] = await memberList(second);
  assert.equal(member?.name, "shared-2");
});

test("a second member on a data directory in use waits, and takes over", async () => {
  const first = await start("shared");
  const taking = start("shared");
  const user = await client(first);
  await user.put("still", "served");
  await first.stop();
  const second = await within(taking, "the second member to take over");
  assert.equal((await (await client(second)).range("still")).count, 1);
});

test("a member takes as much disk for its log as it is told", async () => {
  await start("small", { walSegmentBytes: 128 * 1024 });
  const wal = join(scratch, "small", "member", "wal");
  const sizes = readdirSync(wal).map((name) => statSync(join(wal, name)).size);
  assert.deepEqual(sizes, [128 * 1024, 128 * 1024]);
  assert.throws(
    () => createConfig({ walSegmentBytes: 1000 }),
    /--wal-segment-bytes must be at least/,
  );
});
