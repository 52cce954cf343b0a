/**
 * Automatic compaction of old revisions.
 *
 * - "revision": every five minutes, to the current revision minus the retention.
 * - "periodic": the revision is noted every tenth of the interval (the retention, at most an
 *   hour); once a whole retention has been noted, the store is compacted to the revision of one
 *   retention ago, and again after every interval.
 *
 * Only the leader compacts; a follower keeps noting revisions, so that it can take over.
 */
import { formatDuration } from "../../base/go-text.ts";
import type { Revision } from "../../base/ids.ts";
import type { Clock, Logger, Timer } from "../../env/index.ts";

const REVISION_MODE_INTERVAL_MS = 5 * 60 * 1000;
const HOUR_MS = 60 * 60 * 1000;
const SAMPLES_PER_INTERVAL = 10;

export interface AutoCompactorOptions {
  readonly mode: "periodic" | "revision";
  /** Milliseconds or revisions; must be above 0. */
  readonly retention: number;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly currentRevision: () => Revision;
  readonly isLeader: () => boolean;
  /** Proposes the compaction. Rejects when it failed; "compacted" counts as success. */
  readonly compact: (revision: Revision) => Promise<void>;
}

export class AutoCompactor {
  readonly #options: AutoCompactorOptions;
  #timer: Timer | undefined;
  #stopped = false;
  /** Periodic mode: revisions noted, oldest first. */
  readonly #samples: Revision[] = [];
  #lastCompacted: Revision = 0;
  #nextDueMs = 0;

  constructor(options: AutoCompactorOptions) {
    this.#options = options;
  }

  start(): void {
    const { mode, retention, clock, currentRevision } = this.#options;
    if (mode === "periodic") {
      this.#samples.push(currentRevision());
      this.#nextDueMs = clock.nowMs() + retention;
    }
    this.#arm();
  }

  stop(): void {
    this.#stopped = true;
    this.#timer?.cancel();
  }

  get #intervalMs(): number {
    const { mode, retention } = this.#options;
    return mode === "revision" ? REVISION_MODE_INTERVAL_MS : Math.min(retention, HOUR_MS);
  }

  #arm(): void {
    if (this.#stopped) return;
    const delay =
      this.#options.mode === "revision"
        ? this.#intervalMs
        : this.#intervalMs / SAMPLES_PER_INTERVAL;
    this.#timer = this.#options.clock.setTimer(delay, () => {
      this.#tick();
      this.#arm();
    });
  }

  #tick(): void {
    if (this.#options.mode === "revision") this.#tickRevision();
    else this.#tickPeriodic();
  }

  #tickRevision(): void {
    const target = this.#options.currentRevision() - this.#options.retention;
    if (target <= 0 || target === this.#lastCompacted) return;
    this.#compact(target);
  }

  #tickPeriodic(): void {
    const { retention, clock, currentRevision } = this.#options;
    this.#samples.push(currentRevision());
    const kept = Math.round((retention * SAMPLES_PER_INTERVAL) / this.#intervalMs) + 1;
    while (this.#samples.length > kept) this.#samples.shift();
    if (clock.nowMs() < this.#nextDueMs) return;
    const target = this.#samples[0] ?? 0;
    if (target > 0 && target !== this.#lastCompacted) this.#compact(target);
    this.#nextDueMs += this.#intervalMs;
  }

  #compact(revision: Revision): void {
    const { logger, isLeader, compact, clock, mode, retention } = this.#options;
    if (!isLeader()) return;
    const what = `auto ${mode} compaction`;
    const fields =
      mode === "periodic"
        ? { revision, "compact-period": formatDuration(retention) }
        : { revision, "revision-compaction-retention": retention };
    logger.info(`starting ${what}`, fields);
    const startMs = clock.nowMs();
    compact(revision).then(
      () => {
        this.#lastCompacted = revision;
        const took = formatDuration(clock.nowMs() - startMs);
        logger.info(`completed ${what}`, { ...fields, took });
      },
      (error: Error) => {
        const again = { "retry-interval": formatDuration(this.#intervalMs) };
        logger.warn(`failed ${what}`, { ...fields, ...again, error: error.message });
      },
    );
  }
}
