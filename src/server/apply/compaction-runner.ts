/**
 * Drives the physical part of compactions: a batch of records, its commit, a pause, the next batch,
 * so that requests are served in between. The store keeps the order and survives a crash in the
 * middle.
 *
 * The next batch waits until the commit is durable, as in etcd: on a slow disk the work is done
 * more slowly instead of piling up. Deletes that pile up would hold up other writes, and one
 * transaction that rewrites many pages makes the file grow by as many.
 */
import type { Backend } from "../../backend/types.ts";
import { formatDuration, sizeFields } from "../../base/go-text.ts";
import type { Clock, Logger, Timer } from "../../env/index.ts";
import type { CompactionResult, Store } from "../../mvcc/index.ts";
import type { CompactionCounters } from "./apply-metrics.ts";

export interface CompactionRunnerOptions {
  readonly store: Store;
  readonly backend: Backend;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly counters: CompactionCounters;
  /** Records per batch. */
  readonly batchLimit: number;
  readonly sleepIntervalMs: number;
}

/** Pause after a commit that failed; the backend itself tries again as often. */
const COMMIT_RETRY_MS = 1000;

export class CompactionRunner {
  readonly #options: CompactionRunnerOptions;
  #timer: Timer | undefined;
  #startedMs = 0;
  #stopped = false;
  #waiting: { resolve: () => void; reject: (error: Error) => void }[] = [];

  constructor(options: CompactionRunnerOptions) {
    this.#options = options;
  }

  /** Begins to work off what the store has scheduled, unless that is under way already. */
  start(): void {
    if (this.#timer !== undefined || this.#stopped) return;
    this.#startedMs = this.#options.clock.nowMs();
    this.#schedule(0);
  }

  /** The store's content has been replaced: goes on with what the new one has scheduled. */
  reload(): void {
    this.#startedMs = this.#options.clock.nowMs();
    if (this.#options.store.compactionPending) this.start();
  }

  /** Settles when nothing is scheduled any more and what was done is durable. */
  done(): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ resolve, reject });
      this.start();
    });
  }

  stop(): void {
    this.#stopped = true;
    this.#timer?.cancel();
    const waiting = this.#waiting.splice(0);
    for (const { reject } of waiting) reject(new Error("the member is stopping"));
  }

  #schedule(delayMs: number): void {
    this.#timer = this.#options.clock.setTimer(delayMs, () => this.#step());
  }

  #step(): void {
    const { store, backend, batchLimit, sleepIntervalMs } = this.#options;
    if (backend.congested) {
      this.#schedule(sleepIntervalMs);
      return;
    }
    const { clock, counters } = this.#options;
    const startMs = clock.nowMs();
    const step = store.runCompaction(batchLimit, (work) => {
      const indexMs = clock.nowMs();
      work();
      counters.indexPauseMs.observe(clock.nowMs() - indexMs);
    });
    counters.compactionPauseMs.observe(clock.nowMs() - startMs);
    if (step.state === "idle") {
      this.#timer = undefined;
      this.#finish();
      return;
    }
    if (step.state === "finished") this.#logFinished(step.result);
    if (step.state === "running" && step.deletedRecords > 0) this.#scheduleAfterCommit();
    else this.#schedule(sleepIntervalMs);
  }

  /** The timer stays set meanwhile, so that nobody starts a second run. */
  #scheduleAfterCommit(): void {
    const schedule = (delayMs: number): void => {
      if (!this.#stopped) this.#schedule(delayMs);
    };
    this.#options.backend.commit().then(
      () => schedule(this.#options.sleepIntervalMs),
      // The disk is full, and the backend tries again by itself; or it has failed and told so.
      () => schedule(COMMIT_RETRY_MS),
    );
  }

  #finish(): void {
    const waiting = this.#waiting.splice(0);
    if (waiting.length === 0) return;
    // A crash must not bring back what a client was told is physically gone.
    const { backend, store } = this.#options;
    backend.commit().then(
      () => {
        // The content may have been replaced meanwhile by one that is not compacted so far.
        if (store.compactionPending && !this.#stopped) {
          this.#waiting.push(...waiting);
          this.start();
          return;
        }
        for (const { resolve } of waiting) resolve();
      },
      (error: Error) => {
        for (const { reject } of waiting) reject(error);
      },
    );
  }

  #logFinished(result: CompactionResult): void {
    const { clock, logger, backend, counters } = this.#options;
    const tookMs = clock.nowMs() - this.#startedMs;
    counters.compactionTotalMs.observe(tookMs);
    counters.compactedKeys.add(result.deletedRecords);
    counters.compactedAtSeconds.set(Math.floor(clock.wallMs() / 1000));
    logger.info("finished scheduled compaction", {
      "compact-revision": result.revision,
      took: formatDuration(tookMs),
      hash: result.hash.hash,
      ...sizeFields("current-db-size", backend.sizeBytes),
      ...sizeFields("current-db-size-in-use", backend.sizeInUseBytes),
    });
    if (result.hashStored) {
      const { hash, revision, compactRevision } = result.hash;
      logger.info("storing new hash", { hash, revision, "compact-revision": compactRevision });
    } else {
      logger.info("previous compaction was interrupted, skip storing compaction hash value");
    }
    this.#startedMs = clock.nowMs();
  }
}
