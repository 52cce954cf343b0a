/** v3 discovery against a member in this process that serves it, and members that find each other. */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { EtcdClient } from "../client/index.ts";
import { V3Discovery } from "../discovery/v3-discovery.ts";
import type { Clock } from "../env/clock.ts";
import type { DiscoveryError } from "../env/discovery.ts";
import { MemoryLogger } from "../env/testing/index.ts";
import { TestAuthority } from "../platform/tls/testing/authority.ts";
import { within } from "./e2e/wait.ts";
import { createConfig, type EtcdConfigInput, type RunningEtcd, startEtcd } from "./index.ts";
import { freePorts } from "../base/testing/free-ports.ts";

const scratch = mkdtempSync(join(tmpdir(), "etcd-v3-discovery-"));
const members: RunningEtcd[] = [];
let service: RunningEtcd;
let client: EtcdClient;

async function start(name: string, more: EtcdConfigInput = {}): Promise<RunningEtcd> {
  const config = createConfig({
    name,
    dataDir: join(scratch, name),
    listenClientUrls: ["http://127.0.0.1:0"],
    listenPeerUrls: ["http://127.0.0.1:0"],
    ...more,
  });
  const logger = new MemoryLogger();
  const etcd = await startEtcd(config, { logger });
  members.push(etcd);
  await within(etcd.ready, `${name} to be ready`);
  logs.set(etcd, logger);
  return etcd;
}

const logs = new WeakMap<RunningEtcd, MemoryLogger>();

before(async () => {
  service = await start("service");
  client = new EtcdClient({ endpoints: service.clientAddresses });
});
after(async () => {
  client.close();
  await Promise.all(members.map((member) => member.stop()));
  rmSync(scratch, { recursive: true, force: true });
});

/** Fires at once, behind `onPause`. */
function hastyClock(onPause: (delayMs: number) => Promise<unknown>): Clock {
  return {
    nowMs: () => 0,
    wallMs: () => 0,
    setTimer: (delayMs, fire) => {
      void onPause(delayMs).then(fire);
      return { cancel: () => undefined };
    },
  };
}

interface Joining {
  readonly token: string;
  readonly id: bigint;
  readonly self?: string;
  readonly endpoints?: readonly string[];
  readonly onPause?: () => Promise<unknown>;
}

function joinAs({ token, id, self, endpoints, onPause }: Joining) {
  const logger = new MemoryLogger();
  const unexpected = () => Promise.reject(new Error("a pause"));
  const discovery = new V3Discovery(
    { token, endpoints: endpoints ?? service.clientAddresses, client: () => ({}) },
    { clock: hastyClock(onPause ?? unexpected), logger },
  );
  return { logger, joined: discovery.join(id, self ?? `m${id}=http://10.0.0.${id}:2380`) };
}

const setSize = (token: string, size: string) =>
  client.kv.put(`/_etcd/registry/${token}/_config/size`, size);

test("members wait for each other; who comes again is let in, and who comes too late is not", async () => {
  await setSize("three", "3");
  const joining = [1n, 2n, 3n].map((id) => joinAs({ token: "three", id }).joined);
  const clusters = await within(Promise.all(joining), "three members to join");
  assert.equal(new Set(clusters).size, 1, clusters.join("\n"));
  assert.deepEqual(
    clusters[0]?.split(",").sort(),
    [1, 2, 3].map((n) => `m${n}=http://10.0.0.${n}:2380`),
  );
  assert.equal(await joinAs({ token: "three", id: 2n }).joined, clusters[0]);
  await assert.rejects(joinAs({ token: "three", id: 4n }).joined, (error: DiscoveryError) => {
    assert.equal(error.message, "failed to join discovery cluster (discovery: cluster is full)");
    assert.equal(error.failure, "clusterFull");
    assert.equal(error.cluster, clusters[0]);
    return true;
  });
  const { kvs } = await client.kv.get("/_etcd/registry/three/members", { prefix: true });
  assert.deepEqual(
    kvs.map(({ keyText }) => keyText),
    [1, 2, 3].map((n) => `/_etcd/registry/three/members/${n}`),
  );
});

const BAD_SIZES = ["", "0", "-3", "three", "3 ", "1.5", "<html>"];
test("a token without a size, or with one that is none, is refused", async () => {
  await assert.rejects(joinAs({ token: "unknown", id: 1n }).joined, {
    reason: "discovery: size key not found",
  });
  for (const size of BAD_SIZES) {
    await setSize("bad", size);
    await assert.rejects(
      joinAs({ token: "bad", id: 1n }).joined,
      { reason: "discovery: size key is bad" },
      size,
    );
  }
});

