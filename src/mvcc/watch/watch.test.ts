import assert from "node:assert/strict";
import test from "node:test";
import { WatchCreateRequest } from "../../api/gen/rpc.ts";
import { bytesFromLatin1 } from "../../base/bytes.ts";
import { executeTxn } from "../requests/txn.ts";
import { executeDeleteRange, executePut } from "../requests/write.ts";
import type { Store } from "../store.ts";
import {
  deleteOp,
  deleteRequest,
  finishCompactions,
  openWorld,
  putOp,
  putRequest,
  txnRequest,
  type World,
} from "../testing/harness.ts";
import { TestSink } from "../testing/watch-sink.ts";
import type { WatchStream } from "./watch-stream.ts";
import { WatchableStore } from "./watchable-store.ts";

type Options = Omit<Partial<WatchCreateRequest>, "key" | "rangeEnd">;

function watchRequest(key: string, end = "", options: Options = {}): WatchCreateRequest {
  const [keyBytes, rangeEnd] = [bytesFromLatin1(key), bytesFromLatin1(end)];
  return WatchCreateRequest.create({ key: keyBytes, rangeEnd, ...options });
}

interface WatchWorld extends World {
  readonly watchable: WatchableStore;
  readonly sink: TestSink;
  readonly stream: WatchStream;
}

function openWatch(): WatchWorld {
  const world = openWorld();
  const watchable = new WatchableStore(world.store);
  const sink = new TestSink();
  return { ...world, watchable, sink, stream: watchable.openStream(sink) };
}

function put(store: Store, key: string, value = "v"): void {
  executePut(store, putRequest(key, value));
}

function del(store: Store, key: string, end = ""): void {
  executeDeleteRange(store, deleteRequest(key, end));
}

test("a watch sees key, range, prefix, from-key or everything, as it asks", () => {
  const table: [key: string, end: string, expected: string][] = [
    ["b", "", "b"],
    ["b", "d", "b b/1 c"],
    ["b/", "b0", "b/1"],
    ["c", "\0", "c d \xff"],
    ["", "\0", "a b b/1 c d \xff"],
    ["\0", "\0", "a b b/1 c d \xff"],
    ["", "b", "a"],
  ];
  for (const [key, end, expected] of table) {
    const { store, stream, sink } = openWatch();
    assert.equal(stream.create(watchRequest(key, end)).canceled, false);
    for (const name of ["a", "b", "b/1", "c", "d", "\xff"]) put(store, name);
    const keys = sink.takeEvents().map((text) => text.split(" ")[2]);
    assert.equal(keys.join(" "), expected, `${key} to ${end}`);
  }
});

test("watch ids are counted from 0 per stream unless chosen; a chosen one must be free", () => {
  const { stream, store } = openWatch();
  put(store, "k");
  const create = (watchId: number): unknown => stream.create(watchRequest("k", "", { watchId }));
  const accepted = { revision: 2, canceled: false, cancelReason: "" };
  assert.deepEqual(create(0), { watchID: 0, ...accepted });
  assert.deepEqual(create(1), { watchID: 1, ...accepted });
  assert.deepEqual(create(0), { watchID: 2, ...accepted });
  assert.deepEqual(create(1), {
    watchID: -1,
    revision: 2,
    canceled: true,
    cancelReason: "mvcc: duplicate watch ID provided on the WatchStream",
  });
  assert.equal(stream.cancel(1), true);
  assert.deepEqual(create(1), { watchID: 1, ...accepted });
  assert.equal(stream.size, 3);
});

test("an empty range and a negative start are refused with etcd's reasons", () => {
  const { stream } = openWatch();
  const reasons = [
    watchRequest("b", "b"),
    watchRequest("b", "a"),
    watchRequest("", "\0", { startRevision: -1 }),
  ].map((request) => {
    const { watchID, canceled, cancelReason } = stream.create(request);
    assert.deepEqual([watchID, canceled], [-1, true]);
    return cancelReason;
  });
  assert.deepEqual(reasons, [
    "mvcc: watcher range is empty",
    "mvcc: watcher range is empty",
    "etcdserver: mvcc: required revision has been compacted",
  ]);
  assert.equal(stream.size, 0);
});

