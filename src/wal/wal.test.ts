import assert from "node:assert/strict";
import { test } from "node:test";
import type { Entry } from "../api/gen/raft.ts";
import { CRASH_DROPS_ALL } from "../env/testing/fault-disk.ts";
import { MemoryLogger } from "../env/testing/memory-logger.ts";
import { SeededRandom } from "../env/testing/seeded-random.ts";
import { WalCorruptError, type WalError } from "./errors.ts";
import { walExists } from "./open-log.ts";
import { purgeFiles } from "./purge.ts";
import {
  hasSegmentsBefore,
  validSnapshotEntries,
  verifyLog,
  verifySegmentsBefore,
} from "./read-log.ts";
import { Wal } from "./wal.ts";
import {
  create,
  DIRECTORY,
  emptyDisk,
  entries,
  entry,
  METADATA,
  open,
  read,
  snapshotRecord,
  state,
  texts,
  ZERO,
} from "./testing/wal-fixture.ts";

test("a new log begins with the bytes that etcd writes", async () => {
  const disk = emptyDisk();
  const wal = Wal.create(
    { disk, logger: new MemoryLogger() },
    DIRECTORY,
    Buffer.from("08959cdfda8ce8eea90d10e0a2b3c6d4f8a9c719", "hex").subarray(0, 4),
  );
  await wal.close();
  const file = disk.fileContent(`${DIRECTORY}/0000000000000000-0000000000000000.wal`);
  assert.equal(file.length, 64_000_000);
  const head = Buffer.from(file.subarray(0, 64)).toString("hex");
  // Frame of 4 bytes and 4 of padding, crc record; frame and metadata record.
  assert.ok(head.startsWith("0400000000000084080410000000000008".slice(0, 32)), head);
  assert.equal(head.slice(32, 48), "0e00000000000082");
  assert.equal(head.slice(48, 54), "080110");
  assert.equal(disk.stat(DIRECTORY)?.mode, 0o700);
  assert.equal(disk.stat(`${DIRECTORY}/0000000000000000-0000000000000000.wal`)?.mode, 0o600);
  assert.equal(disk.stat(`${DIRECTORY}.tmp`), undefined);
});

test("what was saved is read back, overwritten entries left out", async () => {
  const disk = emptyDisk();
  const wal = create(disk);
  await wal.save(state(1, 5n, 2), entries(1, 4));
  await wal.save(undefined, [entry(3, 2, "new"), entry(4, 2, "")]);
  await wal.save(state(2, 0xfedcba9876543210n, 4), []);
  await wal.close();
  const reopened = open(disk);
  const { metadata, hardState, entries: got } = reopened.readAll();
  assert.deepEqual(Buffer.from(metadata), METADATA);
  assert.deepEqual(hardState, state(2, 0xfedcba9876543210n, 4));
  assert.deepEqual(texts(got).slice(2), ["3/2:new", "4/2:"]);
  assert.equal(got.length, 4);
  assert.equal(reopened.lastIndex, 4);
  assert.equal(reopened.repaired, false);
  await reopened.save(undefined, entries(5, 1, 2));
  await reopened.close();
  assert.deepEqual(texts(read(disk).entries).at(-1), "5/2:5:abcdefghijabcdefgh");
});

test("an overwrite drops everything behind it", async () => {
  const disk = emptyDisk();
  const wal = create(disk);
  await wal.save(undefined, entries(1, 10));
  await wal.save(undefined, entries(5, 1, 2));
  await wal.close();
  assert.deepEqual(
    read(disk).entries.map((e) => `${e.index}/${e.term}`),
    ["1/1", "2/1", "3/1", "4/1", "5/2"],
  );
});

test("reading behind a snapshot leaves out what it covers", async () => {
  const disk = emptyDisk();
  const wal = create(disk);
  await wal.save(state(1, 1n, 5), entries(1, 5));
  await wal.saveSnapshot(snapshotRecord(3, 1));
  await wal.save(state(1, 1n, 7), entries(6, 2));
  await wal.close();
  assert.deepEqual(
    read(disk, { index: 3, term: 1 }).entries.map((e) => e.index),
    [4, 5, 6, 7],
  );
  assert.throws(() => read(disk, { index: 3, term: 2 }), /wal: snapshot mismatch/);
  assert.throws(() => read(disk, { index: 4, term: 1 }), /wal: snapshot not found/);
  const deps = { disk, logger: new MemoryLogger() };
  assert.deepEqual(verifyLog(deps, DIRECTORY, { index: 3, term: 1 }), state(1, 1n, 7));
});

