/** Walks that borrow their bytes see what other walks see, wherever the pages lie. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { FaultDisk } from "../env/testing/fault-disk.ts";
import { openOn, revisionKey } from "./testing/harness.ts";
import { KEY_BUCKET, type Reader } from "./types.ts";

const RECORDS = 20_000;
/** Less than a branch has children: everything comes from the file. */
const PAGE_CACHE_BYTES = 64 * 1024;

type Row = readonly [key: string, value: string];

function scanned(reader: Reader, start: Uint8Array, end: Uint8Array | undefined): Row[] {
  const rows: Row[] = [];
  reader.scan(KEY_BUCKET, start, end, (key, value) => {
    rows.push([text(key), text(value)]);
    return true;
  });
  return rows;
}

function scannedInPlace(reader: Reader, start: Uint8Array, end: Uint8Array | undefined): Row[] {
  const rows: Row[] = [];
  reader.scanInPlace?.(KEY_BUCKET, start, end, (keys, from, to, values, begin, stop) => {
    rows.push([text(keys.subarray(from, to)), text(values.subarray(begin, stop))]);
    return true;
  });
  return rows;
}

function text(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("latin1");
}

test("a walk in place shows each record of a tree of several levels, from any start", async () => {
  const disk = new FaultDisk();
  const backend = await openOn(disk, { pageCacheBytes: PAGE_CACHE_BYTES });
  for (let i = 1; i <= RECORDS; i++) {
    // Some of them longer than a page.
    const value = `value ${i} `.repeat(i % 1000 === 0 ? 1000 : 20);
    backend.put(KEY_BUCKET, revisionKey(i), Buffer.from(value));
    if (i % 5000 === 0) await backend.commit();
  }
  for (const [first, last] of [
    [1, RECORDS],
    [7777, RECORDS],
    [100, 12_345],
  ] as const) {
    const start = revisionKey(first);
    const end = last === RECORDS ? undefined : revisionKey(last);
    const rows = scannedInPlace(backend, start, end);
    assert.equal(rows.length, last - first + (end === undefined ? 1 : 0));
    assert.deepEqual(rows, scanned(backend, start, end));
  }
  // A batch that is not committed lies above the tree.
  backend.put(KEY_BUCKET, revisionKey(5000), Buffer.from("changed"));
  backend.delete(KEY_BUCKET, revisionKey(6000));
  const all = scannedInPlace(backend, revisionKey(1), undefined);
  assert.equal(all.length, RECORDS - 1);
  assert.deepEqual(all, scanned(backend, revisionKey(1), undefined));
  await backend.close();
});
