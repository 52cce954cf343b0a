/**
 * The write-ahead log, open for writing. Whoever saves gets a promise that settles when the bytes
 * are as durable as raft needs them.
 *
 * Group commit: saves are encoded at once into the collecting batch. One batch is written and synced
 * at a time; whatever is saved meanwhile is the next one, with one write and one fdatasync for all.
 *
 * Invariants
 * - A promise resolves only after its bytes were written and, when entries are among them or term or
 *   vote changed, synced.
 * - At most one batch is unsynced. Each batch that begins on synced ground begins with a checksum
 *   record, by which a reader tells damage from a torn tail (`torn-tail.ts`).
 * - Records are in the order of the calls. The CRC chain covers exactly the bytes on disk.
 * - A full disk fails the batch and the saves collected behind it, and leaves the log as before
 *   them: what a failed write left behind is zeroed before anything is written there again.
 * - Any other failure of a write or sync ends this log: dirty pages may be gone (`onFatal`).
 */
import { errorMessage } from "../base/error-message.ts";
import type { Entry, HardState } from "../api/gen/raft.ts";
import type { Snapshot } from "../api/gen/wal.ts";
import { assert } from "../base/assert.ts";
import type { Clock } from "../env/clock.ts";
import { DIRECT_BLOCK_BYTES, type Disk, DiskError, type DiskFile } from "../env/disk.ts";
import type { Logger } from "../env/logger.ts";
import type { Metrics } from "../env/metrics.ts";
import { Batch, type Checkpoint } from "./batch.ts";
import { WalError } from "./errors.ts";
import { createLog, openLog } from "./open-log.ts";
import type { OpenSegment, WalContent, WalEnd, WalSnapshotPoint } from "./read-log.ts";
import { parseSegmentName, segmentName } from "./segment-name.ts";
import { SEGMENT_BYTES } from "./segment-bytes.ts";
import { SegmentPipeline } from "./segment-pipeline.ts";
import { WalMeter } from "./wal-meter.ts";

export interface WalDeps {
  readonly disk: Disk;
  readonly logger: Logger;
  readonly metrics?: Metrics;
  /** For the durations in metrics and in the warning about slow syncs. */
  readonly clock?: Clock;
}

export interface WalOptions {
  /** A segment is closed once it has at least this many bytes. Default 64,000,000, as etcd. */
  readonly segmentBytes?: number;
  /** etcd's --unsafe-no-fsync: promises resolve without any sync. */
  readonly unsafeNoFsync?: boolean;
  /** Batches of at least this size are written around the system's cache of files. */
  readonly directBytes?: number;
}

/** Up to this size a write into the page cache is cheaper than a hop to the thread pool. */
const SYNC_WRITE_BYTES = 256 * 1024;

/**
 * From here on the copy into the page cache, and what the kernel does to write it back, costs more
 * than that the next small batch has to read the block in which it begins. Measured.
 */
const DIRECT_WRITE_BYTES = 512 * 1024;

/** A log whose files are open and locked, ready to be appended to. */
export interface WalStart {
  readonly content: WalContent;
  readonly segments: readonly OpenSegment[];
  readonly end: WalEnd;
  /** A torn tail was cut off. */
  readonly repaired: boolean;
}

/** Kept hard states are written when they are this many bytes. */
const MAX_KEPT_BYTES = 64 * 1024;

export class Wal {
  /** Called once when the log has failed for good. The member must stop. */
  onFatal: ((error: WalError) => void) | undefined;

  readonly directory: string;
  readonly metadata: Uint8Array;
  /** Opening found a torn tail and cut it off. */
  readonly repaired: boolean;
  readonly #disk: Disk;
  readonly #logger: Logger;
  readonly #meter: WalMeter;
  readonly #pipeline: SegmentPipeline;
  readonly #segmentBytes: number;
  readonly #noSync: boolean;
  readonly #directBytes: number;
  /** Ascending; the last one is the tail, which is written. All are locked. */
  readonly #segments: OpenSegment[];
  #tail: DiskFile;
  /** Offset in the tail where the next batch goes. */
  #offset: number;
  /** Bytes before `#offset` that no sync has covered. */
  #unsynced = false;
  /** Up to here a failed write may have left bytes behind `#offset`. */
  #dirtyEnd = 0;
  /** Last state, entry and checksum encoded so far. */
  #state: HardState;
  #lastIndex: number;
  #collecting: Batch;
  #spare: Batch;
  #inFlight: Batch | undefined;
  /** The next batch begins a new segment. */
  #cutDue = false;
  #scheduled = false;
  #ended: WalError | undefined;
  #closing: Promise<void> | undefined;
  #idle: (() => void) | undefined;
  #content: WalContent | undefined;

