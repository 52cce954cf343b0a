/**
 * etcd's batched backend over a bbolt file. Writes collect in the open batch; sealing turns it
 * into a tree transaction in slices, which is then written and synced asynchronously while the next
 * batch collects. At most one transaction is on its way.
 *
 *   open batch --seal--> sealed batch --apply--> installed tx (pages in memory) --write--> durable
 *
 * Invariants:
 * - Sealing is synchronous and happens only in `commitIfDue`, `commit`, `close`, a timer or after
 *   the transaction before; `onBeforeCommit` runs just before it, so its writes are in the batch.
 * - A read sees open, sealed and installed writes, in this order of precedence.
 * - After a failed sync, or a write failure that is not about space, nothing is retried: fail-stop.
 *   For lack of space the installed transaction stays in memory and is written again later.
 */

import { assert } from "../base/assert.ts";
import { formatDuration, sizeFields } from "../base/go-text.ts";
import type { Clock, Timer } from "../env/clock.ts";
import { type Disk, DiskError } from "../env/disk.ts";
import type { Logger } from "../env/logger.ts";
import type { Metrics } from "../env/metrics.ts";
import { Batch } from "./batch.ts";
import { BoltFile } from "./bolt/bolt-file.ts";
import { MAX_KEY_BYTES } from "./bolt/format.ts";
import { applyTransaction, DEFAULT_FILL, SEQUENTIAL_FILL } from "./bolt/transaction.ts";
import type { WriteTx } from "./bolt/write-tx.ts";
import { Defragmenter } from "./defragment.ts";
import { BackendClosedError } from "./errors.ts";
import { hashView } from "./hash.ts";
import { type Layers, layeredGet, layeredScan, layeredScanInPlace } from "./layered-reader.ts";
import { BackendMetrics } from "./metrics.ts";
import { ensureBuckets, FileReplacement } from "./replacement.ts";
import { Slicer, type YieldTurn, yieldToEventLoop } from "./slicer.ts";
import { FileSnapshot } from "./snapshot.ts";
import type {
  Backend,
  BackendSnapshot,
  Bucket,
  ReadView,
  Replacement,
  Visit,
  VisitInPlace,
} from "./types.ts";
import { LayeredView } from "./view.ts";

export interface BackendDeps {
  readonly disk: Disk;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics?: Metrics;
  /** How long work lets others run; default: one turn of Node's event loop. */
  readonly yieldTurn?: YieldTurn;
}

export interface BackendOptions {
  /** Bound on committed pages kept in memory. Default 64 MiB. */
  readonly pageCacheBytes?: number;
  /** Longest time that a write stays uncommitted. Default 100, etcd's --backend-batch-interval. */
  readonly batchIntervalMs?: number;
  /** Writes per transaction. Default 10000, etcd's --backend-batch-limit. */
  readonly batchLimit?: number;
  /** Keep the list of free pages in the file. Default false, as etcd. */
  readonly freelistSync?: boolean;
  /** etcd's --unsafe-no-fsync. Default false. */
  readonly noFsync?: boolean;
  /** Buckets that exist after opening. */
  readonly ensureBuckets?: readonly Bucket[];
  /** Take no lock and refuse writes. Default false. */
  readonly readOnly?: boolean;
  /** Refuse to create the file. Default false; readOnly implies it. */
  readonly mustExist?: boolean;
}

const DEFAULT_PAGE_CACHE_BYTES = 64 * 1024 * 1024;
const DEFAULT_BATCH_INTERVAL_MS = 100;
/** Operations after which a batch is committed without waiting for its interval, as in etcd. */
const DEFAULT_BATCH_LIMIT = 10_000;
/** Bytes of keys and values that seal a batch before its operation limit: bounds memory. */
const BATCH_BYTES = 32 * 1024 * 1024;
/** Applying should pause when the open batch is this many limits large. */
const CONGESTED_BATCHES = 4;
/** Work of sealing and hashing between two turns of the event loop. */
const SLICE_MS = 4;
/** Batches up to this size are applied in the turn that seals them. */
const SMALL_BATCH_OPS = 256;
/** Pause before a transaction that found the disk full is tried again. */
const SPACE_RETRY_MS = 1000;
const SPACE_ERRORS: ReadonlySet<string> = new Set(["ENOSPC", "EDQUOT", "EFBIG"]);

