import assert from "node:assert/strict";
import { test } from "node:test";
import { DiskError } from "../disk.ts";
import { diskContract } from "./disk-contract.ts";
import {
  CRASH_DROPS_ALL,
  CRASH_KEEPS_ALL,
  CRASH_POLICIES,
  CRASH_REORDERS,
  CRASH_REORDERS_AND_TEARS,
  CRASH_TEARS_BYTES,
  CRASH_TEARS_SECTORS,
  FaultDisk,
} from "./fault-disk.ts";
import { CrashedDiskError } from "./fault-plan.ts";
import { SeededRandom } from "./seeded-random.ts";

diskContract("FaultDisk", () => {
  const disk = new FaultDisk();
  disk.makeDirectories("/t", 0o700);
  return { disk, directory: "/t" };
});

const bytes = (text: string): Buffer => Buffer.from(text, "latin1");

/** A durable file /f of `size` times "o", open for writing. */
function diskWithFile(size: number): { disk: FaultDisk; file: ReturnType<FaultDisk["open"]> } {
  const disk = new FaultDisk();
  const file = disk.open("/f", { create: true });
  file.writeSync(Buffer.alloc(size, "o"), 0);
  disk.syncAll();
  return { disk, file };
}

function survivors(
  disk: FaultDisk,
  policy: keyof typeof CRASH_POLICIES,
  rounds = 200,
): Set<string> {
  const seen = new Set<string>();
  for (let seed = 0; seed < rounds; seed++) {
    const after = disk.crash(new SeededRandom(seed), CRASH_POLICIES[policy] ?? CRASH_DROPS_ALL);
    seen.add(Buffer.from(after.fileContent("/f")).toString("latin1"));
  }
  return seen;
}

test("unsynced writes may be kept or dropped, synced ones survive every policy", () => {
  const { disk, file } = diskWithFile(10);
  file.writeSync(bytes("new"), 0);
  assert.deepEqual([...survivors(disk, "keeps all", 1)], ["newooooooo"]);
  assert.deepEqual([...survivors(disk, "drops all", 1)], ["oooooooooo"]);
  const { disk: synced, file: syncedFile } = diskWithFile(10);
  syncedFile.writeSync(bytes("new"), 0);
  syncedFile.datasyncSync();
  for (const policy of Object.keys(CRASH_POLICIES)) {
    assert.deepEqual([...survivors(synced, policy, 30)], ["newooooooo"]);
  }
});

test("the disk keeps its own copy of what was written", () => {
  const { disk, file } = diskWithFile(4);
  const lent = bytes("abcd");
  file.writeSync(lent, 0);
  lent.fill(0);
  file.datasyncSync();
  assert.deepEqual([...survivors(disk, "drops all", 1)], ["abcd"]);
});

test("tearing bytes leaves any prefix of the unsynced write", () => {
  const { disk, file } = diskWithFile(4);
  file.writeSync(bytes("new"), 0);
  assert.deepEqual([...survivors(disk, "tears bytes")].sort(), ["neoo", "newo", "nooo", "oooo"]);
});

test("tearing sectors cuts at multiples of 512 only", () => {
  const { disk, file } = diskWithFile(2000);
  file.writeSync(Buffer.alloc(1500, "n"), 100);
  const lengths = [...survivors(disk, "tears sectors")].map((s) => s.replaceAll("o", "").length);
  assert.deepEqual(
    lengths.sort((a, b) => a - b),
    [0, 412, 924, 1436, 1500],
  );
});

test("reordering lets a later write survive without an earlier one", () => {
  const { disk, file } = diskWithFile(1024);
  file.writeSync(Buffer.alloc(512, "1"), 0);
  file.writeSync(Buffer.alloc(512, "2"), 512);
  const seen = survivors(disk, "reorders");
  assert.deepEqual([...seen].map((s) => `${s[0]}${s[512]}`).sort(), ["12", "1o", "o2", "oo"]);
});

test("a sector never holds a later write without the earlier one that it covers", () => {
  const { disk, file } = diskWithFile(100);
  file.writeSync(bytes("1"), 0);
  file.writeSync(bytes("2"), 50);
  const seen = [...survivors(disk, "reorders")].map((s) => `${s[0]}${s[50]}`).sort();
  assert.deepEqual(seen, ["12", "1o", "oo"]);
});

test("a file that grew may have its new length and zeros in place of data", () => {
  const { disk, file } = diskWithFile(0);
  file.preallocateSync(1024);
  file.writeSync(Buffer.alloc(1024, "n"), 0);
  const seen = [...survivors(disk, "reorders")].map((s) => `${s.length}:${s[0]}${s[512]}`).sort();
  assert.deepEqual(seen, ["0:undefinedundefined", "1024:\0\0", "1024:\0n", "1024:n\0", "1024:nn"]);
});