test("only snapshots up to the commit index are valid to start from", async () => {
  const disk = emptyDisk();
  const wal = create(disk);
  await wal.save(state(1, 1n, 5), entries(1, 5));
  await wal.saveSnapshot(snapshotRecord(3, 1));
  await wal.saveSnapshot(snapshotRecord(9, 1));
  await wal.close();
  const points = validSnapshotEntries({ disk, logger: new MemoryLogger() }, DIRECTORY);
  assert.deepEqual(
    points.map((s) => s.index),
    [0, 3],
  );
});

test("a snapshot of what this log has is valid, though the hard state was not told of its commit", async () => {
  const disk = emptyDisk();
  const wal = create(disk);
  await wal.save(state(1, 1n, 2), entries(1, 5));
  await wal.saveSnapshot(snapshotRecord(4, 1));
  // One that waited.
  await wal.save(state(2, 1n, 3), []);
  await wal.close();
  const points = validSnapshotEntries({ disk, logger: new MemoryLogger() }, DIRECTORY);
  assert.deepEqual(
    points.map((s) => s.index),
    [0, 4],
  );
  assert.deepEqual(read(disk).hardState, state(2, 1n, 4));
});

test("a snapshot beyond index 0 needs its ConfState", async () => {
  const wal = create(emptyDisk());
  assert.throws(
    () => wal.saveSnapshot({ index: 4, term: 1, confState: undefined }),
    /^Error: Saved \(not-initial\) snapshot is missing ConfState/,
  );
  await wal.close();
});

test("segments are cut at the size limit, chained, and read from any snapshot", async () => {
  const disk = emptyDisk();
  const logger = new MemoryLogger();
  const wal = create(disk, {}, logger);
  for (let i = 1; i <= 100; i++) {
    await wal.save(state(1, 1n, i - 1), entries(i, 1, 1, 200));
    if (i === 60) await wal.saveSnapshot(snapshotRecord(55, 1));
  }
  assert.ok(wal.segmentNames.length > 4);
  assert.match(wal.segmentNames[1] ?? "", /^0000000000000001-00000000000000[0-9a-f]{2}\.wal$/);
  assert.equal(logger.messages("info").at(-1), "created a new WAL segment");
  for (const name of wal.segmentNames.slice(0, -1)) {
    const size = disk.stat(`${DIRECTORY}/${name}`)?.size ?? 0;
    assert.ok(size >= 4096 && size < 5000, `a closed segment is cut to its content: ${size}`);
  }
  await wal.close();
  assert.equal(read(disk).entries.length, 100);
  assert.deepEqual(read(disk, { index: 55, term: 1 }).entries[0]?.index, 56);
  assert.deepEqual(
    disk.readDirectory(DIRECTORY).filter((name) => name.endsWith(".tmp")),
    [],
    "no temporary file stays",
  );
});

test("segments before the ones that a start reads are checked for every flipped byte", async () => {
  const disk = emptyDisk();
  const deps = { disk, logger: new MemoryLogger() };
  const wal = create(disk);
  for (let i = 1; i <= 60; i++) {
    await wal.save(state(1, 1n, i - 1), entries(i, 1, 1, 200));
    if (i === 50) await wal.saveSnapshot(snapshotRecord(49, 1));
  }
  const names = wal.segmentNames;
  await wal.close();
  assert.deepEqual(
    validSnapshotEntries(deps, DIRECTORY, 49).map((point) => point.index),
    [49],
  );
  verifySegmentsBefore(deps, DIRECTORY, 49);
  const unread = names.filter((name) => Number.parseInt(name.slice(17, 33), 16) <= 49).slice(0, -1);
  assert.ok(unread.length >= 2);
  assert.equal(hasSegmentsBefore(disk, DIRECTORY, 49), true);
  assert.equal(hasSegmentsBefore(disk, DIRECTORY, 1), false);
  for (const name of unread) {
    const path = `${DIRECTORY}/${name}`;
    const file = disk.open(path, { write: true });
    const byte = new Uint8Array(1);
    for (let at = 0; at < file.size(); at += 13) {
      file.readSync(byte, at);
      file.writeSync(Uint8Array.of((byte[0] as number) ^ 0x10), at);
      assert.throws(
        () => verifySegmentsBefore(deps, DIRECTORY, 49),
        (error) => error instanceof WalCorruptError && error.file.startsWith(DIRECTORY),
        `byte ${at} of ${name}`,
      );
      file.writeSync(byte, at);
    }
    file.close();
  }
  verifySegmentsBefore(deps, DIRECTORY, 49);
});

