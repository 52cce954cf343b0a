import assert from "node:assert/strict";
import test from "node:test";
import { isEtcdError } from "../../api/errors.ts";
import { CompactionRequest } from "../../api/gen/rpc.ts";
import { deleteRequest, openWorld, putRequest, rangeRequest, textOf } from "../testing/harness.ts";
import { executeRange } from "./range.ts";
import { executeCompaction, executeDeleteRange, executePut } from "./write.ts";

test("prev_kv brings what was there before the put", () => {
  const { store } = openWorld();
  assert.equal(executePut(store, putRequest("k", "1", { prevKv: true })).previous, undefined);
  const { previous, revision } = executePut(store, putRequest("k", "2", { prevKv: true }));
  assert.equal(revision, 3);
  assert.deepEqual(previous && textOf(previous), {
    key: "k",
    value: "1",
    create: 2,
    mod: 2,
    version: 1,
    lease: 0n,
  });
  assert.equal(executePut(store, putRequest("k", "3")).previous, undefined);
});

test("ignore_value keeps the value, ignore_lease keeps the lease", () => {
  const { store, lessor } = openWorld();
  lessor.grant(3n);
  lessor.grant(4n);
  executePut(store, putRequest("k", "v", { lease: 3n }));
  executePut(store, putRequest("k", "", { ignoreValue: true, lease: 4n }));
  const stored = (): unknown => executeRange(store, rangeRequest("k")).kvs.map(textOf)[0];
  const kv = { key: "k", create: 2 };
  assert.deepEqual(stored(), { ...kv, value: "v", mod: 3, version: 2, lease: 4n });
  const both = { ignoreLease: true, prevKv: true };
  const { previous } = executePut(store, putRequest("k", "w", both));
  assert.equal(previous && textOf(previous).value, "v");
  assert.deepEqual(stored(), { ...kv, value: "w", mod: 4, version: 3, lease: 4n });
  assert.deepEqual([lessor.keysOf(3n), lessor.keysOf(4n)], [[], ["k"]]);
});

test("what cannot be ignored or attached fails without a trace, lease first", () => {
  const { store } = openWorld();
  const table = [
    [putRequest("k", "", { ignoreValue: true }), "keyNotFound"],
    [putRequest("k", "v", { ignoreLease: true }), "keyNotFound"],
    [putRequest("k", "v", { lease: 9n }), "leaseNotFound"],
    [putRequest("k", "", { ignoreValue: true, lease: 9n }), "leaseNotFound"],
  ] as const;
  for (const [request, kind] of table) {
    assert.throws(
      () => executePut(store, request),
      (error) => isEtcdError(error, kind),
    );
  }
  assert.deepEqual([store.currentRevision, store.liveKeys], [1, 0]);
});

test("deletion of one key, a range and everything, with previous records in key order", () => {
  const { store } = openWorld();
  for (const key of ["c", "a", "b", "d"]) executePut(store, putRequest(key, `v${key}`));
  const one = executeDeleteRange(store, deleteRequest("b", "", true));
  assert.deepEqual([one.revision, one.deleted, one.previous.length], [6, 1, 1]);
  const range = executeDeleteRange(store, deleteRequest("a", "d", true));
  assert.deepEqual([range.revision, range.deleted], [7, 2]);
  assert.deepEqual(
    range.previous.map((kv) => textOf(kv).value),
    ["va", "vc"],
  );
  const none = executeDeleteRange(store, deleteRequest("a", "c", true));
  assert.deepEqual(none, { revision: 7, deleted: 0, previous: [] });
  const rest = executeDeleteRange(store, deleteRequest("\0", "\0"));
  assert.deepEqual(rest, { revision: 8, deleted: 1, previous: [] });
});

test("compaction answers with the current revision", () => {
  const { store } = openWorld();
  for (let i = 0; i < 3; i++) executePut(store, putRequest("k", String(i)));
  assert.equal(executeCompaction(store, CompactionRequest.create({ revision: 2 })), 4);
  assert.throws(
    () => executeCompaction(store, CompactionRequest.create({ revision: 2 })),
    (error) => isEtcdError(error, "compacted"),
  );
});