  /**
   * Makes a new log with `metadata` at the head of each segment. Atomic: after a crash there is
   * either the whole log or none. The parent directory must exist.
   */
  static create(
    deps: WalDeps,
    directory: string,
    metadata: Uint8Array,
    options: WalOptions = {},
  ): Wal {
    const segmentBytes = options.segmentBytes ?? SEGMENT_BYTES;
    return new Wal(deps, directory, createLog(deps, directory, metadata, segmentBytes), options);
  }

  /**
   * Opens the log to read everything behind `snapshot` and go on writing. Locks its segments. A torn
   * tail is cut off (the segment is copied to `<name>.broken` first); other damage throws a
   * `WalCorruptError` and changes nothing. Nor is anything changed when `accept` throws, which hears
   * what the log holds first.
   */
  static open(
    deps: WalDeps,
    directory: string,
    snapshot: WalSnapshotPoint,
    options: WalOptions & { readonly accept?: (content: WalContent) => void } = {},
  ): Wal {
    const segmentBytes = options.segmentBytes ?? SEGMENT_BYTES;
    const start = openLog(deps, directory, snapshot, { ...options, segmentBytes });
    return new Wal(deps, directory, start, options);
  }

  private constructor(deps: WalDeps, directory: string, start: WalStart, options: WalOptions) {
    this.directory = directory;
    this.metadata = start.content.metadata;
    this.repaired = start.repaired;
    this.#content = start.content;
    this.#disk = deps.disk;
    this.#logger = deps.logger;
    this.#meter = new WalMeter(deps);
    this.#segmentBytes = options.segmentBytes ?? SEGMENT_BYTES;
    this.#noSync = options.unsafeNoFsync === true;
    this.#directBytes = options.directBytes ?? DIRECT_WRITE_BYTES;
    this.#pipeline = new SegmentPipeline(deps.disk, deps.logger, directory, this.#segmentBytes);
    this.#segments = [...start.segments];
    const tail = start.segments.at(-1);
    assert(tail !== undefined, "a log has at least one segment");
    this.#tail = tail.file;
    this.#offset = start.end.offset;
    this.#state = start.content.hardState;
    this.#lastIndex = start.end.lastIndex;
    const allocate = (bytes: number): Buffer => deps.disk.allocate(bytes);
    this.#collecting = new Batch(this.#checkpoint(start.end.crc), allocate);
    this.#spare = new Batch(this.#checkpoint(start.end.crc), allocate);
    this.#pipeline.prepare();
  }

  /** What the log held when it was opened. May be asked for once: the entries are not kept here. */
  readAll(): WalContent {
    const content = this.#content;
    assert(content !== undefined, "a log is read once");
    this.#content = undefined;
    return content;
  }

  /** Index of the last entry saved, or of a snapshot beyond it. */
  get lastIndex(): number {
    return this.#lastIndex;
  }

  /** Offset in the tail segment behind everything written. */
  get offset(): number {
    return this.#offset;
  }

  /** Names of the segments whose locks are held, ascending. */
  get segmentNames(): string[] {
    return this.#segments.map(({ segment }) => segment.name);
  }