test("released segments can be purged, held ones not", async () => {
  const disk = emptyDisk();
  const wal = create(disk);
  for (let i = 1; i <= 100; i++) await wal.save(state(1, 1n, i - 1), entries(i, 1, 1, 200));
  await wal.saveSnapshot(snapshotRecord(90, 1));
  const all = wal.segmentNames;
  const logger = new MemoryLogger();
  const rule = { directory: DIRECTORY, suffix: ".wal", keep: 2, lock: true };
  assert.deepEqual(purgeFiles({ disk, logger }, rule), []);
  assert.deepEqual(logger.messages("warn"), ["failed to lock file"]);
  wal.releaseLockTo(90);
  const kept = wal.segmentNames;
  assert.ok(kept.length < all.length && kept.length >= 1);
  const purged = purgeFiles({ disk, logger }, rule);
  assert.deepEqual(purged, all.slice(0, purged.length));
  assert.ok(purged.length >= all.length - kept.length - 2);
  await wal.close();
  assert.deepEqual(read(disk, { index: 90, term: 1 }).entries.at(0)?.index, 91);
  assert.throws(() => read(disk), { code: "not-found" });
});

test("files without locks are purged by name, the newest kept, others untouched", () => {
  const disk = emptyDisk();
  const names = ["01-10.snap", "01-20.snap", "02-05.snap", "20.snap.db", "db"];
  for (const name of names) disk.open(`/data/member/${name}`, { create: true }).close();
  const rule = { directory: "/data/member", suffix: ".snap", keep: 2, lock: false };
  const deps = { disk, logger: new MemoryLogger() };
  assert.deepEqual(purgeFiles(deps, rule), ["01-10.snap"]);
  assert.deepEqual(purgeFiles(deps, rule), []);
  assert.deepEqual(disk.readDirectory("/data/member"), names.slice(1));
});

test("releasing locks keeps the segment that may hold the entry before", async () => {
  const disk = emptyDisk();
  const wal = create(disk);
  for (let cut = 1; cut <= 5; cut++) {
    await wal.save(state(1, 1n, cut), entries(cut, 1));
    await wal.cut();
  }
  const indexes = () => wal.segmentNames.map((name) => Number.parseInt(name.slice(17, 33), 16));
  assert.deepEqual(indexes(), [0, 2, 3, 4, 5, 6]);
  wal.releaseLockTo(2);
  assert.deepEqual(indexes(), [0, 2, 3, 4, 5, 6]);
  wal.releaseLockTo(4);
  assert.deepEqual(indexes(), [3, 4, 5, 6]);
  wal.releaseLockTo(100);
  assert.deepEqual(indexes(), [6]);
  await wal.close();
});

test("a missing segment in between is refused", async () => {
  const disk = emptyDisk();
  const wal = create(disk);
  for (let cut = 1; cut <= 3; cut++) {
    await wal.save(state(1, 1n, cut), entries(cut, 1));
    await wal.cut();
  }
  const names = wal.segmentNames;
  await wal.close();
  disk.remove(`${DIRECTORY}/${names[1]}`);
  assert.throws(() => open(disk), /do not increase continuously/);
});

