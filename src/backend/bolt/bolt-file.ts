/**
 * One open bbolt file: its meta pages, freelist, page cache, pinned trees, and the two-phase
 * commit. It knows pages and transactions, not batches or buckets by number.
 *
 * Invariants:
 * - `state` is the newest tree in memory, `durable` the newest whose meta page is synced. They
 *   differ only while a commit is being written; its pages are then served from memory.
 * - A page freed by transaction N is reused only when N is durable and no pinned tree is older.
 * - Data pages are synced before the meta page that makes them reachable is written.
 */

import { assert } from "../../base/assert.ts";
import { bytesFromLatin1 } from "../../base/bytes.ts";
import type { Disk, DiskFile } from "../../env/disk.ts";
import { BackendCorruptError, BackendLockedError } from "../errors.ts";
import { decodeBucketValue } from "./bucket-value.ts";
import { DEFAULT_PAGE_BYTES, encodeMetaPage, MAX_PAGES, type Meta, NO_FREELIST } from "./format.ts";
import { Freelist } from "./freelist.ts";
import { readFreelistPage, writeFreelistPage } from "./freelist-page.ts";
import { chooseMeta, initializeFile, isUnfinishedFile } from "./meta-pages.ts";
import { type Page, parsePage } from "./page.ts";
import { PageCache } from "./page-cache.ts";
import { pageOverflow, scanPages } from "./page-scan.ts";
import { type BucketRoot, bucketRoot, type PageSource, treeGetBucketValue } from "./tree-read.ts";
import { splitPath } from "../split-path.ts";
import { WriteTx } from "./write-tx.ts";

/** The tree at one transaction. Immutable but for the look-up cache. */
export interface TreeState {
  readonly txid: number;
  readonly rootPgid: number;
  readonly rootSequence: bigint;
  readonly freelistPgid: number;
  readonly highWater: number;
  /** Top-level buckets already looked up; null: there is none. */
  readonly buckets: Map<string, BucketRoot | null>;
}

export interface BoltFileOptions {
  /** Bound on pages kept in memory. */
  readonly pageCacheBytes: number;
  /** Takes no lock and writes nothing. */
  readonly readOnly?: boolean;
  /** Write the list of free pages with each commit. etcd does not. */
  readonly freelistSync?: boolean;
  /** Leave out fdatasync: a crash of the machine may lose or damage the file. */
  readonly noFsync?: boolean;
  /** Fail when the file is not there. Implied by readOnly. */
  readonly mustExist?: boolean;
  /** Fail when the file is there. */
  readonly exclusive?: boolean;
  /** Refuse an empty file, or one whose creation was cut short, instead of finishing it. */
  readonly mustBeWhole?: boolean;
}

/** Small files double up to this size, larger ones grow by steps of it, as bbolt's do. */
const GROW_STEP_BYTES = 16 * 1024 * 1024;
const MIN_FILE_BYTES = 32 * 1024;
/** Separate writes of one commit in flight at a time: the thread pool has four, the log needs one. */
const MAX_PARALLEL_WRITES = 2;
/** Largest single write, so that the thread pool serves others in between. */
const MAX_WRITE_BYTES = 4 * 1024 * 1024;
/** From here on writing around the system's cache of files costs less than the copy. Measured. */
const DIRECT_WRITE_BYTES = 128 * 1024;
const WRITE_FILE_MODE = 0o600;

export class BoltFile implements PageSource {
  /** Changes when the file is renamed. */
  path: string;
  readonly pageSize: number;
  readonly freelist: Freelist = new Freelist();
  readonly file: DiskFile;
  readonly #disk: Disk;
  #state: TreeState;
  #durable: TreeState;
  /** Pages of the freelist of `state`. */
  #freelistPages = 0;
  readonly #cache: PageCache;
  readonly #options: BoltFileOptions;
  /** Pages of a commit that is being written. */
  #inFlight: ReadonlyMap<number, Page> | undefined;
  /** Open views by txid. */
  readonly #pins = new Map<number, number>();
  #fileBytes: number;
  /** Users of the descriptor; it is closed when the last one leaves. */
  #users = 1;
  #isReplaced = false;

