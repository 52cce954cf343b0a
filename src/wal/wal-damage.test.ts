import assert from "node:assert/strict";
import { test } from "node:test";
import type { FaultDisk } from "../env/testing/fault-disk.ts";
import { MemoryLogger } from "../env/testing/memory-logger.ts";
import { SeededRandom } from "../env/testing/seeded-random.ts";
import { WalCorruptError, WalError } from "./errors.ts";
import {
  create,
  DIRECTORY,
  emptyDisk,
  entries,
  entry,
  open,
  read,
  snapshotRecord,
  state,
  texts,
} from "./testing/wal-fixture.ts";

const FIRST = `${DIRECTORY}/0000000000000000-0000000000000000.wal`;

/** Member ids are hashes: nearly all are beyond what an index or term can be. */
const MEMBER = 0xfedcba9876543210n;

/** A disk on which the first segment holds these bytes. */
function diskWith(content: Uint8Array): FaultDisk {
  const disk = emptyDisk();
  disk.makeDirectories(DIRECTORY, 0o700);
  const file = disk.open(FIRST, { create: true });
  file.writeSync(content, 0);
  file.close();
  disk.syncAll();
  return disk;
}

/** A durable log of all kinds of records; its entries as texts. */
async function smallLog(segmentBytes = 3000): Promise<{ disk: FaultDisk; whole: string[] }> {
  const disk = emptyDisk();
  const wal = create(disk, { segmentBytes });
  await wal.save(state(1, MEMBER, 0), [entry(1, 1, new Uint8Array(0)), ...entries(2, 2)]);
  await wal.save(state(1, MEMBER, 3), []);
  await wal.saveSnapshot(snapshotRecord(2, 1));
  await wal.save(state(2, MEMBER, 3), entries(4, 2, 2, 40));
  await wal.save(state(2, MEMBER, 5), entries(6, 1, 2, 5));
  await wal.close();
  disk.syncAll();
  return { disk, whole: texts(read(disk).entries) };
}

/** Refused: damaged, or cut before the record that every log begins with. */
function isRefusal(error: unknown): error is WalError {
  return error instanceof WalCorruptError || (error as WalError).code === "snapshot-not-found";
}

/** Reads as a tool and opens as a member; both must see the same or be refused alike. */
async function outcome(disk: FaultDisk): Promise<string[] | WalError> {
  let asTool: string[] | WalError;
  try {
    asTool = texts(read(disk).entries);
  } catch (error) {
    if (!isRefusal(error)) throw error;
    asTool = error;
  }
  try {
    const wal = open(disk, undefined, { segmentBytes: 3000 });
    const asMember = texts(wal.readAll().entries);
    await wal.close();
    assert.deepEqual(asMember, asTool);
    assert.deepEqual(texts(read(disk).entries), asMember, "a repair changes nothing that was read");
    return asMember;
  } catch (error) {
    if (!isRefusal(error)) throw error;
    assert.ok(asTool instanceof WalError, `only the member refused: ${error.message}`);
    assert.equal(error.message, asTool.message);
    return error;
  }
}

function isPrefix(part: readonly string[], whole: readonly string[]): boolean {
  return part.every((text, i) => text === whole[i]);
}

test("every truncation of a small log is read as a prefix", async () => {
  const { disk: pristine, whole } = await smallLog();
  const original = pristine.fileContent(FIRST);
  const seen = new Set<number>();
  for (let length = 0; length < lastNonZero(original) + 8; length++) {
    const disk = diskWith(original.slice(0, length));
    const got = await outcome(disk);
    if (got instanceof WalError) {
      assert.ok(length < 72, `refused at ${length}: ${got.message}`);
      assert.match(got.message, /position:? \d+/);
      assert.ok(got.message.includes(FIRST));
    } else {
      assert.ok(isPrefix(got, whole), `a wrong record at ${length}`);
      seen.add(got.length);
    }
  }
  assert.deepEqual([...seen].sort(), [0, 1, 2, 3, 4, 5, 6]);
});

test("every truncation of a small log that is zero-filled again is read as a prefix", async () => {
  const { disk: pristine, whole } = await smallLog();
  const original = pristine.fileContent(FIRST);
  for (let length = 0; length < lastNonZero(original); length++) {
    const disk = diskWith(original.slice().fill(0, length));
    const got = await outcome(disk);
    if (got instanceof WalError) assert.ok(length < 72, got.message);
    else assert.ok(isPrefix(got, whole), `a wrong record at ${length}`);
  }
});

test("every flipped bit is refused, and the refusal names file and offset", async () => {
  const { disk: pristine } = await smallLog();
  const original = pristine.fileContent(FIRST);
  for (let bit = 0; bit < lastNonZero(original) * 8; bit++) {
    const content = original.slice();
    content[bit >> 3]! ^= 1 << (bit & 7);
    const got = await outcome(diskWith(content));
    assert.ok(got instanceof WalCorruptError, `bit ${bit}: ${got}`);
    assert.equal(got.file, FIRST);
    assert.ok(got.offset <= bit >> 3, `offset ${got.offset} for bit ${bit}`);
    assert.match(got.message, /in file '.*0\.wal' at position: \d+$/);
  }
});

test("a flip in any segment but the last names that segment", async () => {
  const { disk } = await smallLog(200);
  const names = disk.readDirectory(DIRECTORY);
  assert.ok(names.length >= 3);
  const path = `${DIRECTORY}/${names[1]}`;
  disk.editFile(path, (content) => {
    content[content.length - 20]! ^= 1;
    return content;
  });
  const got = await outcome(disk);
  assert.ok(got instanceof WalCorruptError);
  assert.equal(got.file, path);
});

