/** Logs of etcd 2, whose records have no padding, and that later releases have gone on with. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { FaultDisk } from "../env/testing/fault-disk.ts";
import { WalCorruptError } from "./errors.ts";
import {
  create,
  DIRECTORY,
  emptyDisk,
  entries,
  open,
  read,
  state,
  texts,
} from "./testing/wal-fixture.ts";
import { withoutPadding } from "./testing/unpadded.ts";

const FIRST = `${DIRECTORY}/0000000000000000-0000000000000000.wal`;

/** Data of lengths that leave every rest by eight. */
const LENGTHS = [3, 4, 5, 6, 7, 8, 9, 10];

async function logOfEtcd2(): Promise<FaultDisk> {
  const disk = emptyDisk();
  const wal = create(disk);
  for (const [i, length] of LENGTHS.entries()) {
    await wal.save(state(1, 7n, i), entries(i + 1, 1, 1, length));
  }
  await wal.close();
  disk.syncAll();
  disk.editFile(FIRST, withoutPadding);
  return disk;
}

test("a log without padding is read, and gone on with in the same segment", async () => {
  const disk = await logOfEtcd2();
  const old = texts(read(disk).entries);
  assert.equal(old.length, LENGTHS.length);
  for (const round of [1, 2]) {
    const wal = open(disk, undefined, { segmentBytes: 64 * 1024 });
    const { entries: found } = wal.readAll();
    assert.equal(found.length, LENGTHS.length + (round - 1) * 3);
    await wal.save(state(2, 7n, 9), entries(found.length + 1, 3, 2));
    await wal.close();
  }
  assert.deepEqual(texts(read(disk).entries).slice(0, old.length), old);
  assert.equal(read(disk).entries.length, LENGTHS.length + 6);
});

test("a record without padding behind one with padding is damage", async () => {
  const disk = emptyDisk();
  const wal = create(disk);
  await wal.save(state(1, 7n, 1), entries(1, 6, 1, 5));
  await wal.close();
  disk.syncAll();
  const second = Buffer.from(disk.fileContent(FIRST)).indexOf("3:abc");
  assert.ok(second > 0);
  disk.editFile(FIRST, (content) => {
    const frames = content.slice();
    // The frame's top byte says how much padding follows.
    let at = second;
    while ((frames[at] ?? 0) < 0x81 || (frames[at] ?? 0) > 0x87 || frames[at - 1] !== 0) at--;
    frames[at] = 0;
    return frames;
  });
  assert.throws(() => read(disk), WalCorruptError);
});
