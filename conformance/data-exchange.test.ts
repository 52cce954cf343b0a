/**
 * Data directories and snapshots between a reference etcd and ours: what one has written, the
 * other serves with the same keys, history, revisions, leases and hashes, and back again; after a
 * clean stop and after SIGKILL.
 */
import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import {
  compare,
  deleteOp,
  FROM_KEY,
  prefixEnd,
  putOp,
  RpcClient,
  text,
} from "../src/embed/e2e/rpc-client.ts";
import { until } from "../src/embed/e2e/wait.ts";
import { type EtcdKind, type EtcdProcess, missing, startEtcd, versionOf } from "./harness.ts";

const ETCDCTL = process.env.ETCDCTL ?? "etcdctl";
const PEER_URL = "http://127.0.0.1:2380";
const FLAGS = [
  `--initial-advertise-peer-urls=${PEER_URL}`,
  `--initial-cluster=default=${PEER_URL}`,
];

const scratch = mkdtempSync(join(tmpdir(), "etcd-exchange-"));
after(() => rmSync(scratch, { recursive: true, force: true }));

function missingEtcdctl(): string | false {
  const run = spawnSync(ETCDCTL, ["version"], { env: { ...process.env, ETCDCTL_API: "3" } });
  return run.error === undefined ? false : `${ETCDCTL} does not run`;
}

const skip = missing("ours", "reference") || missingEtcdctl();

/** Before 3.6 a server refuses a snapshot whose membership names a newer cluster version. */
const canGoBackOverSnapshots = versionOf("reference")?.startsWith("3.6.") === true;

interface Session {
  readonly etcd: EtcdProcess;
  readonly client: RpcClient;
}

/** Runs `use` with a member on a data directory, and ends it as told. */
async function session<T>(
  kind: EtcdKind,
  dataDir: string,
  signal: NodeJS.Signals,
  use: (session: Session) => Promise<T>,
  flags: readonly string[] = [],
): Promise<T> {
  await using etcd = await startEtcd({ kind, dataDir, flags: [...FLAGS, ...flags] });
  const client = await RpcClient.connect(Number(new URL(etcd.clientUrl).port));
  try {
    return await use({ etcd, client });
  } finally {
    client.close();
    await etcd.stop(signal);
  }
}

/** Keys with history, deletions, a transaction, leases, compactions. */
async function write({ client }: Session, round: number): Promise<void> {
  const prefix = `round${round}/`;
  for (let i = 0; i < 40; i++) await client.put(`${prefix}${i % 15}`, `value ${i}`);
  await client.deleteRange(`${prefix}1`);
  await client.deleteRange(`${prefix}12`, { rangeEnd: prefixEnd(`${prefix}14`) });
  await client.txn({
    compare: [compare(`${prefix}2`, { case: "version", value: 0 }, ">")],
    success: [putOp(`${prefix}txn/a`, "a"), putOp(`${prefix}txn/b`, "b"), deleteOp(`${prefix}3`)],
    failure: [],
  });
  const lease = BigInt(1000 + round);
  await client.grant(10_000 + round, lease);
  await client.put(`${prefix}leased/a`, "x", { lease });
  await client.put(`${prefix}leased/b`, "y", { lease });
  const gone = BigInt(2000 + round);
  await client.grant(10_000, gone);
  await client.put(`${prefix}revoked`, "z", { lease: gone });
  await client.call("/etcdserverpb.Lease/LeaseRevoke", { ID: gone });
  const now = await client.revision();
  await client.compact(now - 20, true);
  for (let i = 0; i < 10; i++) await client.put(`${prefix}${i}`, `later ${i}`);
}

/** Revisions of the history that are looked at. */
const SAMPLED_REVISIONS = 12;

/** Everything that must survive. */
async function portrait({ client }: Session): Promise<unknown> {
  const range = await client.range(FROM_KEY, { rangeEnd: FROM_KEY });
  const revision = range.header?.revision ?? 0;
  const { compactRevision } = await client.call("/etcdserverpb.Maintenance/HashKV", {});
  const history: unknown[] = [];
  const oldest = Math.max(compactRevision, 1) + 1;
  const step = Math.max(1, Math.floor((revision - oldest) / SAMPLED_REVISIONS));
  for (let at = oldest; at <= revision; at += step) {
    const { hash } = await client.call("/etcdserverpb.Maintenance/HashKV", { revision: at });
    const { count } = await client.range(FROM_KEY, {
      rangeEnd: FROM_KEY,
      revision: at,
      countOnly: true,
    });
    history.push([at, hash, count]);
  }
  const { leases } = await client.call("/etcdserverpb.Lease/LeaseLeases", {});
  const held: unknown[] = [];
  for (const { ID } of leases) {
    const reply = await client.call("/etcdserverpb.Lease/LeaseTimeToLive", { ID, keys: true });
    held.push([ID, reply.grantedTTL, reply.keys.map(text).sort()].toString());
  }
  return {
    kvs: range.kvs.map((kv) => [
      text(kv.key),
      text(kv.value),
      kv.modRevision,
      kv.version,
      kv.lease,
    ]),
    revision,
    compactRevision,
    history,
    leases: held.sort(),
  };
}

