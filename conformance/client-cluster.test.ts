/**
 * Our client in front of a cluster of three reference members whose leader is killed, and beside
 * the reference client on the same lock and election.
 */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { test } from "node:test";
import {
  Election,
  EtcdClient,
  EtcdClientError,
  Mutex,
  Session,
  StatusCode,
} from "../src/client/index.ts";
import { soon, take } from "../src/client/testing/check.ts";
import { leaderOf } from "./cluster-lab.ts";
import { type EtcdCluster, type EtcdProcess, missing, startCluster, startEtcd } from "./harness.ts";
import { PATIENCE_MS } from "../src/base/testing/patience.ts";

const ETCDCTL = process.env.ETCDCTL ?? "etcdctl";

/** Kills the member that leads, and returns it. */
async function killLeader(cluster: EtcdCluster): Promise<EtcdProcess> {
  const leader = await leaderOf(cluster.members);
  await leader.kill();
  return leader;
}

const PASSING_CODES: ReadonlySet<number> = new Set([
  StatusCode.UNAVAILABLE,
  StatusCode.DEADLINE_EXCEEDED,
]);

/** Writes until it is done: what it does not know to have happened is looked up. */
async function putSurely(client: EtcdClient, key: string, value: string): Promise<void> {
  for (;;) {
    try {
      await client.kv.put(key, value, { timeoutMs: PATIENCE_MS });
      return;
    } catch (error) {
      if (!(error instanceof EtcdClientError && PASSING_CODES.has(error.code))) throw error;
      const { kv } = await client.kv.get(key, { timeoutMs: PATIENCE_MS });
      if (kv?.valueText === value) return;
    }
  }
}

test(
  "watches and leases survive the death of the leader, and no write is repeated",
  { skip: missing("reference") },
  async () => {
    await using cluster = await startCluster(["reference", "reference", "reference"]);
    await using client = new EtcdClient({ endpoints: cluster.clientUrls });
    const watcher = client.watch("k/", { prefix: true });
    await watcher.created;
    await using session = await Session.create(client, { ttl: 60 });
    await client.kv.put("alive", "", { lease: session.leaseID });
    let dead: EtcdProcess | undefined;
    for (let i = 0; i < 60; i++) {
      if (i === 30) dead = await killLeader(cluster);
      await putSurely(client, `k/${i}`, String(i));
    }
    await dead?.start();
    await putSurely(client, "k/end", "");
    const seen: string[] = [];
    while (seen.at(-1) !== "k/end=") {
      const [response] = await take(watcher, 1);
      seen.push(...(response?.events ?? []).map(({ kv }) => String(kv)));
    }
    const expected = Array.from({ length: 60 }, (_, i) => `k/${i}=${i}`);
    // A put that was looked up in vain and then sent again may arrive twice; each is one event.
    assert.deepEqual([...new Set(seen)], [...expected, "k/end="]);
    const history = client.watch("k/", { prefix: true, startRevision: 1 });
    const all: string[] = [];
    while (all.length < seen.length) {
      const [response] = await take(history, 1);
      all.push(...(response?.events ?? []).map(({ kv }) => String(kv)));
    }
    assert.deepEqual(all, seen);
    assert.equal(session.signal.aborted, false);
    assert.equal((await client.kv.get("alive")).count, 1);
  },
);

/** `etcdctl` with its output line by line. */
function etcdctl(endpoint: string, args: readonly string[]) {
  const child = spawn(ETCDCTL, [...args], {
    env: { ...process.env, ETCDCTL_API: "3", ETCDCTL_ENDPOINTS: endpoint },
    stdio: ["ignore", "pipe", "inherit"],
  });
  let output = "";
  let wake: () => void = () => undefined;
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    output += text;
    wake();
  });
  return {
    /** Resolves with the first line. */
    line: () =>
      soon(
        new Promise<string>((resolve) => {
          wake = () => {
            if (output.includes("\n")) resolve(output.split("\n")[0] ?? "");
          };
          wake();
        }),
        `a line of etcdctl ${args.join(" ")}`,
      ),
    stop: () =>
      new Promise((resolve) => {
        child.once("close", resolve);
        child.kill("SIGINT");
      }),
  };
}

test("our lock and etcdctl's exclude each other", { skip: missing("reference") }, async () => {
  await using etcd = await startEtcd({ kind: "reference" });
  await using client = new EtcdClient({ endpoints: etcd.clientUrl });
  await using session = await Session.create(client);
  const mutex = new Mutex(session, "shared");
  await mutex.lock();
  const watcher = client.watch("shared/", { prefix: true });
  await watcher.created;
  const theirs = etcdctl(etcd.clientUrl, ["lock", "shared"]);
  const [joined] = await take(watcher, 1);
  const theirKey = joined?.events[0]?.kv.keyText;
  await mutex.unlock();
  assert.equal(await theirs.line(), theirKey);
  assert.equal(await mutex.tryLock(), false);
  const ours = mutex.lock();
  await theirs.stop();
  await soon(ours, "the lock");
});

test("our candidates and etcdctl's elect one leader", { skip: missing("reference") }, async () => {
  await using etcd = await startEtcd({ kind: "reference" });
  await using client = new EtcdClient({ endpoints: etcd.clientUrl });
  await using session = await Session.create(client);
  const theirs = etcdctl(etcd.clientUrl, ["elect", "president", "theirs"]);
  await theirs.line();
  const election = new Election(session, "president");
  assert.equal((await election.leader())?.valueText, "theirs");
  const campaign = election.campaign("ours");
  await theirs.stop();
  await soon(campaign, "the leadership");
  const listening = etcdctl(etcd.clientUrl, ["elect", "--listen", "president"]);
  assert.equal(await listening.line(), election.key);
  await listening.stop();
});
