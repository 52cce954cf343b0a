/**
 * The freelist as a page of the file: count u16 in the header (0xffff: the count is the first u64),
 * then the free page ids, ascending, as u64. etcd does not write it; other users of bbolt do.
 */

import type { DiskFile } from "../../env/disk.ts";
import { BackendCorruptError } from "../errors.ts";
import {
  FREELIST_PAGE,
  type Meta,
  PAGE_HEADER_BYTES,
  readU16,
  readU64,
  writePageHeader,
  writeU64,
} from "./format.ts";
import type { Freelist } from "./freelist.ts";
import { Page } from "./page.ts";
import { type PageSet, pageOverflow } from "./page-scan.ts";
import type { WriteTx } from "./write-tx.ts";

const LONG_COUNT = 0xffff;
const ID_BYTES = 8;

/**
 * Checks the list against the pages that the trees reach: none may be in both. Adds the list's own
 * pages to `reached` and says how many they are.
 */
export function readFreelistPage(
  file: DiskFile,
  meta: Meta,
  reached: PageSet,
): { readonly pages: number; readonly ids: readonly number[] } {
  const { freelistPgid: id, pageSize, highWater } = meta;
  const bad = (reason: string) => new BackendCorruptError(file.path, id, `freelist: ${reason}`);
  if (id < 2 || id >= highWater) throw bad(`page is outside of the ${highWater} pages`);
  const head = Buffer.alloc(pageSize);
  if (file.readSync(head, id * pageSize) < pageSize) throw bad("it lies behind the end");
  const overflow = pageOverflow(head, id, pageSize, highWater);
  if (typeof overflow === "string") throw bad(overflow);
  if (readU16(head, 8) !== FREELIST_PAGE) throw bad("the page has another type");
  for (let page = id; page <= id + overflow; page++) {
    if (reached.has(page)) throw bad(`its page ${page} is in use twice`);
    reached.add(page);
  }
  const page = Buffer.alloc((overflow + 1) * pageSize);
  if (file.readSync(page, id * pageSize) < page.length) throw bad("it lies behind the end");
  return { pages: overflow + 1, ids: readIds(page, highWater, reached, bad) };
}

function readIds(
  page: Buffer,
  highWater: number,
  reached: PageSet,
  bad: (reason: string) => BackendCorruptError,
): number[] {
  let count = readU16(page, 10);
  let at = PAGE_HEADER_BYTES;
  if (count === LONG_COUNT) {
    count = readU64(page, at);
    at += ID_BYTES;
  }
  if (at + count * ID_BYTES > page.length) throw bad(`${count} ids do not fit`);
  const ids: number[] = [];
  let previous = 1;
  for (let index = 0; index < count; index++, at += ID_BYTES) {
    const free = readU64(page, at);
    if (free <= previous) throw bad(`page ${free} follows page ${previous}`);
    if (free >= highWater) throw bad(`page ${free} is behind the end`);
    if (reached.has(free)) throw bad(`page ${free} is in use`);
    ids.push(free);
    previous = free;
  }
  return ids;
}

/** Takes pages for the list, then lists what is free afterwards. Joins the dirty pages. */
export function writeFreelistPage(tx: WriteTx, freelist: Freelist): Page {
  const most = freelist.freeCount + freelist.pendingCount;
  const bytes = PAGE_HEADER_BYTES + (most + 1) * ID_BYTES;
  const pages = Math.ceil(bytes / tx.pageSize);
  const id = tx.allocate(pages);
  const { buffer, slab } = tx.newMemory(id, pages);
  buffer.fill(0);
  const ids = freelist.listAll();
  const isLong = ids.length >= LONG_COUNT;
  writePageHeader(buffer, id, FREELIST_PAGE, isLong ? LONG_COUNT : ids.length, pages - 1);
  let at = PAGE_HEADER_BYTES;
  if (isLong) {
    writeU64(buffer, at, ids.length);
    at += ID_BYTES;
  }
  for (const free of ids) {
    writeU64(buffer, at, free);
    at += ID_BYTES;
  }
  const page = new Page(id, buffer, true, 0, pages - 1, slab);
  tx.addDirty(page);
  return page;
}