test("a cancelled watch gets nothing more, and cancelling twice is noticed", () => {
  const { store, stream, sink, watchable } = openWatch();
  stream.create(watchRequest("k"));
  stream.create(watchRequest("k", "", { startRevision: 1 }));
  assert.equal(stream.cancel(0), true);
  assert.equal(stream.cancel(1), true);
  assert.equal(stream.cancel(1), false);
  put(store, "k");
  assert.equal(watchable.syncWatchers(100), "idle");
  assert.deepEqual(sink.take(), []);
});

test("a start in the past replays history, then goes on with what is new", () => {
  const { store, stream, sink, watchable } = openWatch();
  for (const key of ["k", "x", "k"]) put(store, key);
  del(store, "k");
  stream.create(watchRequest("k", "", { startRevision: 3 }));
  assert.deepEqual(sink.take(), []);
  put(store, "k");
  assert.deepEqual(sink.take(), []);
  assert.equal(watchable.syncWatchers(100), "idle");
  assert.deepEqual(sink.takeEvents(), ["4 put k", "5 delete k", "6 put k"]);
  put(store, "k");
  assert.deepEqual(sink.takeEvents(), ["7 put k"]);
});

test("a future start waits: nothing before it, also after a restore", () => {
  // etcd issue 20221: a lagging member delivered older events to such watches.
  const { store, backend, stream, sink, watchable } = openWatch();
  stream.create(watchRequest("k", "", { startRevision: 5, progressNotify: true }));
  put(store, "k");
  stream.requestProgress();
  for (const _ of watchable.restoreSteps(backend, 10)) {
    // One slice.
  }
  put(store, "k");
  watchable.syncWatchers(100);
  put(store, "k");
  stream.requestProgress();
  stream.notifyProgress();
  assert.deepEqual(sink.take(), []);
  put(store, "k");
  assert.deepEqual(sink.takeEvents(), ["5 put k"]);
});

test("a start that is compacted ends the watch, at its own revision it does not", () => {
  const { store, stream, sink, watchable } = openWatch();
  for (let i = 0; i < 5; i++) put(store, "k");
  del(store, "k");
  store.compact(7);
  finishCompactions(store);
  stream.create(watchRequest("k", "", { startRevision: 6 }));
  stream.create(watchRequest("k", "", { startRevision: 7 }));
  assert.deepEqual(sink.take(), []);
  watchable.syncWatchers(100);
  const [ended, ...rest] = sink.take();
  assert.deepEqual(ended, { kind: "compacted", watchID: 0, compactRevision: 7 });
  const [events] = rest;
  assert.ok(events?.kind === "events" && events.watchID === 1);
  assert.deepEqual(
    events.events.map((event) => [event.type, event.revision]),
    [["delete", 7]],
  );
  put(store, "k");
  assert.deepEqual(sink.takeEvents(), ["8 put k"]);
  assert.equal(stream.cancel(0), true);
});

test("filters leave out puts or deletions, and nothing is sent for what they leave", () => {
  const { store, stream, sink, watchable } = openWatch();
  stream.create(watchRequest("k", "", { filters: [0] }));
  stream.create(watchRequest("k", "", { filters: [1] }));
  stream.create(watchRequest("k", "", { filters: [0, 1] }));
  put(store, "k");
  del(store, "k");
  stream.create(watchRequest("k", "", { filters: [0], startRevision: 2 }));
  watchable.syncWatchers(100);
  const seen = sink.take().map((item) => {
    assert.ok(item.kind === "events");
    return [item.watchID, ...item.events.map((event) => `${event.revision} ${event.type}`)];
  });
  assert.deepEqual(seen, [
    [1, "2 put"],
    [0, "3 delete"],
    [3, "3 delete"],
  ]);
});

