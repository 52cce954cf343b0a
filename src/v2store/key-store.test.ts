import assert from "node:assert/strict";
import { test } from "node:test";
import { Request } from "../api/gen/etcdserver.ts";
import { utf8FromBytes } from "../base/bytes.ts";
import { Slice } from "../base/slice.ts";
import { V2Error } from "./errors.ts";
import { HISTORY_CAPACITY } from "./event-history.ts";
import { KeyStore } from "./key-store.ts";
import { readContent } from "./read-content.ts";
import { eventJSON, type StoreEvent } from "./views.ts";
import { writeDocument, writeDocumentInSteps } from "./write-document.ts";

const NOW_MS = Date.UTC(2030, 0, 1);

function newStore(): KeyStore {
  return new KeyStore(() => NOW_MS);
}

/** Seconds from now, as a request has them. */
function after(seconds: number): bigint {
  return BigInt(NOW_MS + seconds * 1000) * 1_000_000n;
}

function put(store: KeyStore, Path: string, Val: string, more: Partial<Request> = {}): StoreEvent {
  const event = store.apply(Request.create({ Method: "PUT", Path, Val, ...more }));
  assert.ok(event !== undefined);
  return event;
}

function apply(store: KeyStore, Method: string, Path: string, more: Partial<Request> = {}): void {
  store.apply(Request.create({ Method, Path, ...more }));
}

function failure(operation: () => unknown): string {
  try {
    operation();
  } catch (error) {
    if (error instanceof V2Error) return `${error.code} ${error.reason} ${error.index}`;
    throw error;
  }
  return "no error";
}

function keysBelow(store: KeyStore, path: string): string[] {
  const { node } = store.get(path, { isRecursive: false, isSorted: true });
  return (node.nodes ?? []).map(({ key }) => key);
}

test("keys with a name from their index come in the order in which they were made", () => {
  const store = newStore();
  for (const Val of ["x", "y"]) apply(store, "POST", "/1/queue", { Val });
  assert.deepEqual(keysBelow(store, "/1/queue"), [
    "/1/queue/00000000000000000001",
    "/1/queue/00000000000000000002",
  ]);
});

test("hidden keys are not listed, nor heard of by those who watch above them", () => {
  const store = newStore();
  const heard: string[] = [];
  const options = { isRecursive: true, isStream: true, sinceIndex: 0 };
  store.watch("/1", options, ({ node }) => heard.push(node.key));
  store.watch("/1/_h", options, ({ node }) => heard.push(`own ${node.key}`));
  put(store, "/1/_h/a", "1");
  put(store, "/1/b", "2");
  assert.deepEqual(keysBelow(store, "/1"), ["/1/b"]);
  assert.deepEqual(keysBelow(store, "/1/_h"), ["/1/_h/a"]);
  assert.deepEqual(heard, ["own /1/_h/a", "/1/b"]);
});

test("a comparison that fails says what it met, and changes nothing", () => {
  const store = newStore();
  put(store, "/1/a", "1");
  const compared = (more: Partial<Request>) => failure(() => put(store, "/1/a", "2", more));
  assert.equal(compared({ PrevValue: "z", PrevIndex: 7n }), "101 [z != 1] [7 != 1] 1");
  assert.equal(compared({ PrevValue: "1", PrevIndex: 7n }), "101 [7 != 1] 1");
  assert.equal(
    failure(() => apply(store, "DELETE", "/1/a", { PrevValue: "z" })),
    "101 [z != 1] 1",
  );
  assert.equal(store.index, 1);
  assert.equal(put(store, "/1/a", "2", { PrevIndex: 1n }).action, "compareAndSwap");
});