  /** Opens or creates the file. Throws BackendLockedError, BackendCorruptError or DiskError. */
  static async open(disk: Disk, path: string, options: BoltFileOptions): Promise<BoltFile> {
    const readOnly = options.readOnly === true;
    const create = !readOnly && options.mustExist !== true;
    const file = disk.open(path, {
      write: !readOnly,
      create,
      exclusive: options.exclusive === true,
      mode: WRITE_FILE_MODE,
    });
    try {
      if (!readOnly && !file.tryLock("flock")) throw new BackendLockedError(path);
      if (!readOnly && options.mustBeWhole !== true && isUnfinishedFile(file)) {
        await initializeFile(file, DEFAULT_PAGE_BYTES, options.noFsync === true);
        // A file that is renamed later gets its durable name then.
        if (options.exclusive !== true) disk.syncDirectory(splitPath(path).directory);
      }
      // A process that was killed may have written a transaction and not synced it. It counts from
      // now on, and the pages that it freed are written again: it must be as durable as any other.
      if (!readOnly && options.noFsync !== true) await file.datasync();
      const meta = chooseMeta(file);
      const bolt = new BoltFile(disk, file, meta, options);
      await bolt.#loadFreePages(meta);
      return bolt;
    } catch (error) {
      file.close();
      throw error;
    }
  }

