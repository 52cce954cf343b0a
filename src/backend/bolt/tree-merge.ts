/**
 * Copy-on-write update of one bucket's B+tree: a sorted stream of puts and deletes is merged with
 * the tree in one pass from left to right. Pages that no operation touches are kept by id; touched
 * ones are freed and their elements flow, level by level, into new pages. So each page is rewritten
 * at most once per transaction, appends fill pages directly, and the memory of the pass is the
 * path plus one unfinished page per level.
 *
 * Rules that bbolt relies on, kept here:
 * - all leaves are at the same depth; a branch page has at least two children;
 * - a branch element's key is the first key of its child;
 * - a page that deletes left below half of its usual filling is joined with a neighbour.
 *
 * Joining ends where it began: what does not fit in one page is divided so that neither part is
 * sparse. Otherwise the rest would be joined with the next page, and so on to the end of the tree.
 *
 * The work is cut into slices by `step`; between slices the old tree stays readable.
 */

import { assert } from "../../base/assert.ts";
import { BackendCorruptError } from "../errors.ts";
import { MAX_PAGE_RUN_BYTES, MAX_TREE_DEPTH } from "./format.ts";
import { Page } from "./page.ts";
import { PendingItems } from "./pending-items.ts";
import { type BucketRoot, bucketRoot, rootPage } from "./tree-read.ts";
import type { WriteTx } from "./write-tx.ts";

export const PUT = 0;
/** Put of a nested bucket's value. */
export const PUT_BUCKET = 1;
export const DELETE = 2;

/** Operations in ascending key order, one key at most once. The fields describe the current one. */
export interface OpSource {
  /** False when all operations are consumed; then the other fields mean nothing. */
  readonly valid: boolean;
  readonly kind: number;
  readonly keyBuffer: Uint8Array;
  readonly keyStart: number;
  readonly keyEnd: number;
  readonly valueBuffer: Uint8Array;
  readonly valueStart: number;
  readonly valueEnd: number;
  /** True when a delete may come: then sparse pages are joined. */
  readonly hasDeletes: boolean;
  advance(): void;
}

export interface TreeMergeOptions {
  /** Share of a page that is filled before a new one begins, when it must be split. */
  readonly fillPercent: number;
  /** Store the bucket inside its parent when its only page is at most this large; 0 never. */
  readonly inlineLimitBytes: number;
  /** Sequence of a new bucket; an existing one keeps its own. Default 0. */
  readonly sequence?: bigint;
}

/** A page on the way down to the current operation. */
interface Frame {
  readonly page: Page;
  /** 0 for leaves. */
  readonly level: number;
  /** Next element to look at. */
  index: number;
  /** Operations at or above this key belong to the right of the page. */
  readonly bound: { readonly page: Page; readonly index: number } | undefined;
}

/** Elements between two looks at the clock. */
const ITEMS_PER_CHECK = 128;
/** A page that deletes left below this share of its usual filling is joined, as in bbolt. */
const SPARSE_SHARE = 0.5;
const MIN_BRANCH_CHILDREN = 2;

export class TreeMerge {
  readonly #tx: WriteTx;
  readonly #ops: OpSource;
  readonly #sequence: bigint;
  readonly #fillBytes: number;
  /** Below it a page is joined; 0 when nothing is deleted. */
  readonly #sparseBytes: number;
  /** From here on a full page can be cut off, and what stays is not sparse. */
  readonly #cutBytes: number;
  readonly #inlineLimitBytes: number;
  readonly #levels: PendingItems[] = [];
  readonly #frames: Frame[] = [];
  #untilCheck = ITEMS_PER_CHECK;

  /** `root` undefined begins an empty bucket. */
  constructor(tx: WriteTx, root: BucketRoot | undefined, ops: OpSource, options: TreeMergeOptions) {
    this.#tx = tx;
    this.#ops = ops;
    this.#sequence = root?.sequence ?? options.sequence ?? 0n;
    this.#fillBytes = Math.floor(tx.pageSize * options.fillPercent);
    this.#sparseBytes = ops.hasDeletes ? this.#fillBytes * SPARSE_SHARE : 0;
    this.#cutBytes = Math.max(tx.pageSize, this.#fillBytes + this.#sparseBytes);
    this.#inlineLimitBytes = options.inlineLimitBytes;
    if (root === undefined) {
      this.#level(0);
      return;
    }
    const page = rootPage(tx, root);
    const level = this.#heightOf(page);
    this.#level(level);
    if (root.inline === undefined) tx.free(page);
    this.#frames.push({ page, level, index: 0, bound: undefined });
  }

