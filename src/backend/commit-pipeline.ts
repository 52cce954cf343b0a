/**
 * The way of writes into the file. They collect in the open batch; sealing makes of it a transaction
 * of the tree, which is then written and synced while the next batch collects.
 *
 *   idle --seal--> sealing --> merging --installed--> writing --durable--> idle
 *                                                      |    ^
 *                                             disk full v    | again
 *                                                      stalled
 *   idle, stalled --> paused (the file is being replaced) --> idle, stalled
 *   anything --> stopped
 *
 * Invariants:
 * - One loop runs while the state is sealing, merging or writing, and none in the others.
 * - Sealing is synchronous and happens only in `commitIfDue`, `commit`, `close`, a timer, after the
 *   transaction before, or behind the stretch that releases the last hold; `beforeCommit` is called
 *   just before it, so its writes are in the batch.
 * - While somebody holds commits nothing is sealed. What falls due is made up for when it is released.
 * - After a failed sync, or a write failure that is not about space, nothing is retried: fail-stop.
 *   For lack of space the installed transaction stays in memory and is written again later.
 */

import { assert } from "../base/assert.ts";
import { SlabPool } from "../base/byte-slabs.ts";
import type { Timer } from "../env/clock.ts";
import { DiskError } from "../env/disk.ts";
import { Batch } from "./batch.ts";
import type { BoltFile } from "./bolt/bolt-file.ts";
import { applyTransaction, DEFAULT_FILL, SEQUENTIAL_FILL } from "./bolt/transaction.ts";
import type { WriteTx } from "./bolt/write-tx.ts";
import { BackendClosedError } from "./errors.ts";
import type { FileHost } from "./file-host.ts";
import type { Layers } from "./layered-reader.ts";
import type { BackendMetrics } from "./metrics.ts";
import {
  type BackendDeps,
  type BackendOptions,
  DEFAULT_BATCH_INTERVAL_MS,
  DEFAULT_BATCH_LIMIT,
} from "./options.ts";
import { newSlicer, type YieldTurn, yieldToEventLoop } from "./slicer.ts";

/** Bytes of keys and values that seal a batch before its operation limit: bounds memory. */
const BATCH_BYTES = 32 * 1024 * 1024;
/** Applying should pause when the open batch is this many limits large. */
const CONGESTED_BATCHES = 4;
/** Batches up to this size are applied in the turn that seals them. */
const SMALL_BATCH_OPS = 256;
/** Pause before a transaction that found the disk full is tried again. */
const SPACE_RETRY_MS = 1000;
const SPACE_ERRORS: ReadonlySet<string> = new Set(["ENOSPC", "EDQUOT", "EFBIG"]);

/** Where what was taken out of the open batch is now. */
type State =
  /** Everything but the open batch is durable. */
  | { readonly kind: "idle" }
  /** The hook adds what belongs into the batch. */
  | { readonly kind: "sealing" }
  /** A sealed batch becomes part of the tree, but is not yet. */
  | { readonly kind: "merging"; readonly batch: Batch }
  /** A transaction is part of the tree and on its way to the disk. */
  | { readonly kind: "writing"; readonly tx: WriteTx }
  /** It found no space there, and will be written again. */
  | { readonly kind: "stalled"; readonly tx: WriteTx }
  /** Nothing is sealed nor written; `leftover` was stalled before. */
  | { readonly kind: "paused"; readonly leftover: WriteTx | undefined }
  | { readonly kind: "stopped"; readonly error: BackendClosedError };

const IDLE: State = { kind: "idle" };
const SEALING: State = { kind: "sealing" };

/** What may follow; everything may stop. */
const NEXT: Readonly<Record<State["kind"], readonly State["kind"][]>> = {
  idle: ["sealing", "paused"],
  sealing: ["merging", "idle"],
  merging: ["writing"],
  writing: ["idle", "stalled"],
  stalled: ["writing", "paused"],
  paused: ["idle", "stalled", "paused"],
  stopped: [],
};

/** Whom the pipeline tells what happens. */
export interface CommitEvents {
  /** A batch is about to be sealed; may write. */
  beforeCommit(): void;
  /** A commit found no space and will be tried again. */
  commitFailed(error: Error): void;
  /** The backend has stopped for good. */
  failed(error: Error): void;
}

interface Waiter {
  /** Settled when this many batches are durable. */
  readonly sequence: number;
  readonly resolve: () => void;
  readonly reject: (error: Error) => void;
}