test("old segments that a loss of power brings back in part do not matter", async () => {
  const disk = emptyDisk();
  const deps = { disk, logger: new MemoryLogger() };
  const wal = create(disk);
  for (let cut = 1; cut <= 5; cut++) {
    await wal.save(state(1, 1n, cut), entries(cut, 1));
    if (cut === 4) await wal.saveSnapshot(snapshotRecord(4, 1));
    await wal.cut();
  }
  const names = wal.segmentNames;
  await wal.close();
  disk.remove(`${DIRECTORY}/${names[1]}`);
  assert.deepEqual(
    validSnapshotEntries(deps, DIRECTORY).map((point) => point.index),
    [4],
  );
  verifySegmentsBefore(deps, DIRECTORY, 4);
  const again = open(disk, { index: 4, term: 1 });
  assert.equal(again.readAll().entries.length, 1);
  await again.close();
});

test("a second opener is refused while the log is open", async () => {
  const disk = emptyDisk();
  const wal = create(disk);
  assert.throws(() => open(disk), { code: "locked", message: /^fileutil: file already locked/ });
  await wal.close();
  await open(disk).close();
});

test("creating where a log is, or opening where none is, is refused", async () => {
  const disk = emptyDisk();
  assert.equal(walExists(disk, DIRECTORY), false);
  assert.throws(() => open(disk), { code: "ENOENT" });
  disk.makeDirectories(DIRECTORY, 0o700);
  assert.throws(() => open(disk), { code: "not-found", message: "wal: file not found" });
  await create(disk).close();
  assert.equal(walExists(disk, DIRECTORY), true);
  assert.throws(() => create(disk), { code: "exists" });
});

test("saves made while a sync is in flight share one write and one sync", async () => {
  const disk = emptyDisk();
  const wal = create(disk, { segmentBytes: 1_000_000 });
  disk.hold = true;
  const settled: number[] = [];
  const save = (index: number): Promise<unknown> =>
    wal.save(undefined, entries(index, 1)).then(() => settled.push(index));
  const first = save(1);
  await Promise.resolve();
  const before = { writes: disk.count("write"), syncs: disk.count("datasync") };
  const rest = [2, 3, 4, 5].map(save);
  await tick();
  assert.deepEqual(settled, [], "nothing resolves before its sync");
  assert.equal(disk.heldOperations, 1);
  assert.equal(disk.count("write"), before.writes, "the next batch waits for the one in flight");
  disk.release(1);
  await first;
  await tick();
  assert.deepEqual(settled, [1]);
  disk.release(1);
  await Promise.all(rest);
  assert.deepEqual(settled, [1, 2, 3, 4, 5]);
  assert.equal(disk.count("write") - before.writes, 1);
  assert.equal(disk.count("datasync") - before.syncs, 2);
  disk.hold = false;
  await wal.close();
});

test("a save of nothing waits for the saves before it", async () => {
  // A follower's acknowledgement of entries that it has already, but not yet on disk, comes this way.
  const disk = emptyDisk();
  const wal = create(disk);
  await wal.save(undefined, []);
  disk.hold = true;
  const settled: string[] = [];
  const save = (name: string, list: readonly Entry[]): Promise<unknown> =>
    wal.save(undefined, list).then(() => settled.push(name));
  const saves = [save("first", entries(1, 1))];
  await tick();
  saves.push(save("behind the first", []), save("second", entries(2, 1)));
  saves.push(save("behind the second", []));
  await tick();
  assert.deepEqual(settled, []);
  disk.release(1);
  await tick();
  assert.deepEqual(settled, ["first", "behind the first"]);
  disk.release(1);
  await Promise.all(saves);
  assert.deepEqual(settled.slice(2), ["second", "behind the second"]);
  disk.hold = false;
  await wal.close();
});

test("an advance of the commit index alone is written without a sync", async () => {
  const disk = emptyDisk();
  const wal = create(disk);
  await wal.save(state(1, 1n, 0), entries(1, 1));
  const syncs = disk.count("datasync");
  await wal.save(state(1, 1n, 1), []);
  assert.equal(disk.count("datasync"), syncs);
  assert.equal(read(disk).hardState.commit, 1, "another process would see it");
  await wal.save(state(1, 2n, 1), []);
  assert.equal(disk.count("datasync"), syncs + 1, "a vote is synced");
  await wal.save(undefined, []);
  assert.equal(disk.count("datasync"), syncs + 1);
  await wal.sync();
  await wal.close();
});