  /** Works until done (true) or until `isOverdue` says so (false). */
  step(isOverdue: () => boolean): boolean {
    while (this.#frames.length > 0 || this.#ops.valid) {
      if (this.#untilCheck <= 0) {
        this.#untilCheck = ITEMS_PER_CHECK;
        if (isOverdue()) return false;
      }
      const frame = this.#frames.at(-1);
      if (frame === undefined) {
        this.#pushOperation();
      } else if (frame.level === 0) {
        this.#stepLeaf(frame);
      } else {
        this.#stepBranch(frame);
      }
    }
    return true;
  }

  /** After `step` returned true. */
  finish(): BucketRoot {
    for (let level = 0; ; level++) {
      const items = this.#level(level);
      while (!this.#isTop(level) && this.#isSparse(level) && this.#joinLeft(level));
      if (!this.#isTop(level)) {
        this.#flush(level);
        continue;
      }
      if (level > 0 && items.count === 1) return this.#rootAt(items.firstChild());
      if (level === 0 && this.#fitsInline(items)) return this.#inlineRoot(items);
      if (items.bytes <= this.#tx.pageSize || items.count < 2 * this.#minimum(level)) {
        return this.#rootAt(this.#writePage(items, items.count).id);
      }
      this.#flush(level);
    }
  }

  #stepLeaf(frame: Frame): void {
    const { page } = frame;
    const ops = this.#ops;
    if (!ops.valid || this.#isBeyond(frame)) {
      while (frame.index < page.count) this.#pushElement(0, page, frame.index++);
      this.#leave(frame);
      return;
    }
    const at = page.lowerBound(keyOf(ops), frame.index);
    while (frame.index < at) this.#pushElement(0, page, frame.index++);
    if (at < page.count && page.compareKey(at, ops.keyBuffer, ops.keyStart, ops.keyEnd) === 0) {
      assert(
        page.isBucket(at) === (ops.kind === PUT_BUCKET),
        "a key and a bucket cannot replace each other",
      );
      frame.index++;
    }
    if (frame.index < page.count) {
      this.#pushOperation();
      return;
    }
    // Behind the last element all further operations of this leaf are appended without a search.
    do this.#pushOperation();
    while (ops.valid && this.#untilCheck > 0 && !this.#isBeyond(frame));
  }

  #stepBranch(frame: Frame): void {
    const { page, level } = frame;
    const ops = this.#ops;
    if (frame.index === page.count) {
      this.#leave(frame);
      return;
    }
    const last = !ops.valid || this.#isBeyond(frame);
    const child = last
      ? page.count
      : page.childFor(ops.keyBuffer, ops.keyStart, ops.keyEnd, frame.index);
    while (frame.index < child) this.#keep(level - 1, page, frame.index++);
    if (last) return;
    frame.index++;
    const childPage = this.#childPage(page.childId(child), level - 1);
    this.#tx.free(childPage);
    const bound = frame.index < page.count ? { page, index: frame.index } : frame.bound;
    this.#frames.push({ page: childPage, level: level - 1, index: 0, bound });
  }

  #isBeyond(frame: Frame): boolean {
    const { bound } = frame;
    if (bound === undefined) return false;
    const ops = this.#ops;
    return bound.page.compareKey(bound.index, ops.keyBuffer, ops.keyStart, ops.keyEnd) <= 0;
  }

  /** All of the page's elements are pending: pack them, unless they should join the next page. */
  #leave(frame: Frame): void {
    this.#frames.pop();
    // The root is left to `finish`: it may become an inline bucket.
    if (this.#frames.length > 0 && !this.#isSparse(frame.level)) this.#flush(frame.level);
  }

