import assert from "node:assert/strict";
import * as fs from "node:fs";
import * as path from "node:path";
import { after, test } from "node:test";
import { Metadata, Request } from "../src/api/gen/etcdserver.ts";
import { type Entry, EntryType } from "../src/api/gen/raft.ts";
import { InternalRaftRequest } from "../src/api/gen/raft-internal.ts";
import { MemoryLogger } from "../src/env/testing/memory-logger.ts";
import { NodeDisk } from "../src/platform/node-disk.ts";
import { SnapshotFiles } from "../src/snap/index.ts";
import { readLog, validSnapshotEntries, Wal } from "../src/wal/index.ts";
import { base64, missingEtcd, RealEtcd, temporaryDirectory } from "./wal-real-etcd.ts";

const ZERO = { index: 0, term: 0 };
const disk = new NodeDisk();
const logger = new MemoryLogger();
const root = temporaryDirectory();
after(() => fs.rmSync(root, { recursive: true, force: true }));

const SMALL_SNAPSHOTS = ["--snapshot-count=40"];

/** The keys of all puts in the log, in order. */
function putKeys(entries: readonly Entry[]): string[] {
  const keys: string[] = [];
  for (const entry of entries) {
    if (entry.type !== EntryType.EntryNormal || entry.data.length === 0) continue;
    const put = decodeRequest(entry.data)?.put;
    if (put !== undefined) keys.push(Buffer.from(put.key).toString());
  }
  return keys;
}

