/**
 * Requests that change more than a stretch of the loop should: what clients and other members notice
 * while they are applied in slices, and what a crash in any of the slices leaves.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import {
  DeleteRangeRequest,
  DeleteRangeResponse,
  LeaseGrantRequest,
  LeaseRevokeRequest,
  LeaseTimeToLiveRequest,
  LeaseTimeToLiveResponse,
  PutRequest,
  RangeRequest,
  RangeResponse,
  RequestOp,
  TxnRequest,
  TxnResponse,
  WatchRequest,
  WatchResponse,
} from "../api/gen/rpc.ts";
import { ERRORS } from "../api/errors.ts";
import { METHOD } from "../api/rpc-table.ts";
import { KEY_BUCKET, openBackend, readConsistentIndex } from "../backend/index.ts";
import type { Index } from "../base/ids.ts";
import { isTombstone } from "../base/revision-key.ts";
import {
  CRASH_POLICIES,
  CRASH_REORDERS_AND_TEARS,
  FaultDisk,
  MemoryLogger,
  SeededRandom,
  VirtualClock,
} from "../env/testing/index.ts";
import type { ServerOptions } from "./options.ts";
import { FakeStreamCall, type FakeUnaryCall } from "./testing/fake-call.ts";
import { TestCluster } from "./testing/test-cluster.ts";
import { TestMember } from "./testing/test-member.ts";

const KEYS = 100;
const LEASE_KEYS = 150;
const LEASE = 7n;
/** So small that each wide request takes dozens of turns. */
const OPTIONS: Partial<ServerOptions> = {
  maxTxnOps: 1000,
  limits: { unitsPerStretch: 4, unitsPerTurn: 1000 },
};

function putOp(key: string, lease = 0n): RequestOp {
  const value = PutRequest.create({ key: Buffer.from(key), value: Buffer.from("v"), lease });
  return RequestOp.create({ request: { case: "requestPut", value } });
}

function deletion(prefix: string): DeleteRangeRequest {
  const rangeEnd = Buffer.from(`${prefix}~`);
  return DeleteRangeRequest.create({ key: Buffer.from(prefix), rangeEnd });
}

function deleteRange(member: TestMember, prefix: string): FakeUnaryCall {
  return member.call(METHOD.DeleteRange, DeleteRangeRequest.encode(deletion(prefix)));
}

function count(member: TestMember, prefix: string, serializable: boolean): FakeUnaryCall {
  const range = { key: Buffer.from(prefix), rangeEnd: Buffer.from(`${prefix}~`) };
  const request = RangeRequest.create({ ...range, countOnly: true, serializable });
  return member.call(METHOD.Range, RangeRequest.encode(request));
}

function counted(call: FakeUnaryCall): [revision: number | undefined, keys: number] {
  const { header, count: keys } = RangeResponse.decode(call.answer ?? Buffer.alloc(0));
  return [header?.revision, keys];
}

async function answered(member: TestMember, call: FakeUnaryCall): Promise<Uint8Array> {
  await member.until(() => call.answered);
  assert.equal(call.failure, undefined);
  return call.answer ?? Buffer.alloc(0);
}

/** One transaction, revision 2, that puts all keys of the test. */
async function fill(member: TestMember): Promise<void> {
  const grant = LeaseGrantRequest.encode(LeaseGrantRequest.create({ ID: LEASE, TTL: 3600 }));
  await answered(member, member.call(METHOD.LeaseGrant, grant));
  const plain = Array.from({ length: KEYS }, (_, i) => putOp(`k${1000 + i}`));
  const leased = Array.from({ length: LEASE_KEYS }, (_, i) => putOp(`l${1000 + i}`, LEASE));
  const txn = TxnRequest.encode(TxnRequest.create({ success: [...plain, ...leased] }));
  await answered(member, member.call(METHOD.Txn, txn));
}

async function filledMember(options: Partial<ServerOptions> = OPTIONS): Promise<TestMember> {
  const member = new TestMember(new FaultDisk(), options);
  member.disk.makeDirectories("/", 0o700);
  await member.start();
  await fill(member);
  return member;
}

function watch(member: TestMember, prefix: string, startRevision = 0): FakeStreamCall {
  const stream = new FakeStreamCall(METHOD.Watch);
  member.server.rpc.stream(stream);
  const value = {
    ...{ key: Buffer.from(prefix), rangeEnd: Buffer.from(`${prefix}~`), startRevision },
    ...{ progressNotify: false, filters: [], prevKv: false, watchId: 0, fragment: false },
  };
  const requestUnion = { case: "createRequest", value } as const;
  stream.onMessage?.(WatchRequest.encode(WatchRequest.create({ requestUnion })));
  return stream;
}