type Pauser = Pick<Waiter, "resolve" | "reject">;

export class CommitPipeline implements FileHost {
  readonly #deps: BackendDeps;
  readonly #events: CommitEvents;
  readonly #metrics: BackendMetrics;
  readonly #intervalMs: number;
  readonly #batchLimit: number;
  readonly #isReadOnly: boolean;
  readonly #yieldTurn: YieldTurn;
  #file: BoltFile;
  #state: State = IDLE;
  readonly #slabs: SlabPool;
  #open: Batch;
  /** How many keep the open batch from being sealed, since it has only a part of their writes. */
  #holds = 0;
  #sealedCount = 0;
  #durableCount = 0;
  /** The latest run of the loop; never rejects. */
  #running: Promise<void> = Promise.resolve();
  #timer: Timer | undefined;
  #waiters: Waiter[] = [];
  #uncongested: (() => void)[] = [];
  #unheld: (() => void)[] = [];
  /** Waits for the transaction under way. At most one: who replaces the file takes turns. */
  #pauser: Pauser | undefined;
  #closing: Promise<void> | undefined;

  constructor(
    deps: BackendDeps,
    options: BackendOptions,
    file: BoltFile,
    metrics: BackendMetrics,
    events: CommitEvents,
  ) {
    this.#deps = deps;
    this.#events = events;
    this.#metrics = metrics;
    this.#intervalMs = options.batchIntervalMs ?? DEFAULT_BATCH_INTERVAL_MS;
    this.#batchLimit = options.batchLimit ?? DEFAULT_BATCH_LIMIT;
    this.#isReadOnly = options.readOnly === true;
    this.#yieldTurn = deps.yieldTurn ?? yieldToEventLoop;
    this.#slabs = new SlabPool(options.slabBytes);
    this.#open = new Batch(this.#slabs);
    this.#file = file;
  }

  /** Reads and writes go to it; it changes when it is replaced. */
  get file(): BoltFile {
    return this.#file;
  }

  /** What a read sees, newest first. Throws `BackendClosedError`. */
  layers(): Layers {
    const state = this.#state;
    if (state.kind === "stopped") throw state.error;
    return {
      newer: this.#open.ops > 0 ? this.#open : undefined,
      older: state.kind === "merging" ? state.batch : undefined,
      file: this.#file,
      state: this.#file.state,
    };
  }

