/**
 * Reading one bucket's B+tree: point look-ups and a cursor. Works on any source of pages and holds
 * no page longer than needed; the caller keeps the tree alive (see BoltFile.pin).
 */

import { assert } from "../../base/assert.ts";
import { BackendCorruptError } from "../errors.ts";
import { MAX_TREE_DEPTH } from "./format.ts";
import type { Page } from "./page.ts";

export interface PageSource {
  readonly path: string;
  readonly pageSize: number;
  /** Throws BackendCorruptError when the page is bad, DiskError when it cannot be read. */
  page(id: number): Page;
}

/** Where a bucket begins: a page of its own, or a leaf page inside the parent's value. */
export interface BucketRoot {
  /** 0 when inline. */
  readonly rootPgid: number;
  readonly sequence: bigint;
  readonly inline: Page | undefined;
  /** The leaf of the last look-up: the next key is often in it, too. */
  lastLeaf: Page | undefined;
}

export function bucketRoot(
  rootPgid: number,
  sequence: bigint,
  inline: Page | undefined,
): BucketRoot {
  return { rootPgid, sequence, inline, lastLeaf: undefined };
}

export function rootPage(source: PageSource, root: BucketRoot): Page {
  return root.inline ?? source.page(root.rootPgid);
}

/** The leaf that would hold `key`. */
function leafFor(source: PageSource, root: BucketRoot, key: Uint8Array): Page {
  const { lastLeaf } = root;
  if (lastLeaf?.spans(key) === true) return lastLeaf;
  let page = rootPage(source, root);
  for (let depth = 0; !page.isLeaf; depth++) {
    if (depth === MAX_TREE_DEPTH) throw tooDeep(source, root);
    page = source.page(page.childId(page.childFor(key, 0, key.length)));
  }
  root.lastLeaf = page;
  return page;
}

/** The value of `key`; undefined when it is missing or a nested bucket. */
export function treeGet(source: PageSource, root: BucketRoot, key: Uint8Array): Buffer | undefined {
  const page = leafFor(source, root, key);
  const index = page.indexOf(key);
  return index < 0 || page.isBucket(index) ? undefined : page.value(index);
}

/** The header (and inline page) of the nested bucket `key`; undefined when it is no bucket. */
export function treeGetBucketValue(
  source: PageSource,
  root: BucketRoot,
  key: Uint8Array,
): Buffer | undefined {
  const page = leafFor(source, root, key);
  const index = page.indexOf(key);
  return index < 0 || !page.isBucket(index) ? undefined : page.value(index);
}

/** A position in a bucket. Not valid before `seek`; the tree must not change under it. */
export class TreeCursor {
  /** The current leaf; undefined when the cursor is past the end. */
  page: Page | undefined;
  /** Invariant: below page.count when `page` is defined. */
  index = 0;
  readonly #source: PageSource;
  readonly #root: BucketRoot;
  readonly #branches: Page[] = [];
  readonly #indexes: number[] = [];

  constructor(source: PageSource, root: BucketRoot) {
    this.#source = source;
    this.#root = root;
  }

  /** To the first key that is not less than `key`. */
  seek(key: Uint8Array): void {
    this.#branches.length = 0;
    this.#indexes.length = 0;
    let page = rootPage(this.#source, this.#root);
    while (!page.isLeaf) page = this.#down(page, page.childFor(key, 0, key.length));
    this.page = page;
    this.index = page.lowerBound(key);
    if (this.index === page.count) this.#nextLeaf();
  }

  next(): void {
    assert(this.page !== undefined, "cursor is past the end");
    this.index++;
    if (this.index === this.page.count) this.#nextLeaf();
  }

  /** To the first element of the next leaf that has one. */
  #nextLeaf(): void {
    this.index = 0;
    for (;;) {
      const branch = this.#branches.pop();
      const at = (this.#indexes.pop() ?? 0) + 1;
      if (branch === undefined) {
        this.page = undefined;
        return;
      }
      if (at === branch.count) continue;
      let page = this.#down(branch, at);
      while (!page.isLeaf) page = this.#down(page, 0);
      if (page.count === 0) continue;
      this.page = page;
      return;
    }
  }

  #down(branch: Page, index: number): Page {
    if (this.#branches.length === MAX_TREE_DEPTH) throw tooDeep(this.#source, this.#root);
    this.#branches.push(branch);
    this.#indexes.push(index);
    return this.#source.page(branch.childId(index));
  }
}

export function tooDeep(source: PageSource, root: BucketRoot): BackendCorruptError {
  return new BackendCorruptError(
    source.path,
    root.rootPgid,
    `the tree below it is deeper than ${MAX_TREE_DEPTH} levels`,
  );
}