test("what was resolved survives a loss of power; what was not may be gone", async () => {
  const disk = emptyDisk();
  const wal = create(disk);
  await wal.save(state(1, 1n, 1), entries(1, 3));
  await wal.save(state(1, 1n, 3), []);
  const after = disk.crash(new SeededRandom(1), CRASH_DROPS_ALL);
  const reopened = open(after);
  const { entries: got, hardState } = reopened.readAll();
  assert.equal(got.length, 3);
  assert.equal(hardState.commit, 1);
  await reopened.close();
});

test("a full disk rejects, keeps nothing of it, and the log goes on when space is back", async () => {
  const disk = emptyDisk();
  const wal = create(disk, { segmentBytes: 1000 });
  let fatal = 0;
  wal.onFatal = () => fatal++;
  await wal.save(state(1, 1n, 0), entries(1, 3));
  disk.capacityBytes = disk.usedBytes;
  const big = entries(4, 10, 1, 300);
  const failures = [wal.save(state(1, 1n, 3), big), wal.save(undefined, entries(14, 1))];
  for (const failure of failures) await assert.rejects(failure, { code: "no-space" });
  assert.equal(wal.lastIndex, 3);
  await assert.rejects(wal.save(undefined, big), { code: "no-space", message: /no space left/ });
  assert.deepEqual(
    read(disk).entries.map((e) => e.index),
    [1, 2, 3],
  );
  assert.equal(read(disk).hardState.commit, 0, "the failed state is not kept either");
  disk.capacityBytes = 1_000_000;
  await wal.save(state(1, 1n, 3), entries(4, 2, 2, 30));
  await wal.save(undefined, entries(6, 20, 2, 100));
  await wal.close();
  const reopened = open(disk, ZERO, { segmentBytes: 1000 });
  assert.deepEqual(texts(reopened.readAll().entries).slice(2, 4), [
    "3/1:3:abcdefghijabcdefgh",
    "4/2:4:abcdefghijabcdefghijabcdefgh",
  ]);
  await reopened.close();
  assert.equal(fatal, 0);
});

test("a cut without space for the next segment is tried again with the next save", async () => {
  const disk = emptyDisk();
  const wal = create(disk, { segmentBytes: 2000 });
  await wal.save(state(1, 1n, 0), entries(1, 1, 1, 1000));
  disk.capacityBytes = disk.usedBytes - 2000 + 1500;
  await wal.save(undefined, entries(2, 1, 1, 1000)).catch((error: unknown) => {
    assert.equal((error as WalError).code, "no-space");
  });
  disk.capacityBytes = Number.POSITIVE_INFINITY;
  const next = wal.lastIndex + 1;
  await wal.save(undefined, entries(next, 4, 1, 1000));
  await wal.save(undefined, entries(next + 4, 1, 1, 10));
  await wal.close();
  assert.equal(read(disk).entries.length, next + 4);
});

test("a batch that fails behind the head of its new segment leaves the chain intact", async () => {
  const disk = emptyDisk();
  const wal = create(disk, { segmentBytes: 1000 });
  await wal.save(state(1, 1n, 0), entries(1, 1));
  disk.failWhen({ operation: "truncate", code: "ENOSPC" });
  await wal.save(undefined, entries(2, 1, 1, 1000));
  await new Promise((resolve) => setImmediate(resolve));
  assert.equal(wal.segmentNames.length, 1, "the cut has failed");
  disk.failWhen({ operation: "write", skip: 1, code: "ENOSPC", keepBytes: 100 });
  await assert.rejects(wal.save(undefined, entries(3, 3, 1, 200)), { code: "no-space" });
  assert.equal(wal.segmentNames.length, 2, "the cut has not");
  await wal.save(undefined, entries(3, 2, 2, 100));
  await wal.close();
  assert.deepEqual(
    read(disk).entries.map((e) => `${e.index}/${e.term}`),
    ["1/1", "2/1", "3/2", "4/2"],
  );
});

