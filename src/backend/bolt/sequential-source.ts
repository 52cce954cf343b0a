/**
 * Pages for a walk over a tree. When leaves turn out to lie one behind the other in the file, they
 * are read many at a time and past the page cache, so that a walk over everything is fast and does
 * not push out what others need. A short walk behaves as plain page look-ups.
 *
 * Memory that the kernel fills for the first time costs several times what copying does. So a walk
 * that needs each leaf only until it asks for the next one lets them all be read into the same
 * bytes (`"borrowed"`).
 */

import type { BoltFile } from "./bolt-file.ts";
import { isLeafPage, type Page, parsePage } from "./page.ts";
import { pageOverflow } from "./page-scan.ts";
import type { PageSource } from "./tree-read.ts";

/** One read; larger ones win nothing and hold the loop. */
const MAX_WINDOW_BYTES = 256 * 1024;
/** Pages apart that still count as one behind the other. */
const NEAR_PAGES = 16;
/** Shorter runs go through the page cache. */
const MIN_WINDOW_PAGES = 4;

export class SequentialSource implements PageSource {
  readonly path: string;
  readonly pageSize: number;
  readonly #file: BoltFile;
  readonly #highWater: number;
  readonly #isBorrowed: boolean;
  #window: Buffer | undefined;
  /** Where borrowed windows are read to. */
  #space: Buffer = Buffer.alloc(0);
  #windowStart = 0;
  #windowPages = 1;
  /** The last page read, and the one before: leaves alternate with a branch now and then. */
  #last = -NEAR_PAGES;
  #beforeLast = -NEAR_PAGES;

  /** `leaves` that are borrowed are valid until the next call of `page`; branches always are. */
  constructor(file: BoltFile, highWater: number, leaves: "kept" | "borrowed") {
    this.#file = file;
    this.#highWater = highWater;
    this.#isBorrowed = leaves === "borrowed";
    this.path = file.path;
    this.pageSize = file.pageSize;
  }

  page(id: number): Page {
    const cached = this.#file.cachedPage(id);
    if (cached !== undefined) return cached;
    const known = this.#fromWindow(id);
    if (known !== undefined) return known;
    if (isNear(this.#last, id) || isNear(this.#beforeLast, id)) {
      this.#windowPages = Math.min(this.#windowPages * 2, MAX_WINDOW_BYTES / this.pageSize);
    } else {
      this.#windowPages = Math.max(1, this.#windowPages / 2);
    }
    this.#beforeLast = this.#last;
    this.#last = id;
    if (this.#windowPages >= MIN_WINDOW_PAGES) this.#readWindow(id);
    return this.#fromWindow(id) ?? this.#file.page(id);
  }

  #readWindow(id: number): void {
    const pages = Math.min(this.#windowPages, this.#highWater - id);
    if (pages < 1) return;
    const window = this.#spaceFor(pages * this.pageSize);
    const got = this.#file.file.readSync(window, id * this.pageSize);
    this.#window = window.subarray(0, got);
    this.#windowStart = id;
  }

  #spaceFor(bytes: number): Buffer {
    if (!this.#isBorrowed) return Buffer.allocUnsafeSlow(bytes);
    if (this.#space.length < bytes) this.#space = Buffer.allocUnsafeSlow(bytes);
    return this.#space.subarray(0, bytes);
  }

  /** Undefined also when the page is not whole in the window or is bad: the file decides then. */
  #fromWindow(id: number): Page | undefined {
    const at = (id - this.#windowStart) * this.pageSize;
    if (this.#window === undefined || at < 0 || at + this.pageSize > this.#window.length) {
      return undefined;
    }
    const head = this.#window.subarray(at, at + this.pageSize);
    const overflow = pageOverflow(head, id, this.pageSize, this.#highWater);
    if (overflow !== 0) return undefined;
    const isLent = this.#isBorrowed && isLeafPage(head);
    const bytes = this.#isBorrowed && !isLent ? Buffer.from(head) : head;
    const page = parsePage(id, bytes, this.#highWater);
    if (typeof page === "string") return undefined;
    this.#beforeLast = this.#last;
    this.#last = id;
    return page;
  }
}

function isNear(before: number, id: number): boolean {
  return id > before && id - before <= NEAR_PAGES;
}
