/**
 * Pages by id, bounded in bytes, evicted by second chance. A page that stays although it is part of
 * a larger allocation is moved into memory of its own, so that a few hot pages do not keep whole
 * commit slabs alive. Evicted pages live on for those who still hold them.
 */

import { Page } from "./page.ts";

/** Bookkeeping per page, counted against the bound: the object, its Buffer and the map entry. */
const PAGE_OVERHEAD_BYTES = 256;

export class PageCache {
  readonly #limitBytes: number;
  readonly #pages = new Map<number, Page>();
  #bytes = 0;
  #hand: IterableIterator<Page> | undefined;

  constructor(limitBytes: number) {
    this.#limitBytes = limitBytes;
  }

  get bytes(): number {
    return this.#bytes;
  }

  get(id: number): Page | undefined {
    const page = this.#pages.get(id);
    if (page !== undefined) page.referenced = true;
    return page;
  }

  put(page: Page): void {
    const previous = this.#pages.get(page.id);
    if (previous !== undefined) {
      this.#bytes -= costOf(previous);
      this.#pages.delete(page.id);
    }
    this.#pages.set(page.id, page);
    this.#bytes += costOf(page);
    while (this.#bytes > this.#limitBytes && this.#pages.size > 1) this.#evictOne();
  }

  delete(id: number): void {
    const page = this.#pages.get(id);
    if (page === undefined) return;
    this.#bytes -= costOf(page);
    this.#pages.delete(id);
  }

  /** Moves the hand until one page is out. Pages set again go behind the hand. */
  #evictOne(): void {
    for (;;) {
      this.#hand ??= this.#pages.values();
      const step = this.#hand.next();
      if (step.done) {
        this.#hand = undefined;
        continue;
      }
      const page = step.value;
      this.#pages.delete(page.id);
      if (!page.referenced) {
        this.#bytes -= costOf(page);
        return;
      }
      page.referenced = false;
      this.#pages.set(page.id, page.inSlab ? ownCopy(page) : page);
    }
  }
}

function costOf(page: Page): number {
  return page.buffer.length + PAGE_OVERHEAD_BYTES;
}

function ownCopy(page: Page): Page {
  const buffer = Buffer.allocUnsafeSlow(page.buffer.length);
  buffer.set(page.buffer);
  return new Page(page.id, buffer, page.isLeaf, page.count, page.overflow, false);
}