/** Revisions of the events of each response that has some. */
function eventsOf(stream: FakeStreamCall): number[][] {
  return stream.sent
    .map((message) => WatchResponse.decode(message).events)
    .filter((events) => events.length > 0)
    .map((events) => events.map(({ kv }) => kv?.modRevision ?? 0));
}

test("while a range is deleted in slices, reads are answered from the state before", async () => {
  const member = await filledMember();
  const early = watch(member, "k");
  const call = deleteRange(member, "k");
  await member.until(() => member.server.store.isSuspended);
  const late = watch(member, "k");
  const linearizable = count(member, "k", false);
  let reads = 0;
  while (!call.answered) {
    const serializable = count(member, "k", true);
    assert.deepEqual(counted(serializable), [2, KEYS], "answered at once");
    assert.equal(linearizable.answered, false, "it comes after the write and must see it");
    reads++;
    await member.until(() => true);
    await new Promise((resolve) => setImmediate(resolve));
  }
  assert.ok(reads > 20, `${reads} reads between the slices`);
  assert.equal(DeleteRangeResponse.decode(call.answer ?? Buffer.alloc(0)).deleted, KEYS);
  await answered(member, linearizable);
  assert.deepEqual(counted(linearizable), [3, 0]);
  const whole = [Array.from({ length: KEYS }, () => 3)];
  assert.deepEqual(eventsOf(early), whole, "all events of the revision in one response");
  await member.until(() => eventsOf(late).length > 0);
  assert.deepEqual(eventsOf(late), whole);
  await member.stop();
});

test("a transaction of deletions and reads is applied in slices, as one revision", async () => {
  const member = await filledMember();
  const range = RangeRequest.create({ key: Buffer.from("k"), rangeEnd: Buffer.from("l~") });
  const success = [
    RequestOp.create({ request: { case: "requestDeleteRange", value: deletion("l") } }),
    RequestOp.create({ request: { case: "requestRange", value: range } }),
    putOp("new"),
  ];
  const call = member.call(METHOD.Txn, TxnRequest.encode(TxnRequest.create({ success })));
  let turns = 0;
  for (; !call.answered; turns++) {
    if (member.server.store.isSuspended) {
      assert.deepEqual(counted(count(member, "l", true)), [2, LEASE_KEYS]);
    }
    await new Promise((resolve) => setImmediate(resolve));
    member.clock.advance(1);
  }
  assert.ok(turns > 50, `${turns} turns`);
  const { header, responses } = TxnResponse.decode(call.answer ?? Buffer.alloc(0));
  assert.equal(header?.revision, 3);
  const read = responses[1]?.response;
  assert.ok(read?.case === "responseRange");
  assert.equal(read.value.kvs.length, KEYS, "it sees what the operation before it has done");
  await member.stop();
});

test("the keys of a lease that is being revoked in slices are listed whole or not at all", async () => {
  const member = await filledMember();
  const ask = () => {
    const request = LeaseTimeToLiveRequest.create({ ID: LEASE, keys: true });
    return member.call(METHOD.LeaseTimeToLive, LeaseTimeToLiveRequest.encode(request));
  };
  const before = LeaseTimeToLiveResponse.decode(await answered(member, ask()));
  assert.equal(before.keys.length, LEASE_KEYS);
  assert.deepEqual(before.keys.map(String), [...before.keys.map(String)].sort());
  const revoke = LeaseRevokeRequest.encode(LeaseRevokeRequest.create({ ID: LEASE }));
  const call = member.call(METHOD.LeaseRevoke, revoke);
  await member.until(() => member.server.store.isSuspended);
  const meanwhile = ask();
  assert.deepEqual(counted(count(member, "l", true)), [2, LEASE_KEYS]);
  await answered(member, call);
  const after = LeaseTimeToLiveResponse.decode(await answered(member, meanwhile));
  assert.deepEqual([after.TTL, after.keys.length], [-1, 0]);
  assert.deepEqual(counted(count(member, "l", true)), [3, 0]);
  await member.stop();
});