  /** The batch to write to, now. It will be committed without anybody asking. */
  batch(): Batch {
    if (this.#state.kind === "stopped") throw this.#state.error;
    assert(!this.#isReadOnly, "backend is open for reading only");
    this.#timer ??= this.#deps.clock.setTimer(this.#intervalMs, () => {
      this.#timer = undefined;
      if (this.#open.ops > 0) this.#wantSeal();
    });
    return this.#open;
  }

  commitIfDue(): void {
    if (this.#state.kind !== "stalled" && this.#isFull) this.#wantSeal();
  }

  get #isFull(): boolean {
    return this.#open.ops >= this.#batchLimit || this.#open.bytes >= BATCH_BYTES;
  }

  get congested(): boolean {
    return (
      this.#open.ops >= CONGESTED_BATCHES * this.#batchLimit ||
      this.#open.bytes >= CONGESTED_BATCHES * BATCH_BYTES
    );
  }

  async waitUncongested(): Promise<void> {
    while (this.congested) {
      this.mustNotHaveStopped();
      if (this.#state.kind !== "stalled") this.#wantSeal();
      if (this.congested) await new Promise<void>((resolve) => this.#uncongested.push(resolve));
    }
  }

  commit(): Promise<void> {
    if (this.#state.kind === "stopped") return Promise.reject(this.#state.error);
    if (this.#isReadOnly) return Promise.resolve();
    if (this.#closing !== undefined && this.#holds > 0) {
      return Promise.reject(new BackendClosedError());
    }
    return new Promise((resolve, reject) => {
      this.#waiters.push({ sequence: this.#sealedCount + 1, resolve, reject });
      this.#wantSeal();
    });
  }

  /** See `Backend.holdCommits`. */
  hold(): () => void {
    this.mustStayOpen();
    this.#holds++;
    let isHolding = true;
    return () => {
      if (!isHolding) return;
      isHolding = false;
      if (--this.#holds > 0) return;
      for (const resolve of this.#unheld.splice(0)) resolve();
      // Whoever releases may have more to write in this stretch.
      queueMicrotask(() => this.#makeUp());
    };
  }

  get isHeld(): boolean {
    return this.#holds > 0;
  }

  /** Settles when nobody holds commits, or the backend has stopped. */
  async unheld(): Promise<void> {
    while (this.#holds > 0 && this.#state.kind !== "stopped") {
      await new Promise<void>((resolve) => this.#unheld.push(resolve));
    }
  }

  get isClosing(): boolean {
    return this.#closing !== undefined || this.#state.kind === "stopped";
  }

  mustStayOpen(): void {
    this.mustNotHaveStopped();
    if (this.isClosing) throw new BackendClosedError();
  }

  mustNotHaveStopped(): void {
    if (this.#state.kind === "stopped") throw this.#state.error;
  }

  /**
   * Commits, waits for `fileTurn`, and closes the file. A batch that is still held has half of
   * somebody's write: it is left out, as by a crash.
   */
  close(fileTurn: Promise<void>): Promise<void> {
    this.#closing ??= this.#close(fileTurn);
    return this.#closing;
  }

  async #close(fileTurn: Promise<void>): Promise<void> {
    if (this.#holds > 0) this.#rejectWaiters(new BackendClosedError(), this.#sealedCount + 1);
    await fileTurn;
    try {
      if (this.#holds === 0) await this.commit();
    } finally {
      this.#stop(undefined);
      await this.#running;
      this.#file.release();
    }
  }

  async paused<T>(work: () => T | Promise<T>): Promise<T> {
    await this.#pause();
    try {
      return await work();
    } finally {
      this.#resume();
    }
  }

  replaceFile(next: BoltFile, content: "same" | "another"): void {
    assert(this.#state.kind === "paused", "the file is in use");
    const { logger } = this.#deps;
    this.#file.markReplaced();
    if (content === "another") logger.info("closing old backend file");
    this.#file.release();
    this.#file = next;
    if (content === "same") return;
    logger.info("closed old backend file");
    this.#timer?.cancel();
    this.#timer = undefined;
    this.#become({ kind: "paused", leftover: undefined });
    this.#durableCount = this.#sealedCount;
    this.#startBatch();
    this.#settle(this.#sealedCount + 1);
  }

  fail(error: Error): void {
    if (this.#state.kind === "stopped") return;
    this.#deps.logger.error("the backend has failed and stops", { error });
    this.#stop(error);
    this.#events.failed(error);
  }

  /** The one place where the state changes. */
  #become(next: State): void {
    const { kind } = this.#state;
    assert(next.kind === "stopped" || NEXT[kind].includes(next.kind), `${kind}, ${next.kind}`);
    this.#state = next;
    if (next.kind !== "idle" && next.kind !== "stalled") return;
    const pauser = this.#pauser;
    if (pauser === undefined || kind === "paused") return;
    this.#pauser = undefined;
    this.#state = { kind: "paused", leftover: next.kind === "stalled" ? next.tx : undefined };
    pauser.resolve();
  }

  #wantSeal(): void {
    this.#open.isWanted = true;
    this.#drive();
  }

  /** What fell due while commits were held. */
  #makeUp(): void {
    if (this.#open.isWanted) this.#drive();
    else this.commitIfDue();
  }

  /** Starts the loop where there is something to do. It seals before its first await. */
  #drive(): void {
    const state = this.#state;
    if (state.kind === "stalled") this.#become({ kind: "writing", tx: state.tx });
    else if (state.kind !== "idle" || this.#holds > 0) return;
    this.#running = this.#run();
  }

  async #run(): Promise<void> {
    try {
      for (;;) {
        const state = this.#state;
        if (state.kind === "idle" && this.#open.isWanted && this.#holds === 0) this.#seal();
        else if (state.kind === "merging") {
          const tx = await this.#merge(state.batch);
          if (this.#state === state) this.#merged(state.batch, tx);
        } else if (state.kind === "writing") {
          const failure = await this.#write(state.tx);
          if (this.#state === state) this.#written(state.tx, failure);
        } else return;
      }
    } catch (error) {
      this.fail(error as Error);
    }
  }

  /** Takes the open batch out, unless there is nothing to commit. */
  #seal(): void {
    this.#open.isWanted = false;
    this.#become(SEALING);
    this.#events.beforeCommit();
    this.#timer?.cancel();
    this.#timer = undefined;
    const batch = this.#open;
    if (batch.ops === 0) {
      this.#become(IDLE);
      this.#settle(this.#sealedCount + 1);
      return;
    }
    this.#become({ kind: "merging", batch });
    this.#sealedCount++;
    this.#startBatch();
  }

  async #merge(batch: Batch): Promise<WriteTx> {
    if (batch.ops > SMALL_BATCH_OPS) await this.#yieldTurn();
    const { clock } = this.#deps;
    const begin = clock.nowMs();
    const changes = batch.buckets().map((bucket) => ({
      name: bucket.name,
      fillPercent: bucket.sequential ? SEQUENTIAL_FILL : DEFAULT_FILL,
      ops: batch.touch(bucket).ops(),
    }));
    const tx = await applyTransaction(this.#file, changes, newSlicer(this.#deps));
    this.#metrics.applied(clock.nowMs() - begin);
    return tx;
  }

  /** Its writes are in the tree from now on. */
  #merged(batch: Batch, tx: WriteTx): void {
    this.#become({ kind: "writing", tx });
    batch.recycle();
  }

  /** Why there was no space for it, or undefined: it is durable. */
  async #write(tx: WriteTx): Promise<Error | undefined> {
    const { clock } = this.#deps;
    const begin = clock.nowMs();
    try {
      await this.#file.writeOut(tx);
    } catch (error) {
      if (!isSpaceError(error)) throw error;
      return error as Error;
    }
    this.#metrics.written(clock.nowMs() - begin);
    return undefined;
  }

  #written(tx: WriteTx, failure: Error | undefined): void {
    if (failure !== undefined) {
      this.#outOfSpace(tx, failure);
      return;
    }
    this.#durableCount = this.#sealedCount;
    this.#become(IDLE);
    this.#settle(this.#durableCount);
  }

  #outOfSpace(tx: WriteTx, error: Error): void {
    this.#become({ kind: "stalled", tx });
    this.#deps.logger.warn("failed to commit the backend, will try again", { error });
    this.#rejectWaiters(error);
    this.#timer ??= this.#deps.clock.setTimer(SPACE_RETRY_MS, () => {
      this.#timer = undefined;
      this.#wantSeal();
    });
    this.#events.commitFailed(error);
  }

  #settle(sequence: number): void {
    const waiters = this.#waiters;
    this.#waiters = [];
    for (const waiter of waiters) {
      if (waiter.sequence <= sequence) waiter.resolve();
      else this.#waiters.push(waiter);
    }
  }

  #rejectWaiters(error: Error, fromSequence = 0): void {
    const waiters = this.#waiters;
    this.#waiters = waiters.filter(({ sequence }) => sequence < fromSequence);
    for (const { sequence, reject } of waiters) if (sequence >= fromSequence) reject(error);
  }

  /** The open batch begins anew; what was in it belongs to somebody else, or is dropped. */
  #startBatch(): void {
    this.#open = new Batch(this.#slabs);
    for (const resolve of this.#uncongested.splice(0)) resolve();
  }

  #pause(): Promise<void> {
    const state = this.#state;
    switch (state.kind) {
      case "stopped":
        return Promise.reject(state.error);
      case "idle":
      case "stalled":
        this.#become({
          kind: "paused",
          leftover: state.kind === "stalled" ? state.tx : undefined,
        });
        return Promise.resolve();
      default:
        assert(this.#pauser === undefined && state.kind !== "paused", "who pauses takes turns");
        return new Promise((resolve, reject) => {
          this.#pauser = { resolve, reject };
        });
    }
  }

  #resume(): void {
    const state = this.#state;
    if (state.kind !== "paused") return;
    this.#become(state.leftover === undefined ? IDLE : { kind: "stalled", tx: state.leftover });
    if (this.#open.isWanted) this.#drive();
  }

  #stop(cause: Error | undefined): void {
    if (this.#state.kind === "stopped") return;
    const error = new BackendClosedError(cause);
    this.#become({ kind: "stopped", error });
    this.#timer?.cancel();
    this.#rejectWaiters(error);
    this.#pauser?.reject(error);
    this.#pauser = undefined;
    for (const resolve of this.#uncongested.splice(0)) resolve();
    for (const resolve of this.#unheld.splice(0)) resolve();
  }
}

function isSpaceError(error: unknown): boolean {
  return error instanceof DiskError && SPACE_ERRORS.has(error.code);
}
