/**
 * Pages by id, bounded in bytes, evicted by second chance. A page that was written waits in a small
 * queue of its own until it is read: puts alone do not fill the memory. What counts is the memory
 * that goes when all pages go: a slab counts whole as long as one of its pages is here. When less
 * than half of it is, these are moved into memory of their own, so that a few hot pages do not keep
 * whole commits alive. Evicted pages live on for those who still hold them.
 */

import { Page } from "./page.ts";
import type { PageSlab } from "./page-slab.ts";

/** Bookkeeping per page, counted against the bound: the object, its Buffer and the map entry. */
const PAGE_OVERHEAD_BYTES = 256;
/** Share of the bound for pages that nobody has read yet. */
const WRITTEN_SHARE = 1 / 8;
/** Below this share of pages in use a slab is given up. */
const MIN_SLAB_SHARE = 0.5;

export class PageCache {
  readonly #limitBytes: number;
  /** Pages that were read. */
  readonly #pages = new Map<number, Page>();
  /** Pages that were written and not read since, the oldest first. */
  readonly #written = new Map<number, Page>();
  #writtenBytes = 0;
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
    const page = this.#pages.get(id) ?? this.#promote(id);
    if (page !== undefined) page.referenced = true;
    return page;
  }

  /** A page that is read. */
  put(page: Page): void {
    this.delete(page.id);
    this.#pages.set(page.id, page);
    this.#count(page);
    while (this.#bytes > this.#limitBytes && this.#pages.size > 1) this.#evictOne();
  }

  /** A page that is written. */
  putWritten(page: Page): void {
    this.delete(page.id);
    this.#written.set(page.id, page);
    this.#writtenBytes += page.buffer.length;
    this.#count(page);
    const limit = this.#limitBytes * WRITTEN_SHARE;
    for (const id of this.#written.keys()) {
      if (this.#writtenBytes <= limit || id === page.id) break;
      this.delete(id);
    }
    while (this.#bytes > this.#limitBytes && this.#pages.size > 0) this.#evictOne();
  }

  delete(id: number): void {
    const page = this.#pages.get(id) ?? this.#takeWritten(id);
    if (page === undefined) return;
    this.#pages.delete(id);
    this.#discount(page);
  }

  #promote(id: number): Page | undefined {
    const page = this.#takeWritten(id);
    if (page !== undefined) this.#pages.set(id, page);
    return page;
  }

  #takeWritten(id: number): Page | undefined {
    const page = this.#written.get(id);
    if (page === undefined) return undefined;
    this.#written.delete(id);
    this.#writtenBytes -= page.buffer.length;
    return page;
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
      if (this.#written.get(id)?.slab === slab) {
        // A page that goes soon is not worth a copy.
        this.#takeWritten(id);
        this.#bytes -= PAGE_OVERHEAD_BYTES;
        continue;
      }
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
