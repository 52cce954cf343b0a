/** Buckets inside buckets: etcd has none, but other users of bbolt files do. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { EMPTY_BYTES } from "../../base/bytes.ts";
import { FaultDisk } from "../../env/testing/fault-disk.ts";
import { assertSoundBackend, DB_PATH, openOn, readAll, revisionKey } from "../testing/harness.ts";
import { KEY_BUCKET } from "../types.ts";
import { BoltFile } from "./bolt-file.ts";
import { decodeBucketValue, encodeBucketValue } from "./bucket-value.ts";
import { checkBolt } from "./check.ts";
import { ListOps } from "./transaction.ts";
import { PUT, PUT_BUCKET, TreeMerge } from "./tree-merge.ts";
import { type BucketRoot, TreeCursor } from "./tree-read.ts";
import type { WriteTx } from "./write-tx.ts";

const NEVER = () => false;
const OPTIONS = { fillPercent: 0.5, inlineLimitBytes: 1024 };

function build(tx: WriteTx, ops: ListOps, sequence: bigint): BucketRoot {
  const merge = new TreeMerge(tx, undefined, ops, { ...OPTIONS, sequence });
  assert.ok(merge.step(NEVER));
  return merge.finish();
}

function keys(count: number, bytes: number): ListOps {
  const ops = new ListOps();
  for (let at = 0; at < count; at++) {
    ops.add(PUT, Buffer.from(`key${String(at).padStart(5, "0")}`), Buffer.alloc(bytes, at));
  }
  return ops;
}

/** db: { outer: { a: value, inner (seq 9): { deep: { 500 keys }, small: { 2 keys } } } } */
async function writeNested(disk: FaultDisk): Promise<void> {
  const file = await BoltFile.open(disk, DB_PATH, { pageCacheBytes: 1 << 20 });
  const tx = file.begin();
  const inner = new ListOps();
  inner.add(PUT_BUCKET, Buffer.from("deep"), encodeBucketValue(build(tx, keys(500, 100), 1n)));
  inner.add(PUT_BUCKET, Buffer.from("small"), encodeBucketValue(build(tx, keys(2, 10), 2n)));
  const outer = new ListOps();
  outer.add(PUT, Buffer.from("a"), Buffer.from("value"));
  outer.add(PUT_BUCKET, Buffer.from("inner"), encodeBucketValue(build(tx, inner, 9n)));
  const root = new ListOps();
  root.add(PUT_BUCKET, Buffer.from("outer"), encodeBucketValue(build(tx, outer, 0n)));
  const merge = new TreeMerge(tx, file.rootBucket(tx.base), root, {
    fillPercent: 0.5,
    inlineLimitBytes: 0,
  });
  assert.ok(merge.step(NEVER));
  file.install(tx, merge.finish().rootPgid, new Map());
  await file.writeOut(tx);
  file.release();
}

/** Everything below a bucket as "path=value" lines, sequences included. */
function dump(file: BoltFile, root: BucketRoot, path: string, lines: string[]): void {
  const cursor = new TreeCursor(file, root);
  cursor.seek(EMPTY_BYTES);
  for (let { page } = cursor; page !== undefined; page = cursor.page) {
    const key = `${path}/${page.key(cursor.index).toString()}`;
    const value = page.value(cursor.index);
    if (page.isBucket(cursor.index)) {
      const child = decodeBucketValue(value, file.path, page.id, file.state.highWater);
      lines.push(`${key} sequence ${child.sequence} inline ${child.inline !== undefined}`);
      dump(file, child, key, lines);
    } else {
      lines.push(`${key}=${value.toString("hex")}`);
    }
    cursor.next();
  }
}

function dumpAll(file: BoltFile): string[] {
  const lines: string[] = [];
  dump(file, file.rootBucket(file.state), "", lines);
  return lines.filter((line) => line.startsWith("/outer"));
}

test("nested buckets survive commits and defragmentation", async () => {
  const disk = new FaultDisk();
  await writeNested(disk);
  const file = disk.open(DB_PATH);
  const report = await checkBolt(file);
  file.close();
  assert.deepEqual(report.errors, []);
  assert.equal(report.keys, 503);

  const backend = await openOn(disk);
  const before = dumpAll(backend.boltFile);
  assert.equal(before.length, 1 + 1 + 1 + 1 + 500 + 1 + 2);
  assert.ok(before.includes("/outer/inner sequence 9 inline false"));
  assert.ok(before.includes("/outer/inner/small sequence 2 inline true"));
  for (let main = 2; main < 500; main++)
    backend.put(KEY_BUCKET, revisionKey(main), Buffer.alloc(99));
  await backend.commit();
  await assertSoundBackend(backend);
  assert.deepEqual(dumpAll(backend.boltFile), before);
  await backend.defragment();
  await assertSoundBackend(backend);
  assert.deepEqual(dumpAll(backend.boltFile), before);
  // A nested bucket is not a value.
  const outer = { id: 20, name: "outer", sequential: false };
  assert.equal(backend.get(outer, Buffer.from("inner")), undefined);
  assert.deepEqual(readAll(backend, outer), [["a", "value"]]);
  await backend.close();
});
