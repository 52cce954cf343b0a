/**
 * Pages by id, bounded in bytes, evicted by second chance. What counts is the memory that goes when
 * all pages go: a slab counts whole as long as one of its pages is here. When less than half of it
 * is, these are moved into memory of their own, so that a few hot pages do not keep whole commits
 * alive. Evicted pages live on for those who still hold them.
 */

import { Page } from "./page.ts";
import type { PageSlab } from "./page-slab.ts";

/** Bookkeeping per page, counted against the bound: the object, its Buffer and the map entry. */
const PAGE_OVERHEAD_BYTES = 256;
/** Below this share of pages in use a slab is given up. */
const MIN_SLAB_SHARE = 0.5;

export class PageCache {
  readonly #limitBytes: number;
  readonly #pages = new Map<number, Page>();
  #bytes = 0;
  #hand: IterableIterator<Page> | undefined;

  constructor(limitBytes: number) {
    this.#limitBytes = limitBytes;
  }

  /** Memory that the pages keep alive. */
  get bytes(): number {
    return this.#bytes;
  }

  get(id: number): Page | undefined {
    const page = this.#pages.get(id);
    if (page !== undefined) page.referenced = true;
    return page;
  }

  put(page: Page): void {
    this.delete(page.id);
    this.#pages.set(page.id, page);
    this.#count(page);
    while (this.#bytes > this.#limitBytes && this.#pages.size > 1) this.#evictOne();
  }

  delete(id: number): void {
    const page = this.#pages.get(id);
    if (page === undefined) return;
    this.#pages.delete(id);
    this.#discount(page);
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
        this.#discount(page);
        return;
      }
      page.referenced = false;
      this.#pages.set(page.id, page);
    }
  }

  #count(page: Page): void {
    const { slab } = page;
    this.#bytes += PAGE_OVERHEAD_BYTES;
    if (slab === undefined) {
      this.#bytes += page.buffer.length;
      return;
    }
    if (slab.cachedBytes === 0) this.#bytes += slab.bytes;
    slab.cachedBytes += page.buffer.length;
  }

  #discount(page: Page): void {
    const { slab } = page;
    this.#bytes -= PAGE_OVERHEAD_BYTES;
    if (slab === undefined) {
      this.#bytes -= page.buffer.length;
      return;
    }
    slab.cachedBytes -= page.buffer.length;
    if (slab.cachedBytes === 0) this.#bytes -= slab.bytes;
    else if (slab.cachedBytes < slab.bytes * MIN_SLAB_SHARE) this.#moveOut(slab);
  }

  #moveOut(slab: PageSlab): void {
    this.#bytes -= slab.bytes;
    slab.cachedBytes = 0;
    for (const id of slab.ids) {
      const page = this.#pages.get(id);
      if (page?.slab !== slab) continue;
      this.#pages.set(id, ownCopy(page));
      this.#bytes += page.buffer.length;
    }
  }
}

function ownCopy(page: Page): Page {
  const buffer = Buffer.allocUnsafeSlow(page.buffer.length);
  buffer.set(page.buffer);
  const copy = new Page(page.id, buffer, page.isLeaf, page.count, page.overflow, undefined);
  copy.referenced = page.referenced;
  return copy;
}
