/**
 * Requests whose cost is not their size: whatever one client sends, a turn of the loop does no more
 * than a slice of work for it, so that another client's request waits for no longer than that.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import {
  Compare,
  Compare_CompareResult,
  DeleteRangeRequest,
  HashKVRequest,
  LeaseGrantRequest,
  LeaseLeasesRequest,
  LeaseLeasesResponse,
  LeaseRevokeRequest,
  LeaseTimeToLiveRequest,
  PutRequest,
  RangeRequest,
  RangeRequest_SortOrder,
  RangeRequest_SortTarget,
  RequestOp,
  TxnRequest,
  WatchRequest,
} from "../../api/gen/rpc.ts";
import { METHOD } from "../../api/rpc-table.ts";
import { FaultDisk } from "../../env/testing/index.ts";
import { FakeStreamCall, FakeUnaryCall } from "../testing/fake-call.ts";
import { TestMember } from "../testing/test-member.ts";

const KEYS = 600;
const LEASE = 7n;
const LEASES = 300;
const SLICE = 50;
/** A slice of reads and one of writes, with what both may run over at their ends. */
const MOST_PER_TURN = 3 * SLICE;

const KEY = Buffer.from("k");
const END = Buffer.from("l");

function op(request: RequestOp["request"]): RequestOp {
  return RequestOp.create({ request });
}

function range(more: Partial<RangeRequest> = {}): RangeRequest {
  return RangeRequest.create({ key: KEY, rangeEnd: END, serializable: true, ...more });
}

function txn(success: RequestOp[], compare: Compare[] = []): Uint8Array {
  return TxnRequest.encode(TxnRequest.create({ success, compare }));
}

function times<T>(count: number, make: (i: number) => T): T[] {
  return Array.from({ length: count }, (_, i) => make(i));
}

async function filledMember(): Promise<TestMember> {
  const disk = new FaultDisk();
  disk.makeDirectories("/", 0o700);
  const limits = { unitsPerStretch: SLICE, unitsPerTurn: SLICE };
  const member = new TestMember(disk, { maxTxnOps: 1000, limits });
  await member.start();
  const calls = times(LEASES, (i) => {
    const request = LeaseGrantRequest.create({ ID: LEASE + BigInt(i), TTL: 3600 });
    return member.call(METHOD.LeaseGrant, LeaseGrantRequest.encode(request));
  });
  const puts = times(KEYS, (i) => {
    const fields = { key: Buffer.from(`k${1000 + i}`), value: Buffer.from(`v${(i * 7919) % 97}`) };
    return op({ case: "requestPut", value: PutRequest.create({ ...fields, lease: LEASE }) });
  });
  for (let at = 0; at < KEYS; at += SLICE) {
    calls.push(member.call(METHOD.Txn, txn(puts.slice(at, at + SLICE))));
  }
  await member.until(() => calls.every((call) => call.answered));
  return member;
}

/** Counts what the store and its index are asked for between two turns of the loop. */
function countWork(member: TestMember): { readonly most: () => number; readonly next: () => void } {
  const { store } = member.server;
  let most = 0;
  let now = 0;
  const count = <T extends object>(target: T, name: keyof T & string): void => {
    const original = target[name] as unknown as (...args: unknown[]) => unknown;
    Object.defineProperty(target, name, {
      value: (...args: unknown[]) => {
        now++;
        return original.apply(target, args);
      },
    });
  };
  for (const name of ["readRecord", "deleteKey", "put"] as const) count(store, name);
  for (const name of ["cursorAt", "cursorLatest", "findLatest", "findAt"] as const) {
    count(store.index, name);
  }
  const next = () => {
    most = Math.max(most, now);
    now = 0;
  };
  return { most: () => most, next };
}

