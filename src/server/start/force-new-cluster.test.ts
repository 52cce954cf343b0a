/**
 * A cluster is lost and one of its members begins a new one: with everything that its disk holds, and
 * alone. The incident: acknowledged entries above the commit index on disk were cut off, and the
 * directory was refused from then on; with few writes a removed member stayed in the list.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import {
  ConfChange,
  ConfChangeType,
  ConfState,
  Entry,
  EntryType,
  HardState,
  Snapshot,
  SnapshotMetadata,
} from "../../api/gen/raft.ts";
import { PutRequest } from "../../api/gen/rpc.ts";
import { bytesFromUtf8 } from "../../base/bytes.ts";
import type { MemberID } from "../../base/ids.ts";
import { ETCD_BUCKETS } from "../../backend/types.ts";
import { openBackend, readConsistentIndex } from "../../backend/index.ts";
import {
  CRASH_POLICIES,
  FaultDisk,
  MemoryLogger,
  SeededRandom,
  VirtualClock,
} from "../../env/testing/index.ts";
import { Cluster, type Member, memberToJSON } from "../../membership/index.ts";
import { encodeDocument } from "../../v2store/index.ts";
import { readLog, Wal } from "../../wal/index.ts";
import { BootstrapError } from "./data-directory.ts";
import type { EtcdServer } from "../etcd-server.ts";
import { type ForcedLog, forceNewCluster } from "./force-new-cluster.ts";
import { decodeRaftRequest, RaftField } from "../log/raft-request.ts";
import { TestCluster } from "../testing/test-cluster.ts";
import { TestMember } from "../testing/test-member.ts";

const THREE = ["m1", "m2", "m3"];
/** Commits of the backend run ahead of the commit index in the WAL. */
const OPTIONS = { backendBatchLimit: 3 };
const WRITES = 60;

interface Lost {
  readonly disks: readonly FaultDisk[];
  readonly leader: number;
  /** Keys that the leader acknowledged. */
  readonly acknowledged: ReadonlySet<string>;
}

/** Three members under many writes; all processes die after `turns` turns of the loop. */
async function loseCluster(turns: number): Promise<Lost> {
  const cluster = new TestCluster(THREE, OPTIONS);
  await cluster.start();
  const leader = cluster.leader();
  const calls = Array.from({ length: WRITES }, (_, i) => ({ key: `key ${i}`, call: i }));
  const waiting = new Map<string, ReturnType<TestMember["put"]>>();
  for (let turn = 0; turn < turns; turn++) {
    for (const { key } of calls.splice(0, 4)) waiting.set(key, leader.put(key, "value"));
    await new Promise((resolve) => setImmediate(resolve));
    cluster.clock.advance(1);
  }
  const answered = [...waiting].filter(([, call]) => call.answer !== undefined);
  const disks = cluster.members.map(({ disk }) => disk.kill());
  for (const { server } of cluster.members) server.raft.stop();
  return {
    disks,
    leader: cluster.members.indexOf(leader),
    acknowledged: new Set(answered.map(([key]) => key)),
  };
}

function survivor(disk: FaultDisk, index: number, forceNewCluster: boolean): TestMember {
  const name = THREE[index] ?? "";
  const url = `http://${name}:2380`;
  const initialCluster = new Map(THREE.map((one) => [one, [`http://${one}:2380`]]));
  const options = { ...OPTIONS, name, peerURLs: [url], initialCluster, forceNewCluster };
  return new TestMember(disk, options);
}

function keysInLog(disk: FaultDisk): Set<string> {
  const deps = { disk, logger: new MemoryLogger() };
  const { entries } = readLog(deps, "/data/member/wal", { index: 0, term: 0 });
  const keys = new Set<string>();
  for (const { type, data } of entries) {
    if (type !== EntryType.EntryNormal || data.length === 0) continue;
    const { field, start, end } = decodeRaftRequest(data);
    if (field !== RaftField.put) continue;
    keys.add(Buffer.from(PutRequest.decode(data.subarray(start, end)).key).toString());
  }
  return keys;
}

async function keysOf(member: TestMember): Promise<Set<string>> {
  const { kvs } = await member.everything();
  return new Set(kvs.map(({ key }) => Buffer.from(key).toString()));
}

function assertHasAll(found: ReadonlySet<string>, wanted: Iterable<string>): void {
  const missing = [...wanted].filter((key) => !found.has(key));
  assert.deepEqual(missing, []);
}

test("whenever a cluster is lost, each member begins a new one with all that its log holds", async () => {
  let acknowledged = 0;
  for (const turns of [1, 3, 6, 9, 12, 16, 24]) {
    const lost = await loseCluster(turns);
    acknowledged += lost.acknowledged.size;
    for (const [index, disk] of lost.disks.entries()) {
      const present = keysInLog(disk);
      if (index === lost.leader) assertHasAll(present, lost.acknowledged);
      const member = survivor(disk, index, true);
      await member.start();
      assertHasAll(await keysOf(member), present);
      assert.deepEqual(
        member.server.cluster.members.map(({ name }) => name),
        [THREE[index]],
      );
      await member.stop();
    }
  }
  assert.ok(acknowledged > WRITES, "writes were acknowledged before the loss");
});