test("bytes from before a truncation never come back after the file has grown again", () => {
  const { disk, file } = diskWithFile(1024);
  file.truncateSync(0);
  file.preallocateSync(1024);
  for (const image of survivors(disk, "reorders and tears")) {
    assert.ok(image === "" || image === "o".repeat(1024) || image === "\0".repeat(1024));
  }
});

test("a sync covers what was written before the call, not after it", async () => {
  const { disk, file } = diskWithFile(2);
  disk.hold = true;
  file.writeSync(bytes("a"), 0);
  const synced = file.datasync();
  file.writeSync(bytes("b"), 1);
  assert.equal(disk.release(), 1);
  await synced;
  assert.deepEqual([...survivors(disk, "drops all", 1)], ["ao"]);
});

test("names are lost until their directory is synced", () => {
  const disk = new FaultDisk();
  disk.makeDirectories("/d", 0o700);
  disk.syncDirectory("/");
  disk.open("/d/a", { create: true }).close();
  const random = new SeededRandom(1);
  assert.deepEqual(disk.crash(random, CRASH_DROPS_ALL).readDirectory("/d"), []);
  assert.deepEqual(disk.crash(random, CRASH_KEEPS_ALL).readDirectory("/d"), ["a"]);
});

test("a directory sync covers the names from before the call", async () => {
  const disk = new FaultDisk();
  disk.hold = true;
  disk.open("/a", { create: true }).close();
  const synced = disk.syncDirectoryAsync("/");
  disk.open("/b", { create: true }).close();
  disk.release();
  await synced;
  assert.deepEqual(disk.crash(new SeededRandom(1), CRASH_DROPS_ALL).readDirectory("/"), ["a"]);
});

test("a renaming is atomic, and lost until the directory is synced", () => {
  const disk = new FaultDisk();
  disk.makeDirectories("/d", 0o700);
  for (const name of ["a", "b"]) {
    const file = disk.open(`/d/${name}`, { create: true });
    file.writeSync(bytes(name), 0);
  }
  disk.syncAll();
  disk.rename("/d/a", "/d/b");
  const outcomes = new Set<string>();
  for (let seed = 0; seed < 50; seed++) {
    const after = disk.crash(new SeededRandom(seed), CRASH_REORDERS);
    const names = after.readDirectory("/d");
    outcomes.add(`${names} b=${Buffer.from(after.readFile("/d/b", 10))}`);
  }
  assert.deepEqual([...outcomes].sort(), ["a,b b=b", "b b=a"]);
});

test("a synced directory keeps its names under every policy", () => {
  for (const policy of Object.values(CRASH_POLICIES)) {
    const disk = new FaultDisk();
    disk.makeDirectories("/d.tmp", 0o700);
    disk.open("/d.tmp/a", { create: true }).close();
    disk.syncDirectory("/d.tmp");
    disk.rename("/d.tmp", "/d");
    disk.syncDirectory("/");
    const after = disk.crash(new SeededRandom(7), policy);
    assert.deepEqual(after.readDirectory("/d"), ["a"]);
    assert.equal(after.stat("/d.tmp"), undefined);
  }
});

test("crashAfter stops the disk at every write point, before its effect", async () => {
  const script = async (disk: FaultDisk): Promise<void> => {
    const file = disk.open("/f", { create: true });
    file.writeSync(bytes("one"), 0);
    await file.write([bytes("two")], 3);
    await file.datasync();
    disk.rename("/f", "/g");
    disk.syncDirectory("/");
  };
  const dry = new FaultDisk();
  await script(dry);
  assert.equal(dry.writePoints, 6);
  const names: string[] = [];
  for (let point = 0; point < dry.writePoints; point++) {
    const disk = new FaultDisk();
    disk.crashAfter(point);
    await assert.rejects(script(disk), CrashedDiskError);
    assert.throws(() => disk.stat("/f"), CrashedDiskError);
    const after = disk.crash(new SeededRandom(0), CRASH_KEEPS_ALL);
    names.push(`${after.readDirectory("/")}:${after.usedBytes}`);
  }
  assert.deepEqual(names, [":0", "f:0", "f:3", "f:6", "f:6", "g:6"]);
});

test("a failed sync loses the unsynced bytes although readers see them, and reports it once", () => {
  const { disk, file } = diskWithFile(4);
  file.writeSync(bytes("new"), 0);
  disk.failWhen({ operation: "datasync", code: "EIO" });
  assert.throws(() => file.datasyncSync(), { code: "EIO" });
  file.datasyncSync();
  assert.deepEqual(Buffer.from(disk.fileContent("/f")), bytes("newo"));
  assert.deepEqual([...survivors(disk, "drops all", 1)], ["oooo"]);
});