  private constructor(disk: Disk, file: DiskFile, meta: Meta, options: BoltFileOptions) {
    this.#disk = disk;
    this.file = file;
    this.path = file.path;
    this.pageSize = meta.pageSize;
    this.#options = options;
    this.#cache = new PageCache(options.pageCacheBytes);
    this.#fileBytes = file.size();
    this.#state = {
      txid: meta.txid,
      rootPgid: meta.rootPgid,
      rootSequence: meta.rootSequence,
      freelistPgid: meta.freelistPgid,
      highWater: meta.highWater,
      buckets: new Map(),
    };
    this.#durable = this.#state;
  }

  /** The newest tree. */
  get state(): TreeState {
    return this.#state;
  }

  /** The newest tree that a crash cannot take away. */
  get durable(): TreeState {
    return this.#durable;
  }

  get sizeBytes(): number {
    return this.#state.highWater * this.pageSize;
  }

  get sizeInUseBytes(): number {
    return this.sizeBytes - this.freelist.freeCount * this.pageSize;
  }

  get cachedBytes(): number {
    return this.#cache.bytes;
  }

  get pinCount(): number {
    let count = 0;
    for (const pins of this.#pins.values()) count += pins;
    return count;
  }

  /** `highWater` is for a transaction that reads pages which it wrote early. */
  page(id: number, highWater: number = this.#state.highWater): Page {
    const cached = this.#cache.get(id);
    if (cached !== undefined) return cached;
    const page = this.#inFlight?.get(id) ?? this.#readPage(id, highWater);
    this.#cache.put(page);
    return page;
  }

  /** The page when it is in memory. */
  cachedPage(id: number): Page | undefined {
    return this.#cache.get(id) ?? this.#inFlight?.get(id);
  }

  #readPage(id: number, highWater: number): Page {
    if (id < 2 || id >= highWater) throw this.#bad(id, "it is not a data page");
    let buffer = Buffer.allocUnsafeSlow(this.pageSize);
    if (this.file.readSync(buffer, id * this.pageSize) < buffer.length) {
      throw this.#bad(id, "it lies behind the end of the file");
    }
    const overflow = pageOverflow(buffer, id, this.pageSize, highWater);
    if (typeof overflow === "string") throw this.#bad(id, overflow);
    if (overflow > 0) {
      buffer = Buffer.allocUnsafeSlow((overflow + 1) * this.pageSize);
      if (this.file.readSync(buffer, id * this.pageSize) < buffer.length) {
        throw this.#bad(id, "its overflow lies behind the end of the file");
      }
    }
    const page = parsePage(id, buffer, highWater);
    if (typeof page === "string") throw this.#bad(id, page);
    return page;
  }

  /** The top-level bucket in `state`; a name is latin1, one code unit per byte. */
  bucket(state: TreeState, name: string): BucketRoot | undefined {
    const known = state.buckets.get(name);
    if (known !== undefined) return known ?? undefined;
    const root = this.rootBucket(state);
    const value = treeGetBucketValue(this, root, bytesFromLatin1(name));
    const found =
      value === undefined
        ? null
        : decodeBucketValue(value, this.path, state.rootPgid, this.#state.highWater);
    state.buckets.set(name, found);
    return found ?? undefined;
  }

  /** The bucket whose keys are the names of the top-level buckets. */
  rootBucket(state: TreeState): BucketRoot {
    return bucketRoot(state.rootPgid, state.rootSequence, undefined);
  }

  /** Keeps the pages of `state` from being reused until `unpin`. */
  pin(state: TreeState): void {
    assert(
      state === this.#state || state === this.#durable || this.#pins.has(state.txid),
      "only a current tree can be pinned",
    );
    this.#pins.set(state.txid, (this.#pins.get(state.txid) ?? 0) + 1);
  }

  unpin(state: TreeState): void {
    const pins = this.#pins.get(state.txid) ?? 0;
    assert(pins > 0, "tree is not pinned");
    if (pins === 1) this.#pins.delete(state.txid);
    else this.#pins.set(state.txid, pins - 1);
  }

  retain(): void {
    this.#users++;
  }

  /** Closes the descriptor (and so gives up the lock) with its last user. */
  release(): void {
    this.#users--;
    if (this.#users > 0) return;
    if (this.#isReplaced && this.file.closeInBackground !== undefined) {
      // Nothing can be lost in it any more, so its failure does not matter either.
      this.file.closeInBackground().catch(() => undefined);
    } else {
      this.file.close();
    }
  }

  /** The file has lost its name; its last user gives back all of its blocks. */
  markReplaced(): void {
    this.#isReplaced = true;
  }

  get hasPins(): boolean {
    return this.#pins.size > 0;
  }

  /** Memory for a page that is written by itself. */
  allocate(bytes: number): Buffer {
    if (bytes < DIRECT_WRITE_BYTES) return Buffer.allocUnsafeSlow(bytes);
    return this.#disk.allocate(bytes);
  }

  /** The next transaction. The one before must be durable. */
  begin(): WriteTx {
    assert(this.#state === this.#durable, "one transaction at a time");
    const views = [...this.#pins.keys()].sort((a, b) => a - b);
    for (const id of this.freelist.release(views)) this.#cache.delete(id);
    return new WriteTx(this, this.#state);
  }

  /** Makes the transaction's tree the current one; its pages are in memory until written. */
  install(tx: WriteTx, rootPgid: number, buckets: Map<string, BucketRoot | null>): void {
    assert(tx.base === this.#state, "transaction is not based on the current tree");
    const freelistPgid = this.#writeFreelist(tx);
    this.#inFlight = tx.dirty;
    this.#state = {
      txid: tx.txid,
      rootPgid,
      rootSequence: tx.base.rootSequence,
      freelistPgid,
      highWater: tx.highWater,
      buckets,
    };
    for (const page of tx.dirty.values()) this.#cache.putWritten(page);
  }

  /**
   * Writes an installed transaction: pages, sync, meta, sync. After a failure it may be called
   * again with the same transaction, unless the failure was a sync's EIO.
   */
  async writeOut(tx: WriteTx): Promise<void> {
    const state = this.#state;
    assert(state.txid === tx.txid, "transaction is not installed");
    this.#grow(state.highWater);
    await this.writePages(tx.dirty.values());
    await this.sync();
    await this.file.write([encodeMetaPage(this.#metaOf(state))], this.#metaPosition(state));
    await this.sync();
    this.#durable = state;
    this.#inFlight = undefined;
  }

  async sync(): Promise<void> {
    if (this.#options.noFsync !== true) await this.file.datasync();
  }

  /** Writes page images, adjacent ones together. Not durable before a sync. */
  async writePages(pages: Iterable<Page>): Promise<void> {
    const runs = adjacentRuns(pages, this.pageSize);
    let next = 0;
    const worker = async (): Promise<void> => {
      while (next < runs.length) {
        const run = runs[next++] as WriteRun;
        if (run.large === undefined) await this.file.write(run.chunks, run.position);
        else await this.file.writeDirect(run.large, run.position);
      }
    };
    const workers: Promise<void>[] = [];
    for (let count = Math.min(MAX_PARALLEL_WRITES, runs.length); count > 0; count--) {
      workers.push(worker());
    }
    const results = await Promise.allSettled(workers);
    for (const result of results) if (result.status === "rejected") throw result.reason;
  }

  /** The meta page image for `state` in slot `pageId`, with another txid when given. */
  metaPage(state: TreeState, pageId: number, txid: number): Buffer {
    return encodeMetaPage({ ...this.#metaOf(state), txid }, pageId);
  }

  #metaOf(state: TreeState): Meta {
    return {
      pageSize: this.pageSize,
      rootPgid: state.rootPgid,
      rootSequence: state.rootSequence,
      freelistPgid: state.freelistPgid,
      highWater: state.highWater,
      txid: state.txid,
    };
  }

  #metaPosition(state: TreeState): number {
    return (state.txid % 2) * this.pageSize;
  }

  #writeFreelist(tx: WriteTx): number {
    const { freelistPgid } = tx.base;
    if (freelistPgid !== NO_FREELIST) {
      this.freelist.free(tx.txid, freelistPgid, this.#freelistPages);
      this.#freelistPages = 0;
    }
    if (this.#options.freelistSync !== true) return NO_FREELIST;
    const page = writeFreelistPage(tx, this.freelist);
    this.#freelistPages = page.overflow + 1;
    return page.id;
  }

  #grow(highWater: number): void {
    const needed = (highWater + 1) * this.pageSize;
    if (needed <= this.#fileBytes) return;
    let bytes = MIN_FILE_BYTES;
    while (bytes < needed && bytes < GROW_STEP_BYTES) bytes *= 2;
    if (bytes < needed) bytes = needed + GROW_STEP_BYTES;
    this.file.truncateSync(bytes);
    this.#fileBytes = bytes;
  }

  async #loadFreePages(meta: Meta): Promise<void> {
    const { highWater } = meta;
    if (highWater > MAX_PAGES || highWater * this.pageSize > this.#fileBytes) {
      throw this.#bad(
        -1,
        `it should have ${highWater} pages of ${this.pageSize} bytes, but is ${this.#fileBytes} bytes long`,
      );
    }
    if (meta.rootPgid < 2 || meta.rootPgid >= highWater) {
      throw this.#bad(-1, `its root is page ${meta.rootPgid} of ${highWater}`);
    }
    const reached = await scanPages(this.file, meta);
    if (meta.freelistPgid !== NO_FREELIST) {
      const list = readFreelistPage(this.file, meta, reached);
      this.#freelistPages = list.pages;
    }
    for (let id = 2; id < highWater; id++) if (!reached.has(id)) this.freelist.add(id);
  }

  #bad(id: number, reason: string): BackendCorruptError {
    return new BackendCorruptError(this.path, id, reason);
  }
}

interface WriteRun {
  readonly position: number;
  readonly chunks: Uint8Array[];
  /** A page that is written alone, instead of chunks. */
  readonly large?: Uint8Array;
}

/** Groups pages that lie side by side in the file; side by side in memory they become one chunk. */
function adjacentRuns(pages: Iterable<Page>, pageSize: number): WriteRun[] {
  const sorted = [...pages].sort((a, b) => a.id - b.id);
  const runs: WriteRun[] = [];
  let run: WriteRun | undefined;
  let end = 0;
  let first: Buffer | undefined;
  let chunkBytes = 0;
  for (const page of sorted) {
    const { buffer } = page;
    const position = page.id * pageSize;
    if (buffer.length >= DIRECT_WRITE_BYTES) {
      runs.push({ position, chunks: [], large: buffer });
      continue;
    }
    const continues = run !== undefined && position === end && end - run.position < MAX_WRITE_BYTES;
    if (continues && first !== undefined && follows(first, chunkBytes, buffer)) {
      chunkBytes += buffer.length;
    } else {
      if (run !== undefined && first !== undefined) run.chunks.push(extend(first, chunkBytes));
      first = buffer;
      chunkBytes = buffer.length;
      if (!continues) {
        run = { position, chunks: [] };
        runs.push(run);
      }
    }
    end = position + buffer.length;
  }
  if (run !== undefined && first !== undefined) run.chunks.push(extend(first, chunkBytes));
  return runs;
}

/** True when `next` begins in memory where `bytes` from the start of `first` end. */
function follows(first: Buffer, bytes: number, next: Buffer): boolean {
  return first.buffer === next.buffer && first.byteOffset + bytes === next.byteOffset;
}

function extend(first: Buffer, bytes: number): Uint8Array {
  return bytes === first.length ? first : Buffer.from(first.buffer, first.byteOffset, bytes);
}