/** Sends the requests in one turn; returns the most work that any turn does, and how many there are. */
async function work(member: TestMember, method: number, bodies: readonly Uint8Array[]) {
  const counter = countWork(member);
  const calls = bodies.map((body) => new FakeUnaryCall(method, body));
  member.server.rpc.unary(calls);
  let turns = 0;
  for (; !calls.every((call) => call.answered); turns++) {
    counter.next();
    await new Promise((resolve) => setImmediate(resolve));
    member.clock.advance(1);
  }
  counter.next();
  for (const { failure } of calls) assert.equal(failure, undefined);
  return { most: counter.most(), turns, calls };
}

const allKeys = op({ case: "requestRange", value: range() });
const isThere = Compare.create({
  ...{ key: KEY, rangeEnd: END, result: Compare_CompareResult.GREATER },
  targetUnion: { case: "version", value: 0 },
});
const deletion = DeleteRangeRequest.create({ key: KEY, rangeEnd: END, prevKv: true });
const lease = { ID: LEASE, keys: true };

const REQUESTS: readonly [string, number, () => readonly Uint8Array[]][] = [
  ["ranges, many at a time", METHOD.Range, () => times(20, () => RangeRequest.encode(range()))],
  [
    "counts at an old revision",
    METHOD.Txn,
    () => {
      const value = range({ revision: 4, countOnly: true });
      return [txn(times(20, () => op({ case: "requestRange", value })))];
    },
  ],
  [
    "sorted ranges",
    METHOD.Range,
    () => {
      const order = { sortOrder: RangeRequest_SortOrder.DESCEND, limit: 1 };
      const request = range({ ...order, sortTarget: RangeRequest_SortTarget.VALUE });
      return times(5, () => RangeRequest.encode(request));
    },
  ],
  ["a transaction of ranges", METHOD.Txn, () => [txn(times(20, () => allKeys))]],
  [
    "nested transactions of ranges",
    METHOD.Txn,
    () => {
      const value = TxnRequest.create({ success: times(5, () => allKeys) });
      return [txn(times(4, () => op({ case: "requestTxn", value })))];
    },
  ],
  [
    "compares of all keys",
    METHOD.Txn,
    () => [
      txn(
        [allKeys],
        times(20, () => isThere),
      ),
    ],
  ],
  [
    "hashes of the history",
    METHOD.HashKV,
    () => times(10, () => HashKVRequest.encode(HashKVRequest.create())),
  ],
  [
    "keys of a lease",
    METHOD.LeaseTimeToLive,
    () => times(5, () => LeaseTimeToLiveRequest.encode(LeaseTimeToLiveRequest.create(lease))),
  ],
  [
    "a deletion of all keys with what they were",
    METHOD.DeleteRange,
    () => [DeleteRangeRequest.encode(deletion)],
  ],
  [
    "a transaction of deletions and ranges",
    METHOD.Txn,
    () => [txn([allKeys, op({ case: "requestDeleteRange", value: deletion }), allKeys])],
  ],
  [
    "a revocation of a lease with many keys",
    METHOD.LeaseRevoke,
    () => [LeaseRevokeRequest.encode(LeaseRevokeRequest.create({ ID: LEASE }))],
  ],
];

for (const [name, method, bodies] of REQUESTS) {
  test(`a turn of the loop does a slice of work for ${name}`, async () => {
    const member = await filledMember();
    const { most, turns } = await work(member, method, bodies());
    assert.ok(most <= MOST_PER_TURN, `${most} records in one turn`);
    // Sorting a lease's keys asks the store for nothing; there the turns tell.
    assert.ok(turns >= 5, `answered after ${turns} turns`);
    await member.stop();
  });
}

test("transactions of many puts are applied a slice at a time", async () => {
  const member = await filledMember();
  const value = PutRequest.create({ key: Buffer.from("a"), value: KEY });
  const bodies = times(40, (n) => {
    const key = (i: number) => Buffer.from(`p${n}/${i}`);
    return txn(times(20, (i) => op({ case: "requestPut", value: { ...value, key: key(i) } })));
  });
  const { most } = await work(member, METHOD.Txn, bodies);
  assert.ok(most <= MOST_PER_TURN, `${most} records in one turn`);
  await member.stop();
});