  /**
   * Appends entries and, when given and not empty, the hard state. Resolves when durable if entries
   * are given or term or vote changed, else once written; never before an earlier save, not even
   * when there is nothing to write. Entries are encoded before this returns.
   * Rejects with "no-space" (nothing of it is kept; may be repeated) or "failed" (for good).
   */
  save(hardState: HardState | undefined, entries: readonly Entry[]): Promise<void> {
    const state = hardState === undefined || isEmptyState(hardState) ? undefined : hardState;
    if (this.#ended !== undefined) return Promise.reject(this.#ended);
    if (state === undefined && entries.length === 0) return this.#savedSoFar();
    const batch = this.#openBatch();
    const { encoder } = batch;
    for (const entry of entries) encoder.entry(entry);
    const last = entries.at(-1);
    if (last !== undefined) {
      this.#lastIndex = last.index;
      batch.mustSync = true;
    }
    if (state !== undefined) {
      if (state.term !== this.#state.term || state.vote !== this.#state.vote) batch.mustSync = true;
      this.#encodeState(batch, state);
    }
    return this.#submit(batch);
  }

  /**
   * Keeps a hard state whose term and vote are on disk already for the next write; `close` and `sync`
   * write it too. Losing it costs nothing: the commit index is learnt again. Do not call it while
   * a save is awaited: what is said on the strength of this state may rest on that save.
   */
  keep(hardState: HardState): void {
    if (this.#ended !== undefined) return;
    const { term, vote } = this.#state;
    assert(hardState.term === term && hardState.vote === vote, "a vote must be saved, not kept");
    const batch = this.#openBatch();
    this.#encodeState(batch, hardState);
    if (batch.encoder.length > MAX_KEPT_BYTES) this.#submit(batch).catch(() => undefined);
  }

  /** The commit index never falls: a save that waited for space may be older than what is there. */
  #encodeState(batch: Batch, state: HardState): void {
    const commit = Math.max(state.commit, this.#state.commit);
    this.#state = commit === state.commit ? state : { ...state, commit };
    batch.encoder.state(this.#state);
  }

  /**
   * Records that a snapshot is on disk as a file; resolves when durable. Throws when a snapshot
   * beyond index 0 has no ConfState. A start builds on what the hard state calls committed, and what
   * a member has applied of this log is, whether or not the log was told: after a loss of power, or
   * while states wait for space on the disk, the db can be ahead. So it is told now. (A snapshot
   * from the leader counts when the hard state behind it says so.)
   */
  saveSnapshot(snapshot: Snapshot): Promise<void> {
    if (snapshot.confState === undefined && snapshot.index > 0) {
      const what = `index:${snapshot.index} term:${snapshot.term}`;
      throw new Error(`Saved (not-initial) snapshot is missing ConfState: ${what}`);
    }
    if (this.#ended !== undefined) return Promise.reject(this.#ended);
    const batch = this.#openBatch();
    const { index } = snapshot;
    if (index <= this.#lastIndex && index > this.#state.commit) {
      this.#encodeState(batch, { ...this.#state, commit: index });
    }
    batch.encoder.snapshot(snapshot);
    batch.mustSync = true;
    if (this.#lastIndex < index) this.#lastIndex = index;
    return this.#submit(batch);
  }

  /** Resolves when everything saved before is durable. */
  sync(): Promise<void> {
    if (this.#ended !== undefined) return Promise.reject(this.#ended);
    this.#collecting.mustSync = true;
    return this.#submit(this.#collecting);
  }

  /** Begins a new segment now; resolves when it is in place. Happens by itself at the size limit. */
  async cut(): Promise<void> {
    if (this.#ended !== undefined) throw this.#ended;
    this.#collecting.cutAfter = true;
    await this.#submit(this.#collecting);
    // The head of the new segment is the batch behind it; if that has failed, this is one more try.
    if (this.#cutDue) this.#openBatch();
    if (this.#inFlight !== undefined || !this.#collecting.isEmpty) {
      await this.#submit(this.#collecting);
    }
  }

  /**
   * Gives up the locks of segments that hold only entries before `index`, so that they can be
   * purged. The one that may hold the entry before it stays.
   */
  releaseLockTo(index: number): void {
    const found = this.#segments.findIndex(({ segment }) => segment.firstIndex >= index);
    const keepFrom = found < 0 ? this.#segments.length - 1 : found - 1;
    if (keepFrom <= 0) return;
    for (const { file } of this.#segments.splice(0, keepFrom)) file.close();
  }

  /** Writes and syncs what was saved, then lets go of the files. Later calls reject. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async #close(): Promise<void> {
    let failure: Error | undefined;
    if (this.#ended === undefined) {
      try {
        await this.sync();
      } catch (error) {
        failure = error as Error;
      }
    }
    this.#ended ??= new WalError("closed", "wal: closed");
    if (this.#inFlight !== undefined || this.#scheduled) {
      await new Promise<void>((resolve) => {
        this.#idle = resolve;
      });
    }
    this.#pipeline.close();
    for (const { file } of this.#segments) file.close();
    if (failure !== undefined) throw failure;
  }

  #checkpoint(crc: number): Checkpoint {
    return { crc, state: this.#state, lastIndex: this.#lastIndex };
  }

  /** The collecting batch, with its first record written if it is empty. */
  #openBatch(): Batch {
    const batch = this.#collecting;
    if (!batch.isEmpty) return batch;
    batch.before = this.#checkpoint(batch.encoder.crc);
    if (this.#cutDue) {
      this.#cutDue = false;
      const name = segmentName(this.#nextSequence(), this.#lastIndex + 1);
      batch.beginSegment(name, this.metadata, isEmptyState(this.#state) ? undefined : this.#state);
    } else if (this.#standsOnSyncedGround()) {
      batch.encoder.checksum();
    }
    return batch;
  }

  /** Whether all bytes before the collecting batch will be durable when it is written. */
  #standsOnSyncedGround(): boolean {
    if (this.#noSync) return false;
    return this.#inFlight === undefined ? !this.#unsynced : this.#inFlight.mustSync;
  }

  /** Of the segment behind the last one, which the batch in flight may be about to begin. */
  #nextSequence(): number {
    const last = this.#segments.at(-1)?.segment.sequence ?? 0;
    const inFlight = this.#inFlight;
    const isLastPlaced = inFlight?.segment === undefined || inFlight.headPlaced;
    return last + (isLastPlaced ? 1 : 2);
  }

  /** Settles with the last save that is under way. */
  #savedSoFar(): Promise<void> {
    const { isEmpty, isAwaited } = this.#collecting;
    if (!isEmpty || isAwaited) return this.#collecting.wait();
    return this.#inFlight?.wait() ?? Promise.resolve();
  }

  #submit(batch: Batch): Promise<void> {
    if (!this.#scheduled && this.#inFlight === undefined) {
      this.#scheduled = true;
      // All saves of one synchronous stretch share a batch.
      queueMicrotask(() => void this.#run());
    }
    return batch.wait();
  }

  /** Writes batches until none is waiting. Never rejects. */
  async #run(): Promise<void> {
    this.#scheduled = false;
    while (!this.#collecting.isEmpty || this.#collecting.isAwaited) {
      if (this.#ended?.code === "failed") break;
      const batch = this.#takeBatch();
      try {
        if (batch.segment !== undefined) await this.#beginSegment(batch, batch.segment);
        await this.#writeBatch(batch);
        this.#settle(batch);
        // A full segment is followed by the next one without waiting for a save.
        if (this.#cutDue) this.#openBatch();
      } catch (error) {
        this.#handleFailure(batch, error);
      }
    }
    this.#idle?.();
  }

  #takeBatch(): Batch {
    const batch = this.#collecting;
    const next = this.#spare;
    this.#inFlight = batch;
    this.#collecting = next;
    const base = batch.segment === undefined ? this.#offset : 0;
    const end = base + batch.encoder.length;
    next.reset(this.#checkpoint(batch.encoder.crc), batch.encoder.last(end % DIRECT_BLOCK_BYTES));
    if (end >= this.#segmentBytes || batch.cutAfter) this.#cutDue = true;
    return batch;
  }

  async #writeBatch(batch: Batch): Promise<void> {
    if (this.#dirtyEnd > this.#offset) this.#scrub();
    const bytes = batch.encoder.bytes(batch.headBytes);
    if (bytes.length > 0) {
      this.#dirtyEnd = this.#offset + bytes.length;
      const startMs = this.#meter.startMs();
      if (bytes.length >= this.#directBytes) await this.#writeLarge(batch, bytes);
      else if (bytes.length <= SYNC_WRITE_BYTES) this.#tail.writeSync(bytes, this.#offset);
      else await this.#tail.write([bytes], this.#offset);
      this.#meter.written(bytes.length, startMs);
      this.#unsynced = true;
    }
    if (batch.mustSync) await this.#syncTail();
    this.#offset += bytes.length;
    this.#dirtyEnd = 0;
  }

  /** In whole blocks, with what stands before it in the first one, where that is known. */
  #writeLarge({ encoder, headBytes }: Batch, bytes: Uint8Array): Promise<void> {
    const position = this.#offset - headBytes - encoder.leadBytes;
    if (position % DIRECT_BLOCK_BYTES !== 0) return this.#tail.write([bytes], this.#offset);
    return this.#tail.writeDirect(encoder.blocks(), position);
  }

  async #syncTail(): Promise<void> {
    if (!this.#unsynced) return;
    if (!this.#noSync) {
      const startMs = this.#meter.startMs();
      try {
        await this.#tail.datasync();
      } catch (error) {
        throw this.#fatal(error);
      }
      this.#meter.synced(startMs);
    }
    this.#unsynced = false;
  }

  /**
   * Puts the next segment in place: its head is durable under a temporary name before the renaming,
   * the renaming before any record goes there. Until then the old tail stays as it is.
   */
  async #beginSegment(batch: Batch, name: string): Promise<void> {
    this.#tail.truncateSync(this.#offset);
    this.#unsynced = true;
    await this.#syncTail();
    const path = this.#disk.join(this.directory, name);
    const prepared = this.#pipeline.take();
    try {
      prepared.file.writeSync(batch.encoder.bytes().subarray(0, batch.headBytes), 0);
      if (!this.#noSync) await prepared.file.datasync();
      this.#disk.rename(prepared.path, path);
    } catch (error) {
      this.#pipeline.discard(prepared);
      throw error;
    }
    const segment = parseSegmentName(name);
    assert(segment !== undefined, "a segment's name is well-formed");
    this.#segments.push({ segment, file: prepared.file });
    this.#tail = prepared.file;
    this.#offset = batch.headBytes;
    this.#unsynced = false;
    this.#dirtyEnd = 0;
    batch.headPlaced = true;
    try {
      if (!this.#noSync) await this.#disk.syncDirectoryAsync(this.directory);
    } catch (error) {
      throw this.#fatal(error);
    }
    this.#logger.info("created a new WAL segment", { path });
  }

  /** Zeroes what a failed write left behind the last good byte. */
  #scrub(): void {
    const end = Math.min(this.#dirtyEnd, this.#tail.size());
    if (end > this.#offset) {
      this.#tail.writeSync(Buffer.alloc(end - this.#offset), this.#offset);
      try {
        if (!this.#noSync) this.#tail.datasyncSync();
      } catch (error) {
        throw this.#fatal(error);
      }
    }
    this.#dirtyEnd = 0;
  }

  #settle(batch: Batch): void {
    this.#inFlight = undefined;
    this.#spare = batch;
    batch.resolve();
    this.#pipeline.prepare();
  }

  #handleFailure(batch: Batch, error: unknown): void {
    if (error instanceof DiskError && (error.code === "ENOSPC" || error.code === "EDQUOT")) {
      this.#rollBack(batch, error);
    } else {
      this.#fatal(error);
    }
    this.#inFlight = undefined;
    this.#spare = batch;
  }

  /** Returns to the state before `batch`; it and everything collected behind it fails. */
  #rollBack(batch: Batch, error: DiskError): void {
    const failure = new WalError("no-space", `wal: ${error.message}`, { cause: error });
    this.#logger.error("failed to write WAL: no space left on device", {
      path: error.path,
      error: error.message,
    });
    const { crc, state, lastIndex } = batch.rollbackPoint;
    this.#state = state;
    this.#lastIndex = lastIndex;
    this.#cutDue = batch.segment !== undefined && !batch.headPlaced;
    try {
      if (this.#dirtyEnd > this.#offset) this.#scrub();
    } catch {
      // Still no space (or failed for good): tried again before the next write.
    }
    batch.reject(failure);
    this.#collecting.reject(failure);
    this.#collecting.reset(this.#checkpoint(crc));
  }

  /** Ends this log. Returns the error that everyone gets from now on. */
  #fatal(cause: unknown): WalError {
    if (this.#ended?.code === "failed") return this.#ended;
    const reason = errorMessage(cause);
    const failure = new WalError("failed", `wal: ${reason}`, { cause });
    this.#ended = failure;
    this.#logger.error("failed to write WAL", { path: this.directory, error: reason });
    this.#inFlight?.reject(failure);
    this.#collecting.reject(failure);
    this.onFatal?.(failure);
    return failure;
  }
}

function isEmptyState(state: HardState): boolean {
  return state.term === 0 && state.vote === 0n && state.commit === 0;
}
