/**
 * db files between etcd and our storage engine, both ways: we read what Debian's etcd wrote, and it
 * starts on what we wrote. Needs the programs `etcd` and `etcdctl` on the PATH.
 */

import assert from "node:assert/strict";
import { type ChildProcess, execFileSync, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { type BoltBackend, checkBolt, openBackend } from "../src/backend/index.ts";
import { KEY_BUCKET, META_BUCKET } from "../src/backend/types.ts";
import { SystemClock } from "../src/env/index.ts";
import { NullLogger } from "../src/env/testing/index.ts";
import { NodeDisk } from "../src/platform/index.ts";
import { freePort } from "../src/base/testing/free-ports.ts";
import { PATIENCE_MS } from "../src/base/testing/patience.ts";

const hasEtcd = ["etcd", "etcdctl"].every(
  (program) => spawnSync(program, ["version"]).error === undefined,
);
const skip = hasEtcd ? false : "etcd and etcdctl are not installed";

const deps = { disk: new NodeDisk(), clock: new SystemClock(), logger: new NullLogger() };
let directory = "";
let dbPath = "";

before(() => {
  directory = mkdtempSync(join(tmpdir(), "backend-conformance-"));
  dbPath = join(directory, "data", "member", "snap", "db");
});
after(() => {
  for (const process of running) process.kill("SIGKILL");
  rmSync(directory, { recursive: true, force: true });
});

/** Started and not yet stopped. */
const running = new Set<ChildProcess>();

/** A running etcd on the data directory. */
class RealEtcd {
  readonly #process: ChildProcess;
  readonly #endpoint: string;

  private constructor(process: ChildProcess, endpoint: string) {
    this.#process = process;
    this.#endpoint = endpoint;
  }

  static async start(): Promise<RealEtcd> {
    const [client, peer] = [await freePort(), await freePort()];
    const clientURL = `http://127.0.0.1:${client}`;
    const peerURL = `http://127.0.0.1:${peer}`;
    const process = spawn(
      "etcd",
      [
        ["--name", "real"],
        ["--data-dir", join(directory, "data")],
        ["--listen-client-urls", clientURL],
        ["--advertise-client-urls", clientURL],
        ["--listen-peer-urls", peerURL],
        ["--initial-advertise-peer-urls", peerURL],
        ["--initial-cluster", `real=${peerURL}`],
      ].flat(),
      { stdio: "ignore" },
    );
    running.add(process);
    const etcd = new RealEtcd(process, clientURL);
    await etcd.#ready();
    return etcd;
  }

  ctl(...parts: string[]): string {
    return execFileSync("etcdctl", ["--endpoints", this.#endpoint, ...parts], {
      env: { ...process.env, ETCDCTL_API: "3" },
      encoding: "utf8",
    });
  }

  hashKV(): string {
    const [status] = JSON.parse(this.ctl("endpoint", "hashkv", "-w", "json")) as {
      HashKV: { hash: number; compact_revision?: number };
    }[];
    return JSON.stringify(status?.HashKV.hash);
  }

  async stop(): Promise<void> {
    const exited = once(this.#process, "exit");
    this.#process.kill("SIGTERM");
    await exited;
    running.delete(this.#process);
  }

  async #ready(): Promise<void> {
    const deadline = Date.now() + PATIENCE_MS;
    for (;;) {
      const probe = spawnSync("etcdctl", ["--endpoints", this.#endpoint, "endpoint", "health"], {
        env: { ...process.env, ETCDCTL_API: "3" },
      });
      if (probe.status === 0) return;
      assert.ok(Date.now() < deadline && this.#process.exitCode === null, "etcd does not start");
    }
  }
}

async function assertSound(path: string): Promise<void> {
  const file = deps.disk.open(path);
  const report = await checkBolt(file);
  file.close();
  assert.deepEqual(report.errors, []);
  assert.deepEqual(report.warnings, []);
}

function countKeys(backend: BoltBackend): number {
  let count = 0;
  backend.scan(KEY_BUCKET, new Uint8Array(0), undefined, () => {
    count++;
    return true;
  });
  return count;
}

/** What `etcdctl snapshot status` says of a file. */
function snapshotStatus(path: string): { hash: number; revision: number; totalKey: number } {
  const text = execFileSync("etcdctl", ["snapshot", "status", path, "-w", "json"], {
    env: { ...process.env, ETCDCTL_API: "3" },
    encoding: "utf8",
  });
  return JSON.parse(text) as { hash: number; revision: number; totalKey: number };
}

test(
  "a db written by etcd is read, and etcd starts on it after we rewrote it",
  {
    skip,
  },
  async () => {
    const first = await RealEtcd.start();
    for (let at = 0; at < 150; at++) first.ctl("put", `key${at % 60}`, "v".repeat(at * 40));
    first.ctl("put", "large", "L".repeat(100_000));
    first.ctl("del", "key5");
    first.ctl("del", "key6", "key9");
    const lease = /lease ([0-9a-f]+) granted/.exec(first.ctl("lease", "grant", "3600"))?.[1] ?? "";
    first.ctl("put", "--lease", lease, "leased", "x");
    first.ctl("compaction", "100");
    for (let at = 0; at < 30; at++) first.ctl("put", `more${at}`, "w".repeat(2000));
    const hashBefore = first.hashKV();
    const values = first.ctl("get", "", "--prefix");
    await first.stop();

    await assertSound(dbPath);
    // Asked before we take the lock: etcdctl would wait for it.
    const status = snapshotStatus(dbPath);
    const backend = await openBackend(deps, dbPath, { mustExist: true });
    const names = ["alarm", "auth", "authRoles", "authUsers", "cluster", "key", "lease"];
    for (const name of [...names, "members", "members_removed", "meta"]) {
      assert.notEqual(backend.boltFile.bucket(backend.boltFile.state, name), undefined, name);
    }
    assert.equal(await backend.hash(() => false), status.hash);
    assert.equal(backend.get(META_BUCKET, Buffer.from("consistent_index"))?.length, 8);
    const keys = countKeys(backend);

    // Every page is written anew by us, then some in further transactions.
    await backend.defragment();
    await backend.commit();
    const index = backend.get(META_BUCKET, Buffer.from("consistent_index"));
    assert.ok(index !== undefined);
    backend.put(META_BUCKET, Buffer.from("consistent_index"), Buffer.from(index));
    await backend.commit();
    assert.equal(countKeys(backend), keys);
    const snapshotPath = join(directory, "snapshot.db");
    const snapshot = await backend.openSnapshot();
    const image: Uint8Array[] = [];
    for await (const chunk of snapshot.chunks(65_536)) image.push(chunk);
    snapshot.close();
    writeFileSync(snapshotPath, Buffer.concat(image));
    const hash = await backend.hash(() => false);
    await backend.close();
    await assertSound(dbPath);
    assert.equal(snapshotStatus(dbPath).hash, hash);
    assert.equal(snapshotStatus(snapshotPath).hash, hash);
    assert.equal(snapshotStatus(snapshotPath).totalKey, snapshotStatus(dbPath).totalKey);

    const second = await RealEtcd.start();
    assert.equal(second.hashKV(), hashBefore);
    assert.equal(second.ctl("get", "", "--prefix"), values);
    assert.match(second.ctl("lease", "list"), new RegExp(lease));
    second.ctl("put", "after", "restart");
    second.ctl("defrag");
    await second.stop();
    await assertSound(dbPath);
  },
);