test("a deletion shows key and mod_revision only", () => {
  const { store, stream, sink } = openWatch();
  stream.create(watchRequest("k"));
  put(store, "k");
  del(store, "k");
  const deletion = sink.slices[1] as Uint8Array;
  // events{type DELETE, kv{key "k", mod_revision 3}}
  assert.deepEqual([...deletion], [0x5a, 9, 8, 1, 0x12, 5, 0x0a, 1, 0x6b, 0x18, 3]);
});

test("prev_kv shows the state before, none at creation, none from below the compaction", () => {
  const { store, stream, sink, watchable } = openWatch();
  const options = { prevKv: true };
  stream.create(watchRequest("k", "", options));
  const values = ["1", "2", "3", "4"];
  for (const value of values) put(store, "k", value);
  del(store, "k");
  put(store, "k", "again");
  const previous = (): (string | undefined)[] =>
    sink.take().flatMap((item) => {
      assert.ok(item.kind === "events");
      return item.events.map((event) => event.previous?.value);
    });
  assert.deepEqual(previous(), [undefined, "1", "2", "3", "4", undefined]);
  stream.create(watchRequest("k", "", { ...options, startRevision: 2 }));
  watchable.syncWatchers(100);
  assert.deepEqual(previous(), [undefined, "1", "2", "3", "4", undefined]);
  store.compact(4);
  finishCompactions(store);
  stream.create(watchRequest("k", "", { ...options, startRevision: 4 }));
  watchable.syncWatchers(100);
  assert.deepEqual(previous(), [undefined, "3", "4", undefined]);
});

test("prev_kv of a put and a deletion in one transaction is the state before it", () => {
  const { store, stream, sink, watchable } = openWatch();
  stream.create(watchRequest("k", "", { prevKv: true }));
  put(store, "k", "old");
  executeTxn(store, txnRequest([putOp("k", "new"), deleteOp("a", "\0")]));
  stream.create(watchRequest("k", "", { prevKv: true, startRevision: 2 }));
  watchable.syncWatchers(100);
  const seen = sink.take().map((item) => {
    assert.ok(item.kind === "events");
    return item.events.map((event) => [event.type, event.previous?.value]);
  });
  const txn = [
    ["put", "old"],
    ["delete", "old"],
  ];
  assert.deepEqual(seen, [[["put", undefined]], txn, [["put", undefined], ...txn]]);
});

test("the events of a transaction come together, in the order of its operations", () => {
  const { store, stream, sink, watchable } = openWatch();
  stream.create(watchRequest("a", "z"));
  put(store, "b");
  executeTxn(store, txnRequest([putOp("c", "v"), deleteOp("b"), putOp("a", "v")]));
  stream.create(watchRequest("a", "z", { startRevision: 1 }));
  // Whatever the budget of a turn, which may end inside of a transaction.
  while (watchable.syncWatchers(2) === "more");
  const txn = ["3 put c", "3 delete b", "3 put a"];
  const [, live, replay] = sink.take();
  for (const item of [live, replay]) {
    assert.ok(item?.kind === "events");
    const events = item.events.map((event) => `${event.revision} ${event.type} ${event.key}`);
    assert.deepEqual(events.slice(-3), txn);
  }
});

test("expired leases show as deletions", () => {
  const { store, stream, sink } = openWatch();
  stream.create(watchRequest("a", "z"));
  for (const key of ["a", "b"]) put(store, key);
  sink.take();
  store.deleteKeys(["a", "b"]);
  assert.deepEqual(sink.takeEvents(), ["4 delete a", "4 delete b"]);
});

