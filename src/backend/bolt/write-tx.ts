/**
 * The pages that one transaction frees, takes and builds. It changes the freelist at once, so a
 * transaction that was begun must be brought to its end; the file itself is written by
 * `BoltFile.writeOut` afterwards.
 */

import { assert } from "../../base/assert.ts";
import type { BoltFile, TreeState } from "./bolt-file.ts";
import { MAX_PAGES } from "./format.ts";
import type { Page } from "./page.ts";
import { PageSlab } from "./page-slab.ts";
import type { PageSource } from "./tree-read.ts";

/** The largest allocation that pages are cut from. */
const MAX_SLAB_BYTES = 256 * 1024;

/** Where a page is built. */
export interface PageMemory {
  readonly buffer: Buffer;
  readonly slab: PageSlab | undefined;
}

export class WriteTx implements PageSource {
  readonly path: string;
  readonly pageSize: number;
  readonly txid: number;
  readonly base: TreeState;
  /** Pages built so far and still wanted, by id. */
  readonly dirty: Map<number, Page> = new Map();
  /** End of the pages in use, this transaction's included. */
  highWater: number;
  readonly #file: BoltFile;
  #slab: PageSlab | undefined;
  /** Of all slabs so far. */
  #slabBytes = 0;
  #dirtyBytes = 0;

  constructor(file: BoltFile, base: TreeState) {
    this.#file = file;
    this.base = base;
    this.path = file.path;
    this.pageSize = file.pageSize;
    this.txid = base.txid + 1;
    this.highWater = base.highWater;
  }

  page(id: number): Page {
    return this.dirty.get(id) ?? this.#file.page(id, this.highWater);
  }

  /** First of `pages` adjacent page ids that nobody uses. */
  allocate(pages: number): number {
    let id = this.#file.freelist.allocate(pages);
    if (id < 0) {
      id = this.highWater;
      assert(id + pages <= MAX_PAGES, "the db file has the largest possible number of pages");
      this.highWater += pages;
    }
    if (this.#file.hasPins) this.#file.freelist.recordTaken(id, this.txid);
    return id;
  }

  /** The page (with overflow) is no longer part of the tree. */
  free(page: Page): void {
    const pages = page.overflow + 1;
    if (this.dirty.delete(page.id)) this.#file.freelist.add(page.id, pages);
    else this.#file.freelist.free(this.txid, page.id, pages);
  }

  /**
   * Memory for page `id` and those behind it that belong to it; its content is arbitrary. A slab is
   * as large as all before it, so that a commit takes at most twice of what it writes.
   */
  newMemory(id: number, pages: number): PageMemory {
    const bytes = pages * this.pageSize;
    if (bytes > MAX_SLAB_BYTES / 4) {
      return { buffer: this.#file.allocate(bytes), slab: undefined };
    }
    let slab = this.#slab;
    if (slab === undefined || slab.freeBytes < bytes) {
      slab = new PageSlab(Math.max(bytes, Math.min(this.#slabBytes, MAX_SLAB_BYTES)));
      this.#slab = slab;
      this.#slabBytes += slab.bytes;
    }
    return { buffer: slab.take(id, bytes), slab };
  }

  addDirty(page: Page): void {
    this.dirty.set(page.id, page);
    this.#dirtyBytes += page.buffer.length;
  }

  /** Bytes of pages added since the last `drain`. */
  get dirtyBytes(): number {
    return this.#dirtyBytes;
  }

  /** The pages built so far, to be written early; from then on they are read from the file. */
  drain(): Page[] {
    const pages = [...this.dirty.values()];
    this.dirty.clear();
    this.#dirtyBytes = 0;
    return pages;
  }
}
