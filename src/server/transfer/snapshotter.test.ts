/** When snapshots are made: as often as asked for, and of the versions that are wanted. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { ConfState, Snapshot, SnapshotMetadata } from "../../api/gen/raft.ts";
import { NullLogger, VirtualClock } from "../../env/testing/index.ts";
import { MemoryStorage } from "../../raft/index.ts";
import { Snapshotter, type SnapshotterOptions } from "./snapshotter.ts";

const MAX_KEPT_LOG_BYTES = 800_000;

function notNow(): never {
  throw new Error("the log in memory is short");
}

const SHORT_LOG: SnapshotterOptions["storage"] = {
  bytes: 0,
  lastBeyond: notNow,
  firstIndex: () => 1,
  createSnapshot: notNow,
  compact: notNow,
};

class World {
  readonly clock = new VirtualClock();
  /** Indexes of the snapshots that were made. */
  readonly made: number[] = [];
  readonly cluster = { version: "3.6.0", localID: 1n };
  readonly storage: SnapshotterOptions["storage"];
  readonly snapshotter: Snapshotter;
  readonly #position = { appliedIndex: 0, appliedTerm: 1, confState: ConfState.create() };

  /** Each snapshot takes so long. */
  constructor(costMs: number, snapshotCount: number, storage: World["storage"] = SHORT_LOG) {
    this.storage = storage;
    const options = {
      snapshotCount,
      catchUpEntries: 1_000_000,
      limits: {
        maxSnapshotRestMs: 1000,
        logCompactionStepEntries: 1_000,
        maxKeptLogBytes: MAX_KEPT_LOG_BYTES,
      },
      storage,
      wal: { saveSnapshot: () => Promise.resolve(), releaseLockTo: () => undefined },
      files: {
        save: async ({ metadata }: Snapshot) => void this.made.push(metadata?.index ?? 0),
        releaseDatabases: () => undefined,
      },
      backend: {
        commit: () => new Promise<void>((done) => void this.clock.setTimer(costMs, done)),
      },
      cluster: this.cluster,
      describe: async (index: number, term: number, confState: ConfState) =>
        Snapshot.create({ metadata: SnapshotMetadata.create({ index, term, confState }) }),
      keepsLog: () => false,
      position: this.#position,
      clock: this.clock,
      logger: new NullLogger(),
    };
    this.snapshotter = new Snapshotter(options, 0);
  }

  apply(entries: number): void {
    this.#position.appliedIndex += entries;
    const { appliedIndex, appliedTerm, confState } = this.#position;
    this.snapshotter.applied(appliedIndex, appliedTerm, confState);
  }
}

test("who asks for a snapshot after each entry gets it, when snapshots are cheap", async () => {
  const world = new World(2, 1);
  for (let i = 0; i < 5; i++) {
    world.apply(2);
    await world.clock.advanceAsync(50);
  }
  assert.deepEqual(world.made, [2, 4, 6, 8, 10]);
});

test("under load snapshots take a tenth of the time", async () => {
  const world = new World(40, 10);
  for (let i = 0; i < 4000; i++) {
    world.apply(100);
    await world.clock.advanceAsync(1);
  }
  assert.equal(world.made.length, 4000 / (40 * 10));
});

test("what was due while another snapshot rests is made without a further entry", async () => {
  const world = new World(40, 1);
  world.apply(2);
  await world.clock.advanceAsync(50);
  world.apply(2);
  assert.deepEqual(world.made, [2]);
  await world.clock.advanceAsync(500);
  assert.deepEqual(world.made, [2, 4]);
});

test("nothing begins by itself while the state is replaced, or after the stop", async () => {
  const world = new World(40, 1);
  world.apply(2);
  await world.clock.advanceAsync(50);
  world.apply(2);
  await world.snapshotter.idle();
  await world.clock.advanceAsync(5000);
  assert.deepEqual(world.made, [2]);
});

test("the log begins with a snapshot of a cluster version that is asked for", async () => {
  const world = new World(0, 10_000);
  world.apply(7);
  assert.equal(world.snapshotter.isOfVersion("3.6.0"), false);
  world.apply(1);
  await world.clock.advanceAsync(1);
  assert.deepEqual(world.made, [8]);
  assert.equal(world.snapshotter.isOfVersion("3.6.0"), true);
  world.apply(1);
  await world.clock.advanceAsync(1);
  assert.deepEqual(world.made, [8]);
});

// A member whose directory an older server had used: its cluster version rises as soon as it leads.
// A snapshot of the higher version would keep the older server from ever starting there again.
test("a snapshot of a version that has passed is not made any more", async () => {
  const world = new World(0, 10_000);
  world.cluster.version = "3.4.0";
  assert.equal(world.snapshotter.isOfVersion("3.4.0"), false);
  world.cluster.version = "3.6.0";
  world.apply(8);
  await world.clock.advanceAsync(1);
  world.cluster.version = "3.4.0";
  world.apply(1);
  await world.clock.advanceAsync(1);
  assert.deepEqual(world.made, []);
});

test("large entries are kept in memory up to a bound, and what is not applied always", () => {
  const storage = new MemoryStorage();
  const world = new World(1, 10_000, storage);
  let next = 1;
  const append = (count: number): void => {
    for (let i = 0; i < count; i++) {
      storage.append([{ type: 0, term: 1, index: next++, data: new Uint8Array(10_000) }]);
    }
  };
  for (let i = 0; i < 200; i++) {
    append(1);
    world.apply(1);
    assert.ok(storage.bytes <= MAX_KEPT_LOG_BYTES, `${storage.bytes} bytes at ${i}`);
  }
  assert.ok(storage.bytes > MAX_KEPT_LOG_BYTES * 0.8);
  assert.equal(storage.lastIndex(), 200);
  append(500);
  world.apply(1);
  world.apply(1);
  assert.equal(storage.firstIndex(), 203);
  assert.equal(storage.bytes, 498 * 10_000);
  // A new leader's entries take the place of the last ones.
  storage.append([{ type: 0, term: 2, index: 601, data: new Uint8Array(5) }]);
  assert.equal(storage.bytes, 398 * 10_000 + 5);
});