test("progress on request: once all watches of the stream are synced, in one answer", () => {
  const { store, stream, sink, watchable } = openWatch();
  stream.requestProgress();
  assert.deepEqual(sink.take(), []);
  stream.create(watchRequest("a"));
  put(store, "k");
  stream.create(watchRequest("k", "", { startRevision: 1 }));
  stream.requestProgress();
  assert.deepEqual(sink.take(), []);
  watchable.syncWatchers(100);
  sink.take();
  stream.requestProgress();
  assert.deepEqual(sink.take(), [{ kind: "progress", watchID: -1, revision: 2 }]);
});

test("periodic progress goes to quiet synced watches that asked for it", () => {
  const { store, stream, sink, watchable } = openWatch();
  const progress = { progressNotify: true };
  stream.create(watchRequest("a", "", progress));
  stream.create(watchRequest("b", "", progress));
  stream.create(watchRequest("c"));
  put(store, "a");
  sink.take();
  stream.notifyProgress();
  assert.deepEqual(sink.take(), [{ kind: "progress", watchID: 1, revision: 2 }]);
  stream.notifyProgress();
  assert.deepEqual(
    sink.take().map((item) => item.watchID),
    [0, 1],
  );
  stream.create(watchRequest("d", "", { ...progress, startRevision: 1 }));
  stream.notifyProgress();
  assert.deepEqual(
    sink.take().map((item) => item.watchID),
    [0, 1],
  );
  watchable.syncWatchers(100);
  stream.notifyProgress();
  assert.deepEqual(
    sink.take().map((item) => item.watchID),
    [0, 1, 3],
  );
});

test("a slow client loses nothing, holds nobody up and keeps no events waiting", () => {
  const { store, stream, sink, watchable } = openWatch();
  stream.create(watchRequest("k"));
  const quick = new TestSink();
  watchable.openStream(quick).create(watchRequest("k"));
  put(store, "k");
  sink.congested = true;
  for (let i = 0; i < 5; i++) put(store, "k");
  assert.equal(watchable.slowWatchers, 1);
  assert.equal(watchable.syncWatchers(100), "blocked");
  stream.requestProgress();
  assert.equal(quick.takeEvents().length, 6);
  assert.deepEqual(sink.takeEvents(), ["2 put k"]);
  sink.congested = false;
  assert.equal(watchable.syncWatchers(100), "idle");
  const expected = [3, 4, 5, 6, 7].map((revision) => `${revision} put k`);
  assert.deepEqual(sink.takeEvents(), expected);
  assert.equal(watchable.slowWatchers, 0);
});

test("a slow client that compaction passes is told so, and nothing is skipped silently", () => {
  // etcd issue 17529.
  const { store, stream, sink, watchable } = openWatch();
  stream.create(watchRequest("k"));
  sink.congested = true;
  for (let i = 0; i < 5; i++) put(store, "k");
  store.compact(5);
  finishCompactions(store);
  assert.equal(watchable.syncWatchers(100), "blocked");
  sink.congested = false;
  watchable.syncWatchers(100);
  assert.deepEqual(sink.take(), [{ kind: "compacted", watchID: 0, compactRevision: 5 }]);
});

test("a client that is slow between two watches of a stream gets both in full", () => {
  const { store, stream, sink, watchable } = openWatch();
  stream.create(watchRequest("a"));
  stream.create(watchRequest("a", "b"));
  let taken = 0;
  const deliver = sink.deliver.bind(sink);
  sink.deliver = (watch, revision, events) => {
    if (taken++ === 0) return deliver(watch, revision, events);
    sink.congested = true;
    return false;
  };
  put(store, "a");
  sink.deliver = deliver;
  put(store, "a");
  sink.congested = false;
  watchable.syncWatchers(100);
  const seen = sink.take().map((item) => {
    assert.ok(item.kind === "events");
    return [item.watchID, ...item.events.map((event) => event.revision)];
  });
  assert.deepEqual(
    seen.filter(([id]) => id === 0),
    [
      [0, 2],
      [0, 3],
    ],
  );
  assert.deepEqual(
    seen.filter(([id]) => id === 1),
    [[1, 2, 3]],
  );
});