test("paths that are not there, or are of the other kind, are named as far as they go", () => {
  const store = newStore();
  put(store, "/1/file", "1");
  const get = (path: string) =>
    failure(() => store.get(path, { isRecursive: false, isSorted: false }));
  assert.equal(get("/1/no/such/key"), "100 /1/no 1");
  assert.equal(get("/1/file/below"), "104 /1/file 1");
  assert.equal(
    failure(() => put(store, "/1/file/below", "x")),
    "104 /1/file 1",
  );
  assert.equal(
    failure(() => put(store, "/1", "x")),
    "107 / 1",
  );
  put(store, "/1/dir/key", "x");
  assert.equal(
    failure(() => apply(store, "DELETE", "/1/dir", { Dir: true })),
    "108 /1/dir 2",
  );
  assert.equal(
    failure(() => apply(store, "DELETE", "/1/dir")),
    "102 /1/dir 2",
  );
});

test("what has ended goes in the order of its end, then of its path; nothing else does", () => {
  const store = newStore();
  put(store, "/1/late", "x", { Expiration: after(30) });
  put(store, "/1/b", "x", { Expiration: after(10) });
  put(store, "/1/a", "x", { Expiration: after(10) });
  put(store, "/1/first", "x", { Expiration: after(5) });
  put(store, "/1/kept", "x", { Expiration: after(5) });
  put(store, "/1/kept", "y", { PrevExist: true });
  const ended: string[] = [];
  const options = { isRecursive: true, isStream: true, sinceIndex: 0 };
  store.watch("/1", options, ({ action, node }) => ended.push(`${action} ${node.key}`));
  apply(store, "SYNC", "", { Time: after(10) });
  assert.deepEqual(ended, ["expire /1/first", "expire /1/a", "expire /1/b"]);
  assert.deepEqual(keysBelow(store, "/1"), ["/1/kept", "/1/late"]);
  assert.equal(store.statistics.expireCount, 3);
});

test("who waits for a key hears when its directory goes", () => {
  const store = newStore();
  put(store, "/1/dir/key", "x");
  const heard: string[] = [];
  const options = { isRecursive: false, isStream: false, sinceIndex: 0 };
  store.watch("/1/dir/key", options, (event) => heard.push(eventJSON(event, "/1")));
  store.watch("/1/dir/other", options, () => heard.push("another key"));
  apply(store, "DELETE", "/1/dir", { Recursive: true });
  const node = '"node":{"key":"/dir","dir":true,"modifiedIndex":2,"createdIndex":1}';
  const previous = '"prevNode":{"key":"/dir","dir":true,"modifiedIndex":1,"createdIndex":1}';
  assert.deepEqual(heard, [`{"action":"delete",${node},${previous}}`]);
  assert.equal(store.statistics.watchers, 1);
});

test("a watch from an index on gets what came since, except for refreshes, up to a thousand events", () => {
  const store = newStore();
  put(store, "/1/a", "1");
  put(store, "/1/a", "", { Refresh: true, PrevExist: true, Expiration: after(9) });
  put(store, "/1/a", "3");
  const past = (sinceIndex: number) =>
    store.watch("/1/a", { isRecursive: false, isStream: false, sinceIndex }, () => undefined).past;
  assert.equal(past(2)?.node.modifiedIndex, 3);
  assert.equal(past(4), undefined);
  for (let i = 0; i < HISTORY_CAPACITY; i++) put(store, "/1/b", `${i}`);
  assert.equal(
    failure(() => past(3)),
    "401 the requested history has been cleared [4/3] 1003",
  );
  assert.equal(past(4), undefined);
});

test("a refresh renews the end and keeps the value; the TTL is shown in whole seconds", () => {
  const store = newStore();
  put(store, "/1/a", "1", { Expiration: after(5) });
  const { node } = put(store, "/1/a", "", {
    Refresh: true,
    PrevExist: true,
    Expiration: after(100) + 3n,
  });
  assert.equal(node.value, "1");
  assert.equal(node.ttl, 100);
  assert.match(eventJSON({ action: "get", node, storeIndex: 2 }, ""), /T00:01:40\.000000003Z/);
});

