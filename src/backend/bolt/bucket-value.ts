/**
 * The value of a bucket element: root pgid u64, sequence u64, and when the root is 0 a leaf page
 * with a header of its own ("inline" bucket: no larger than a quarter page, no buckets inside).
 */

import { BackendCorruptError } from "../errors.ts";
import { BUCKET_HEADER_BYTES, PAGE_HEADER_BYTES, readU64, writeU64 } from "./format.ts";
import { parsePage } from "./page.ts";
import { type BucketRoot, bucketRoot } from "./tree-read.ts";

/** A bucket whose leaf page takes at most this share of a page is stored inline. */
const INLINE_DIVISOR = 4;

export function inlineLimitBytes(pageSize: number): number {
  return pageSize / INLINE_DIVISOR;
}

/** Checks the header and an inline page. `where` is the page that holds the value. */
export function decodeBucketValue(
  value: Buffer,
  path: string,
  where: number,
  highWater: number,
): BucketRoot {
  const rootPgid = readU64(value, 0);
  const sequence = value.readBigUInt64LE(8);
  if (rootPgid !== 0) {
    if (rootPgid < 2 || rootPgid >= highWater) {
      throw new BackendCorruptError(path, where, `a bucket's root is page ${rootPgid}`);
    }
    return bucketRoot(rootPgid, sequence, undefined);
  }
  const body = value.subarray(BUCKET_HEADER_BYTES);
  if (body.length < PAGE_HEADER_BYTES) {
    throw new BackendCorruptError(path, where, "an inline bucket has no page");
  }
  const inline = parsePage(0, body, highWater);
  if (typeof inline === "string") {
    throw new BackendCorruptError(path, where, `inline bucket: ${inline}`);
  }
  if (!inline.isLeaf) throw new BackendCorruptError(path, where, "inline bucket is no leaf");
  for (let index = 0; index < inline.count; index++) {
    if (inline.isBucket(index)) {
      throw new BackendCorruptError(path, where, "inline bucket holds a bucket");
    }
  }
  return bucketRoot(0, sequence, inline);
}

export function encodeBucketValue(root: BucketRoot): Buffer {
  const body = root.inline?.buffer;
  const value = Buffer.alloc(BUCKET_HEADER_BYTES + (body?.length ?? 0));
  writeU64(value, 0, root.rootPgid);
  value.writeBigUInt64LE(root.sequence, 8);
  if (body !== undefined) value.set(body, BUCKET_HEADER_BYTES);
  return value;
}