test("a failing write may leave a part of its bytes", () => {
  const { disk, file } = diskWithFile(4);
  disk.failWhen({ operation: "write", path: "/f", skip: 1, code: "ENOSPC", keepBytes: 2 });
  file.writeSync(bytes("a"), 0);
  assert.throws(() => file.writeSync(bytes("bcd"), 1), { code: "ENOSPC" });
  assert.deepEqual(Buffer.from(disk.fileContent("/f")), bytes("abco"));
  file.writeSync(bytes("bcd"), 1);
});

test("a full disk refuses growth, takes overwrites, and works again with space", async () => {
  const { disk, file } = diskWithFile(100);
  disk.capacityBytes = 110;
  file.writeSync(Buffer.alloc(100, "x"), 0);
  await assert.rejects(file.write([Buffer.alloc(20, "y")], 100), { code: "ENOSPC" });
  assert.equal(file.size(), 110);
  const other = disk.open("/g", { create: true });
  assert.throws(() => other.preallocateSync(1), { code: "ENOSPC" });
  file.truncateSync(50);
  other.preallocateSync(60);
  assert.equal(disk.usedBytes, 110);
  disk.remove("/g");
  assert.equal(disk.usedBytes, 110, "an open file keeps its space");
  other.close();
  assert.equal(disk.usedBytes, 50);
  disk.capacityBytes = 1000;
  await file.write([Buffer.alloc(20, "y")], 100);
});

test("held calls complete in order when released", async () => {
  const { disk, file } = diskWithFile(0);
  disk.hold = true;
  const order: number[] = [];
  const all = [1, 2, 3].map((n) => file.write([bytes(`${n}`)], n).then(() => order.push(n)));
  assert.equal(disk.heldOperations, 3);
  assert.equal(disk.release(1), 1);
  await all[0];
  assert.deepEqual(order, [1]);
  disk.release();
  await Promise.all(all);
  assert.deepEqual(order, [1, 2, 3]);
});

test("bytes lent to a write must not change before it settles", async () => {
  const { file } = diskWithFile(0);
  const lent = bytes("abc");
  const writing = file.write([lent], 0);
  lent[0] = 0;
  await assert.rejects(writing, /bytes changed while written/);
});

test("a killed process leaves its writes, unsynced as they were, and no locks", () => {
  const { disk, file } = diskWithFile(4);
  assert.ok(file.tryLock("flock"));
  file.writeSync(bytes("new!"), 0);
  disk.open("/gone", { create: true }).writeSync(bytes("open, without a name"), 0);
  disk.remove("/gone");
  const after = disk.kill();
  assert.throws(() => disk.stat("/f"), CrashedDiskError);
  assert.equal(after.usedBytes, 4);
  const again = after.open("/f", { write: true });
  assert.ok(again.tryLock("flock"), "the lock has gone with its process");
  assert.equal(Buffer.from(after.fileContent("/f")).toString(), "new!");
  const lost = after.crash(new SeededRandom(1), CRASH_DROPS_ALL);
  assert.equal(Buffer.from(lost.fileContent("/f")).toString(), "oooo");
});

test("a delay decides when asynchronous calls complete, and is told which", async () => {
  const { disk, file } = diskWithFile(4);
  const waiting: { what: string; complete: () => void }[] = [];
  disk.delay = (operation, path, complete) =>
    waiting.push({ what: `${operation} ${path}`, complete });
  const settled: string[] = [];
  const write = file.write([bytes("late")], 0).then(() => settled.push("write"));
  const sync = file.datasync().then(() => settled.push("sync"));
  await new Promise((resolve) => setImmediate(resolve));
  assert.deepEqual(
    waiting.map(({ what }) => what),
    ["write /f", "datasync /f"],
  );
  assert.equal(Buffer.from(disk.fileContent("/f")).toString(), "oooo");
  for (const { complete } of waiting.reverse()) complete();
  await Promise.all([write, sync]);
  assert.deepEqual(settled, ["sync", "write"]);
});

test("the same seed gives the same survivors", () => {
  const { disk, file } = diskWithFile(3000);
  for (let i = 0; i < 20; i++) file.writeSync(Buffer.alloc(700, i), i * 123);
  for (const policy of [CRASH_TEARS_BYTES, CRASH_TEARS_SECTORS, CRASH_REORDERS_AND_TEARS]) {
    const image = (): Uint8Array => disk.crash(new SeededRandom(5), policy).fileContent("/f");
    assert.deepEqual(image(), image());
  }
});

test("a crashed disk refuses every call with a DiskError", () => {
  const { disk, file } = diskWithFile(1);
  disk.crash(new SeededRandom(1), CRASH_KEEPS_ALL);
  assert.throws(() => file.readSync(new Uint8Array(1), 0), DiskError);
  assert.throws(() => disk.open("/f"), DiskError);
});