test("a deletion that takes several election timeouts costs no election", async () => {
  const cluster = new TestCluster(["m1", "m2", "m3"], OPTIONS);
  await cluster.start();
  await cluster.until(() => cluster.members.some(({ server }) => server.isLeader));
  const leader = cluster.leader();
  await fill(leader);
  const { term } = leader.server;
  const startMs = cluster.clock.nowMs();
  const call = deleteRange(leader, "k");
  // A slice a heartbeat: each member is at it for twice the time of an election.
  while (!call.answered) {
    await new Promise((resolve) => setImmediate(resolve));
    cluster.clock.advance(100);
  }
  assert.ok(cluster.clock.nowMs() - startMs > 2000, "longer than an election takes");
  assert.equal(call.failure, undefined);
  const agree = () =>
    cluster.members.every(({ server }) => server.appliedIndex === leader.server.appliedIndex);
  await cluster.until(agree);
  assert.deepEqual(
    cluster.members.map(({ server }) => server.term),
    [term, term, term],
  );
  const hashes = cluster.members.map(({ server }) => server.hashByRevision(0));
  const [first, ...others] = await cluster.settled(Promise.all(hashes));
  for (const other of others) assert.equal(other.hash, first?.hash);
  await cluster.stop();
});

test("writes are refused while more than 5,000 committed ones wait behind a deletion, reads are not", async () => {
  const member = await filledMember();
  const { server } = member;
  const gap = (): number => server.committedIndex - server.appliedIndex;
  const wide = deleteRange(member, "k");
  const puts: FakeUnaryCall[] = [];
  const fillGap = async (entries: number): Promise<void> => {
    const more = Array.from({ length: entries }, () => member.put("p", "v"));
    puts.push(...more);
    await member.until(() => server.committedIndex === commit + puts.length);
  };
  await member.until(() => gap() === 1);
  const commit = server.committedIndex;
  await fillGap(4999);
  assert.equal(gap(), 5000);
  await fillGap(1);
  const refused = member.put("p", "refused");
  assert.deepEqual(refused.failure, ERRORS.tooManyRequests);
  const read = count(member, "k", true);
  await member.until(() => read.answered);
  assert.deepEqual(counted(read), [2, KEYS]);
  assert.equal(wide.answered, false);
  await member.until(() => gap() === 0);
  await answered(member, member.put("p", "accepted again"));
  const kept = (await member.everything()).kvs.find(({ key }) => String(key) === "p");
  assert.equal(kept?.version, puts.length + 1, "nothing of what was refused");
  await member.stop();
});

test("a member that stops amid a deletion has none of it, and makes it when it starts again", async () => {
  const member = await filledMember();
  const call = deleteRange(member, "k");
  await member.until(() => member.server.store.isSuspended);
  await member.stop();
  assert.equal(call.failure?.message, "etcdserver: server stopped");
  const again = new TestMember(member.disk, OPTIONS);
  await again.start();
  const read = count(again, "k", false);
  await answered(again, read);
  assert.deepEqual(counted(read), [3, 0]);
  await again.stop();
});

/** Commits of the backend in nearly every turn, so that they meet every slice. */
const CRASH_OPTIONS = { ...OPTIONS, backendBatchIntervalMs: 1, backendBatchLimit: 10 };

async function whileHandingOver(member: TestMember): Promise<FakeUnaryCall> {
  const call = deleteRange(member, "k");
  await member.until(() => member.server.store.isFlushing);
  return call;
}

/** What the db file holds: keys that were deleted, and the index of the last entry in it. */
async function contentOf(disk: FaultDisk): Promise<{ tombstones: number; index: Index }> {
  const copy = new FaultDisk();
  copy.open("/db", { create: true }).close();
  copy.editFile("/db", () => disk.fileContent("/data/member/snap/db"));
  const deps = { disk: copy, clock: new VirtualClock(), logger: new MemoryLogger() };
  const backend = await openBackend(deps, "/db");
  let tombstones = 0;
  backend.scan(KEY_BUCKET, Buffer.alloc(0), undefined, (key) => {
    if (isTombstone(key)) tombstones++;
    return true;
  });
  const index = readConsistentIndex(backend);
  await backend.close();
  return { tombstones, index };
}

test("a commit that comes while a deletion is handed over waits for it, and others are served", async () => {
  const member = await filledMember(CRASH_OPTIONS);
  const call = await whileHandingOver(member);
  const { store, backend } = member.server;
  let isCommitted = false;
  const committed = backend.commit().then(() => {
    isCommitted = true;
  });
  let turns = 0;
  for (; store.isFlushing; turns++) {
    assert.deepEqual(counted(count(member, "k", true)), [2, KEYS], "answered at once");
    assert.equal(isCommitted, false, "half of it is nobody's business");
    await new Promise((resolve) => setImmediate(resolve));
    member.clock.advance(10);
  }
  assert.ok(turns > 3, `${turns} turns`);
  await answered(member, call);
  await committed;
  const { appliedIndex } = member.server;
  assert.deepEqual(await contentOf(member.disk), { tombstones: KEYS, index: appliedIndex });
  await member.stop();
});

