/**
 * Snapshots of the raft state on disk, which let the WAL be released, and compaction of the log
 * in memory.
 *
 * Order, as etcd keeps it: commit the backend (so that it holds everything up to the snapshot's
 * index), write the `.snap` file, record it in the WAL, release older segments. A crash between
 * any two steps leaves an older snapshot in force and loses nothing.
 *
 * Snapshots take at most a tenth of the time: after one the next has to wait nine times as long as it
 * took. What was due meanwhile is made then, also if nothing more is applied.
 */
import { ConfState, type Snapshot, SnapshotMetadata } from "../../api/gen/raft.ts";
import { Snapshot as WalSnapshot } from "../../api/gen/wal.ts";
import type { Backend } from "../../backend/types.ts";
import { formatID, type Index, type Term } from "../../base/ids.ts";
import type { Clock, Logger, Timer } from "../../env/index.ts";
import type { Cluster } from "../../membership/index.ts";
import type { MemoryStorage } from "../../raft/index.ts";
import type { SnapshotFiles } from "../../snap/index.ts";
import type { Wal } from "../../wal/index.ts";
import type { ServerLimits } from "../limits.ts";
import type { DescribeSnapshot } from "./snapshot-describer.ts";

/** What is applied. */
export interface AppliedPosition {
  readonly appliedIndex: Index;
  readonly appliedTerm: Term;
  readonly confState: ConfState;
}

export interface SnapshotterOptions {
  /** Applied entries between two snapshots on disk. */
  readonly snapshotCount: number;
  readonly catchUpEntries: number;
  readonly limits: Pick<
    ServerLimits,
    "maxSnapshotRestMs" | "logCompactionStepEntries" | "maxKeptLogBytes"
  >;
  readonly storage: Pick<
    MemoryStorage,
    "bytes" | "lastBeyond" | "firstIndex" | "createSnapshot" | "compact"
  >;
  readonly wal: Pick<Wal, "saveSnapshot" | "releaseLockTo">;
  readonly files: Pick<SnapshotFiles, "save" | "releaseDatabases">;
  readonly backend: Pick<Backend, "commit">;
  readonly cluster: Pick<Cluster, "localID" | "version">;
  readonly describe: DescribeSnapshot;
  /** True while a follower needs the log as it is. */
  readonly keepsLog: () => boolean;
  readonly position: AppliedPosition;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** Of the bytes that may be kept, so that large entries are not compacted one by one. */
const KEPT_SHARE = 7 / 8;

/** How often the time that a snapshot took has to pass before the next. */
const REST_FACTOR = 9;

export class Snapshotter {
  readonly #options: SnapshotterOptions;
  #snapshotIndex: Index;
  /** Of the newest snapshot that this one made in memory. */
  #memorySnapshotIndex: Index = 0;
  /** Before this moment of the clock no snapshot begins, unless it is forced. */
  #restsUntilMs = Number.NEGATIVE_INFINITY;
  /** For a snapshot that is due, but has to wait. */
  #timer: Timer | undefined;
  /** What is applied is about to change as a whole, or the member stops. */
  #isHeld = false;
  #running: Promise<void> | undefined;
  /** A snapshot of this cluster version is wanted now; void as soon as the version is another. */
  #wantedVersion: string | undefined;
  /** Cluster version in the newest snapshot, if it was made since the start. */
  #snapshotVersion: string | undefined;

  /** `snapshotIndex`: index of the newest snapshot on disk, 0 when there is none. */
  constructor(options: SnapshotterOptions, snapshotIndex: Index) {
    this.#options = options;
    this.#snapshotIndex = snapshotIndex;
  }

  /** Of the newest snapshot on disk, 0 when there is none. */
  get snapshotIndex(): Index {
    return this.#snapshotIndex;
  }