interface Waiter {
  /** Settled when this many batches are durable. */
  readonly sequence: number;
  readonly resolve: () => void;
  readonly reject: (error: Error) => void;
}

/** Opens or creates the db file. See BackendOptions; errors as BoltFile.open's. */
export async function openBackend(
  deps: BackendDeps,
  path: string,
  options: BackendOptions = {},
): Promise<BoltBackend> {
  const file = await BoltFile.open(deps.disk, path, fileOptions(options));
  if (options.readOnly !== true) Defragmenter.removeLeftovers(deps.disk, path);
  const backend = new BoltBackend(deps, options, file);
  const missing = (options.ensureBuckets ?? []).filter(
    (bucket) => file.bucket(file.state, bucket.name) === undefined,
  );
  if (missing.length === 0 || options.readOnly === true) return backend;
  try {
    await backend.createBuckets(missing);
  } catch (error) {
    await backend.close().catch(() => undefined);
    throw error;
  }
  return backend;
}

function fileOptions(options: BackendOptions) {
  return {
    pageCacheBytes: options.pageCacheBytes ?? DEFAULT_PAGE_CACHE_BYTES,
    readOnly: options.readOnly === true,
    freelistSync: options.freelistSync === true,
    noFsync: options.noFsync === true,
    mustExist: options.mustExist === true,
  };
}

export class BoltBackend implements Backend {
  onBeforeCommit: (() => void) | undefined;
  onFatal: ((error: Error) => void) | undefined;
  /** Told when a commit failed for lack of space; it will be tried again. */
  onCommitError: ((error: Error) => void) | undefined;

  readonly #deps: BackendDeps;
  readonly #options: BackendOptions;
  readonly #intervalMs: number;
  readonly #batchLimit: number;
  readonly #metrics: BackendMetrics;
  readonly #yieldTurn: YieldTurn;
  #file: BoltFile;
  #open = new Batch();
  #openBytes = 0;
  /** Sealed but not yet part of the tree. */
  #sealed: Batch | undefined;
  /** Part of the tree but not yet durable. */
  #installed: WriteTx | undefined;
  #sealedCount = 0;
  #durableCount = 0;
  #sealWanted = false;
  #isDriving = false;
  /** The latest commit loop; never rejects. */
  #driving: Promise<void> = Promise.resolve();
  /** Sealing waits: the file is about to be replaced by another. */
  #isHeld = false;
  /** The disk was full at the last attempt. */
  #isStalled = false;
  #timer: Timer | undefined;
  #waiters: Waiter[] = [];
  #uncongested: (() => void)[] = [];
  #defragmenting: Promise<void> | undefined;
  /**
   * Settles when nobody is about to replace the file. Defragmentations and received files take
   * turns: two that overlap would undo each other (etcd issues 18055, 20271).
   */
  #fileTurn: Promise<void> = Promise.resolve();
  #replacement: FileReplacement | undefined;
  #views = 0;
  #stopped: BackendClosedError | undefined;
  #closing: Promise<void> | undefined;

  constructor(deps: BackendDeps, options: BackendOptions, file: BoltFile) {
    this.#deps = deps;
    this.#options = options;
    this.#file = file;
    this.#intervalMs = options.batchIntervalMs ?? DEFAULT_BATCH_INTERVAL_MS;
    this.#batchLimit = options.batchLimit ?? DEFAULT_BATCH_LIMIT;
    this.#metrics = new BackendMetrics(deps.metrics);
    this.#yieldTurn = deps.yieldTurn ?? yieldToEventLoop;
  }