test("a long list of leases is sorted in slices, and whole", async () => {
  const member = await filledMember();
  const body = LeaseLeasesRequest.encode(LeaseLeasesRequest.create());
  const { calls } = await work(member, METHOD.LeaseLeases, [body]);
  const { leases, header } = LeaseLeasesResponse.decode(calls[0]?.answer ?? Buffer.alloc(0));
  assert.equal(new Set(leases.map(({ ID }) => ID)).size, LEASES);
  assert.ok(header !== undefined);
  await member.stop();
});

test("a flood of watch creations is taken in turns, and each gets its answer in order", async () => {
  const member = await filledMember();
  const stream = new FakeStreamCall(METHOD.Watch);
  member.server.rpc.stream(stream);
  const flood = 200;
  for (let watchId = 1; watchId <= flood; watchId++) {
    const value = {
      ...{ key: KEY, rangeEnd: END, startRevision: 0, progressNotify: false, filters: [] },
      ...{ prevKv: false, watchId, fragment: false },
    };
    const requestUnion = { case: "createRequest", value } as const;
    stream.onMessage?.(WatchRequest.encode(WatchRequest.create({ requestUnion })));
  }
  let most = stream.sent.length;
  while (stream.sent.length < flood) {
    const before = stream.sent.length;
    await new Promise((resolve) => setImmediate(resolve));
    most = Math.max(most, stream.sent.length - before);
  }
  assert.ok(most <= SLICE, `${most} watches created in one turn`);
  assert.equal(member.server.watchable.watchers, flood);
  await member.stop();
});

test("a revision with more events than a call has arguments reaches its watchers", async () => {
  const member = await filledMember();
  const { watchable } = member.server;
  const stream = new FakeStreamCall(METHOD.Watch);
  member.server.rpc.stream(stream);
  const value = {
    ...{ key: Buffer.from("big"), rangeEnd: Buffer.from("bih"), startRevision: 0 },
    ...{ progressNotify: false, filters: [], prevKv: false, watchId: 0, fragment: false },
  };
  const requestUnion = { case: "createRequest", value } as const;
  stream.onMessage?.(WatchRequest.encode(WatchRequest.create({ requestUnion })));
  const { store } = member.server;
  const events = 200_000;
  store.beginWrite();
  for (let i = 0; i < events; i++) store.put(`big${i}`, KEY, 0n);
  store.endWrite();
  assert.equal(watchable.eventsDelivered, events);
  assert.ok((stream.sent.at(-1)?.length ?? 0) > events);
  await member.stop();
});

// Their connection counts them until then. Once they were dropped, and a connection whose client
// gave up some thousand reads was served no more.
test("calls that nobody waits for any more are ended, too", async () => {
  const member = await filledMember();
  const linearizable = range({ serializable: false });
  const many = times(20, () => op({ case: "requestRange", value: range() }));
  const reads: readonly [string, number, Uint8Array][] = [
    ["a range", METHOD.Range, RangeRequest.encode(linearizable)],
    ["a range in turns", METHOD.Range, RangeRequest.encode(range())],
    [
      "a transaction that reads",
      METHOD.Txn,
      txn([op({ case: "requestRange", value: linearizable })]),
    ],
    ["a transaction in turns", METHOD.Txn, txn(many)],
    ["a list of leases", METHOD.LeaseLeases, LeaseLeasesRequest.encode({})],
  ];
  const calls = reads.map(([, method, body]) => member.call(method, body));
  for (const call of calls) call.cancelled = true;
  await member.until(() => calls.every((call) => call.answered));
  assert.deepEqual(
    calls.map(({ failure }, i) => [reads[i]?.[0], failure?.code]),
    reads.map(([name]) => [name, 1]),
  );
  await member.stop();
});
