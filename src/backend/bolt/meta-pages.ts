/**
 * The two meta pages at the head of the file: choosing the valid one with the higher txid, and the
 * pages of a new file.
 */

import type { DiskFile } from "../../env/disk.ts";
import { BackendCorruptError } from "../errors.ts";
import {
  decodeMetaPage,
  encodeMetaPage,
  FREELIST_PAGE,
  LEAF_PAGE,
  MAX_PAGE_BYTES,
  META_END,
  type Meta,
  MIN_PAGE_BYTES,
  writePageHeader,
} from "./format.ts";

const INITIAL_PAGES = 4;
const INITIAL_FREELIST = 2;
const INITIAL_ROOT = 3;
/** Larger files are never taken for unfinished ones. */
const MAX_UNFINISHED_BYTES = INITIAL_PAGES * MAX_PAGE_BYTES;

/** The meta that describes the last durable transaction. */
export function chooseMeta(file: DiskFile): Meta {
  const first = readMeta(file, 0);
  if (typeof first !== "string") {
    const second = readMeta(file, first.pageSize);
    if (typeof second === "string" || second.pageSize !== first.pageSize) return first;
    return second.txid > first.txid ? second : first;
  }
  // Page 0 is bad; where page 1 begins depends on the page size that it tells itself.
  for (let pageSize = MIN_PAGE_BYTES; pageSize <= MAX_PAGE_BYTES; pageSize *= 2) {
    const second = readMeta(file, pageSize);
    if (typeof second !== "string" && second.pageSize === pageSize) return second;
  }
  throw new BackendCorruptError(file.path, -1, `neither meta page is valid: ${first}`);
}

/** The meta page at `position`, or what is wrong with it. */
export function readMeta(file: DiskFile, position: number): Meta | string {
  const head = Buffer.alloc(META_END);
  const got = file.readSync(head, position);
  return decodeMetaPage(head.subarray(0, got));
}

/**
 * True for an empty file and for one whose creation was cut short: every byte is what
 * `initializeFile` writes there, or still zero, and no meta page is complete.
 */
export function isUnfinishedFile(file: DiskFile): boolean {
  const size = file.size();
  if (size === 0) return true;
  if (size > MAX_UNFINISHED_BYTES) return false;
  const content = Buffer.alloc(size);
  file.readSync(content, 0);
  for (let pageSize = MIN_PAGE_BYTES; pageSize <= MAX_PAGE_BYTES; pageSize *= 2) {
    if (INITIAL_PAGES * pageSize < size) continue;
    const image = initialImage(pageSize);
    const isComplete = size === image.length && image.equals(content);
    if (!isComplete && content.every((byte, at) => byte === 0 || byte === image[at])) return true;
  }
  return false;
}

/** Writes the four pages of an empty db; durable when it settles. */
export async function initializeFile(
  file: DiskFile,
  pageSize: number,
  noFsync: boolean,
): Promise<void> {
  const image = initialImage(pageSize);
  await file.write([image], 0);
  if (!noFsync) await file.datasync();
}

function initialImage(pageSize: number): Buffer {
  const image = Buffer.alloc(INITIAL_PAGES * pageSize);
  for (const txid of [0, 1]) {
    const meta: Meta = {
      pageSize,
      rootPgid: INITIAL_ROOT,
      rootSequence: 0n,
      freelistPgid: INITIAL_FREELIST,
      highWater: INITIAL_PAGES,
      txid,
    };
    image.set(encodeMetaPage(meta), txid * pageSize);
  }
  const freelist = image.subarray(INITIAL_FREELIST * pageSize);
  writePageHeader(freelist, INITIAL_FREELIST, FREELIST_PAGE, 0, 0);
  writePageHeader(image.subarray(INITIAL_ROOT * pageSize), INITIAL_ROOT, LEAF_PAGE, 0, 0);
  return image;
}
