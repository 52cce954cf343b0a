/** The discovery service on a member in this process: whole joins, and what it refuses. */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { parseEtcdUrl } from "../../base/etcd-url.ts";
import { EtcdClient } from "../../client/index.ts";
import { createConfig, type RunningEtcd, startEtcd } from "../../embed/index.ts";
import type { DiscoveryError } from "../../env/discovery.ts";
import { SystemClock } from "../../env/system-clock.ts";
import { MemoryLogger, SeededRandom } from "../../env/testing/index.ts";
import { V2Discovery } from "../v2-discovery.ts";
import { DiscoveryService } from "./discovery-service.ts";
import { MAX_SURPLUS_MEMBERS } from "./limits.ts";
import { type RunningService, serveDiscovery } from "./service-listener.ts";
import { TokenStore } from "./token-store.ts";

const MAX_TOKENS = 12;
const scratch = mkdtempSync(join(tmpdir(), "etcd-discovery-service-"));
const clock = new SystemClock();
let etcd: RunningEtcd;
let client: EtcdClient;
let running: RunningService;

before(async () => {
  const config = createConfig({
    dataDir: join(scratch, "data"),
    listenClientUrls: ["http://127.0.0.1:0"],
    listenPeerUrls: ["http://127.0.0.1:0"],
  });
  etcd = await startEtcd(config, { logger: new MemoryLogger() });
  await etcd.ready;
  client = new EtcdClient({ endpoints: etcd.clientAddresses });
  const store = new TokenStore(client, { tokenTtlSeconds: 3600, maxTokens: MAX_TOKENS });
  const service = new DiscoveryService(
    { advertisedURL: "", isSecure: false },
    { store, clock, random: new SeededRandom(1), logger: new MemoryLogger() },
  );
  running = await serveDiscovery(parseEtcdUrl("http://127.0.0.1:0"), undefined, service);
});
after(async () => {
  await running.stop();
  client.close();
  await etcd.stop();
  rmSync(scratch, { recursive: true, force: true });
});

async function ask(path: string, init: RequestInit = {}) {
  const answer = await fetch(running.url + path, init);
  return { status: answer.status, text: await answer.text(), headers: answer.headers };
}

async function newToken(size: number): Promise<string> {
  const { status, text } = await ask(`/new?size=${size}`);
  assert.equal(status, 200, text);
  assert.match(text, new RegExp(`^${running.url}/[0-9a-f]{32}$`));
  return text;
}

function joinAs(url: string, id: bigint): Promise<string> {
  const options = { url, proxy: "", authorities: () => [] };
  const discovery = new V2Discovery(options, { clock, logger: new MemoryLogger() });
  return discovery.join(id, `m${id}=http://10.0.0.${id}:2380`);
}

function register(url: string, id: string, value = `m${id}=http://10.0.0.1:2380`) {
  const body = new URLSearchParams({ value });
  return fetch(`${url}/${id}?prevExist=false`, { method: "PUT", body });
}

test("members meet at a token that it gave out, and the surplus one is refused", async () => {
  const url = await newToken(3);
  const clusters = await Promise.all([1n, 2n, 3n].map((id) => joinAs(url, id)));
  for (const cluster of clusters) {
    const names = cluster.split(",").map((pair) => pair.split("=")[0]);
    assert.deepEqual(names.sort(), ["m1", "m2", "m3"]);
  }
  await assert.rejects(joinAs(url, 4n), (error: DiscoveryError) => error.failure === "clusterFull");
  await assert.rejects(joinAs(url, 1n), (error: DiscoveryError) => error.failure !== "clusterFull");
});

test("answers have the form of etcd's v2 store", async () => {
  const url = await newToken(2);
  const path = new URL(url).pathname;
  const key = `/_etcd/registry${path}`;
  const size = JSON.parse((await ask(`${path}/_config/size`)).text);
  assert.equal(size.action, "get");
  assert.equal(size.node.key, `${key}/_config/size`);
  assert.equal(size.node.value, "2");
  const empty = JSON.parse((await ask(path)).text);
  assert.equal(empty.node.dir, true);
  assert.equal(empty.node.nodes, undefined);
  const made = await register(url, "a1");
  assert.equal(made.status, 201);
  const { action, node } = (await made.json()) as {
    action: string;
    node: { createdIndex: number };
  };
  assert.equal(action, "create");
  assert.equal(made.headers.get("X-Etcd-Index"), String(node.createdIndex));
  const again = await register(url, "a1", "other=http://10.0.0.2:2380");
  assert.equal(again.status, 412);
  assert.deepEqual((await again.json()) as object, {
    errorCode: 105,
    message: "Key already exists",
    cause: `${key}/a1`,
    index: node.createdIndex,
  });
  const { index: _index, ...missing } = JSON.parse((await ask(`/${"0".repeat(32)}`)).text);
  const cause = `/_etcd/registry/${"0".repeat(32)}`;
  assert.deepEqual(missing, { errorCode: 100, message: "Key not found", cause });
});

