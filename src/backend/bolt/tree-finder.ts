/**
 * Finds values of one bucket, one after the other, where keys are often near the last one: its leaf
 * is tried first, then the leaf behind it, and only then the way from the root is gone.
 */

import { MAX_TREE_DEPTH } from "./format.ts";
import type { Page } from "./page.ts";
import { type BucketRoot, type PageSource, rootPage, tooDeep } from "./tree-read.ts";

export class TreeFinder {
  /** The leaf that the last key was looked for in, and where the value found begins and ends. */
  page: Page | undefined;
  start = 0;
  end = 0;
  readonly #source: PageSource;
  readonly #root: BucketRoot;
  /** The parent of `page`, and which of its children that is; undefined: not known. */
  #branch: Page | undefined;
  #child = 0;

  constructor(source: PageSource, root: BucketRoot) {
    this.#source = source;
    this.#root = root;
    this.page = root.lastLeaf;
  }

  /** False when the key is missing or a nested bucket. */
  find(key: Uint8Array): boolean {
    const { page } = this;
    const guess = page === undefined ? -1 : page.guess(key);
    if (page !== undefined && guess >= 0) return this.#take(page, guess);
    const leaf = this.#leafFor(key);
    return this.#take(leaf, leaf.indexOf(key));
  }

  #take(page: Page, index: number): boolean {
    if (index < 0 || page.isBucket(index)) return false;
    this.start = page.keyStart(index) + page.keyLength(index);
    this.end = this.start + page.valueLength(index);
    return true;
  }

  #leafFor(key: Uint8Array): Page {
    const { page } = this;
    if (page?.spans(key) === true) return page;
    const leaf = this.#next(key) ?? this.#descend(key);
    this.page = leaf;
    this.#root.lastLeaf = leaf;
    return leaf;
  }

  /** The leaf behind the current one, if the key belongs there. */
  #next(key: Uint8Array): Page | undefined {
    const branch = this.#branch;
    if (branch === undefined) return undefined;
    const child = this.#child + 1;
    // Where the last child ends only the branch above knows.
    if (child + 1 >= branch.count) return undefined;
    if (branch.compareKey(child, key, 0, key.length) > 0) return undefined;
    if (branch.compareKey(child + 1, key, 0, key.length) <= 0) return undefined;
    this.#child = child;
    return this.#source.page(branch.childId(child));
  }

  #descend(key: Uint8Array): Page {
    this.#branch = undefined;
    let page = rootPage(this.#source, this.#root);
    for (let depth = 0; !page.isLeaf; depth++) {
      if (depth === MAX_TREE_DEPTH) throw tooDeep(this.#source, this.#root);
      this.#branch = page;
      this.#child = page.childFor(key, 0, key.length);
      page = this.#source.page(page.childId(this.#child));
    }
    return page;
  }
}
