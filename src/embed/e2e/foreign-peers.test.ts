/**
 * A live cluster of three whose peer ports hear what no member says: random messages and bytes in
 * POSTs, and streams of a peer that lies. It goes on serving, nobody stops, and everybody starts
 * again. Member m3 is reached through a proxy, which answers some of the others' dials itself.
 */
import assert from "node:assert/strict";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import {
  createServer,
  request,
  type IncomingMessage,
  type Server,
  type ServerResponse,
} from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { Message, MessageType } from "../../api/gen/raft.ts";
import type { StatusResponse } from "../../api/gen/rpc.ts";
import { formatID } from "../../base/ids.ts";
import { MemoryLogger, SeededRandom } from "../../env/testing/index.ts";
import {
  forgedMessages,
  POISON,
  randomBytes,
  randomMessage,
  type Victim,
} from "../../server/testing/forged-messages.ts";
import { AppendEncoder } from "../../transport/peer/append-codec.ts";
import { MessageEncoder } from "../../transport/peer/message-codec.ts";
import { createConfig, type RunningEtcd, startEtcd } from "../index.ts";
import { RpcClient } from "./rpc-client.ts";
import { until, within } from "./wait.ts";
import { freePort } from "../../base/testing/free-ports.ts";

const NAMES = ["m1", "m2", "m3"] as const;
/** Dials of each stream that the proxy answers itself. */
const FORGED_STREAMS = 6;
const SEED = 20_261_129;

const scratch = mkdtempSync(join(tmpdir(), "etcd-foreign-peers-"));
const random = new SeededRandom(SEED);
const logger = new MemoryLogger();
const members = new Map<string, RunningEtcd>();
const ports = new Map<string, number>();
const stopped: string[] = [];
let proxy: Server;
let clusterID = "";
let victims: Victim[] = [];
/** Streams that were forged, by path. */
const forged = new Map<string, number>();
let isForging = false;

function urlOf(port: number | undefined): string {
  return `http://127.0.0.1:${port}`;
}

async function start(name: string): Promise<RunningEtcd> {
  const advertised = name === "m3" ? ports.get("proxy") : ports.get(name);
  const config = createConfig({
    name,
    dataDir: join(scratch, name),
    listenClientUrls: [urlOf(0)],
    listenPeerUrls: [urlOf(ports.get(name))],
    initialAdvertisePeerUrls: [urlOf(advertised)],
    initialCluster: NAMES.map(
      (one) => `${one}=${urlOf(ports.get(one === "m3" ? "proxy" : one))}`,
    ).join(","),
    heartbeatIntervalMs: 50,
    electionTimeoutMs: 500,
  });
  const etcd = await startEtcd(config, { logger });
  members.set(name, etcd);
  void etcd.stopped.then((error) => {
    if (error !== undefined) stopped.push(`${name}: ${error.message}`);
  });
  return etcd;
}

async function client(name: string): Promise<RpcClient> {
  const [url] = members.get(name)?.clientAddresses ?? [];
  assert.ok(url !== undefined);
  return RpcClient.connect(Number(new URL(url).port));
}

/** Until it is taken: elections go on while the messages arrive. */
async function put(name: string, key: string): Promise<void> {
  const etcd = await client(name);
  await until(
    () =>
      etcd.put(key, name).then(
        () => true,
        () => false,
      ),
    `${name} to take ${key}`,
    60_000,
  );
  etcd.close();
}

async function observe(): Promise<Victim[]> {
  const found: StatusResponse[] = [];
  for (const name of NAMES) {
    const etcd = await client(name);
    found.push(await etcd.call("/etcdserverpb.Maintenance/Status", {}));
    etcd.close();
  }
  clusterID = formatID(found[0]?.header?.clusterId ?? 0n);
  return found.map(({ header, raftTerm, raftIndex, leader }, i) => {
    const id = header?.memberId ?? 0n;
    const next = found[(i + 1) % found.length]?.header?.memberId ?? 0n;
    const other = leader === id ? next : leader;
    return { id, other, term: raftTerm, lastIndex: raftIndex, lastTerm: raftTerm };
  });
}

/** Passes a request on to m3, or is the peer that lies. */
function answer(incoming: IncomingMessage, response: ServerResponse): void {
  const path = incoming.url ?? "";
  const count = forged.get(path) ?? 0;
  if (isForging && path.startsWith("/raft/stream/") && count < FORGED_STREAMS) {
    forged.set(path, count + 1);
    response.writeHead(200, { "X-Server-Version": "3.6.14", "X-Etcd-Cluster-ID": clusterID });
    response.end(forgedStream(path, count));
    return;
  }
  const { method, headers } = incoming;
  const onward = request(
    { host: "127.0.0.1", port: ports.get("m3"), path, method, headers, agent: false },
    (reply) => {
      response.writeHead(reply.statusCode ?? 500, reply.headers);
      response.flushHeaders();
      reply.pipe(response);
      reply.on("error", () => response.destroy());
    },
  );
  onward.on("error", () => response.destroy());
  response.on("close", () => onward.destroy());
  incoming.pipe(onward);
}