async function identity({ client }: Session): Promise<unknown> {
  const { header, members } = await client.call("/etcdserverpb.Cluster/MemberList", {});
  return [header?.clusterId, members.map(({ ID, name, peerURLs }) => [ID, name, peerURLs])];
}

for (const signal of ["SIGTERM", "SIGKILL"] as const) {
  test(
    `a data directory goes from a reference etcd to ours and back, ended by ${signal}`,
    { skip },
    async () => {
      const dataDir = join(scratch, `directory-${signal}`);
      let round = 0;
      let [before, members] = await session("reference", dataDir, signal, async (first) => {
        await write(first, round++);
        return [await portrait(first), await identity(first)];
      });
      for (const kind of ["ours", "reference", "ours", "reference"] as const) {
        [before, members] = await session(kind, dataDir, signal, async (next) => {
          assert.deepEqual(await portrait(next), before, `${kind}, round ${round}`);
          assert.deepEqual(await identity(next), members);
          await write(next, round++);
          return [await portrait(next), members];
        });
      }
    },
  );
}

test(
  "a data directory with raft snapshots and several segments opens with ours",
  { skip },
  async () => {
    const dataDir = join(scratch, "snapshots");
    const flags = ["--snapshot-count=100"];
    const big = "x".repeat(100_000);
    const before = await session(
      "reference",
      dataDir,
      "SIGKILL",
      async (first) => {
        await write(first, 0);
        // More than one WAL segment of 64 MB.
        for (let i = 0; i < 70; i++) {
          await Promise.all(
            Array.from({ length: 10 }, (_, k) => first.client.put(`big/${k}`, big)),
          );
        }
        return await portrait(first);
      },
      flags,
    );
    assert.ok(
      readdirSync(join(dataDir, "member", "wal")).filter((n) => n.endsWith(".wal")).length > 1,
    );
    const second = await session(
      "ours",
      dataDir,
      "SIGKILL",
      async (next) => {
        assert.deepEqual(await portrait(next), before);
        for (let i = 0; i < 300; i++) await next.client.put(`ours/${i % 9}`, `${i}`);
        await until(
          () => next.etcd.logText.includes("saved snapshot to disk"),
          "a snapshot of ours",
        );
        return await portrait(next);
      },
      flags,
    );
    await session("ours", dataDir, "SIGTERM", async (next) => {
      assert.deepEqual(await portrait(next), second);
    });
    if (!canGoBackOverSnapshots) return;
    await session("reference", dataDir, "SIGTERM", async (next) => {
      assert.deepEqual(await portrait(next), second);
    });
  },
);

function etcdctl(...args: string[]): string {
  return execFileSync(ETCDCTL, args, {
    encoding: "utf8",
    env: { ...process.env, ETCDCTL_API: "3" },
    stdio: ["ignore", "pipe", "pipe"],
  });
}

for (const from of ["ours", "reference"] as const) {
  test(
    `a snapshot of ${from} is whole for etcdctl, and both serve what it restores`,
    { skip },
    async () => {
      const file = join(scratch, `${from}.db`);
      const before = await session(
        from,
        join(scratch, `source-${from}`),
        "SIGTERM",
        async (source) => {
          await write(source, 0);
          await source.client.put("binary", Uint8Array.of(0, 255, 128));
          const whole = await portrait(source);
          etcdctl("--endpoints", source.etcd.clientUrl, "snapshot", "save", file);
          return whole;
        },
      );
      const [hash, revision, keys] = etcdctl("snapshot", "status", file).trim().split(", ");
      assert.match(hash ?? "", /^[0-9a-f]{1,8}$/);
      assert.equal(Number(revision), (before as { revision: number }).revision);
      assert.ok(Number(keys) > 0);
      for (const to of ["ours", "reference"] as const) {
        const dataDir = join(scratch, `restored-${from}-${to}`);
        etcdctl(
          "snapshot",
          "restore",
          file,
          `--data-dir=${dataDir}`,
          "--name=default",
          `--initial-cluster=default=${PEER_URL}`,
          `--initial-advertise-peer-urls=${PEER_URL}`,
        );
        assert.ok(existsSync(join(dataDir, "member", "snap", "db")));
        await session(to, dataDir, "SIGTERM", async (restored) => {
          assert.deepEqual(await portrait(restored), before, `${from} to ${to}`);
          await write(restored, 1);
          const { kvs } = await restored.client.range("binary");
          assert.deepEqual([...(kvs[0]?.value ?? [])], [0, 255, 128]);
        });
      }
    },
  );
}
