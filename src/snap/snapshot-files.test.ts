import assert from "node:assert/strict";
import { test } from "node:test";
import { Snapshot } from "../api/gen/raft.ts";
import { CRASH_POLICIES, CRASH_DROPS_ALL, FaultDisk } from "../env/testing/fault-disk.ts";
import { MemoryLogger } from "../env/testing/memory-logger.ts";
import { SeededRandom } from "../env/testing/seeded-random.ts";
import { decodeSnapFile, encodeSnapFile } from "./snap-file.ts";
import { SnapshotFiles } from "./snapshot-files.ts";

const DIRECTORY = "/snap";

function snapshot(index: number, term: number, data = `data of ${index}`): Snapshot {
  const confState = {
    voters: [0x8e9e05c52164694dn],
    learners: [],
    votersOutgoing: [],
    learnersNext: [],
    autoLeave: false,
  };
  return Snapshot.create({ data: Buffer.from(data), metadata: { confState, index, term } });
}

function world(): { disk: FaultDisk; files: SnapshotFiles; logger: MemoryLogger } {
  const disk = new FaultDisk();
  disk.makeDirectories(DIRECTORY, 0o700);
  disk.syncAll();
  const logger = new MemoryLogger();
  return { disk, logger, files: new SnapshotFiles({ disk, logger }, DIRECTORY) };
}

function over(disk: FaultDisk): SnapshotFiles {
  return new SnapshotFiles({ disk, logger: new MemoryLogger() }, DIRECTORY);
}

async function* chunks(...parts: string[]): AsyncGenerator<Uint8Array> {
  for (const part of parts) yield Buffer.from(part);
}

test("a saved snapshot is found under etcd's name and loads back", async () => {
  const { disk, files } = world();
  await files.save(snapshot(6, 2));
  assert.deepEqual(disk.readDirectory(DIRECTORY), ["0000000000000002-0000000000000006.snap"]);
  assert.deepEqual(files.loadNewest(), snapshot(6, 2));
});

test("the bytes end as in files of real etcd", () => {
  const tail = Buffer.from(encodeSnapFile(snapshot(6, 2)))
    .subarray(-21)
    .toString("hex");
  // Metadata: conf state with one ten-byte voter and auto_leave written, index 6, term 2.
  assert.match(tail, /^12130a0d08[0-9a-f]{20}280010061802$/);
});

test("the newest one that the log knows of is taken", async () => {
  const { files } = world();
  for (const [index, term] of [
    [5, 1],
    [20, 2],
    [10, 3],
  ] as const) {
    await files.save(snapshot(index, term));
  }
  assert.equal(files.loadNewest()?.metadata.index, 10, "a higher term is newer");
  assert.equal(
    files.loadNewest([
      { index: 5, term: 1 },
      { index: 20, term: 2 },
    ])?.metadata.index,
    20,
  );
  assert.equal(files.loadNewest([{ index: 20, term: 1 }]), undefined);
  assert.equal(files.loadNewest([]), undefined);
});

test("every flipped bit and every truncation is noticed, and the file set aside", async () => {
  const good = encodeSnapFile(snapshot(10, 1));
  for (let bit = 0; bit < good.length * 8; bit++) {
    const bad = good.slice();
    bad[bit >> 3]! ^= 1 << (bit & 7);
    assert.throws(() => decodeSnapFile(bad, "f"), { name: "SnapError" }, `bit ${bit}`);
  }
  for (let length = 0; length < good.length; length++) {
    assert.throws(() => decodeSnapFile(good.subarray(0, length), "f"), { name: "SnapError" });
  }
  const { disk, files, logger } = world();
  await files.save(snapshot(5, 1));
  await files.save(snapshot(10, 1));
  const newest = `${DIRECTORY}/0000000000000001-000000000000000a.snap`;
  disk.editFile(newest, (content) => {
    content[20]! ^= 4;
    return content;
  });
  assert.equal(files.loadNewest()?.metadata.index, 5);
  assert.deepEqual(disk.readDirectory(DIRECTORY), [
    "0000000000000001-0000000000000005.snap",
    "0000000000000001-000000000000000a.snap.broken",
  ]);
  assert.deepEqual(logger.messages("warn").slice(0, 2), [
    "snap file is corrupt",
    "renamed to a broken snap file",
  ]);
});