/** Undefined for a request of the v2 store, with which etcd publishes a member's attributes. */
function decodeRequest(data: Uint8Array): InternalRaftRequest | undefined {
  try {
    return InternalRaftRequest.decode(data);
  } catch {
    assert.match(Request.decode(data).Path, /^\/0\//);
    return undefined;
  }
}

/** Writes of all kinds by a real etcd; returns the keys in order. */
async function writeHistory(etcd: RealEtcd, puts: number): Promise<string[]> {
  const keys: string[] = [];
  const lease = (await etcd.call("/v3/lease/grant", { TTL: "3600" })) as { ID: string };
  for (let i = 0; i < puts; i++) {
    keys.push(`key-${i}`);
    await etcd.put(`key-${i}`, `value ${i}`, i % 5 === 0 ? lease.ID : undefined);
  }
  await etcd.call("/v3/kv/compaction", { revision: `${Math.floor(puts / 2)}` });
  await etcd.call("/v3/kv/deleterange", { key: base64("key-3") });
  return keys;
}

for (const signal of ["SIGTERM", "SIGKILL"] as const) {
  test(
    `a log and snapshots of real etcd, ended by ${signal}, are read`,
    {
      skip: missingEtcd,
    },
    async () => {
      const data = path.join(root, `read-${signal}`);
      const etcd = await RealEtcd.start(data, SMALL_SNAPSHOTS);
      const keys = await writeHistory(etcd, 150);
      await etcd.stop(signal);

      const walDirectory = path.join(data, "member", "wal");
      const { metadata, hardState, entries } = readLog({ disk, logger }, walDirectory, ZERO);
      assert.deepEqual(putKeys(entries), keys);
      assert.notEqual(Metadata.decode(metadata).NodeID, 0n);
      assert.deepEqual(
        entries.map((entry) => entry.index),
        entries.map((_, i) => i + 1),
      );
      assert.ok(hardState.commit >= entries.length - 1 && hardState.term >= 2);

      const points = validSnapshotEntries({ disk, logger }, walDirectory);
      assert.ok(points.length >= 3, `${points.length} snapshots`);
      const files = new SnapshotFiles({ disk, logger }, path.join(data, "member", "snap"));
      const snapshot = files.loadNewest(points);
      assert.ok(snapshot !== undefined);
      assert.equal(snapshot.metadata.index, points.at(-1)?.index);
      assert.match(Buffer.from(snapshot.data).toString(), /^\{"Root":/);

      const wal = Wal.open({ disk, logger }, walDirectory, snapshot.metadata);
      const rest = wal.readAll().entries;
      assert.equal(rest[0]?.index, snapshot.metadata.index + 1);
      assert.equal(rest.at(-1)?.index, entries.length);
      await wal.close();
    },
  );
}

test("a log of real etcd with several segments is read", { skip: missingEtcd }, async () => {
  const data = path.join(root, "segments");
  const etcd = await RealEtcd.start(data);
  const value = Buffer.alloc(1_400_000, "v");
  for (let i = 0; i < 50; i++) await etcd.put(`big-${i}`, value);
  await etcd.stop();
  const walDirectory = path.join(data, "member", "wal");
  assert.ok(fs.readdirSync(walDirectory).filter((name) => name.endsWith(".wal")).length >= 2);
  const wal = Wal.open({ disk, logger }, walDirectory, ZERO);
  const keys = putKeys(wal.readAll().entries);
  await wal.close();
  assert.deepEqual(
    keys,
    Array.from({ length: 50 }, (_, i) => `big-${i}`),
  );
});

test(
  "real etcd starts on a log that we wrote, goes on, and we read it again",
  {
    skip: missingEtcd,
  },
  async () => {
    const data = path.join(root, "written");
    const first = await RealEtcd.start(data, SMALL_SNAPSHOTS);
    const keys = await writeHistory(first, 120);
    await first.stop();

    const walDirectory = path.join(data, "member", "wal");
    await rewrite(walDirectory);
    assert.ok(fs.readdirSync(walDirectory).length >= 3, "several segments");

    const second = await RealEtcd.start(data, SMALL_SNAPSHOTS);
    assert.equal(await second.get("key-119"), "value 119");
    assert.equal(await second.get("key-3"), undefined);
    for (let i = 0; i < 60; i++) {
      keys.push(`later-${i}`);
      await second.put(`later-${i}`, "x");
    }
    await second.stop("SIGKILL");

    const last = readLog({ disk, logger }, walDirectory, ZERO);
    assert.deepEqual(putKeys(last.entries), keys);

    // Ours goes on where etcd stopped, in the middle of a segment that etcd wrote.
    const wal = Wal.open({ disk, logger }, walDirectory, ZERO);
    const { hardState, entries } = wal.readAll();
    const index = entries.length + 1;
    const entry = { type: 0, term: hardState.term, index, data: new Uint8Array(0) };
    await wal.save({ ...hardState, commit: index }, [entry]);
    await wal.close();
    const third = await RealEtcd.start(data, SMALL_SNAPSHOTS);
    assert.equal(await third.get("later-59"), "x");
    await third.stop();
    assert.equal(readLog({ disk, logger }, walDirectory, ZERO).entries[index - 1]?.data.length, 0);
  },
);

/** Replaces a log by one with the same content, written by us in many batches and segments. */
async function rewrite(walDirectory: string): Promise<void> {
  const { metadata, hardState, entries } = readLog({ disk, logger }, walDirectory, ZERO);
  const points = validSnapshotEntries({ disk, logger }, walDirectory);
  fs.rmSync(walDirectory, { recursive: true });
  const wal = Wal.create({ disk, logger }, walDirectory, metadata, { segmentBytes: 4000 });
  for (const entry of entries) {
    const commit = Math.min(entry.index, hardState.commit);
    await wal.save({ term: entry.term, vote: hardState.vote, commit }, [entry]);
    const point = points.find((candidate) => candidate.index === entry.index);
    if (point === undefined) continue;
    // etcd 3.4 records no ConfState; later versions must.
    const confState = point.confState ?? {
      voters: [hardState.vote],
      learners: [],
      votersOutgoing: [],
      learnersNext: [],
      autoLeave: false,
    };
    await wal.saveSnapshot({ ...point, confState });
  }
  await wal.save(hardState, []);
  await wal.close();
}
