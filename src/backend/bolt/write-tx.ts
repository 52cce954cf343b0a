/**
 * The pages that one transaction frees, takes and builds. It changes the freelist at once, so a
 * transaction that was begun must be brought to its end; the file itself is written by
 * `BoltFile.writeOut` afterwards.
 */

import { assert } from "../../base/assert.ts";
import type { BoltFile, TreeState } from "./bolt-file.ts";
import { MAX_PAGES } from "./format.ts";
import type { Page } from "./page.ts";
import type { PageSource } from "./tree-read.ts";

/** Pages are cut from allocations of this size. */
const SLAB_BYTES = 256 * 1024;

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
  #slab: Buffer | undefined;
  #slabUsed = 0;
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

  /** Memory for adjacent pages; its content is arbitrary. */
  newBuffer(pages: number): Buffer {
    const bytes = pages * this.pageSize;
    if (bytes > SLAB_BYTES / 4) return Buffer.allocUnsafeSlow(bytes);
    if (this.#slab === undefined || this.#slabUsed + bytes > SLAB_BYTES) {
      this.#slab = Buffer.allocUnsafeSlow(SLAB_BYTES);
      this.#slabUsed = 0;
    }
    const buffer = this.#slab.subarray(this.#slabUsed, this.#slabUsed + bytes);
    this.#slabUsed += bytes;
    return buffer;
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