test("a member that stops while a deletion is handed over has all of it in its db", async () => {
  const member = await filledMember();
  await whileHandingOver(member);
  await member.stop();
  const { appliedIndex } = member.server;
  assert.deepEqual(await contentOf(member.disk), { tombstones: KEYS, index: appliedIndex });
});

test("a member that fails while a deletion is handed over has none of it in its db", async () => {
  const member = await filledMember();
  const { appliedIndex, backend } = member.server;
  await backend.commit();
  await whileHandingOver(member);
  const { putInto } = backend;
  backend.putInto = () => {
    throw new Error("planted");
  };
  assert.match(String(await member.server.failed), /planted/);
  backend.putInto = putInto;
  await member.stop();
  assert.deepEqual(await contentOf(member.disk), { tombstones: 0, index: appliedIndex });
  const again = new TestMember(member.disk, OPTIONS);
  await again.start();
  const read = count(again, "k", false);
  await answered(again, read);
  assert.deepEqual(counted(read), [3, 0]);
  await again.stop();
});

/** ETCD_WIDE_APPLY_CRASHES asks for more. */
const CRASHES_PER_POLICY = Number(process.env["ETCD_WIDE_APPLY_CRASHES"] ?? 12);

interface Run {
  readonly disk: FaultDisk;
  /** Write points when the deletion was proposed, and when it was answered. */
  readonly begin: number;
  readonly end: number;
  readonly isAcknowledged: boolean;
}

/** A wide deletion with puts before and behind it, until so many write points after its begin. */
async function deleteUntilCrash(writePoints: number): Promise<Run> {
  const disk = new FaultDisk();
  disk.makeDirectories("/", 0o700);
  const member = new TestMember(disk, CRASH_OPTIONS);
  await member.start();
  await fill(member);
  await answered(member, member.put("before", "it"));
  const begin = disk.writePoints;
  disk.crashAfter(writePoints);
  const call = deleteRange(member, "k");
  const behind = member.put("behind", "it");
  await member.until(() => disk.crashed || (call.answered && behind.answered));
  const isAcknowledged = call.answer !== undefined;
  if (disk.crashed) return { disk, begin, end: 0, isAcknowledged };
  await member.until(() => member.server.backend.openReadViews === 0);
  const end = disk.writePoints;
  await member.stop();
  return { disk, begin, end, isAcknowledged };
}

async function checkAfterCrash(disk: FaultDisk, isAcknowledged: boolean): Promise<void> {
  const member = new TestMember(disk, CRASH_OPTIONS);
  await member.start();
  const { header, kvs } = await member.everything();
  const revision = header?.revision ?? 0;
  const left = kvs.filter(({ key }) => String(key).startsWith("k")).length;
  const isBehind = kvs.some(({ key }) => String(key) === "behind");
  if (revision === 3) {
    assert.equal(isAcknowledged, false);
    assert.equal(left, KEYS, "nothing of the deletion");
  } else {
    assert.equal(left, 0, "all of the deletion");
    assert.equal(revision, isBehind ? 5 : 4, "applied once");
  }
  const next = member.put("after", "the crash");
  await answered(member, next);
  await member.stop();
}

for (const [name, policy] of Object.entries(CRASH_POLICIES)) {
  // See power-loss.test.ts.
  if (policy === CRASH_REORDERS_AND_TEARS) continue;
  test(`a deletion in slices happens once or not at all when power fails and the disk ${name}`, async () => {
    const whole = await deleteUntilCrash(Number.POSITIVE_INFINITY);
    assert.equal(whole.isAcknowledged, true);
    const total = whole.end - whole.begin;
    assert.ok(total > 10, `${total} write points`);
    const random = new SeededRandom(name.length);
    for (let crash = 0; crash < CRASHES_PER_POLICY; crash++) {
      const writePoint = Math.floor(((crash + 0.5) * total) / CRASHES_PER_POLICY);
      const run = await deleteUntilCrash(writePoint);
      assert.equal(run.disk.crashed, true);
      try {
        await checkAfterCrash(run.disk.crash(random, policy), run.isAcknowledged);
      } catch (error) {
        throw new Error(`after a crash at write point ${writePoint}`, { cause: error });
      }
    }
  });
}
