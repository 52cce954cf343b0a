/**
 * etcd's batched backend over a bbolt file. This file composes it: writes and commits are the
 * `CommitPipeline`'s, reads go through the layers that it shows, and who replaces the file (a
 * defragmentation, a received db) takes turns here.
 *
 * A read sees open, sealed and installed writes, in this order of precedence.
 */

import { assert } from "../base/assert.ts";
import { formatDuration, sizeFields } from "../base/go-text.ts";
import { BoltFile } from "./bolt/bolt-file.ts";
import { MAX_KEY_BYTES } from "./bolt/format.ts";
import { Batch } from "./batch.ts";
import { CommitPipeline } from "./commit-pipeline.ts";
import { Defragmenter } from "./defragment.ts";
import { hashView } from "./hash.ts";
import { LayeredFinder } from "./layered-finder.ts";
import { layeredGet, layeredScan, layeredScanInPlace } from "./layered-reader.ts";
import { BackendMetrics } from "./metrics.ts";
import { type BackendDeps, type BackendOptions, fileOptions } from "./options.ts";
import { ensureBuckets, FileReplacement } from "./replacement.ts";
import { newSlicer } from "./slicer.ts";
import { FileSnapshot } from "./snapshot.ts";
import { watchTransfer } from "./slow-transfer.ts";
import type {
  Backend,
  BackendSnapshot,
  Bucket,
  DefragmentProgress,
  Finder,
  Place,
  ReadView,
  Replacement,
  Visit,
  VisitInPlace,
} from "./types.ts";
import { LayeredView } from "./view.ts";

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

export class BoltBackend implements Backend {
  onBeforeCommit: (() => void) | undefined;
  onFatal: ((error: Error) => void) | undefined;
  /** Told when a commit failed for lack of space; it will be tried again. */
  onCommitError: ((error: Error) => void) | undefined;

  readonly #deps: BackendDeps;
  readonly #options: BackendOptions;
  readonly #metrics: BackendMetrics;
  readonly #commits: CommitPipeline;
  #defragmenting: Promise<void> | undefined;
  #defragmenter: { readonly totalBytes: number; readonly work: Defragmenter } | undefined;
  /**
   * Settles when nobody is about to replace the file. Defragmentations and received files take
   * turns: two that overlap would undo each other (etcd issues 18055, 20271).
   */
  #fileTurn: Promise<void> = Promise.resolve();
  #replacement: FileReplacement | undefined;
  #views = 0;