test("history comes in responses of at most 1000 revisions", () => {
  const { store, stream, sink, watchable } = openWatch();
  for (let i = 0; i < 2500; i++) put(store, "k");
  stream.create(watchRequest("k", "", { startRevision: 1 }));
  while (watchable.syncWatchers(10) === "more") put(store, "other");
  const sizes = sink.take().map((item) => (item.kind === "events" ? item.events.length : 0));
  assert.deepEqual(sizes, [1000, 1000, 500]);
});

test("ten events of 1 MiB come in one response", () => {
  const { store, stream, sink, watchable } = openWatch();
  const large = "x".repeat(1 << 20);
  for (let i = 0; i < 10; i++) put(store, `foo${i}`, large);
  stream.create(watchRequest("foo", "fop", { startRevision: 1 }));
  while (watchable.syncWatchers(10) === "more") {
    // Go on.
  }
  const sizes = sink.take().map((item) => (item.kind === "events" ? item.events.length : 0));
  assert.deepEqual(sizes, [10]);
});

test("a transaction is not divided where a response's history ends", () => {
  const { store, stream, sink, watchable } = openWatch();
  for (let i = 0; i < 1500; i++) {
    executeTxn(store, txnRequest([putOp("a", "v"), putOp("b", "v"), putOp("c", "v")]));
  }
  const large = "x".repeat(1 << 20);
  for (let i = 0; i < 15; i++) {
    executeTxn(store, txnRequest([putOp("a", large), putOp("b", large), putOp("c", large)]));
  }
  stream.create(watchRequest("a", "z", { startRevision: 2 }));
  while (watchable.syncWatchers(1) === "more") {
    // Go on.
  }
  const sizes = sink.take().map((item) => {
    assert.ok(item.kind === "events");
    return item.events.length;
  });
  assert.equal(sizes[0], 3000);
  assert.ok(sizes.length > 3, "the large ones come in several responses");
  for (const size of sizes) assert.equal(size % 3, 0);
  assert.equal(
    sizes.reduce((sum, size) => sum + size),
    4545,
  );
});

test("one read of history serves all watchers that lag", () => {
  const { store, backend, watchable } = openWatch();
  for (let i = 0; i < 500; i++) put(store, `k${i % 10}`);
  const sinks = Array.from({ length: 200 }, (_, i) => {
    const sink = new TestSink();
    watchable.openStream(sink).create(watchRequest(`k${i % 10}`, "", { startRevision: 2 }));
    return sink;
  });
  let visited = 0;
  const scan = backend.scan.bind(backend);
  backend.scan = (bucket, start, end, visit) =>
    scan(bucket, start, end, (key, value) => {
      visited++;
      return visit(key, value);
    });
  assert.equal(watchable.syncWatchers(10_000), "idle");
  for (const sink of sinks) assert.equal(sink.takeEvents().length, 50);
  assert.ok(visited < 1000, `visited ${visited} records`);
});

test("thousands of watchers that lag in any order all catch up, a piece at a time", () => {
  const { store, watchable, sink, stream } = openWatch();
  for (let i = 0; i < 3000; i++) put(store, `k${i % 100}`);
  for (let i = 0; i < 3000; i++) {
    stream.create(watchRequest(`k${i % 100}`, "", { startRevision: 3001 - i }));
  }
  let calls = 0;
  while (watchable.syncWatchers(50) === "more") calls++;
  assert.ok(calls > 3000 / 512, `${calls} calls`);
  const seen = new Map<number, number>();
  for (const item of sink.take()) {
    assert.ok(item.kind === "events");
    seen.set(item.watchID, (seen.get(item.watchID) ?? 0) + item.events.length);
  }
  for (let i = 0; i < 3000; i++) {
    // Key i % 100 was written at the revisions that are 2 + i modulo 100.
    const first = 3001 - i;
    const skip = (((i + 2 - first) % 100) + 100) % 100;
    const expected = Math.max(0, Math.ceil((3002 - first - skip) / 100));
    assert.equal(seen.get(i) ?? 0, expected, `watch ${i}`);
  }
});

