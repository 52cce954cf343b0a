/** Deletes WAL segments and snapshots beyond the number to keep, every 30 seconds as etcd does. */
import type { Index } from "../../base/ids.ts";
import type { Clock, Disk, Logger, Timer } from "../../env/index.ts";
import { parseSnapName } from "../../snap/index.ts";
import { type PurgeRule, purgeFiles } from "../../wal/index.ts";

export interface PurgerOptions {
  readonly disk: Disk;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly walDirectory: string;
  readonly snapDirectory: string;
  /** 0 keeps all. */
  readonly maxWals: number;
  /** 0 keeps all. */
  readonly maxSnapshots: number;
  readonly intervalMs: number;
  /** Of the newest snapshot that the WAL has a record of: the one that a start needs. */
  readonly snapshotIndex: () => Index;
}

export class Purger {
  readonly #options: PurgerOptions;
  readonly #rules: PurgeRule[] = [];
  #timer: Timer | undefined;

  constructor(options: PurgerOptions) {
    this.#options = options;
    const { walDirectory, snapDirectory, maxWals, maxSnapshots, snapshotIndex } = options;
    if (maxSnapshots > 0) {
      // Not `.snap.db`: one of them may wait to be taken in. The snapshotter releases the others.
      const suffix = ".snap";
      // Newer ones may be those of crashes before their record: they count, but cannot be started from.
      const spares = (name: string) => (parseSnapName(name) ?? 0) >= snapshotIndex();
      const keep = maxSnapshots;
      this.#rules.push({ directory: snapDirectory, suffix, keep, lock: false, spares });
    }
    if (maxWals > 0) {
      this.#rules.push({ directory: walDirectory, suffix: ".wal", keep: maxWals, lock: true });
    }
  }

  start(): void {
    for (const { directory, suffix, keep } of this.#rules) {
      this.#options.logger.info("started to purge file", {
        dir: directory,
        suffix: suffix.slice(1),
        max: keep,
        interval: `${this.#options.intervalMs / 1000}s`,
      });
    }
    this.#arm();
  }

  stop(): void {
    this.#timer?.cancel();
  }

  #arm(): void {
    this.#timer = this.#options.clock.setTimer(this.#options.intervalMs, () => {
      this.#purge();
      this.#arm();
    });
  }

  #purge(): void {
    for (const rule of this.#rules) {
      try {
        purgeFiles(this.#options, rule);
      } catch (error) {
        // What could not be removed is tried again; it only costs space.
        this.#options.logger.warn("failed to purge file", { dir: rule.directory, error });
      }
    }
  }
}
