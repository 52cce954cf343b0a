/**
 * Proves that a bbolt file is whole: every page below the high-water mark is reached exactly once
 * or free exactly once, keys ascend within pages and between them, elements lie in their pages, and
 * buckets are well-formed. Reads the file directly, trusts nothing, and reports every problem up to
 * a limit instead of stopping at the first.
 */

import type { DiskFile } from "../../env/disk.ts";
import { BackendCorruptError } from "../errors.ts";
import type { BoltFile } from "./bolt-file.ts";
import { decodeBucketValue, inlineLimitBytes } from "./bucket-value.ts";
import {
  BUCKET_HEADER_BYTES,
  MAX_PAGES,
  MAX_TREE_DEPTH,
  type Meta,
  NO_FREELIST,
} from "./format.ts";
import { readFreelistPage } from "./freelist-page.ts";
import { chooseMeta, readMeta } from "./meta-pages.ts";
import { type Page, parsePage } from "./page.ts";
import { PageSet, pageOverflow, scanPages } from "./page-scan.ts";

export interface CheckReport {
  /** Broken rules. Empty: the file is sound. */
  readonly errors: readonly string[];
  /** Unusual but readable. */
  readonly warnings: readonly string[];
  readonly pageSize: number;
  readonly txid: number;
  /** Pages below the high-water mark. */
  readonly pages: number;
  readonly freePages: number;
  readonly keys: number;
}

export interface CheckOptions {
  /** Stop after so many errors. Default 100. */
  readonly maxErrors?: number;
}

/** A damaged file has thousands; the first tell where to look. */
const DEFAULT_MAX_ERRORS = 100;

/** Never throws for what the file contains; DiskError when it cannot be read. */
export async function checkBolt(file: DiskFile, options: CheckOptions = {}): Promise<CheckReport> {
  let meta: Meta;
  try {
    meta = chooseMeta(file);
  } catch (error) {
    if (!(error instanceof BackendCorruptError)) throw error;
    return emptyReport([error.message]);
  }
  const checker = new Checker(file, meta, options.maxErrors ?? DEFAULT_MAX_ERRORS);
  await checker.run();
  return checker.report();
}

/** Problems between an open file's durable tree and its freelist: pages in both or in neither. */
export async function checkFreelist(bolt: BoltFile): Promise<string[]> {
  const { durable } = bolt;
  const meta: Meta = { ...durable, pageSize: bolt.pageSize };
  const reached = await scanPages(bolt.file, meta);
  if (meta.freelistPgid !== NO_FREELIST) readFreelistPage(bolt.file, meta, reached);
  const free = new Set(bolt.freelist.listAll());
  const problems: string[] = [];
  for (let id = 2; id < durable.highWater; id++) {
    if (reached.has(id) && free.has(id)) problems.push(`page ${id} is free and in use`);
    if (!reached.has(id) && !free.has(id)) problems.push(`page ${id} is lost`);
  }
  return problems;
}

/** A page to visit, with the range of keys that its parent allows. */
interface Visit {
  readonly id: number;
  readonly depth: number;
  readonly tree: { leafDepth: number };
  /** The parent's key for it; undefined for a root. */
  readonly low: Uint8Array | undefined;
  /** The next key of the parents, exclusive; undefined: none. */
  readonly high: Uint8Array | undefined;
}

class Checker {
  readonly #file: DiskFile;
  readonly #meta: Meta;
  readonly #maxErrors: number;
  readonly #errors: string[] = [];
  readonly #warnings: string[] = [];
  #reached = new PageSet(0);
  readonly #stack: Visit[] = [];
  #keys = 0;
  #freePages = 0;

  constructor(file: DiskFile, meta: Meta, maxErrors: number) {
    this.#file = file;
    this.#meta = meta;
    this.#maxErrors = maxErrors;
  }

  report(): CheckReport {
    return {
      errors: this.#errors,
      warnings: this.#warnings,
      pageSize: this.#meta.pageSize,
      txid: this.#meta.txid,
      pages: this.#meta.highWater,
      freePages: this.#freePages,
      keys: this.#keys,
    };
  }