test("watchers of one key share the bytes of an event", () => {
  const { store, watchable } = openWatch();
  const sinks = Array.from({ length: 3 }, (_, i) => {
    const sink = new TestSink();
    watchable.openStream(sink).create(watchRequest("k", "", { prevKv: i === 2 }));
    return sink;
  });
  put(store, "k", "1");
  put(store, "k", "2");
  assert.equal(sinks[0]?.slices[1], sinks[1]?.slices[1]);
  assert.notEqual(sinks[0]?.slices[1], sinks[2]?.slices[1]);
});

test("watches of one stream that get the same event get it in one call, in their order", () => {
  const { store, stream, sink, watchable } = openWatch();
  const other = new TestSink();
  const otherStream = watchable.openStream(other);
  const options: Options[] = [{}, {}, {}, { prevKv: true }, { fragment: true }, {}, {}];
  for (const one of options) stream.create(watchRequest("k", "", one));
  otherStream.create(watchRequest("k"));
  otherStream.create(watchRequest("k"));
  stream.create(watchRequest("k"));
  put(store, "k");
  assert.deepEqual(
    sink.take().map(({ watchID }) => watchID),
    [0, 1, 2, 3, 4, 5, 6, 7],
  );
  assert.deepEqual([sink.runs, other.runs], [[3, 2], [2]]);
  assert.equal(watchable.eventsDelivered, 10);
  // Several changes have lists of their own.
  executeTxn(store, txnRequest([putOp("k", "1"), putOp("l", "2")]));
  assert.deepEqual([sink.runs, other.runs], [[3, 2], [2]]);
  assert.equal(sink.take().length + other.take().length, 2 + 10);
});

test("a stream that is full after some of its watches gives the others the event later", () => {
  const { store, stream, sink, watchable } = openWatch();
  for (let i = 0; i < 5; i++) stream.create(watchRequest("k"));
  const deliver = sink.deliver.bind(sink);
  sink.deliver = (watch, revision, events) => {
    sink.congested ||= watch.id === 2;
    return deliver(watch, revision, events);
  };
  put(store, "k");
  assert.deepEqual(sink.runs, [2]);
  assert.equal(watchable.slowWatchers, 3);
  put(store, "k");
  assert.equal(watchable.slowWatchers, 5);
  sink.deliver = deliver;
  sink.congested = false;
  assert.equal(watchable.syncWatchers(100), "idle");
  const seen = new Map<number, number[]>();
  for (const item of sink.take()) {
    assert.ok(item.kind === "events");
    const revisions = item.events.map(({ revision }) => revision);
    seen.set(item.watchID, [...(seen.get(item.watchID) ?? []), ...revisions]);
  }
  assert.deepEqual([...seen.keys()].sort(), [0, 1, 2, 3, 4]);
  for (const revisions of seen.values()) assert.deepEqual(revisions, [2, 3]);
  assert.equal(watchable.eventsDelivered, 10);
});

test("watches survive a restore and do not see again what they have seen", () => {
  // etcd issue 15271: after a snapshot, watches went back in time.
  const { store, stream, sink, watchable } = openWatch();
  stream.create(watchRequest("k"));
  stream.create(watchRequest("other"));
  for (let i = 0; i < 3; i++) put(store, "k");
  sink.take();
  const leader = openWorld();
  for (let i = 0; i < 5; i++) put(leader.store, "k");
  leader.store.compact(5);
  finishCompactions(leader.store);
  for (const _ of watchable.restoreSteps(leader.backend, 2)) {
    // One slice.
  }
  assert.equal(store.currentRevision, 6);
  assert.equal(store.observer, undefined, "nobody is synced");
  assert.deepEqual([watchable.watchers, watchable.slowWatchers], [2, 2]);
  watchable.syncWatchers(100);
  assert.deepEqual(sink.takeEvents(), ["5 put k", "6 put k"]);
  put(store, "other");
  assert.deepEqual(sink.takeEvents(), ["7 put other"]);
});