test("a machine that loses power anywhere in a forced start is started with the flag again", async () => {
  const random = new SeededRandom(8);
  const policies = Object.values(CRASH_POLICIES);
  let hasCrashed = true;
  for (let points = 1; hasCrashed; points++) {
    const { disks, leader } = await loseCluster(5 + (points % 7));
    const disk = disks[leader] as FaultDisk;
    const present = keysInLog(disk);
    disk.crashAfter(points);
    await survivor(disk, leader, true)
      .start()
      .catch((error: unknown) => {
        if (!disk.crashed) throw error;
      });
    hasCrashed = disk.crashed;
    const after = hasCrashed ? disk.crash(random, random.pick(policies)) : disk.kill();
    // Twice in a row, and then without the flag.
    for (const isForced of [true, true, false]) {
      const member = survivor(after, leader, isForced);
      await member.start();
      assertHasAll(await keysOf(member), present);
      assert.equal(member.server.cluster.members.length, 1);
      await member.stop();
    }
    if (!hasCrashed) assert.ok(points > 8, `${points} writes to the disk`);
  }
});

test("at any start, what the db has applied counts as committed", async () => {
  // Or a member would act on an older configuration than its db has, and pass it on.
  const { disks, leader } = await loseCluster(16);
  const disk = disks[leader] as FaultDisk;
  const deps = { disk, clock: new VirtualClock(), logger: new MemoryLogger() };
  const backend = await openBackend(deps, "/data/member/snap/db");
  const consistentIndex = readConsistentIndex(backend);
  await backend.close();
  const wal = Wal.open(deps, "/data/member/wal", { index: 0, term: 0 });
  const { hardState } = wal.readAll();
  assert.ok(consistentIndex > 5);
  await wal.save({ ...hardState, commit: 4 }, []);
  await wal.close();
  const member = survivor(disk, leader, false);
  let started: EtcdServer | undefined;
  member.onStarted = (server) => {
    started = server;
  };
  // Alone it has no quorum.
  member.start().catch(() => undefined);
  await member.until(() => (started?.appliedIndex ?? 0) >= consistentIndex);
  started?.raft.stop();
});

const SELF = 10n;
const OTHER = 20n;
const THIRD = 30n;

function member(id: MemberID, isLearner = false): Member {
  return { id, peerURLs: [`http://${id}:2380`], isLearner, name: "", clientURLs: [] };
}

function entry(index: number, term: number, change?: Partial<ConfChange>): Entry {
  const type = change === undefined ? EntryType.EntryNormal : EntryType.EntryConfChange;
  const data =
    change === undefined ? bytesFromUtf8("data") : ConfChange.encode(ConfChange.create(change));
  return Entry.create({ type, index, term, data });
}

function add(id: MemberID, isLearner = false): Partial<ConfChange> {
  const { ConfChangeAddLearnerNode, ConfChangeAddNode } = ConfChangeType;
  const context = bytesFromUtf8(memberToJSON(member(id, isLearner)));
  return { type: isLearner ? ConfChangeAddLearnerNode : ConfChangeAddNode, nodeId: id, context };
}

function remove(id: MemberID): Partial<ConfChange> {
  return { type: ConfChangeType.ConfChangeRemoveNode, nodeId: id };
}

function snapshotOf(index: number, term: number, members: readonly Member[]): Snapshot {
  const ids = (learners: boolean) =>
    members.filter(({ isLearner }) => isLearner === learners).map(({ id }) => id);
  const confState = ConfState.create({ voters: ids(false), learners: ids(true) });
  return Snapshot.create({
    data: encodeDocument({ members, removedIDs: [], version: "3.6.0" }),
    metadata: SnapshotMetadata.create({ index, term, confState }),
  });
}

async function forced(log: {
  readonly commit: number;
  readonly consistentIndex?: number;
  readonly snapshot?: Snapshot;
  readonly entries: readonly Entry[];
  readonly term?: number;
  /** What the db lists. */
  readonly members: readonly Member[];
}): Promise<ForcedLog> {
  const disk = new FaultDisk();
  disk.makeDirectories("/", 0o700);
  const deps = { disk, clock: new VirtualClock(), logger: new MemoryLogger() };
  const backend = await openBackend(deps, "/db", { ensureBuckets: ETCD_BUCKETS });
  const cluster = new Cluster({ id: 1n, localID: SELF, backend });
  for (const one of log.members) cluster.add(one, true);
  try {
    return forceNewCluster(
      {
        hardState: HardState.create({ term: log.term ?? 2, vote: SELF, commit: log.commit }),
        entries: log.entries,
      },
      {
        snapshot: log.snapshot,
        consistentIndex: log.consistentIndex ?? 0,
        cluster,
        peerURLs: ["http://self:2380"],
        logger: deps.logger,
      },
    );
  } finally {
    await backend.close();
  }
}