  #pushOperation(): void {
    const ops = this.#ops;
    if (ops.kind !== DELETE) {
      this.#level(0).pushValue(
        ops.kind === PUT_BUCKET ? 1 : 0,
        ops.keyBuffer,
        ops.keyStart,
        ops.keyEnd,
        ops.valueBuffer,
        ops.valueStart,
        ops.valueEnd,
      );
      this.#cut(0);
    }
    this.#untilCheck--;
    ops.advance();
  }

  #pushElement(level: number, page: Page, index: number): void {
    const items = this.#level(level);
    items.pushFrom(page, index);
    this.#untilCheck--;
    if (items.bytes > this.#cutBytes) this.#cut(level);
  }

  /** An untouched child, a page of `level`, stays in the tree as it is. */
  #keep(level: number, parent: Page, index: number): void {
    for (let below = 0; below <= level; below++) {
      if (this.#level(below).count === 0) continue;
      if (this.#isSparse(below)) {
        this.#absorb(level, this.#childPage(parent.childId(index), level));
        return;
      }
      this.#flush(below);
    }
    this.#pushElement(level + 1, parent, index);
  }

  /** A page right of a sparse one is opened so that the two can join. */
  #absorb(level: number, page: Page): void {
    this.#tx.free(page);
    for (let index = 0; index < page.count; index++) {
      if (level === 0) this.#pushElement(0, page, index);
      else this.#keep(level - 1, page, index);
    }
    if (!this.#isSparse(level)) this.#flush(level);
  }

  #isSparse(level: number): boolean {
    const items = this.#level(level);
    if (items.count === 0) return false;
    if (level > 0 && items.count < MIN_BRANCH_CHILDREN) return true;
    return items.bytes < this.#sparseBytes;
  }

  /** Packs everything pending at `level`, in as many pages as it takes. */
  #flush(level: number): void {
    const items = this.#level(level);
    const minimum = this.#minimum(level);
    while (items.bytes > this.#tx.pageSize && items.count >= 2 * minimum) {
      const leavesSparse = items.bytes - this.#fillBytes < this.#sparseBytes;
      const bytes = leavesSparse ? items.bytes / 2 : this.#fillBytes;
      this.#emit(level, items.chunkLength(bytes, minimum));
    }
    if (items.count > 0) this.#emit(level, items.count);
  }

  /** Emits full pages while enough for another page is pending. */
  #cut(level: number): void {
    const items = this.#level(level);
    const minimum = this.#minimum(level);
    while (items.bytes > this.#cutBytes && items.count >= 2 * minimum) {
      this.#emit(level, items.chunkLength(this.#fillBytes, minimum));
    }
  }

  #emit(level: number, length: number): void {
    const page = this.#writePage(this.#level(level), length);
    const start = page.keyStart(0);
    this.#level(level + 1).pushChild(page.buffer, start, start + page.keyLength(0), page.id);
    this.#cut(level + 1);
  }

  #writePage(items: PendingItems, length: number): Page {
    const bytes = items.chunkBytes(length);
    assert(bytes <= MAX_PAGE_RUN_BYTES, "elements are too large for a page");
    const pages = Math.max(1, Math.ceil(bytes / this.#tx.pageSize));
    const id = this.#tx.allocate(pages);
    const { buffer, slab } = this.#tx.newMemory(id, pages);
    items.writeChunk(buffer, id, length, pages - 1);
    const page = new Page(id, buffer, items.isLeaf, length, pages - 1, slab);
    this.#tx.addDirty(page);
    return page;
  }

  /** True when nothing is pending above `level`, and so nothing was ever packed at it. */
  #isTop(level: number): boolean {
    for (let above = level + 1; above < this.#levels.length; above++) {
      if (this.#level(above).count > 0) return false;
    }
    return true;
  }

  /** Takes the page left of the pending elements of `level` back into them. */
  #joinLeft(level: number): boolean {
    if (!this.#ensurePending(level + 1)) return false;
    const page = this.#childPage(this.#level(level + 1).popChild(), level);
    this.#tx.free(page);
    this.#level(level).prepend(page);
    return true;
  }

  #ensurePending(level: number): boolean {
    if (this.#level(level).count > 0) return true;
    if (this.#isTop(level) || !this.#ensurePending(level + 1)) return false;
    const page = this.#childPage(this.#level(level + 1).popChild(), level);
    this.#tx.free(page);
    this.#level(level).prepend(page);
    return true;
  }

  #fitsInline(items: PendingItems): boolean {
    return items.bytes <= this.#inlineLimitBytes && !items.hasBucket();
  }

  #inlineRoot(items: PendingItems): BucketRoot {
    const count = items.count;
    const buffer = Buffer.alloc(items.bytes);
    items.writeChunk(buffer, 0, count, 0);
    const inline = new Page(0, buffer, true, count, 0, undefined);
    return bucketRoot(0, this.#sequence, inline);
  }

  #rootAt(rootPgid: number): BucketRoot {
    return bucketRoot(rootPgid, this.#sequence, undefined);
  }

  #minimum(level: number): number {
    return level === 0 ? 1 : MIN_BRANCH_CHILDREN;
  }

  #level(level: number): PendingItems {
    while (this.#levels.length <= level) {
      this.#levels.push(new PendingItems(this.#levels.length === 0));
    }
    return this.#levels[level] as PendingItems;
  }

  #childPage(id: number, level: number): Page {
    const page = this.#tx.page(id);
    if (page.isLeaf !== (level === 0)) {
      throw new BackendCorruptError(this.#tx.path, id, "the tree's leaves have different depths");
    }
    return page;
  }

  #heightOf(root: Page): number {
    let height = 0;
    for (let page = root; !page.isLeaf; page = this.#tx.page(page.childId(0))) {
      height++;
      if (height > MAX_TREE_DEPTH) {
        throw new BackendCorruptError(this.#tx.path, root.id, "the tree below it is too deep");
      }
    }
    return height;
  }
}

function keyOf(ops: OpSource): Uint8Array {
  const { keyBuffer, keyStart, keyEnd } = ops;
  return keyStart === 0 && keyEnd === keyBuffer.length
    ? keyBuffer
    : keyBuffer.subarray(keyStart, keyEnd);
}
