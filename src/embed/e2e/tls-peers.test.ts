/** Members that talk TLS to each other, and strangers who would like to. */
import assert from "node:assert/strict";
import { after, test } from "node:test";
import type { IssueOptions } from "../../platform/tls/testing/authority.ts";
import type { EtcdConfigInput } from "../index.ts";
import { text } from "./rpc-client.ts";
import { type Member, TlsWorld } from "./tls-world.ts";
import { until } from "./wait.ts";
import { freePorts } from "../../base/testing/free-ports.ts";

const world = new TlsWorld();
after(() => world[Symbol.asyncDispose]());

const NAMES = ["m1", "m2", "m3"] as const;

/** Settings of three members that differ in their peer certificates only. */
async function clusterOf(
  token: string,
  security: (name: string) => EtcdConfigInput,
): Promise<EtcdConfigInput[]> {
  const ports = await freePorts(NAMES.length);
  const url = (index: number): string => `https://127.0.0.1:${ports[index]}`;
  const initialCluster = NAMES.map((name, i) => `${name}=${url(i)}`).join(",");
  return NAMES.map((name, i) => ({
    name,
    dataDir: `${world.directory}/${token}-${name}`,
    initialClusterToken: token,
    initialCluster,
    listenPeerUrls: [url(i)],
    initialAdvertisePeerUrls: [url(i)],
    listenClientUrls: ["http://127.0.0.1:0"],
    ...security(name),
  }));
}

function peerFiles(name: string, options: IssueOptions = {}): EtcdConfigInput {
  const { certFile, keyFile } = world.pair(name, world.authority.issue(options));
  return { peerCertFile: certFile, peerKeyFile: keyFile, peerTrustedCaFile: world.ca };
}

async function startAll(inputs: readonly EtcdConfigInput[]): Promise<Member[]> {
  return Promise.all(inputs.map((input) => world.start(input.name ?? "", input)));
}

function rejections({ logger }: Member): string[] {
  return logger.lines
    .filter(({ message }) => message === "rejected connection on peer endpoint")
    .map(({ fields }) => String(fields.error));
}

async function agree(members: readonly Member[]): Promise<void> {
  const [first] = members;
  await world.client(first?.etcd.clientAddresses ?? []).kv.put("k", "agreed");
  for (const { etcd } of members) {
    const { kvs } = await world.client(etcd.clientAddresses).kv.get("k");
    assert.equal(text(kvs[0]?.value), "agreed");
  }
}

test("three members with certificates form a cluster, whose ports are closed to strangers", async () => {
  const inputs = await clusterOf("trusted", (name) => ({
    ...peerFiles(`trusted-${name}`, { commonName: "member" }),
    peerClientCertAuth: true,
    peerCertAllowedCns: ["member"],
  }));
  const members = await startAll(inputs);
  await agree(members);
  const [first] = members;
  assert.ok(first !== undefined);
  assert.deepEqual(rejections(first), []);
  const port = inputs[0]?.listenPeerUrls?.[0];
  const own = world.authority.issue({ commonName: "member" });
  const answer = await world.get(`${port}/version`, own);
  assert.equal(typeof answer === "string" ? answer : answer.status, 200);
  // As etcd sees it: the right authority, but not one of the members.
  assert.equal(typeof (await world.get(`${port}/version`)), "string");
  await until(() => rejections(first).length > 0, "the reason in the log");
  assert.match(rejections(first)[0] ?? "", /client certificate authentication failed/);
});

test("a member that was away is brought up to date with the database over TLS", async () => {
  const inputs = await clusterOf("behind", (name) => ({
    ...peerFiles(`behind-${name}`),
    peerClientCertAuth: true,
    snapshotCount: 10,
    snapshotCatchupEntries: 5,
  }));
  const [one, two, three] = inputs;
  assert.ok(one !== undefined && two !== undefined && three !== undefined);
  const members = await startAll([one, two]);
  const client = world.client(members[0]?.etcd.clientAddresses ?? []);
  for (let i = 0; i < 40; i++) await client.kv.put(`key-${i}`, "x".repeat(1000));
  const late = await world.start("m3", three);
  const { count } = await world.client(late.etcd.clientAddresses).kv.get("key-", { prefix: true });
  assert.equal(count, 40);
  assert.ok(
    late.logger.messages().some((message) => message.includes("received")),
    late.logger.messages().join("\n"),
  );
});

test("--peer-auto-tls connects members that nobody has made certificates for", async () => {
  const inputs = await clusterOf("auto", () => ({ peerAutoTls: true }));
  await agree(await startAll(inputs));
});

test("a member whose certificate is for another address is not talked to", async () => {
  const inputs = await clusterOf("elsewhere", (name) =>
    peerFiles(`elsewhere-${name}`, name === "m3" ? { hosts: ["10.9.8.7"] } : {}),
  );
  const [one, two, three] = inputs;
  assert.ok(one !== undefined && two !== undefined && three !== undefined);
  const members = await startAll([one, two]);
  const [first] = members;
  assert.ok(first !== undefined);
  await world.begin("m3", three);
  await until(() => rejections(first).length > 0, "the member to be refused");
  assert.match(
    rejections(first)[0] ?? "",
    /certificate is valid for 10\.9\.8\.7, not 127\.0\.0\.1/,
  );
  await agree(members);
});