test("saves repeated through a full disk arrive once and in order, whatever failed", async () => {
  for (let seed = 1; seed <= 150; seed++) {
    const random = new SeededRandom(seed);
    const disk = emptyDisk();
    const wal = create(disk, { segmentBytes: 1500 });
    const model: string[] = [];
    const hard = state(1, 1n, 0);
    try {
      for (let step = 0; step < 25; step++) {
        if (random.chance(0.5)) {
          const operation = random.pick(["write", "create", "preallocate", "rename", "truncate"]);
          disk.failWhen({
            operation: operation as "write",
            code: random.pick(["ENOSPC", "EDQUOT"]),
            keepBytes: random.below(400),
            skip: random.below(2),
          });
        }
        const list = entries(model.length + 1, random.between(1, 4), 1, random.below(400));
        let tries = 0;
        for (;;) {
          const done = await wal.save(hard, list).then(
            () => true,
            (error: WalError) => {
              assert.equal(error.code, "no-space");
              return false;
            },
          );
          if (done) break;
          assert.equal(wal.lastIndex, model.length);
          assert.ok(++tries < 10, "no end of failures");
        }
        model.push(...texts(list));
      }
      const after = disk.crash(new SeededRandom(seed), CRASH_DROPS_ALL);
      assert.deepEqual(texts(read(after).entries), model);
      assert.equal(wal.lastIndex, model.length);
    } catch (error) {
      throw new Error(`seed ${seed}`, { cause: error });
    }
  }
});

for (const code of ["EIO", "ENOSPC"]) {
  test(`${code} from a sync ends the log for good`, async () => {
    const disk = emptyDisk();
    const wal = create(disk);
    const fatal: WalError[] = [];
    wal.onFatal = (error) => fatal.push(error);
    await wal.save(state(1, 1n, 0), entries(1, 1));
    disk.failWhen({ operation: "datasync", code });
    const lost = [wal.save(undefined, entries(2, 1)), wal.save(undefined, entries(3, 1))];
    for (const save of lost) await assert.rejects(save, { code: "failed" });
    await assert.rejects(wal.save(undefined, entries(4, 1)), { code: "failed" });
    await assert.rejects(wal.saveSnapshot(snapshotRecord(1, 1)), { code: "failed" });
    await assert.rejects(wal.sync(), { code: "failed" });
    assert.equal(fatal.length, 1);
    await wal.close();
  });
}

test("an error of a write other than a full disk ends the log for good", async () => {
  const disk = emptyDisk();
  const wal = create(disk);
  let fatal = 0;
  wal.onFatal = () => fatal++;
  disk.failWhen({ operation: "write", code: "EIO" });
  await assert.rejects(wal.save(undefined, entries(1, 1)), { code: "failed" });
  assert.equal(fatal, 1);
  await wal.close();
});

test("closing writes what was saved, then refuses", async () => {
  const disk = emptyDisk();
  const wal = create(disk);
  const saved = wal.save(state(1, 1n, 0), entries(1, 2));
  await wal.close();
  await saved;
  await wal.close();
  await assert.rejects(wal.save(undefined, entries(3, 1)), { code: "closed" });
  const after = disk.crash(new SeededRandom(1), CRASH_DROPS_ALL);
  assert.equal(read(after).entries.length, 2);
});

test("a batch larger than a segment is one segment", async () => {
  const disk = emptyDisk();
  const wal = create(disk);
  await wal.save(state(1, 1n, 0), entries(1, 50, 1, 1000));
  await wal.save(undefined, [entry(51, 1, new Uint8Array(300_000).fill(7))]);
  await wal.save(undefined, entries(52, 1));
  await wal.close();
  assert.equal(read(disk).entries.length, 52);
  assert.equal(read(disk).entries[50]?.data.length, 300_000);
});

