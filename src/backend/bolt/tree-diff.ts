/**
 * The operations that turn one tree of a file into a later one of the same file. Copy-on-write
 * makes it cheap: a page id that occurs in both trees is the same page (while both are pinned), so
 * shared subtrees are skipped unread. What is left is proportional to what changed.
 */

import { assert } from "../../base/assert.ts";
import { EMPTY_BYTES } from "../../base/bytes.ts";
import { compareRanges, type Page } from "./page.ts";
import { DELETE, type OpSource, PUT } from "./tree-merge.ts";
import { type BucketRoot, type PageSource, rootPage } from "./tree-read.ts";

export class TreeDiff implements OpSource {
  readonly hasDeletes = true;
  valid = true;
  kind = PUT;
  keyBuffer: Uint8Array = EMPTY_BYTES;
  keyStart = 0;
  keyEnd = 0;
  valueBuffer: Uint8Array = EMPTY_BYTES;
  valueStart = 0;
  valueEnd = 0;
  /** Operations consumed so far. */
  consumed = 0;
  readonly #old: Walker;
  readonly #new: Walker;

  constructor(source: PageSource, oldRoot: BucketRoot, newRoot: BucketRoot) {
    this.#old = new Walker(source, oldRoot);
    this.#new = new Walker(source, newRoot);
    this.#find();
  }

  advance(): void {
    this.consumed++;
    this.#find();
  }

  /** Moves to the next difference. */
  #find(): void {
    for (;;) {
      const before = this.#old;
      const after = this.#new;
      if (before.atEnd && after.atEnd) {
        this.valid = false;
        return;
      }
      if (before.atSubtree && after.atSubtree && before.subtreeId() === after.subtreeId()) {
        before.skip();
        after.skip();
        continue;
      }
      const order = before.atEnd ? 1 : after.atEnd ? -1 : before.compareKey(after);
      if (this.#openLower(order)) continue;
      if (order < 0) {
        this.#emit(before, DELETE);
        before.skip();
        return;
      }
      if (order > 0 || !before.hasSameValue(after)) {
        this.#emit(after, PUT);
        if (order === 0) before.skip();
        after.skip();
        return;
      }
      before.skip();
      after.skip();
    }
  }

  /** Opens a subtree that may begin at the lower key; false when an element stands there. */
  #openLower(order: number): boolean {
    const before = this.#old;
    const after = this.#new;
    const beforeSubtree = order <= 0 && before.atSubtree;
    const afterSubtree = order >= 0 && after.atSubtree;
    if (beforeSubtree && afterSubtree) {
      const levels = before.subtreeHeight() - after.subtreeHeight();
      if (levels >= 0) before.open();
      if (levels <= 0) after.open();
      return true;
    }
    if (beforeSubtree) before.open();
    else if (afterSubtree) after.open();
    return beforeSubtree || afterSubtree;
  }

  #emit(at: Walker, kind: number): void {
    const { page, index } = at;
    assert(!page.isBucket(index), "nested buckets do not change");
    this.kind = kind;
    this.keyBuffer = page.buffer;
    this.keyStart = page.keyStart(index);
    this.keyEnd = this.keyStart + page.keyLength(index);
    this.valueBuffer = page.buffer;
    this.valueStart = this.keyEnd;
    this.valueEnd = this.keyEnd + page.valueLength(index);
  }
}

/** A position in a tree that can step over a whole subtree or into it. */
class Walker {
  atEnd = false;
  /** The page whose element `index` is current: a subtree in a branch page, else a key. */
  page: Page;
  index = 0;
  readonly #source: PageSource;
  readonly #height: number;
  readonly #pages: Page[] = [];
  readonly #indexes: number[] = [];

  constructor(source: PageSource, root: BucketRoot) {
    this.#source = source;
    this.page = rootPage(source, root);
    this.#height = heightOf(source, this.page);
    this.#climb();
  }

  get atSubtree(): boolean {
    return !this.atEnd && !this.page.isLeaf;
  }

  subtreeId(): number {
    return this.page.childId(this.index);
  }

  /** Levels below the current branch page. */
  subtreeHeight(): number {
    return this.#height - this.#pages.length;
  }

  open(): void {
    this.#pages.push(this.page);
    this.#indexes.push(this.index);
    this.page = this.#source.page(this.page.childId(this.index));
    this.index = 0;
    this.#climb();
  }

  skip(): void {
    this.index++;
    this.#climb();
  }

  compareKey(other: Walker): number {
    const start = other.page.keyStart(other.index);
    const end = start + other.page.keyLength(other.index);
    return this.page.compareKey(this.index, other.page.buffer, start, end);
  }

  hasSameValue(other: Walker): boolean {
    const start = this.page.keyStart(this.index) + this.page.keyLength(this.index);
    const otherStart = other.page.keyStart(other.index) + other.page.keyLength(other.index);
    const order = compareRanges(
      this.page.buffer,
      start,
      start + this.page.valueLength(this.index),
      other.page.buffer,
      otherStart,
      otherStart + other.page.valueLength(other.index),
    );
    return order === 0;
  }

  /** Leaves pages that are finished. */
  #climb(): void {
    while (this.index === this.page.count) {
      const parent = this.#pages.pop();
      if (parent === undefined) {
        this.atEnd = true;
        return;
      }
      this.page = parent;
      this.index = (this.#indexes.pop() as number) + 1;
    }
  }
}

function heightOf(source: PageSource, root: Page): number {
  let height = 0;
  for (let page = root; !page.isLeaf; page = source.page(page.childId(0))) height++;
  return height;
}
