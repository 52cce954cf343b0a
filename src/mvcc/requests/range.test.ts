import assert from "node:assert/strict";
import test from "node:test";
import { isEtcdError } from "../../api/errors.ts";
import type { Store } from "../store.ts";
import {
  deleteRequest,
  keysOf,
  openWorld,
  putRequest,
  rangeRequest,
  textOf,
  Stepper,
} from "../testing/harness.ts";
import { encodeRangeResponse, sizeRangeResponse } from "./encode.ts";
import { RangeEncoder } from "./range-encoder.ts";
import { executeRange, RangeExecution, type RangeResult } from "./range.ts";
import { executeDeleteRange, executePut } from "./write.ts";

type Options = Parameters<typeof rangeRequest>[2];

function fill(keys: readonly string[]): Store {
  const { store } = openWorld();
  for (const key of keys) executePut(store, putRequest(key, `value of ${key}`));
  return store;
}

function keys(store: Store, key: string, end = "", options: Options = {}): string[] {
  return keysOf(executeRange(store, rangeRequest(key, end, options)).kvs);
}

test("key and range_end select one key, a range, a prefix, everything from a key, everything", () => {
  const store = fill(["a", "b", "b\x00", "ba", "c", "\xff"]);
  assert.deepEqual(keys(store, "b"), ["b"]);
  assert.deepEqual(keys(store, "missing"), []);
  assert.deepEqual(keys(store, "a", "ba"), ["a", "b", "b\x00"]);
  assert.deepEqual(keys(store, "b", "c"), ["b", "b\x00", "ba"]);
  assert.deepEqual(keys(store, "ba", "\0"), ["ba", "c", "\xff"]);
  assert.deepEqual(keys(store, "\0", "\0"), ["a", "b", "b\x00", "ba", "c", "\xff"]);
});

test("a range that ends at or before its key is empty and no error", () => {
  const store = fill(["a", "b"]);
  for (const end of ["b", "a"]) {
    const result = executeRange(store, rangeRequest("b", end));
    assert.deepEqual([result.kvs.length, result.count, result.more], [0, 0, false]);
  }
});

test("limit cuts, more tells, count counts all", () => {
  const store = fill(["a", "b", "c", "d"]);
  const table: [limit: number, keys: number, more: boolean][] = [
    [0, 4, false],
    [-1, 4, false],
    [1, 1, true],
    [3, 3, true],
    [4, 4, false],
    [9, 4, false],
  ];
  for (const revision of [0, 5]) {
    for (const [limit, length, more] of table) {
      const result = executeRange(store, rangeRequest("a", "z", { limit, revision }));
      assert.deepEqual([result.kvs.length, result.more, result.count], [length, more, 4]);
    }
  }
});

test("keys_only leaves the value out and keeps the rest", () => {
  const store = fill(["a"]);
  const [bare] = executeRange(store, rangeRequest("a", "", { keysOnly: true })).kvs;
  const expected = { key: "a", value: "", create: 2, mod: 2, version: 1, lease: 0n };
  assert.deepEqual(bare && textOf(bare), expected);
});

test("count_only counts and returns no keys, at old revisions too", () => {
  const store = fill(["a", "b", "c"]);
  executeDeleteRange(store, deleteRequest("b"));
  for (const [revision, count] of [
    [0, 2],
    [4, 3],
    [3, 2],
  ] as const) {
    const request = rangeRequest("a", "z", { countOnly: true, revision, limit: 1 });
    const { kvs, ...rest } = executeRange(store, request);
    assert.deepEqual({ ...rest, kvs: [...kvs] }, { revision: 5, kvs: [], more: false, count });
  }
});

test("all sort targets in all orders, equal ones by key", () => {
  const { store } = openWorld();
  for (const [key, value] of [
    ["c", "3"],
    ["a", "2"],
    ["b", "1"],
    ["c", "2"],
    ["a", "0"],
    ["c", "2"],
  ] as const) {
    executePut(store, putRequest(key, value));
  }
  const [KEY, VERSION, CREATE, MOD, VALUE] = [0, 1, 2, 3, 4];
  const [NONE, ASCEND, DESCEND] = [0, 1, 2];
  const table: [target: number, order: number, expected: string][] = [
    [KEY, NONE, "abc"],
    [KEY, ASCEND, "abc"],
    [KEY, DESCEND, "cba"],
    [VERSION, NONE, "bac"],
    [VERSION, ASCEND, "bac"],
    [VERSION, DESCEND, "cab"],
    [CREATE, NONE, "cab"],
    [CREATE, ASCEND, "cab"],
    [CREATE, DESCEND, "bac"],
    [MOD, NONE, "bac"],
    [MOD, ASCEND, "bac"],
    [MOD, DESCEND, "cab"],
    [VALUE, NONE, "abc"],
    [VALUE, ASCEND, "abc"],
    [VALUE, DESCEND, "cba"],
  ];
  for (const revision of [0, 7]) {
    for (const [sortTarget, sortOrder, expected] of table) {
      const found = keys(store, "a", "z", { sortTarget, sortOrder, revision });
      assert.equal(found.join(""), expected, `target ${sortTarget}, order ${sortOrder}`);
    }
  }
});

test("a limit cuts after sorting by order, but before sorting by a mere target", () => {
  const { store } = openWorld();
  for (const key of ["c", "b", "a"]) executePut(store, putRequest(key, "v"));
  const [ASCEND, CREATE] = [1, 2];
  const ordered = { sortTarget: CREATE, sortOrder: ASCEND, limit: 1 };
  assert.deepEqual(keys(store, "a", "z", ordered), ["c"]);
  assert.deepEqual(keys(store, "a", "z", { sortTarget: CREATE, limit: 1 }), ["b"]);
});