  async run(): Promise<void> {
    const { pageSize, highWater, rootPgid } = this.#meta;
    for (const [slot, position] of [0, pageSize].entries()) {
      const meta = readMeta(this.#file, position);
      if (typeof meta === "string") this.#warnings.push(`meta page ${slot}: ${meta}`);
    }
    const fileBytes = this.#file.size();
    if (highWater > MAX_PAGES || highWater * pageSize > fileBytes) {
      this.#errors.push(`file of ${fileBytes} bytes is shorter than its ${highWater} pages`);
      return;
    }
    this.#reached = new PageSet(highWater);
    this.#reached.add(0);
    this.#reached.add(1);
    this.#pushRoot(-1, rootPgid);
    for (let visit = this.#stack.pop(); visit !== undefined; visit = this.#stack.pop()) {
      if (this.#errors.length >= this.#maxErrors) return;
      await this.#visit(visit);
    }
    this.#checkFree();
  }

  async #visit(visit: Visit): Promise<void> {
    const page = await this.#read(visit.id);
    if (page === undefined) return;
    this.#checkKeys(page, visit);
    if (page.isLeaf) this.#checkLeaf(page, visit);
    else this.#checkBranch(page, visit);
  }

  async #read(id: number): Promise<Page | undefined> {
    const { pageSize, highWater } = this.#meta;
    const head = Buffer.allocUnsafeSlow(pageSize);
    if ((await this.#file.read(head, id * pageSize)) < pageSize) {
      return this.#bad(id, "it lies behind the end of the file");
    }
    const overflow = pageOverflow(head, id, pageSize, highWater);
    if (typeof overflow === "string") return this.#bad(id, overflow);
    for (let part = id; part <= id + overflow; part++) {
      if (this.#reached.has(part)) return this.#bad(part, "it is in use twice");
      this.#reached.add(part);
    }
    let buffer = head;
    if (overflow > 0) {
      buffer = Buffer.allocUnsafeSlow((overflow + 1) * pageSize);
      if ((await this.#file.read(buffer, id * pageSize)) < buffer.length) {
        return this.#bad(id, "its overflow lies behind the end of the file");
      }
    }
    const page = parsePage(id, buffer, highWater);
    return typeof page === "string" ? this.#bad(id, page) : page;
  }

  #checkKeys(page: Page, visit: Visit): void {
    const { low, high } = visit;
    if (page.count === 0) {
      if (low !== undefined) this.#warnings.push(`page ${page.id} is empty`);
      return;
    }
    if (low !== undefined) {
      const order = page.compareKey(0, low, 0, low.length);
      if (order < 0) this.#bad(page.id, "its first key is below its parent's key for it");
      if (order > 0) this.#warnings.push(`page ${page.id}: first key is above its parent's key`);
    }
    if (high !== undefined && page.compareKey(page.count - 1, high, 0, high.length) >= 0) {
      this.#bad(page.id, "its last key is not below its right neighbour");
    }
  }

  #checkBranch(page: Page, visit: Visit): void {
    if (page.count < 2) this.#warnings.push(`page ${page.id} is a branch with one child`);
    if (visit.depth >= MAX_TREE_DEPTH) {
      this.#bad(page.id, "it is too deep in its tree");
      return;
    }
    for (let index = page.count - 1; index >= 0; index--) {
      this.#stack.push({
        id: page.childId(index),
        depth: visit.depth + 1,
        tree: visit.tree,
        low: page.key(index),
        high: index + 1 < page.count ? page.key(index + 1) : visit.high,
      });
    }
  }

  #checkLeaf(page: Page, visit: Visit): void {
    if (visit.tree.leafDepth < 0) visit.tree.leafDepth = visit.depth;
    if (visit.tree.leafDepth !== visit.depth) {
      this.#bad(page.id, "it is a leaf at another depth than the leaves before it");
    }
    for (let index = 0; index < page.count; index++) {
      if (page.isBucket(index)) this.#checkBucket(page, index);
      else this.#keys++;
    }
  }

  #checkBucket(page: Page, index: number): void {
    const value = page.value(index);
    try {
      const root = decodeBucketValue(value, this.#file.path, page.id, this.#meta.highWater);
      if (root.inline === undefined) {
        this.#pushRoot(page.id, root.rootPgid);
        return;
      }
      this.#keys += root.inline.count;
      const bytes = value.length - BUCKET_HEADER_BYTES;
      if (bytes > inlineLimitBytes(this.#meta.pageSize)) {
        this.#warnings.push(`page ${page.id}: inline bucket of ${bytes} bytes is too large`);
      }
    } catch (error) {
      if (!(error instanceof BackendCorruptError)) throw error;
      this.#errors.push(error.message);
    }
  }

  #pushRoot(from: number, id: number): void {
    if (id < 2 || id >= this.#meta.highWater) {
      this.#bad(from, `a root is page ${id} of ${this.#meta.highWater}`);
      return;
    }
    this.#stack.push({ id, depth: 0, tree: { leafDepth: -1 }, low: undefined, high: undefined });
  }

  #checkFree(): void {
    const { highWater, freelistPgid } = this.#meta;
    const listed = new PageSet(highWater);
    if (freelistPgid !== NO_FREELIST) {
      try {
        const { ids } = readFreelistPage(this.#file, this.#meta, this.#reached);
        for (const id of ids) listed.add(id);
      } catch (error) {
        if (!(error instanceof BackendCorruptError)) throw error;
        this.#errors.push(error.message);
        return;
      }
    }
    for (let id = 2; id < highWater; id++) {
      if (this.#reached.has(id)) continue;
      this.#freePages++;
      if (freelistPgid !== NO_FREELIST && !listed.has(id)) {
        this.#bad(id, "it is neither in use nor in the freelist");
        if (this.#errors.length >= this.#maxErrors) return;
      }
    }
  }

  #bad(id: number, reason: string): undefined {
    this.#errors.push(id < 0 ? reason : `page ${id}: ${reason}`);
    return undefined;
  }
}

function emptyReport(errors: readonly string[]): CheckReport {
  return { errors, warnings: [], pageSize: 0, txid: 0, pages: 0, freePages: 0, keys: 0 };
}