  constructor(deps: BackendDeps, options: BackendOptions, file: BoltFile) {
    this.#deps = deps;
    this.#options = options;
    this.#metrics = new BackendMetrics(deps.metrics);
    this.#commits = new CommitPipeline(deps, options, file, this.#metrics, {
      beforeCommit: () => this.onBeforeCommit?.(),
      commitFailed: (error) => this.onCommitError?.(error),
      failed: (error) => this.onFatal?.(error),
    });
  }

  get(bucket: Bucket, key: Uint8Array): Uint8Array | undefined {
    return layeredGet(this.#commits.layers(), bucket, key);
  }

  finder(bucket: Bucket): Finder {
    return new LayeredFinder(this.#commits.layers(), bucket);
  }

  scan(bucket: Bucket, start: Uint8Array, end: Uint8Array | undefined, visit: Visit): void {
    layeredScan(this.#commits.layers(), bucket, start, end, visit);
  }

  scanInPlace(
    bucket: Bucket,
    start: Uint8Array,
    end: Uint8Array | undefined,
    visit: VisitInPlace,
  ): void {
    layeredScanInPlace(this.#commits.layers(), bucket, start, end, visit);
  }

  put(bucket: Bucket, key: Uint8Array, value: Uint8Array): void {
    mustBeWritable(bucket, key);
    this.#commits.batch().put(bucket, key, value);
  }

  putInto(bucket: Bucket, key: Uint8Array, valueBytes: number): Place {
    mustBeWritable(bucket, key);
    return this.#commits.batch().putInto(bucket, key, valueBytes);
  }

  delete(bucket: Bucket, key: Uint8Array): void {
    mustBeWritable(bucket, key);
    this.#commits.batch().delete(bucket, key);
  }

  commitIfDue(): void {
    this.#commits.commitIfDue();
  }

  get congested(): boolean {
    return this.#commits.congested;
  }

  waitUncongested(): Promise<void> {
    return this.#commits.waitUncongested();
  }

  commit(): Promise<void> {
    return this.#commits.commit();
  }

  holdCommits(): () => void {
    return this.#commits.hold();
  }

  get sizeBytes(): number {
    return this.boltFile.sizeBytes;
  }

  get sizeInUseBytes(): number {
    return this.boltFile.sizeInUseBytes;
  }

  get openReadViews(): number {
    return this.#views;
  }

  openView(): ReadView {
    const layers = this.#commits.layers();
    const newer = layers.newer && new Batch(undefined, layers.newer);
    const older = layers.older && new Batch(undefined, layers.older);
    this.#views++;
    return new LayeredView({ ...layers, newer, older }, () => this.#views--);
  }

  async openSnapshot(): Promise<BackendSnapshot> {
    await this.commit();
    this.#views++;
    const observe = this.#metrics.snapshotTimer(this.#deps.clock);
    const file = this.boltFile;
    let settle = (): void => {};
    const snapshot = new FileSnapshot(file, file.durable, () => {
      this.#views--;
      settle();
      observe();
    });
    settle = watchTransfer(this.#deps, snapshot.sizeBytes);
    return snapshot;
  }

  async hash(ignore: (bucket: string, key: Uint8Array) => boolean): Promise<number> {
    if (this.#commits.isHeld) await this.#commits.unheld();
    const view = this.openView() as LayeredView;
    try {
      return await hashView(view, ignore, newSlicer(this.#deps));
    } finally {
      view.close();
    }
  }

  /** A second call while one is running waits for that one. */
  defragment(): Promise<void> {
    this.#defragmenting ??= this.#defragment().finally(() => {
      this.#defragmenting = undefined;
    });
    return this.#defragmenting;
  }

  get defragmentation(): DefragmentProgress | undefined {
    if (this.#defragmenter === undefined) return undefined;
    const { totalBytes, work } = this.#defragmenter;
    return { copiedBytes: Math.min(work.copiedBytes, totalBytes), totalBytes };
  }

  async openReplacement(path: string): Promise<Replacement> {
    assert(this.#options.readOnly !== true, "backend is open for reading only");
    const endTurn = await this.#takeFileTurn();
    let file: BoltFile | undefined;
    try {
      this.#commits.mustStayOpen();
      const options = { ...fileOptions(this.#options), mustExist: true, mustBeWhole: true };
      file = await BoltFile.open(this.#deps.disk, path, options);
      await ensureBuckets(file, this.#options.ensureBuckets ?? [], newSlicer(this.#deps));
      this.#commits.mustStayOpen();
      this.#replacement = new FileReplacement(this.#deps.disk, file, this.#commits, () => {
        this.#replacement = undefined;
        endTurn();
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
    const batch = this.#commits.batch();
    for (const bucket of buckets) batch.touch(bucket);
    batch.ops += buckets.length;
    return this.commit();
  }

  /** All top-level buckets by name; what is not one of etcd's has id -1 and can only be read. */
  buckets(): Bucket[] {
    const view = new LayeredView(this.#commits.layers(), () => undefined);
    try {
      return view.buckets();
    } finally {
      view.close();
    }
  }

  /** The file below, for tools and tests. It changes with `defragment`. */
  get boltFile(): BoltFile {
    return this.#commits.file;
  }

  close(): Promise<void> {
    const closed = this.#commits.close(this.#fileTurn);
    this.#replacement?.close();
    return closed;
  }

  async #defragment(): Promise<void> {
    this.#commits.mustNotHaveStopped();
    const endTurn = await this.#takeFileTurn();
    try {
      this.#commits.mustStayOpen();
      await this.#defragmentNow();
    } finally {
      endTurn();
    }
  }

  async #defragmentNow(): Promise<void> {
    const { clock, logger, disk } = this.#deps;
    const begin = clock.nowMs();
    const { sizeBytes, sizeInUseBytes } = this;
    logger.info("defragmenting", {
      path: this.boltFile.path,
      ...sizeFields("current-db-size", sizeBytes),
      ...sizeFields("current-db-size-in-use", sizeInUseBytes),
    });
    this.#metrics.defragInflight(1);
    try {
      const slicer = () => newSlicer(this.#deps);
      const work = new Defragmenter(disk, fileOptions(this.#options), slicer);
      this.#defragmenter = { totalBytes: sizeInUseBytes, work };
      await work.run(this.#commits);
      const tookMs = clock.nowMs() - begin;
      this.#metrics.defragmented(tookMs);
      logger.info("finished defragmenting directory", {
        path: this.boltFile.path,
        "current-db-size-bytes-diff": this.sizeBytes - sizeBytes,
        ...sizeFields("current-db-size", this.sizeBytes),
        "current-db-size-in-use-bytes-diff": this.sizeInUseBytes - sizeInUseBytes,
        ...sizeFields("current-db-size-in-use", this.sizeInUseBytes),
        took: formatDuration(tookMs),
      });
    } finally {
      this.#defragmenter = undefined;
      this.#metrics.defragInflight(0);
    }
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
}

function mustBeWritable(bucket: Bucket, key: Uint8Array): void {
  assert(bucket.id >= 0, "bucket can only be read");
  assert(key.length > 0 && key.length <= MAX_KEY_BYTES, "backend key is empty or too long");
}
