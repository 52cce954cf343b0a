/** When a snapshot of the raft state is written although few entries were applied. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { ConfState, Snapshot } from "../../api/gen/raft.ts";
import { NullLogger, VirtualClock } from "../../env/testing/index.ts";
import { Snapshotter } from "./snapshotter.ts";

const NOTHING = ConfState.create();

function notNow(): never {
  throw new Error("the log in memory is short");
}

function world(version: string) {
  const saved: Snapshot[] = [];
  const cluster = { localID: 1n, version };
  const snapshotter = new Snapshotter(
    {
      snapshotCount: 10_000,
      catchUpEntries: 5_000,
      limits: { minSnapshotIntervalMs: 1_000, logCompactionStepEntries: 1_000 },
      storage: { firstIndex: () => 1, createSnapshot: notNow, compact: notNow },
      wal: { saveSnapshot: () => Promise.resolve(), releaseLockTo: () => undefined },
      files: {
        save: (snapshot) => {
          saved.push(snapshot);
          return Promise.resolve();
        },
        releaseDatabases: () => undefined,
      },
      backend: { commit: () => Promise.resolve() },
      cluster,
      describe: () => Promise.resolve(Snapshot.create()),
      keepsLog: () => false,
      clock: new VirtualClock(),
      logger: new NullLogger(),
    },
    0,
  );
  const apply = (index: number): Promise<void> => {
    snapshotter.applied(index, 2, NOTHING);
    return snapshotter.idle();
  };
  return { snapshotter, cluster, apply, saved };
}

test("the log begins with a snapshot of a cluster version that is asked for", async () => {
  const { snapshotter, apply, saved } = world("3.5.0");
  await apply(7);
  assert.equal(saved.length, 0);
  assert.equal(snapshotter.isOfVersion("3.5.0"), false);
  await apply(8);
  assert.equal(saved.length, 1);
  assert.equal(snapshotter.isOfVersion("3.5.0"), true);
  await apply(9);
  assert.equal(saved.length, 1);
});

// A member whose directory an older server had used: its cluster version rises as soon as it leads.
// A snapshot of the higher version would keep the older server from ever starting there again.
test("a snapshot of a version that has passed is not made any more", async () => {
  const { snapshotter, cluster, apply, saved } = world("3.4.0");
  assert.equal(snapshotter.isOfVersion("3.4.0"), false);
  cluster.version = "3.6.0";
  await apply(8);
  assert.equal(saved.length, 0);
  cluster.version = "3.4.0";
  await apply(9);
  assert.equal(saved.length, 0);
});
