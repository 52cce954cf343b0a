/**
 * Finds every page that a tree reaches, level by level, reading the file in large ascending
 * chunks. Proves on the way that no page is reached twice, that all lie below the high-water mark
 * and that their elements are in bounds. Used at open (the free pages are the rest) and by check.
 */

import type { DiskFile } from "../../env/disk.ts";
import { BackendCorruptError } from "../errors.ts";
import { decodeBucketValue } from "./bucket-value.ts";
import { MAX_PAGE_RUN_BYTES, MAX_TREE_DEPTH, type Meta, readU32, readU64 } from "./format.ts";
import { type Page, parsePage } from "./page.ts";

/** One read. It is read to the same bytes as the one before: they stay in the processor's cache. */
const WINDOW_BYTES = 256 * 1024;
/** Pages further apart than this are not worth reading what lies between them. */
const MAX_GAP_PAGES = 32;

/** A set of page ids. */
export class PageSet {
  readonly #bits: Uint8Array;
  constructor(highWater: number) {
    this.#bits = new Uint8Array(Math.ceil(highWater / 8));
  }
  has(id: number): boolean {
    return ((this.#bits[id >>> 3] as number) & (1 << (id & 7))) !== 0;
  }
  add(id: number): void {
    this.#bits[id >>> 3] = (this.#bits[id >>> 3] as number) | (1 << (id & 7));
  }
}

export interface PageScanOptions {
  /** Called for each page, parents before children. Borrows the page. */
  readonly visit?: (page: Page) => void;
}

/** The pages of all buckets, the metas and the freelist. */
export async function scanPages(
  file: DiskFile,
  meta: Meta,
  options: PageScanOptions = {},
): Promise<PageSet> {
  const scan = new PageScan(file, meta, options);
  await scan.run();
  return scan.reached;
}

/** Pages ids[from, end) of a level. */
interface Window {
  readonly from: number;
  readonly end: number;
  readonly bytes: Buffer;
  /** Resolves with the number of bytes that the file had. */
  readonly read: Promise<number>;
}

class PageScan {
  readonly reached: PageSet;
  readonly #file: DiskFile;
  readonly #meta: Meta;
  readonly #visit: ((page: Page) => void) | undefined;
  #next: number[] = [];
  /** Windows are read to these in turn: one while the pages of the other are looked at. */
  #space: Buffer = Buffer.alloc(0);
  #otherSpace: Buffer = Buffer.alloc(0);

  constructor(file: DiskFile, meta: Meta, options: PageScanOptions) {
    this.#file = file;
    this.#meta = meta;
    this.#visit = options.visit;
    this.reached = new PageSet(meta.highWater);
    this.reached.add(0);
    this.reached.add(1);
  }

  async run(): Promise<void> {
    this.#next = [this.#meta.rootPgid];
    // Every bucket may begin a new tree, so the bound on rounds is generous.
    for (let round = 0; this.#next.length > 0; round++) {
      const ids = this.#next.sort((a, b) => a - b);
      if (round > 4 * MAX_TREE_DEPTH) throw this.#bad(ids[0] ?? -1, "the tree is too deep");
      this.#next = [];
      await this.#readLevel(ids);
    }
  }

  async #readLevel(ids: readonly number[]): Promise<void> {
    let ahead = this.#readWindow(ids, 0);
    try {
      while (ahead !== undefined) {
        const { from, end, bytes, read } = ahead;
        const got = await read;
        ahead = this.#readWindow(ids, end);
        await this.#takeWindow(ids, from, end, bytes.subarray(0, got));
      }
    } finally {
      // After a failure nothing may be read to this memory, or of this file, any more.
      await ahead?.read.catch(() => 0);
    }
  }

  /** Begins to read the pages of ids[from, …) that lie near each other; undefined at the end. */
  #readWindow(ids: readonly number[], from: number): Window | undefined {
    if (from === ids.length) return undefined;
    const { pageSize } = this.#meta;
    const windowPages = Math.max(1, Math.floor(WINDOW_BYTES / pageSize));
    const first = ids[from] as number;
    let end = from + 1;
    while (end < ids.length) {
      const id = ids[end] as number;
      if (id - first >= windowPages || id - (ids[end - 1] as number) > MAX_GAP_PAGES) break;
      end++;
    }
    const length = ((ids[end - 1] as number) - first + 1) * pageSize;
    let space = this.#otherSpace;
    if (space.length < length) space = Buffer.allocUnsafeSlow(length);
    this.#otherSpace = this.#space;
    this.#space = space;
    const bytes = space.subarray(0, length);
    const read = this.#file.read(bytes, first * pageSize);
    // Who waits for it hears of a failure, but may still be busy with the window before.
    read.catch(() => undefined);
    return { from, end, bytes, read };
  }

  async #takeWindow(
    ids: readonly number[],
    from: number,
    end: number,
    window: Buffer,
  ): Promise<void> {
    const first = ids[from] as number;
    for (let at = from; at < end; at++) {
      const id = ids[at] as number;
      const missing = this.#takePage(id, window.subarray((id - first) * this.#meta.pageSize));
      if (missing > 0) await this.#readPage(id, missing);
    }
  }

  /** `head` begins with the page. Returns how many bytes it has, if they are not all there. */
  #takePage(id: number, head: Buffer): number {
    const { pageSize, highWater } = this.#meta;
    if (head.length < pageSize) throw this.#bad(id, "it lies behind the end of the file");
    const overflow = pageOverflow(head, id, pageSize, highWater);
    if (typeof overflow === "string") throw this.#bad(id, overflow);
    for (let part = id; part <= id + overflow; part++) {
      if (this.reached.has(part)) throw this.#bad(part, "it is in use twice");
      this.reached.add(part);
    }
    const bytes = (overflow + 1) * pageSize;
    if (head.length < bytes) return bytes;
    this.#visitPage(id, head.subarray(0, bytes));
    return 0;
  }

  async #readPage(id: number, bytes: number): Promise<void> {
    const buffer = Buffer.allocUnsafeSlow(bytes);
    if ((await this.#file.read(buffer, id * this.#meta.pageSize)) < bytes) {
      throw this.#bad(id, "its overflow lies behind the end of the file");
    }
    this.#visitPage(id, buffer);
  }

  #visitPage(id: number, buffer: Buffer): void {
    const page = parsePage(id, buffer, this.#meta.highWater);
    if (typeof page === "string") throw this.#bad(id, page);
    this.#visit?.(page);
    this.#follow(page);
  }

  #follow(page: Page): void {
    for (let index = 0; index < page.count; index++) {
      if (!page.isLeaf) {
        this.#next.push(page.childId(index));
      } else if (page.isBucket(index)) {
        const { highWater } = this.#meta;
        const root = decodeBucketValue(page.value(index), this.#file.path, page.id, highWater);
        if (root.inline === undefined) this.#next.push(root.rootPgid);
      }
    }
  }

  #bad(id: number, reason: string): BackendCorruptError {
    return new BackendCorruptError(this.#file.path, id, reason);
  }
}

/** The overflow count in a page's header, or what is wrong with the header. */
export function pageOverflow(
  head: Uint8Array,
  id: number,
  pageSize: number,
  highWater: number,
): number | string {
  const ownId = readU64(head, 0);
  if (ownId !== id) return `it says that it is page ${ownId}`;
  const overflow = readU32(head, 12);
  if (id + overflow >= highWater) return `its overflow of ${overflow} pages passes the end`;
  if ((overflow + 1) * pageSize > MAX_PAGE_RUN_BYTES) return "it is too large";
  return overflow;
}