  /** Called after entries were applied; starts what is due. */
  applied(index: Index, term: Term, confState: ConfState): void {
    this.#isHeld = false;
    this.#compactMemory(index, confState);
    if (this.#running !== undefined) return;
    const { version } = this.#options.cluster;
    const isForced = this.#wantedVersion !== undefined && this.#wantedVersion === version;
    this.#wantedVersion = undefined;
    if (isForced || this.#isDue(index)) this.#begin(index, term, confState, isForced);
  }

  #isDue(index: Index): boolean {
    const { snapshotCount, clock } = this.#options;
    if (index - this.#snapshotIndex <= snapshotCount) return false;
    const restMs = this.#restsUntilMs - clock.nowMs();
    if (restMs > 0) this.#timer ??= clock.setTimer(restMs, () => this.#rested());
    return restMs <= 0;
  }

  #rested(): void {
    this.#timer = undefined;
    const { appliedIndex, appliedTerm, confState } = this.#options.position;
    this.applied(appliedIndex, appliedTerm, confState);
  }

  #begin(index: Index, term: Term, confState: ConfState, isForced: boolean): void {
    const { cluster, describe, clock, limits } = this.#options;
    const { version } = cluster;
    const startMs = clock.nowMs();
    this.#running = describe(index, term, confState)
      .then((snapshot) => this.#save(snapshot, isForced, version))
      .then((isSaved) => {
        this.#running = undefined;
        const endMs = clock.nowMs();
        const restMs = Math.min(limits.maxSnapshotRestMs, (endMs - startMs) * REST_FACTOR);
        this.#restsUntilMs = endMs + restMs;
        if (isSaved && !this.#isHeld) this.#rested();
      });
  }

  /** Whether the newest snapshot is one of this cluster version; if not, the next is made soon. */
  isOfVersion(version: string): boolean {
    if (this.#snapshotVersion === version) return true;
    this.#wantedVersion = version;
    return false;
  }

  /** The state of a snapshot from the leader is in use now; the files are there already. */
  restored(index: Index): void {
    this.#snapshotIndex = index;
    this.#options.wal.releaseLockTo(index);
    this.#releaseDatabases(index);
  }

  /** Databases that came with older snapshots: they were not taken in, and never will be. */
  #releaseDatabases(index: Index): void {
    try {
      this.#options.files.releaseDatabases(index);
    } catch (error) {
      // They only cost space, and the next snapshot tries again.
      this.#options.logger.warn("failed to release received databases", { error });
    }
  }

  /** Settles when no snapshot is being written; the next begins after entries were applied. */
  async idle(): Promise<void> {
    this.#isHeld = true;
    this.#timer?.cancel();
    this.#timer = undefined;
    await this.#running;
  }

  async #save(
    snapshot: Snapshot,
    isForced: boolean,
    version: string | undefined,
  ): Promise<boolean> {
    const { backend, files, wal, logger, cluster } = this.#options;
    const metadata = snapshot.metadata ?? SnapshotMetadata.create();
    const { index, term, confState } = metadata;
    logger.info("triggering snapshot", {
      "local-member-id": formatID(cluster.localID),
      "local-member-applied-index": index,
      "local-member-snapshot-index": this.#snapshotIndex,
      "local-member-snapshot-count": this.#options.snapshotCount,
      "snapshot-forced": isForced,
    });
    try {
      await backend.commit();
      await files.save(snapshot);
      await wal.saveSnapshot(WalSnapshot.create({ index, term, confState }));
    } catch (error) {
      // Nothing is lost: the older snapshot and the whole log are still there. It is tried again.
      logger.warn("failed to save snapshot", { "snapshot-index": index, error });
      return false;
    }
    wal.releaseLockTo(index);
    this.#releaseDatabases(index);
    this.#snapshotIndex = index;
    this.#snapshotVersion = version;
    logger.info("saved snapshot to disk", { "snapshot-index": index });
    return true;
  }

  #compactMemory(applied: Index, confState: ConfState): void {
    const { storage, catchUpEntries, snapshotCount, limits } = this.#options;
    // As in etcd: whoever asks for frequent snapshots gets a log that is as short.
    const step = Math.min(limits.logCompactionStepEntries, snapshotCount);
    const isLong = applied - storage.firstIndex() >= catchUpEntries + step;
    if (!isLong && storage.bytes <= limits.maxKeptLogBytes) return;
    if (this.#options.keepsLog()) return;
    const heavy = storage.lastBeyond(limits.maxKeptLogBytes * KEPT_SHARE, applied);
    const last = isLong ? Math.max(heavy, applied - catchUpEntries) : heavy;
    if (last < storage.firstIndex()) return;
    if (applied > this.#memorySnapshotIndex) {
      storage.createSnapshot(applied, ConfState.create(confState), EMPTY_SNAPSHOT_DATA);
      this.#memorySnapshotIndex = applied;
    }
    storage.compact(last);
  }
}

/** What a follower gets is read from the backend when it is sent, not kept in memory. */
const EMPTY_SNAPSHOT_DATA = new Uint8Array(0);