  get(bucket: Bucket, key: Uint8Array): Uint8Array | undefined {
    return layeredGet(this.#layers(), bucket, key);
  }

  scan(bucket: Bucket, start: Uint8Array, end: Uint8Array | undefined, visit: Visit): void {
    layeredScan(this.#layers(), bucket, start, end, visit);
  }

  scanInPlace(
    bucket: Bucket,
    start: Uint8Array,
    end: Uint8Array | undefined,
    visit: VisitInPlace,
  ): void {
    layeredScanInPlace(this.#layers(), bucket, start, end, visit);
  }

  put(bucket: Bucket, key: Uint8Array, value: Uint8Array): void {
    this.#beforeWrite(bucket, key);
    this.#open.put(bucket, key, value);
    this.#openBytes += key.length + value.length;
  }

  delete(bucket: Bucket, key: Uint8Array): void {
    this.#beforeWrite(bucket, key);
    this.#open.delete(bucket, key);
  }

  commitIfDue(): void {
    if (this.#isStalled) return;
    if (this.#open.ops >= this.#batchLimit || this.#openBytes >= BATCH_BYTES) this.#wantSeal();
  }

  get congested(): boolean {
    return (
      this.#open.ops >= CONGESTED_BATCHES * this.#batchLimit ||
      this.#openBytes >= CONGESTED_BATCHES * BATCH_BYTES
    );
  }

  async waitUncongested(): Promise<void> {
    while (this.congested) {
      if (this.#stopped !== undefined) throw this.#stopped;
      if (!this.#isStalled) this.#wantSeal();
      if (this.congested) await new Promise<void>((resolve) => this.#uncongested.push(resolve));
    }
  }

  commit(): Promise<void> {
    if (this.#stopped !== undefined) return Promise.reject(this.#stopped);
    if (this.#options.readOnly === true) return Promise.resolve();
    return new Promise((resolve, reject) => {
      this.#waiters.push({ sequence: this.#sealedCount + 1, resolve, reject });
      this.#wantSeal();
    });
  }

  get sizeBytes(): number {
    return this.#file.sizeBytes;
  }

  get sizeInUseBytes(): number {
    return this.#file.sizeInUseBytes;
  }

  get openReadViews(): number {
    return this.#views;
  }

  openView(): ReadView {
    const layers = this.#layers();
    const newer = layers.newer === undefined ? undefined : new Batch(layers.newer);
    this.#views++;
    return new LayeredView({ ...layers, newer }, () => this.#views--);
  }

  async openSnapshot(): Promise<BackendSnapshot> {
    await this.commit();
    this.#views++;
    const observe = this.#metrics.snapshotTimer(this.#deps.clock);
    return new FileSnapshot(this.#file, this.#file.durable, () => {
      this.#views--;
      observe();
    });
  }

  async hash(ignore: (bucket: string, key: Uint8Array) => boolean): Promise<number> {
    const view = this.openView() as LayeredView;
    try {
      return await hashView(view, ignore, this.#slicer());
    } finally {
      view.close();
    }
  }

  /** A second call while one is running waits for that one. */
  defragment(): Promise<void> {
    if (this.#stopped !== undefined) return Promise.reject(this.#stopped);
    this.#defragmenting ??= this.#defragment().finally(() => {
      this.#defragmenting = undefined;
    });
    return this.#defragmenting;
  }

  async openReplacement(path: string): Promise<Replacement> {
    assert(this.#options.readOnly !== true, "backend is open for reading only");
    const endTurn = await this.#takeFileTurn();
    let file: BoltFile | undefined;
    try {
      this.#mustStayOpen();
      const options = { ...fileOptions(this.#options), mustExist: true, mustBeWhole: true };
      file = await BoltFile.open(this.#deps.disk, path, options);
      await ensureBuckets(file, this.#options.ensureBuckets ?? [], this.#slicer());
      this.#mustStayOpen();
      this.#replacement = new FileReplacement(this.#deps.disk, file, {
        path: this.#file.path,
        pause: () => this.#pause(),
        resume: () => this.#resume(),
        takeOver: (taken) => this.#takeOver(taken),
        isClosing: () => this.#isClosing,
        fail: (error) => this.#fail(error),
        ended: () => {
          this.#replacement = undefined;
          endTurn();
        },
      });
      return this.#replacement;
    } catch (error) {
      file?.release();
      endTurn();
      throw error;
    }
  }

  /** Creates buckets that stay empty. Durable when it settles. */
  createBuckets(buckets: readonly Bucket[]): Promise<void> {
    for (const bucket of buckets) this.#open.touch(bucket);
    this.#open.ops += buckets.length;
    return this.commit();
  }

  /** All top-level buckets by name; what is not one of etcd's has id -1 and can only be read. */
  buckets(): Bucket[] {
    const view = new LayeredView(this.#layers(), () => undefined);
    try {
      return view.buckets();
    } finally {
      view.close();
    }
  }

  /** The file below, for tools and tests. It changes with `defragment`. */
  get boltFile(): BoltFile {
    return this.#file;
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    this.#replacement?.close();
    await this.#fileTurn;
    try {
      await this.commit();
    } finally {
      this.#stop(undefined);
      await this.#driving;
      this.#file.release();
    }
  }

  #layers(): Layers {
    if (this.#stopped !== undefined) throw this.#stopped;
    return {
      newer: this.#open.ops > 0 ? this.#open : undefined,
      older: this.#sealed,
      file: this.#file,
      state: this.#file.state,
    };
  }

  #beforeWrite(bucket: Bucket, key: Uint8Array): void {
    if (this.#stopped !== undefined) throw this.#stopped;
    assert(this.#options.readOnly !== true, "backend is open for reading only");
    assert(bucket.id >= 0, "bucket can only be read");
    assert(key.length > 0 && key.length <= MAX_KEY_BYTES, "backend key is empty or too long");
    this.#timer ??= this.#deps.clock.setTimer(this.#intervalMs, () => {
      this.#timer = undefined;
      if (this.#open.ops > 0) this.#wantSeal();
    });
  }

  #wantSeal(): void {
    this.#sealWanted = true;
    this.#drive();
  }

  /** Starts the commit loop unless it runs. It seals before its first await. */
  #drive(): void {
    if (this.#isDriving || this.#isHeld || this.#stopped !== undefined) return;
    this.#isDriving = true;
    this.#driving = this.#commitLoop();
  }

  async #commitLoop(): Promise<void> {
    try {
      while (this.#stopped === undefined) {
        if (this.#installed === undefined) {
          if (!this.#sealWanted || this.#isHeld) return;
          if (!this.#seal()) continue;
          await this.#apply();
        }
        if (!(await this.#write())) return;
      }
    } catch (error) {
      this.#fail(error as Error);
    } finally {
      this.#isDriving = false;
    }
  }

  /** Turns the open batch into the sealed one; false when there is nothing to commit. */
  #seal(): boolean {
    this.#sealWanted = false;
    this.onBeforeCommit?.();
    this.#timer?.cancel();
    this.#timer = undefined;
    if (this.#open.ops === 0) {
      this.#settle(this.#sealedCount + 1);
      return false;
    }
    this.#sealed = this.#open;
    this.#sealedCount++;
    this.#startBatch();
    return true;
  }

  async #apply(): Promise<void> {
    const batch = this.#sealed;
    assert(batch !== undefined, "no batch is sealed");
    if (batch.ops > SMALL_BATCH_OPS) await this.#yieldTurn();
    const begin = this.#deps.clock.nowMs();
    const changes = batch.buckets().map((bucket) => ({
      name: bucket.name,
      fillPercent: bucket.sequential ? SEQUENTIAL_FILL : DEFAULT_FILL,
      ops: batch.touch(bucket).ops(),
    }));
    this.#installed = await applyTransaction(this.#file, changes, this.#slicer());
    this.#sealed = undefined;
    this.#metrics.applied(this.#deps.clock.nowMs() - begin);
  }

  /** False when the disk is full; the transaction stays installed. */
  async #write(): Promise<boolean> {
    const tx = this.#installed;
    assert(tx !== undefined, "no transaction is installed");
    const begin = this.#deps.clock.nowMs();
    try {
      await this.#file.writeOut(tx);
    } catch (error) {
      if (!isSpaceError(error)) throw error;
      this.#outOfSpace(error as Error);
      return false;
    }
    this.#installed = undefined;
    this.#isStalled = false;
    this.#durableCount = this.#sealedCount;
    this.#metrics.written(this.#deps.clock.nowMs() - begin);
    this.#settle(this.#durableCount);
    return true;
  }

  #outOfSpace(error: Error): void {
    this.#isStalled = true;
    this.#deps.logger.warn("failed to commit the backend, will try again", { error });
    const waiters = this.#waiters;
    this.#waiters = [];
    for (const waiter of waiters) waiter.reject(error);
    this.#timer ??= this.#deps.clock.setTimer(SPACE_RETRY_MS, () => {
      this.#timer = undefined;
      this.#wantSeal();
    });
    this.onCommitError?.(error);
  }

  #settle(sequence: number): void {
    const waiters = this.#waiters;
    this.#waiters = [];
    for (const waiter of waiters) {
      if (waiter.sequence <= sequence) waiter.resolve();
      else this.#waiters.push(waiter);
    }
  }

  async #defragment(): Promise<void> {
    const endTurn = await this.#takeFileTurn();
    try {
      this.#mustStayOpen();
      await this.#defragmentNow();
    } finally {
      endTurn();
    }
  }

  async #defragmentNow(): Promise<void> {
    const { disk, clock, logger } = this.#deps;
    const begin = clock.nowMs();
    const { sizeBytes, sizeInUseBytes } = this;
    logger.info("defragmenting", {
      path: this.#file.path,
      ...sizeFields("current-db-size", sizeBytes),
      ...sizeFields("current-db-size-in-use", sizeInUseBytes),
    });
    this.#metrics.defragInflight(1);
    try {
      const defragmenter = new Defragmenter(disk, fileOptions(this.#options), () => this.#slicer());
      await defragmenter.run({
        file: () => this.#file,
        commit: () => this.commit(),
        hold: () => this.#hold(),
        resume: () => this.#resume(),
        replace: (file) => {
          this.#file.release();
          this.#file = file;
        },
        fail: (error) => this.#fail(error),
        isClosing: () => this.#isClosing,
      });
      const tookMs = clock.nowMs() - begin;
      this.#metrics.defragmented(tookMs);
      logger.info("finished defragmenting directory", {
        path: this.#file.path,
        "current-db-size-bytes-diff": this.sizeBytes - sizeBytes,
        ...sizeFields("current-db-size", this.sizeBytes),
        "current-db-size-in-use-bytes-diff": this.sizeInUseBytes - sizeInUseBytes,
        ...sizeFields("current-db-size-in-use", this.sizeInUseBytes),
        took: formatDuration(tookMs),
      });
    } finally {
      this.#metrics.defragInflight(0);
    }
  }

  get #isClosing(): boolean {
    return this.#closing !== undefined || this.#stopped !== undefined;
  }

  #mustStayOpen(): void {
    if (this.#isClosing) throw this.#stopped ?? new BackendClosedError();
  }

  /** Waits for whoever is about to replace the file; call the result when done with it. */
  async #takeFileTurn(): Promise<() => void> {
    const before = this.#fileTurn;
    let endTurn: () => void = () => undefined;
    this.#fileTurn = new Promise((resolve) => {
      endTurn = resolve;
    });
    await before;
    return endTurn;
  }

  /** No batch is sealed until `resume`; settles when the last transaction is durable. */
  async #hold(): Promise<void> {
    await this.#pause();
    if (this.#installed === undefined) return;
    this.#resume();
    throw new BackendClosedError(new Error("no space left for a commit"));
  }

  /** As `#hold`, but a transaction that found the disk full may be left over. */
  async #pause(): Promise<void> {
    this.#isHeld = true;
    while (this.#isDriving) await this.#driving;
    if (this.#stopped === undefined) return;
    this.#resume();
    throw this.#stopped;
  }

  #takeOver(file: BoltFile): void {
    assert(this.#isHeld && !this.#isDriving, "a commit is under way");
    this.#file.markReplaced();
    this.#deps.logger.info("closing old backend file");
    this.#file.release();
    this.#deps.logger.info("closed old backend file");
    this.#file = file;
    this.#timer?.cancel();
    this.#timer = undefined;
    this.#sealWanted = false;
    this.#isStalled = false;
    this.#installed = undefined;
    this.#sealed = undefined;
    this.#durableCount = this.#sealedCount;
    this.#startBatch();
    this.#settle(this.#sealedCount + 1);
  }

  /** The open batch begins anew; what was in it belongs to somebody else, or is dropped. */
  #startBatch(): void {
    this.#open = new Batch();
    this.#openBytes = 0;
    const waiting = this.#uncongested;
    this.#uncongested = [];
    for (const resolve of waiting) resolve();
  }

  #resume(): void {
    this.#isHeld = false;
    if (this.#sealWanted) this.#drive();
  }

  #slicer(): Slicer {
    return new Slicer(this.#deps.clock, this.#yieldTurn, SLICE_MS);
  }

  #fail(error: Error): void {
    if (this.#stopped !== undefined) return;
    this.#deps.logger.error("the backend has failed and stops", { error });
    this.#stop(error);
    this.onFatal?.(error);
  }

  #stop(cause: Error | undefined): void {
    if (this.#stopped !== undefined) return;
    const stopped = new BackendClosedError(cause);
    this.#stopped = stopped;
    this.#timer?.cancel();
    const waiters = this.#waiters;
    this.#waiters = [];
    for (const waiter of waiters) waiter.reject(stopped);
    for (const resolve of this.#uncongested) resolve();
    this.#uncongested = [];
  }
}

function isSpaceError(error: unknown): boolean {
  return error instanceof DiskError && SPACE_ERRORS.has(error.code);
}