test("a directory's lifetime can be changed, unless the cluster is of version 3.5", () => {
  const store = newStore();
  store.create("/1/dir", undefined);
  const change = () => put(store, "/1/dir", "", { PrevExist: true, Expiration: after(9) });
  assert.equal(change().node.ttl, 9);
  store.set("/0/version", "3.5.0");
  assert.equal(failure(change), "300 nodePath /1/dir : Not a file () 0");
  store.set("/0/version", "3.6.0");
  assert.equal(change().action, "update");
});

test("names are sorted by their bytes, as Go sorts them", () => {
  const store = newStore();
  for (const name of ["\u{1f600}", "\uffee", "z", "Z", "é"]) put(store, `/1/${name}`, "x");
  const inOrder = ["/1/Z", "/1/z", "/1/é", "/1/\uffee", "/1/\u{1f600}"];
  assert.deepEqual(keysBelow(store, "/1"), inOrder);
  const document = JSON.parse(utf8FromBytes(writeDocument(store.content))) as {
    Root: { Children: { 1: { Children: object } } };
  };
  const names = Object.keys(document.Root.Children[1].Children);
  assert.deepEqual(
    names,
    inOrder.map((path) => path.slice(3)),
  );
});

test("a document is read and written again byte for byte, also when its history is full", () => {
  const store = newStore();
  put(store, "/1/<a>/ü", "\u2028 & \n", { Expiration: after(9) + 120n });
  store.create("/1/empty", undefined);
  put(store, "/1/n", "", { Expiration: after(9) });
  put(store, "/1/n", "", { Refresh: true, PrevExist: true, Expiration: after(7) });
  for (const count of [3, HISTORY_CAPACITY + 7]) {
    for (let i = 0; i < count; i++) put(store, "/1/k", `${i}`);
    const document = writeDocument(store.content);
    const copy = new KeyStore(() => NOW_MS, readContent(document));
    assert.equal(utf8FromBytes(writeDocument(copy.content)), utf8FromBytes(document));
    put(store, "/1/next", "1");
    put(copy, "/1/next", "1");
    assert.deepEqual(writeDocument(copy.content), writeDocument(store.content));
  }
  for (const damaged of ["{}", '{"Root":1}', "[]", '{"Root":{"Children":{"1":null}}}']) {
    assert.throws(() => readContent(Buffer.from(damaged)), SyntaxError, damaged);
  }
});

test("a large store is written down in slices, to the same bytes", () => {
  const store = newStore();
  for (let i = 0; i < 500; i++) put(store, `/1/d${i % 7}/k${i}`, "x");
  const slice = new Slice(100);
  const steps = writeDocumentInSteps(store.content, slice);
  let pauses = 0;
  let step = steps.next();
  for (; step.done !== true; step = steps.next()) {
    pauses++;
    slice.refill();
  }
  assert.deepEqual(step.value, writeDocument(store.content));
  // 500 keys, their directories, and the places of the history.
  assert.equal(pauses, 15);
});

test("operations are counted as etcd counts them, some refusals as done", () => {
  const store = newStore();
  put(store, "/1/file", "1");
  for (const attempt of [
    () => put(store, "/1/file", "2", { PrevValue: "z" }),
    () => apply(store, "DELETE", "/1/file", { PrevValue: "z" }),
    () => put(store, "/1", "2", { PrevExist: true }),
    () => put(store, "/1/file/below", "2", { PrevExist: false }),
  ]) {
    assert.notEqual(failure(attempt), "no error");
  }
  const { compareAndSwapFail, compareAndDeleteSuccess, updateSuccess, createFail, setsFail } =
    store.statistics;
  assert.deepEqual(
    { compareAndSwapFail, compareAndDeleteSuccess, updateSuccess, createFail, setsFail },
    {
      compareAndSwapFail: 1,
      compareAndDeleteSuccess: 1,
      updateSuccess: 1,
      createFail: 1,
      setsFail: 1,
    },
  );
});
