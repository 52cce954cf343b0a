/**
 * Reads through layers: the batches, newest first, above the committed tree. Where several layers
 * have a key the newest decides. A view is a layered reader over snapshots.
 */

import { EMPTY_BYTES } from "../base/bytes.ts";
import type { Batch } from "./batch.ts";
import type { BoltFile, TreeState } from "./bolt/bolt-file.ts";
import { SequentialSource } from "./bolt/sequential-source.ts";
import { TreeCursor, treeGet } from "./bolt/tree-read.ts";
import type { Bucket, Visit, VisitInPlace } from "./types.ts";
import type { BufferCursor } from "./write-buffer.ts";

export interface Layers {
  readonly newer: Batch | undefined;
  readonly older: Batch | undefined;
  readonly file: BoltFile;
  readonly state: TreeState;
}

export function layeredGet(
  layers: Layers,
  bucket: Bucket,
  key: Uint8Array,
): Uint8Array | undefined {
  let found = layers.newer?.buffer(bucket)?.get(key);
  if (found === undefined) found = layers.older?.buffer(bucket)?.get(key);
  if (found !== undefined) return found ?? undefined;
  const root = layers.file.bucket(layers.state, bucket.name);
  return root === undefined ? undefined : treeGet(layers.file, root, key);
}

export function layeredScan(
  layers: Layers,
  bucket: Bucket,
  start: Uint8Array,
  end: Uint8Array | undefined,
  visit: Visit,
): void {
  const newer = bufferCursor(layers.newer, bucket, start, end);
  const older = bufferCursor(layers.older, bucket, start, end);
  const tree = treeCursor(layers, bucket, start, "kept");
  if (newer === undefined && older === undefined) {
    if (tree !== undefined) scanTree(tree, end, visit);
  } else {
    mergedScan(newer, older, tree, end, visit);
  }
}

/** As `layeredScan`; where only the tree has something in the range, no object is made per key. */
export function layeredScanInPlace(
  layers: Layers,
  bucket: Bucket,
  start: Uint8Array,
  end: Uint8Array | undefined,
  visit: VisitInPlace,
): void {
  const newer = bufferCursor(layers.newer, bucket, start, end);
  const older = bufferCursor(layers.older, bucket, start, end);
  const isAlone = newer === undefined && older === undefined;
  // A merged walk looks ahead in the tree while a key of it is shown.
  const tree = treeCursor(layers, bucket, start, isAlone ? "borrowed" : "kept");
  if (isAlone) {
    if (tree !== undefined) scanTreeInPlace(tree, end, visit);
  } else {
    mergedScan(newer, older, tree, end, (key, value) =>
      visit(key, 0, key.length, value, 0, value.length),
    );
  }
}

function treeCursor(
  layers: Layers,
  bucket: Bucket,
  start: Uint8Array,
  leaves: "kept" | "borrowed",
): TreeCursor | undefined {
  const root = layers.file.bucket(layers.state, bucket.name);
  if (root === undefined) return undefined;
  const source = new SequentialSource(layers.file, layers.state.highWater, leaves);
  const tree = new TreeCursor(source, root);
  tree.seek(start);
  return tree;
}

/** Undefined when the batch has nothing in the range. */
function bufferCursor(
  batch: Batch | undefined,
  bucket: Bucket,
  start: Uint8Array,
  end: Uint8Array | undefined,
): BufferCursor | undefined {
  const buffer = batch?.buffer(bucket);
  if (buffer === undefined || buffer.isEmpty) return undefined;
  const cursor = buffer.cursor(start);
  return isBefore(cursor.key, end) ? cursor : undefined;
}

function isBefore(key: Uint8Array | undefined, end: Uint8Array | undefined): boolean {
  return key !== undefined && (end === undefined || Buffer.compare(key, end) < 0);
}

function scanTree(cursor: TreeCursor, end: Uint8Array | undefined, visit: Visit): void {
  for (let { page } = cursor; page !== undefined; page = cursor.page) {
    const { index } = cursor;
    if (end !== undefined && page.compareKey(index, end, 0, end.length) >= 0) return;
    if (!page.isBucket(index) && visit(page.key(index), page.value(index)) === false) return;
    cursor.next();
  }
}

function scanTreeInPlace(
  cursor: TreeCursor,
  end: Uint8Array | undefined,
  visit: VisitInPlace,
): void {
  for (let { page } = cursor; page !== undefined; page = cursor.page) {
    const { index } = cursor;
    if (end !== undefined && page.compareKey(index, end, 0, end.length) >= 0) return;
    if (!page.isBucket(index)) {
      const { buffer } = page;
      const start = page.keyStart(index);
      const middle = start + page.keyLength(index);
      const stop = middle + page.valueLength(index);
      if (visit(buffer, start, middle, buffer, middle, stop) === false) return;
    }
    cursor.next();
  }
}

function mergedScan(
  newer: BufferCursor | undefined,
  older: BufferCursor | undefined,
  tree: TreeCursor | undefined,
  end: Uint8Array | undefined,
  visit: Visit,
): void {
  let treeKey = currentKey(tree);
  for (;;) {
    const key = smallest(smallest(newer?.key, older?.key), treeKey);
    if (key === undefined || !isBefore(key, end)) return;
    // The newest layer with the key decides; all layers that have it move on.
    let value: Uint8Array | undefined;
    if (treeKey !== undefined && Buffer.compare(treeKey, key) === 0) {
      if (tree?.page?.isBucket(tree.index) === false) value = tree.page.value(tree.index);
      tree?.next();
      treeKey = currentKey(tree);
    }
    value = take(older, key, value);
    value = take(newer, key, value);
    if (value !== undefined && visit(key, value) === false) return;
  }
}

/** The layer's value when it has `key` (undefined: deleted), else `below`. Moves past the key. */
function take(
  cursor: BufferCursor | undefined,
  key: Uint8Array,
  below: Uint8Array | undefined,
): Uint8Array | undefined {
  if (cursor?.key === undefined) return below;
  if (cursor.key !== key && Buffer.compare(cursor.key, key) !== 0) return below;
  const { value } = cursor;
  cursor.advance();
  return value;
}

function currentKey(cursor: TreeCursor | undefined): Uint8Array | undefined {
  return cursor?.page?.key(cursor.index);
}

function smallest(a: Uint8Array | undefined, b: Uint8Array | undefined): Uint8Array | undefined {
  if (a === undefined) return b;
  if (b === undefined) return a;
  return Buffer.compare(a, b) <= 0 ? a : b;
}

/** The smallest key greater than `key`. */
export function successor(key: Uint8Array): Uint8Array {
  const next = new Uint8Array(key.length + 1);
  next.set(key);
  return next;
}

export const FIRST_KEY: Uint8Array = EMPTY_BYTES;