test("a truncated segment that is not the last is refused", async () => {
  const { disk } = await smallLog(200);
  const names = disk.readDirectory(DIRECTORY);
  const path = `${DIRECTORY}/${names[0]}`;
  const size = disk.fileContent(path).length;
  for (let length = 0; length < size; length++) {
    disk.editFile(path, (content) => {
      return content.slice(0, size - length - 1);
    });
    assert.ok((await outcome(disk)) instanceof WalCorruptError, `at ${size - length - 1}`);
  }
});

/** One big unsynced batch at the end of a file, then sectors of it blanked. */
async function logWithBigBatch(): Promise<{ disk: FaultDisk; batchAt: number; end: number }> {
  const disk = emptyDisk();
  const wal = create(disk, { segmentBytes: 100_000 });
  await wal.save(state(1, 1n, 0), entries(1, 3));
  const batchAt = wal.offset;
  await wal.save(state(1, 1n, 1), entries(4, 40, 1, 200));
  const end = wal.offset;
  await wal.close();
  return { disk, batchAt, end };
}

function blank(disk: FaultDisk, from: number, to: number): void {
  disk.editFile(FIRST, (content) => content.fill(0, from, to));
}

test("a missing sector in the last batch is a torn write: what is before it is kept", async () => {
  const { batchAt, end } = await logWithBigBatch();
  for (let sector = Math.ceil(batchAt / 512); sector < Math.floor(end / 512); sector++) {
    const { disk } = await logWithBigBatch();
    blank(disk, sector * 512, sector * 512 + 512);
    const logger = new MemoryLogger();
    const wal = open(disk, undefined, { segmentBytes: 100_000 }, logger);
    const got = wal.readAll().entries.length;
    assert.ok(got >= 3 && got < 43, `${got} entries`);
    await wal.save(undefined, entries(got + 1, 1, 2));
    await wal.close();
    assert.equal(read(disk).entries.length, got + 1, "nothing of the rest comes back");
  }
});

test("a missing sector before the last batch is damage and is never cut", async () => {
  const { disk: pristine, end } = await logWithBigBatch();
  const wal = open(pristine, undefined, { segmentBytes: 100_000 });
  wal.readAll();
  await wal.save(undefined, entries(44, 1));
  await wal.close();
  const original = pristine.fileContent(FIRST);
  for (let sector = 1; sector < Math.floor(end / 512); sector++) {
    pristine.editFile(FIRST, () => original.slice().fill(0, sector * 512, sector * 512 + 512));
    const got = await outcome(pristine);
    assert.ok(got instanceof WalCorruptError, `sector ${sector}`);
    assert.ok(got.offset <= sector * 512 + 511);
    const now = Buffer.from(pristine.fileContent(FIRST));
    assert.ok(now.subarray(sector * 512 + 512).equals(original.subarray(sector * 512 + 512)));
  }
});

test("a torn record is kept aside before it is cut off, and the repair is logged", async () => {
  const { disk } = await smallLog();
  const end = lastNonZero(disk.fileContent(FIRST));
  blank(disk, end - 60, end);
  const damaged = disk.fileContent(FIRST);
  const logger = new MemoryLogger();
  const wal = open(disk, undefined, { segmentBytes: 3000 }, logger);
  assert.equal(wal.repaired, true);
  await wal.close();
  assert.deepEqual(disk.fileContent(`${FIRST}.broken`), damaged);
  assert.deepEqual(logger.messages("info").slice(0, 3), ["repairing", "repaired", "repaired WAL"]);
  const again = open(disk, undefined, { segmentBytes: 3000 });
  assert.equal(again.repaired, false);
  await again.close();
});

test("a file that is not a log is refused", async () => {
  const random = new SeededRandom(1);
  for (const content of [new Uint8Array(0), new Uint8Array(5000), random.bytes(5000)]) {
    const disk = emptyDisk();
    disk.makeDirectories(DIRECTORY, 0o700);
    disk.open(FIRST, { create: true }).close();
    disk.editFile(FIRST, () => content);
    const got = await outcome(disk);
    assert.ok(got instanceof WalCorruptError);
    assert.equal(got.offset, 0);
  }
});

test("random damage of any size never yields a wrong record or another error", async () => {
  for (let seed = 1; seed <= 150; seed++) {
    const random = new SeededRandom(seed);
    const { disk, whole } = await smallLog(random.pick([250, 3000]));
    const names = disk.readDirectory(DIRECTORY).filter((name) => name.endsWith(".wal"));
    disk.editFile(`${DIRECTORY}/${random.pick(names)}`, (content) => {
      for (let i = random.between(1, 6); i > 0; i--) {
        const at = random.below(Math.max(1, lastNonZero(content)));
        const kind = random.below(3);
        if (kind === 0) content[at] = random.below(256);
        else if (kind === 1) content.fill(0, at, at + random.below(600));
        else content.copyWithin(at, random.below(content.length), random.below(content.length));
      }
      return content;
    });
    try {
      const got = await outcome(disk);
      if (!(got instanceof WalError)) assert.ok(isPrefix(got, whole), "a wrong record");
    } catch (error) {
      throw new Error(`seed ${seed}`, { cause: error });
    }
  }
});

function lastNonZero(content: Uint8Array): number {
  let end = content.length;
  while (end > 0 && content[end - 1] === 0) end--;
  return end;
}
