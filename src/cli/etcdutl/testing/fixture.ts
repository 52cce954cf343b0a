/** A disk in memory with a snapshot file on it, and the offline tool's view of that disk. */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { openBackend, writeConsistentIndex } from "../../../backend/index.ts";
import {
  ALARM_BUCKET,
  AUTH_BUCKET,
  type Backend,
  KEY_BUCKET,
  LEASE_BUCKET,
  MEMBERS_BUCKET,
  MEMBERS_REMOVED_BUCKET,
  META_BUCKET,
} from "../../../backend/types.ts";
import { Lease } from "../../../api/gen/lease.ts";
import { bytesFromUtf8 } from "../../../base/bytes.ts";
import type { Disk } from "../../../env/index.ts";
import { FixedHostNames } from "../../../env/testing/fixed-host-names.ts";
import { FaultDisk } from "../../../env/testing/fault-disk.ts";
import { type LogLine, MemoryLogger } from "../../../env/testing/memory-logger.ts";
import { VirtualClock } from "../../../env/testing/virtual-clock.ts";
import { Store } from "../../../mvcc/index.ts";
import type { UtilityDeps } from "../deps.ts";
import { type RestoreOptions, restoreSnapshot } from "../snapshot-restore.ts";

export const SNAPSHOT = "/s.db";
export const DATA_DIR = "/data";
const WAL_SEGMENT_BYTES = 64 * 1024;
export const LEASE_ID = 77n;

export const RESTORE: RestoreOptions = {
  snapshotPath: SNAPSHOT,
  name: "default",
  dataDirectory: DATA_DIR,
  walDirectory: "",
  peerURLs: "http://localhost:2380",
  initialCluster: "default=http://localhost:2380",
  initialClusterToken: "etcd-cluster",
  skipHashCheck: false,
  bumpRevision: 0,
  segmentBytes: WAL_SEGMENT_BYTES,
};

export interface Fixture {
  readonly disk: FaultDisk;
  readonly deps: UtilityDeps;
  readonly told: readonly string[];
  readonly log: readonly LogLine[];
}

export function depsOn(disk: Disk): Omit<Fixture, "disk"> {
  const told: string[] = [];
  const logger = new MemoryLogger();
  const clock = new VirtualClock();
  return {
    told,
    log: logger.lines,
    deps: {
      disk,
      clock,
      naming: { hostNames: new FixedHostNames({ b: "10.0.0.2", db1: "10.0.0.1" }), clock, logger },
      logger,
      progress: () => undefined,
      tell: (line) => told.push(line),
    },
  };
}

/** Revisions 2 to 60 with deletions, a lease, a compaction at 20, members of another cluster. */
export async function withSnapshot(disk: FaultDisk = new FaultDisk()): Promise<Fixture> {
  const fixture = { disk, ...depsOn(disk) };
  const buckets = [
    KEY_BUCKET,
    META_BUCKET,
    LEASE_BUCKET,
    ALARM_BUCKET,
    AUTH_BUCKET,
    MEMBERS_BUCKET,
    MEMBERS_REMOVED_BUCKET,
  ];
  const db = await openBackend(fixture.deps, "/source", { ensureBuckets: buckets });
  fill(db);
  const image = await imageOf(db);
  await db.close();
  disk.remove("/source");
  const digest = createHash("sha256").update(image).digest();
  writeFile(disk, SNAPSHOT, Buffer.concat([image, digest]));
  disk.syncAll();
  return fixture;
}

function fill(db: Backend): void {
  const attached = new Map<string, bigint>();
  const store = new Store({
    backend: db,
    leases: {
      exists: (id) => id === LEASE_ID,
      attach: (id, key) => attached.set(key, id),
      detach: (_id, key) => attached.delete(key),
      leaseOf: (key) => attached.get(key) ?? 0n,
    },
  });
  store.restore();
  const leaseKey = Buffer.alloc(8);
  leaseKey.writeBigInt64BE(LEASE_ID);
  db.put(LEASE_BUCKET, leaseKey, Lease.encode(Lease.create({ ID: LEASE_ID, TTL: 100 })));
  for (let revision = 2; revision <= 60; revision++) {
    store.beginWrite();
    if (revision % 7 === 0) store.deleteKey(`k${(revision - 1) % 10}`);
    else store.put(`k${revision % 10}`, bytesFromUtf8(`value ${revision}`), 0n);
    if (revision % 10 === 0) store.put("leased", bytesFromUtf8("x"), LEASE_ID);
    store.endWrite();
  }
  store.compact(20);
  while (store.compactionPending) store.runCompaction(1000);
  writeConsistentIndex(db, 99, 5);
  db.put(MEMBERS_BUCKET, bytesFromUtf8("abc"), bytesFromUtf8('{"id":2748,"peerURLs":[]}'));
  db.put(MEMBERS_REMOVED_BUCKET, bytesFromUtf8("abd"), bytesFromUtf8("removed"));
}

async function imageOf(db: Backend): Promise<Buffer> {
  const snapshot = await db.openSnapshot();
  const chunks: Uint8Array[] = [];
  for await (const chunk of snapshot.chunks(64 * 1024)) chunks.push(chunk);
  snapshot.close();
  return Buffer.concat(chunks);
}

/** As `withSnapshot`, with a restored data directory beside it. */
export async function withDataDirectory(): Promise<Fixture> {
  const fixture = await withSnapshot();
  await restoreSnapshot(fixture.deps, RESTORE);
  return fixture;
}

export function readFile(disk: Disk, path: string): Buffer {
  return Buffer.from(disk.readFile(path, 2 ** 30));
}

/** Replaces a file's content. */
export function writeFile(disk: Disk, path: string, content: Uint8Array): void {
  const file = disk.open(path, { create: true, truncate: true });
  file.writeSync(content, 0);
  file.close();
}

/** Every file below, with its size. */
export function listFiles(disk: Disk, directory: string): string[] {
  return disk.readDirectory(directory).flatMap((name) => {
    const path = disk.join(directory, name);
    const info = disk.stat(path);
    return info?.isDirectory === true ? [`${path}/`, ...listFiles(disk, path)] : [path];
  });
}

/** The only file of a directory whose name ends so. */
export function onlyFile(disk: Disk, directory: string, suffix: string): string {
  const names = disk.readDirectory(directory).filter((name) => name.endsWith(suffix));
  assert.equal(names.length, 1, `${directory} has ${names.join(", ")}`);
  return disk.join(directory, names[0] ?? "");
}