test("a wait is answered from what is there, however old its index, and ends with the token", async () => {
  const url = await newToken(2);
  const path = new URL(url).pathname;
  await register(url, "b1");
  const { header } = await client.kv.put("unrelated", "1");
  await client.kv.compact(header.revision);
  const { text } = await ask(`${path}?wait=true&recursive=true&waitIndex=1`);
  const found = JSON.parse(text) as { node: { key: string; modifiedIndex: number } };
  assert.ok(found.node.key.endsWith("/b1"));
  const next = found.node.modifiedIndex + 1;
  const waiting = await fetch(`${url}?wait=true&recursive=true&waitIndex=${next}`);
  assert.equal(waiting.status, 200);
  const { kvs } = await client.kv.get(`/_etcd/registry${path}/_config/size`);
  await client.lease.revoke(kvs[0]?.lease ?? 0n);
  await assert.rejects(waiting.text());
  assert.equal((await ask(path)).status, 404);
  const left = await client.kv.get(`/_etcd/registry${path}`, { prefix: true, countOnly: true });
  assert.equal(left.count, 0);
});

const REFUSED: readonly (readonly [method: string, path: string, status: number])[] = [
  ["GET", "/", 404],
  ["GET", "//new", 404],
  ["GET", "/old", 404],
  ["GET", "/new/x", 404],
  ["POST", "/new?size=3", 405],
  ["GET", "/new?size=", 400],
  ["GET", "/new?size=0", 400],
  ["GET", "/new?size=101", 400],
  ["GET", "/new?size=three", 400],
  ["GET", "/new?size=-1", 400],
  ["GET", "/TOKEN/xyz", 404],
  ["GET", "/TOKEN/a/b", 404],
  ["GET", "/TOKEN/_config", 404],
  ["GET", "/TOKEN/..%2f..", 404],
  ["PUT", "/TOKEN/_config/size", 405],
  ["PUT", "/TOKEN", 405],
  ["PUT", "/TOKEN/a1", 403],
  ["PUT", "/TOKEN/a1?prevExist=true", 403],
  ["PUT", "/TOKEN/a1?prevExist=false", 400],
  ["DELETE", "/TOKEN/a1", 405],
  ["GET", "/TOKEN?wait=true&waitIndex=x", 400],
  ["GET", `/TOKEN?${"x".repeat(3000)}`, 414],
];
test("what is no request of discovery is refused", async () => {
  const token = new URL(await newToken(1)).pathname;
  for (const [method, path, status] of REFUSED) {
    const answer = await ask(path.replace("/TOKEN", token), { method });
    assert.equal(answer.status, status, `${method} ${path.slice(0, 60)}: ${answer.text}`);
  }
});

const BAD_VALUES = ["", "m1", "m1=ftp://x", "m1=http://a:1,m2=http://b:1", "x".repeat(20_000)];
test("registrations that are none, too large or too many are refused", async () => {
  const url = await newToken(1);
  for (const value of BAD_VALUES) {
    const { status } = await register(url, "c1", value);
    assert.ok(status === 400 || status === 413, `${status} for ${value.slice(0, 40)}`);
  }
  for (let i = 0; i <= MAX_SURPLUS_MEMBERS; i++) {
    assert.equal((await register(url, `d${i.toString(16)}`)).status, 201);
  }
  assert.equal((await register(url, "ff")).status, 403);
});

test("more tokens than allowed are refused, and a service without its etcd says so", async () => {
  let status = 200;
  for (let i = 0; i <= MAX_TOKENS && status === 200; i++) ({ status } = await ask("/new"));
  assert.equal(status, 503);
  await etcd.stop();
  assert.equal((await ask("/health")).status, 503);
});
