/** Which old files go, and which one must not. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { FaultDisk, NullLogger, VirtualClock } from "../../env/testing/index.ts";
import { snapName } from "../../snap/index.ts";
import { Purger } from "./purger.ts";

const SNAP = "/data/member/snap";
const WAL = "/data/member/wal";
const INTERVAL_MS = 100;

// Crashes between a snapshot's file and its record in the log leave files that no start can use.
test("the snapshot that a start needs stays, however many newer files there are", () => {
  const disk = new FaultDisk();
  disk.makeDirectories(SNAP, 0o700);
  disk.makeDirectories(WAL, 0o700);
  const names = [10, 20, 30, 40].map((index) => snapName(1, index));
  for (const name of names) disk.open(disk.join(SNAP, name), { create: true }).close();
  const clock = new VirtualClock();
  let snapshotIndex = 20;
  const purger = new Purger({
    disk,
    clock,
    logger: new NullLogger(),
    walDirectory: WAL,
    snapDirectory: SNAP,
    maxWals: 2,
    maxSnapshots: 1,
    intervalMs: INTERVAL_MS,
    snapshotIndex: () => snapshotIndex,
  });
  purger.start();
  clock.advance(INTERVAL_MS);
  assert.deepEqual(disk.readDirectory(SNAP), names.slice(1));
  snapshotIndex = 40;
  clock.advance(INTERVAL_MS);
  assert.deepEqual(disk.readDirectory(SNAP), names.slice(3));
  purger.stop();
});