test("revision filters drop keys but not from the count", () => {
  const { store } = openWorld();
  for (const key of ["a", "b", "c", "a"]) executePut(store, putRequest(key, "v"));
  const table: [Options, string][] = [
    [{ minModRevision: 4 }, "ac"],
    [{ maxModRevision: 4 }, "bc"],
    [{ minModRevision: 4, maxModRevision: 4 }, "c"],
    [{ minCreateRevision: 3 }, "bc"],
    [{ maxCreateRevision: 3 }, "ab"],
    [{ minCreateRevision: 3, maxModRevision: 3 }, "b"],
  ];
  for (const [options, expected] of table) {
    const result = executeRange(store, rangeRequest("a", "z", options));
    assert.deepEqual([keysOf(result.kvs).join(""), result.count], [expected, 3]);
  }
  const limited = rangeRequest("a", "z", { minCreateRevision: 3, limit: 1 });
  const { kvs, more } = executeRange(store, limited);
  assert.deepEqual([keysOf(kvs), more], [["b"], true]);
});

test("the header shows the store's revision even for a read in the past", () => {
  const store = fill(["a", "b", "c"]);
  assert.equal(executeRange(store, rangeRequest("a", "", { revision: 2 })).revision, 4);
});

test("revision 0 and below mean now; above now and below compaction are errors", () => {
  const store = fill(["a", "b", "c"]);
  for (const revision of [0, -1, -100]) assert.deepEqual(keys(store, "c", "", { revision }), ["c"]);
  store.compact(3);
  assert.deepEqual(keys(store, "a", "z", { revision: 3 }), ["a", "b"]);
  const attempt = (revision: number) => () => keys(store, "a", "z", { revision });
  assert.throws(attempt(2), (error) => isEtcdError(error, "compacted"));
  assert.throws(attempt(5), (error) => isEtcdError(error, "futureRevision"));
});

test("a range that a restored snapshot overtakes asks the client to try again", () => {
  const { store } = openWorld();
  for (const key of ["a", "b", "c"]) executePut(store, putRequest(key, "v"));
  const execution = new RangeExecution(store, rangeRequest("a", "z"));
  const range = new Stepper((slice) => execution.run(slice));
  assert.equal(range.step(1), undefined);
  store.restore();
  assert.throws(
    () => range.step(1),
    (error) => isEtcdError(error, "leaderChanged"),
  );
  store.compact(4);
  assert.equal(store.runCompaction(100).state, "finished");
});

/** The result of a range that keeps so many bytes of records. */
function keeping(store: Store, keepBytes: number, options: Options = {}): RangeResult {
  const execution = new RangeExecution(store, rangeRequest("a", "z", options), { keepBytes });
  const range = new Stepper((slice) => execution.run(slice));
  for (;;) {
    const result = range.step(2);
    if (result !== undefined) return result;
  }
}

const HEADER = Buffer.from([0x18, 5]);

function encodedInPieces(result: RangeResult): Buffer {
  const encoder = new RangeEncoder(HEADER, result);
  const pieces: Uint8Array[] = [];
  for (let piece = encoder.piece(1); piece !== undefined; piece = encoder.piece(1)) {
    pieces.push(piece);
  }
  return Buffer.concat(pieces);
}

test("a large range is read again when it leaves, as it was, whatever is written and compacted", () => {
  const names = ["a", "b", "c", "d", "e", "f"];
  const orders: readonly Options[] = [
    {},
    { sortOrder: 2 },
    { sortOrder: 1, sortTarget: 4 },
    { limit: 4 },
  ];
  for (const options of orders) {
    for (const keepBytes of [0, 1, 60, 1_000]) {
      const store = fill(names);
      const whole = encodeRangeResponse(
        HEADER,
        executeRange(store, rangeRequest("a", "z", options)),
      );
      const result = keeping(store, keepBytes, options);
      assert.equal(sizeRangeResponse(HEADER, result), whole.length);
      for (const key of names) executePut(store, putRequest(key, "new"));
      executeDeleteRange(store, deleteRequest("a", "c"));
      store.compact(store.currentRevision);
      const held = result.late === undefined ? "finished" : "waiting";
      assert.equal(store.runCompaction(100).state, held);
      assert.deepEqual(encodedInPieces(result), whole);
      result.late?.close();
      assert.notEqual(store.runCompaction(100).state, "waiting");
    }
  }
});

test("a range that is kept only in part holds no more than that", () => {
  const store = fill(["a", "b", "c", "d", "e", "f"]);
  const bytes = executeRange(store, rangeRequest("a", "b")).kvs.at(0)?.length ?? 0;
  const result = keeping(store, 2 * bytes);
  assert.deepEqual([result.kvs.length, result.late?.count], [2, 4]);
  assert.equal(keeping(store, 2 * bytes, { keysOnly: true }).late, undefined);
});

test("a large range that a restored snapshot overtakes breaks off", () => {
  const store = fill(["a", "b", "c"]);
  const encoder = new RangeEncoder(HEADER, keeping(store, 0));
  encoder.piece(1);
  store.restore();
  assert.throws(
    () => encoder.piece(1_000),
    (error) => isEtcdError(error, "leaderChanged"),
  );
});