test("a restore beyond what a watch has seen and past compaction ends it", () => {
  const { store, stream, sink, watchable } = openWatch();
  stream.create(watchRequest("k"));
  put(store, "k");
  sink.take();
  const leader = openWorld();
  for (let i = 0; i < 9; i++) put(leader.store, "k");
  leader.store.compact(5);
  for (const _ of watchable.restoreSteps(leader.backend, 100)) {
    // One slice.
  }
  watchable.syncWatchers(100);
  assert.deepEqual(sink.take(), [{ kind: "compacted", watchID: 0, compactRevision: 5 }]);
});

test("of many watches a restore moves the fewer, and all of them catch up", () => {
  for (const [synced, behind] of [
    [30, 3],
    [3, 30],
    [0, 5],
  ] as const) {
    const { store, watchable } = openWatch();
    for (let i = 0; i < 3; i++) put(store, "k");
    const sinks = (count: number, startRevision: number) =>
      Array.from({ length: count }, () => {
        const sink = new TestSink();
        watchable.openStream(sink).create(watchRequest("k", "", { startRevision }));
        return sink;
      });
    const [upToDate, lagging] = [sinks(synced, 0), sinks(behind, 3)];
    const leader = openWorld();
    for (let i = 0; i < 5; i++) put(leader.store, "k");
    for (const _ of watchable.restoreSteps(leader.backend, 100)) {
      // One slice.
    }
    while (watchable.syncWatchers(7) !== "idle");
    put(store, "k");
    const missed = ["5 put k", "6 put k", "7 put k"];
    for (const sink of upToDate) assert.deepEqual(sink.takeEvents(), missed);
    for (const sink of lagging) {
      assert.deepEqual(sink.takeEvents(), ["3 put k", "4 put k", ...missed]);
    }
  }
});

test("closing a stream ends its watches and leaves others alone, even while delivering", () => {
  const { store, stream, sink, watchable } = openWatch();
  stream.create(watchRequest("k"));
  const other = new TestSink();
  const otherStream = watchable.openStream(other);
  otherStream.create(watchRequest("k"));
  const deliver = sink.deliver.bind(sink);
  sink.deliver = (watch, revision, events) => {
    otherStream.close();
    return deliver(watch, revision, events);
  };
  put(store, "k");
  put(store, "k");
  assert.equal(sink.takeEvents().length, 2);
  assert.equal(other.take().length, 0);
  assert.deepEqual([watchable.streams, watchable.watchers], [1, 1]);
});

test("writes keep no list of changes while nobody watches", () => {
  const { store, stream } = openWatch();
  assert.equal(store.observer, undefined);
  stream.create(watchRequest("k"));
  assert.notEqual(store.observer, undefined);
  stream.close();
  assert.equal(store.observer, undefined);
});

test("a stream tells how far its watches are behind, those that lag first", () => {
  const { store, stream, watchable } = openWatch();
  stream.create(watchRequest("new"));
  for (let i = 0; i < 5; i++) put(store, "k");
  stream.create(watchRequest("old", "z", { startRevision: 3 }));
  const shown = ({ range, behind, state }: ReturnType<typeof stream.describe>["first"][number]) =>
    `${range.begin} ${state} ${behind}`;
  const { first, ...sums } = stream.describe(10, 10);
  assert.deepEqual(first.map(shown), ["old unsynced 4", "new synced 0"]);
  assert.deepEqual(sums, { looked: 2, lagging: 1, behind: 4 });
  assert.deepEqual(stream.describe(1, 1).first.map(shown), ["new synced 0"]);
  watchable.syncWatchers(1000);
  assert.equal(stream.describe(10, 10).behind, 0);
});