/** The changes behind the log, as text. */
function changesIn(entries: readonly Entry[]): string[] {
  return entries
    .filter(({ type }) => type === EntryType.EntryConfChange)
    .map(({ data }) => {
      const { type, nodeId, context } = ConfChange.decode(data);
      if (type === ConfChangeType.ConfChangeRemoveNode) return `remove ${nodeId}`;
      const isPromotion = Buffer.from(context).toString().includes('"isPromote":true');
      return `${isPromotion ? "promote" : "add"} ${nodeId}`;
    });
}

test("the commit index is never below what the db has applied, and removals stand above it", async () => {
  const entries = [entry(1, 1, add(SELF)), entry(2, 1, add(OTHER)), entry(3, 2), entry(4, 2)];
  const members = [member(SELF), member(OTHER)];
  const { hardState, unsaved } = await forced({ commit: 2, consistentIndex: 4, entries, members });
  assert.deepEqual(changesIn(unsaved), ["remove 20"]);
  assert.equal(unsaved[0]?.index, 5);
  assert.equal(hardState.commit, 5);
});

test("learners and members that only the db lists are removed too", async () => {
  const snapshot = snapshotOf(7, 2, [member(SELF), member(OTHER, true)]);
  const members = [member(SELF), member(OTHER, true), member(THIRD)];
  const { unsaved } = await forced({
    commit: 7,
    consistentIndex: 7,
    snapshot,
    entries: [],
    members,
  });
  assert.deepEqual(changesIn(unsaved), ["remove 20", "remove 30"]);
});

test("a learner is promoted before the voters go: raft is never without one", async () => {
  const snapshot = snapshotOf(7, 2, [member(SELF, true), member(OTHER)]);
  const members = [member(SELF, true), member(OTHER)];
  const { unsaved } = await forced({
    commit: 7,
    consistentIndex: 7,
    snapshot,
    entries: [],
    members,
  });
  assert.deepEqual(changesIn(unsaved), ["promote 10", "remove 20"]);
});

test("a member that its log does not know is added first, with its own address", async () => {
  const { unsaved, hardState } = await forced({ commit: 0, entries: [], members: [], term: 0 });
  assert.deepEqual(changesIn(unsaved), ["add 10"]);
  const context = ConfChange.decode(unsaved[0]?.data ?? new Uint8Array()).context;
  assert.match(Buffer.from(context).toString(), /http:\/\/self:2380/);
  assert.ok(hardState.term > 0);
});

test("changes of the membership behind the commit index count", async () => {
  const entries = [
    entry(1, 1, add(SELF)),
    entry(2, 1, add(OTHER)),
    entry(3, 2, add(THIRD, true)),
    entry(4, 2, remove(OTHER)),
  ];
  const { unsaved } = await forced({ commit: 2, entries, members: [] });
  assert.deepEqual(changesIn(unsaved), ["remove 30"]);
});

test("a removal of the member itself that may not have been committed is taken out", async () => {
  const entries = [
    entry(1, 1, add(SELF)),
    entry(2, 1, add(OTHER)),
    entry(3, 2, remove(SELF)),
    entry(4, 2),
  ];
  const { unsaved, entries: started } = await forced({ commit: 2, entries, members: [] });
  assert.deepEqual(
    unsaved.map(({ index, term }) => [index, term]),
    [
      [3, 2],
      [4, 2],
      [5, 2],
    ],
  );
  assert.equal(unsaved[0]?.data.length, 0);
  assert.deepEqual(unsaved[1]?.data, entries[3]?.data, "what stands behind it stays");
  assert.deepEqual(changesIn(started.slice(2)), ["remove 20"]);
});

test("a member whose removal was committed is refused, with what can be done", async () => {
  const entries = [entry(1, 1, add(SELF)), entry(2, 1, add(OTHER)), entry(3, 1, remove(SELF))];
  await assert.rejects(forced({ commit: 3, entries, members: [] }), (error: Error) => {
    assert.ok(error instanceof BootstrapError);
    assert.match(error.message, /was removed from its cluster.*etcdutl snapshot restore/);
    return true;
  });
});

test("entries whose term did not reach the hard state any more are followed in that term", async () => {
  const entries = [entry(1, 1, add(SELF)), entry(2, 1, add(OTHER)), entry(3, 4)];
  const { hardState, unsaved } = await forced({ commit: 2, term: 2, entries, members: [] });
  assert.deepEqual([hardState.term, hardState.vote, unsaved[0]?.term], [4, 0n, 4]);
});