test("what is no member is passed over, and a URL that is none ends the start", async () => {
  await setSize("odd", "2");
  await client.kv.put("/_etcd/registry/odd/members/9", "garbage");
  const { joined, logger } = joinAs({ token: "odd", id: 1n });
  await client.kv.put("/_etcd/registry/odd/members/8", "m8=ftp://nowhere");
  await assert.rejects(joined, { reason: "discovery: invalid peer URL" });
  assert.ok(logger.messages("warn").includes("invalid peer info returned from discovery service"));
});

test("a service that is not there yet is asked again", async () => {
  const [port = 0] = await freePorts(1);
  const url = `http://127.0.0.1:${port}`;
  const { joined, logger } = joinAs({
    token: "late",
    id: 1n,
    endpoints: [url],
    onPause: async () => {
      const late = await start("late", { listenClientUrls: [url] });
      await using own = new EtcdClient({ endpoints: late.clientAddresses });
      await own.kv.put("/_etcd/registry/late/_config/size", "1");
    },
  });
  assert.equal(await within(joined, "the service"), "m1=http://10.0.0.1:2380");
  const [failure, retry] = logger.lines.filter(({ level }) => level === "warn");
  assert.equal(failure?.message, "failed to get cluster size from discovery service");
  assert.equal(retry?.message, "retry connecting to discovery service");
  assert.deepEqual([retry?.fields.reason, retry?.fields.backoff], ["cluster status check", "2s"]);
});

test("members form a cluster at a token, and a restart does not ask for it again", async () => {
  await setSize("pair", "2");
  const [first = 0, second = 0] = await freePorts(2);
  const settings = [first, second].map((port) => ({
    discoveryToken: "pair",
    listenPeerUrls: [`http://127.0.0.1:${port}`],
  }));
  const discoveryEndpoints = service.clientAddresses;
  const [a] = await Promise.all(
    settings.map((more, i) => start(`pair${i}`, { ...more, discoveryEndpoints })),
  );
  await using pair = new EtcdClient({ endpoints: a?.clientAddresses });
  const { members: listed } = await pair.cluster.memberList();
  assert.deepEqual(listed.map(({ name }) => name).sort(), ["pair0", "pair1"]);
  await a?.stop();
  const unreachable = ["http://127.0.0.1:1"];
  const again = await start("pair0", { ...settings[0], discoveryEndpoints: unreachable });
  assert.ok(
    logs
      .get(again)
      ?.messages("warn")
      .includes(
        "discovery token is ignored since cluster already initialized; valid logs are found",
      ),
  );
});

test("a service with TLS and users gets the certificates and the user of the settings", async () => {
  const authority = new TestAuthority();
  const { cert, key } = authority.issue({ hosts: ["127.0.0.1"] });
  const file = (name: string, text: string): string => {
    writeFileSync(join(scratch, name), text);
    return join(scratch, name);
  };
  const [certFile, keyFile] = [file("s.crt", cert), file("s.key", key)];
  const caFile = file("ca.crt", authority.cert);
  const secure = await start("secure", {
    listenClientUrls: ["https://127.0.0.1:0"],
    certFile,
    keyFile,
    trustedCaFile: caFile,
    clientCertAuth: true,
  });
  const tls = { ca: authority.cert, cert, key };
  await using own = new EtcdClient({ endpoints: secure.clientAddresses, tls });
  await own.kv.put("/_etcd/registry/safe/_config/size", "1");
  await own.auth.userAdd("root", "pass:word");
  await own.auth.userGrantRole("root", "root");
  await own.auth.enable();
  const settings: EtcdConfigInput = {
    discoveryToken: "safe",
    discoveryEndpoints: secure.clientAddresses,
    discoveryCacert: caFile,
    discoveryCert: certFile,
    discoveryKey: keyFile,
  };
  await start("guest", { ...settings, discoveryUser: "root:pass:word" });
  const refused: readonly (readonly [more: EtcdConfigInput, reason: RegExp])[] = [
    [{ discoveryKey: "" }, /KeyFile and CertFile must both be present/],
    [{ discoveryCacert: join(scratch, "absent") }, /no such file or directory/],
    [{ discoveryUser: "root", discoveryPassword: "pass:word" }, /discovery: cluster is full/],
  ];
  for (const [more, reason] of refused) {
    await assert.rejects(start("refused", { ...settings, ...more }), reason);
  }
});