test("an unreadable disk is an error, not a broken snapshot", async () => {
  const { disk, files } = world();
  await files.save(snapshot(5, 1));
  disk.failWhen({ operation: "read", code: "EIO" });
  assert.throws(() => files.loadNewest(), { code: "EIO" });
  assert.equal(files.loadNewest()?.metadata.index, 5);
});

test("rests of interrupted work are deleted at start, nothing else", async () => {
  const { disk, files } = world();
  await files.save(snapshot(5, 1));
  for (const name of ["db", "db.tmp.123", "tmp0-x.snap", "tmp99", "0000000000000007.snap.db"]) {
    disk.open(`${DIRECTORY}/${name}`, { create: true }).close();
  }
  files.cleanUp();
  assert.deepEqual(disk.readDirectory(DIRECTORY), [
    "0000000000000001-0000000000000005.snap",
    "0000000000000007.snap.db",
    "db",
  ]);
});

test("a crash at any write point leaves the old snapshot or both, never a broken one", async () => {
  const dry = world();
  await dry.files.save(snapshot(5, 1));
  const first = dry.disk.writePoints;
  await dry.files.save(snapshot(10, 1, "x".repeat(3000)));
  for (let point = 0; point <= dry.disk.writePoints - first; point++) {
    for (const [name, policy] of Object.entries(CRASH_POLICIES)) {
      const { disk, files } = world();
      await files.save(snapshot(5, 1));
      disk.crashAfter(point);
      const saved = await files.save(snapshot(10, 1, "x".repeat(3000))).then(
        () => true,
        () => false,
      );
      const after = disk.crash(new SeededRandom(point), policy);
      const again = over(after);
      again.cleanUp();
      const index = again.loadNewest()?.metadata.index;
      assert.ok(index === 10 || (!saved && index === 5), `${name} at ${point}: ${index}`);
      assert.ok(!after.readDirectory(DIRECTORY).some((file) => file.endsWith(".broken")));
    }
  }
});

test("a full disk fails the save and leaves nothing behind", async () => {
  const { disk, files } = world();
  await files.save(snapshot(5, 1));
  disk.capacityBytes = disk.usedBytes + 100;
  await assert.rejects(files.save(snapshot(10, 1, "x".repeat(3000))), { code: "ENOSPC" });
  assert.deepEqual(disk.readDirectory(DIRECTORY).length, 1);
  disk.capacityBytes = 10_000;
  await files.save(snapshot(10, 1, "x".repeat(3000)));
  assert.equal(files.loadNewest()?.metadata.index, 10);
});

test("a received database is kept whole under its index, or not at all", async () => {
  const { disk, files } = world();
  const path = await files.saveDatabase(chunks("abc", "", "defg"), 255);
  assert.equal(path, `${DIRECTORY}/00000000000000ff.snap.db`);
  assert.equal(files.databasePath(255), path);
  const after = disk.crash(new SeededRandom(1), CRASH_DROPS_ALL);
  assert.equal(Buffer.from(after.fileContent(path)).toString(), "abcdefg");
  const again = over(after);
  await again.saveDatabase(chunks("other"), 255);
  assert.equal(Buffer.from(after.fileContent(path)).toString(), "abcdefg");
  async function* broken(): AsyncGenerator<Uint8Array> {
    yield Buffer.from("part");
    throw new Error("connection lost");
  }
  await assert.rejects(again.saveDatabase(broken(), 300), /connection lost/);
  assert.throws(() => again.databasePath(300), { code: "no-database" });
  assert.deepEqual(after.readDirectory(DIRECTORY), ["00000000000000ff.snap.db"]);
});

test("databases of older snapshots are released", async () => {
  const { files } = world();
  for (const index of [10, 20, 30]) await files.saveDatabase(chunks("x"), index);
  files.releaseDatabases(20);
  assert.throws(() => files.databasePath(10), { code: "no-database" });
  assert.ok(files.databasePath(20));
  assert.ok(files.databasePath(30));
});