test("a batch larger than a segment that begins one is followed by the next number", async () => {
  const disk = emptyDisk();
  const wal = create(disk);
  disk.hold = true;
  const fills = wal.save(undefined, entries(1, 5, 1, 1000));
  await tick();
  const begins = wal.save(undefined, entries(6, 5, 1, 1000));
  disk.release(1);
  await fills;
  await tick();
  // The segment of the batch before is not in place yet.
  const follows = wal.save(undefined, entries(11, 1));
  disk.hold = false;
  disk.release();
  await Promise.all([begins, follows]);
  const sequences = wal.segmentNames.map((name) => Number.parseInt(name.slice(0, 16), 16));
  assert.deepEqual(sequences, [...sequences.keys()]);
  await wal.close();
  assert.equal(read(disk).entries.length, 11);
});

test("batches written around the cache of files leave the same bytes", async () => {
  const logs = [Number.POSITIVE_INFINITY, 700, 0].map(async (directBytes) => {
    const disk = emptyDisk();
    const wal = create(disk, { segmentBytes: 40_000, directBytes });
    const random = new SeededRandom(7);
    for (let index = 1; index < 120; index++) {
      await wal.save(state(1, 1n, index - 1), entries(index, 1, 1, random.below(3000)));
    }
    await wal.close();
    const files = disk.readDirectory(DIRECTORY).map((name) => {
      const content = Buffer.from(disk.fileContent(`${DIRECTORY}/${name}`));
      // Zeros at the end are a matter of where the last block ended.
      return content.subarray(0, content.findLastIndex((byte) => byte !== 0) + 1);
    });
    return { files, directWrites: disk.directWrites };
  });
  const [cached, often, always] = await Promise.all(logs);
  // Joined: a difference of long buffers would take minutes to print.
  const joined = (log: typeof cached): Buffer => Buffer.concat(log?.files ?? []);
  assert.ok(joined(often).equals(joined(cached)), "often");
  assert.ok(joined(always).equals(joined(cached)), "always");
  assert.equal(cached?.directWrites, 0);
  assert.ok((often?.directWrites ?? 0) > 60, `${often?.directWrites}`);
  assert.ok((always?.directWrites ?? 0) > 110, `${always?.directWrites}`);
});

test("a batch behind one that found no space is written as it should be", async () => {
  const disk = emptyDisk();
  const wal = create(disk, { segmentBytes: 40_000, directBytes: 0 });
  for (let index = 1; index < 40; index++) {
    const list = entries(index, 1, 1, 700);
    const size = index % 3;
    const end = disk.failWhen({
      operation: "write",
      code: "ENOSPC",
      keepBytes: size * 3000,
    });
    await assert.rejects(wal.save(undefined, list), { code: "no-space" });
    end();
    await wal.save(undefined, list);
  }
  await wal.close();
  assert.deepEqual(texts(read(disk).entries), texts(entries(1, 39, 1, 700)));
  assert.ok(disk.directWrites > 0);
});

test("random saves, cuts, snapshots and reopenings read back as a plain array would", async () => {
  for (let seed = 1; seed <= 40; seed++) {
    const random = new SeededRandom(seed);
    const disk = emptyDisk();
    const options = { directBytes: random.below(2) * 400 };
    let wal = create(disk, options);
    let model: string[] = [];
    let hard = state(1, 1n, 0);
    try {
      for (let step = 0; step < 60; step++) {
        const action = random.below(10);
        if (action < 6) {
          const first = Math.max(hard.commit, model.length - random.below(4)) + 1;
          const term = hard.term + random.below(2);
          const list = entries(first, 1 + random.below(5), term, random.below(400));
          hard = state(term, BigInt(random.below(3)), random.between(hard.commit, first - 1));
          model = [...model.slice(0, first - 1), ...texts(list)];
          void wal.save(hard, list);
        } else if (action === 6) {
          await wal.sync();
        } else if (action === 7) {
          if (hard.commit > 0) await wal.saveSnapshot(snapshotRecord(hard.commit, hard.term));
        } else if (action === 8) {
          await wal.cut();
        } else {
          await wal.close();
          wal = open(disk, ZERO, options);
          const got = wal.readAll();
          assert.deepEqual(texts(got.entries), model);
          if (model.length > 0) assert.deepEqual(got.hardState, hard);
        }
      }
      await wal.close();
      assert.deepEqual(texts(read(disk).entries), model);
    } catch (error) {
      throw new Error(`seed ${seed}`, { cause: error });
    }
  }
});

function tick(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