function forgedStream(path: string, count: number): Uint8Array {
  const victim = victims.find(({ id }) => path.endsWith(`/${formatID(id)}`));
  if (victim === undefined || count % 3 === 2) return randomBytes(random);
  const lies = forgedMessages(victim).map(([, message]) => message);
  const messages = Array.from({ length: 20 }, () => randomMessage(random, victim));
  if (path.includes("/msgapp/")) {
    const appends = [...lies, ...messages].filter(({ type }) => type === MessageType.MsgApp);
    return Buffer.concat([new AppendEncoder().encode(appends), continuation()]);
  }
  return Buffer.concat([new MessageEncoder().encode([...lies, ...messages]), randomBytes(random)]);
}

/** An append that leaves out where it goes on: one entry, which nobody can apply. */
function continuation(): Buffer {
  const [, data] = POISON[random.below(POISON.length)] as (typeof POISON)[number];
  const message = { type: MessageType.MsgApp, term: 1, logTerm: 1, index: 1 };
  const entry = { type: 0, term: 1, index: 2, data } as const;
  const encoder = new AppendEncoder();
  encoder.encode([Message.create(message)]);
  return encoder.encode([Message.create({ ...message, entries: [entry] })]);
}

async function post(name: string, path: string, body: Uint8Array): Promise<number> {
  const headers = {
    "X-Etcd-Cluster-ID": clusterID,
    "X-Server-From": "77",
    "X-Server-Version": "3.6.14",
    "X-Min-Cluster-Version": "3.0.0",
  };
  const response = await fetch(`${urlOf(ports.get(name))}${path}`, {
    method: "POST",
    headers,
    body: Buffer.from(body),
  });
  await response.arrayBuffer();
  return response.status;
}

before(async () => {
  for (const name of [...NAMES, "proxy"]) ports.set(name, await freePort());
  proxy = createServer(answer).listen(ports.get("proxy"), "127.0.0.1");
  await once(proxy, "listening");
  const started = await Promise.all(NAMES.map(start));
  await within(Promise.all(started.map(({ ready }) => ready)), "the cluster to be ready");
});

after(async () => {
  for (const etcd of members.values()) await etcd.stop();
  proxy.closeAllConnections();
  proxy.close();
  rmSync(scratch, { recursive: true, force: true });
});

test("forged messages in POSTs and on streams neither stop a member nor enter its log", async () => {
  await put("m1", "before");
  victims = await observe();
  for (const [i, name] of NAMES.entries()) {
    const victim = victims[i] as Victim;
    for (const [lie, message] of forgedMessages(victim)) {
      assert.equal(await post(name, "/raft", Message.encode(message)), 400, `${name}: ${lie}`);
    }
  }
  for (let round = 0; round < 100; round++) {
    for (const [i, name] of NAMES.entries()) {
      const message = Message.encode(randomMessage(random, victims[i] as Victim));
      const body = round % 4 === 3 ? randomBytes(random) : message;
      const path = round % 10 === 9 ? "/raft/snapshot" : "/raft";
      const status = await post(name, path, body);
      assert.ok(status === 204 || (status >= 400 && status < 500), `${path}: ${status}`);
    }
  }
  isForging = true;
  // Ends the streams that are open, so that all are dialed again.
  proxy.closeAllConnections();
  await until(
    () => forged.size === 4 && [...forged.values()].every((count) => count === FORGED_STREAMS),
    "the forged streams to be read",
    60_000,
  );
  for (const name of NAMES) await put(name, `after-${name}`);
  assert.deepEqual(stopped, [], `seed ${SEED}`);
  assert.ok(logger.messages("error").includes("refused an invalid Raft message"));
});

test("and every member starts again from its log", async () => {
  for (const name of NAMES) {
    await members.get(name)?.stop();
    const etcd = await start(name);
    await within(etcd.ready, `${name} to be ready again`);
    await put(name, `again-${name}`);
  }
  const etcd = await client("m3");
  const { count } = await etcd.range("a", { rangeEnd: Buffer.from("z") });
  etcd.close();
  assert.equal(count, 7);
  assert.deepEqual(stopped, []);
});

test("the peer port serves no client", async () => {
  const etcd = await RpcClient.connect(ports.get("m1") ?? 0);
  await assert.rejects(etcd.put("through", "the peer port"));
  etcd.close();
});
