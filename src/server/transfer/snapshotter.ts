/**
 * Snapshots of the raft state on disk, which let the WAL be released, and compaction of the log
 * in memory.
 *
 * Order, as etcd keeps it: commit the backend (so that it holds everything up to the snapshot's
 * index), write the `.snap` file, record it in the WAL, release older segments. A crash between
 * any two steps leaves an older snapshot in force and loses nothing.
 */
import { ConfState, type Snapshot, SnapshotMetadata } from "../../api/gen/raft.ts";
import { Snapshot as WalSnapshot } from "../../api/gen/wal.ts";
import type { Backend } from "../../backend/types.ts";
import { formatID, type Index, type Term } from "../../base/ids.ts";
import type { Clock, Logger } from "../../env/index.ts";
import type { Cluster } from "../../membership/index.ts";
import type { MemoryStorage } from "../../raft/index.ts";
import type { SnapshotFiles } from "../../snap/index.ts";
import type { Wal } from "../../wal/index.ts";
import type { ServerLimits } from "../limits.ts";
import type { DescribeSnapshot } from "./snapshot-describer.ts";

export interface SnapshotterOptions {
  /** Applied entries between two snapshots on disk. */
  readonly snapshotCount: number;
  readonly catchUpEntries: number;
  readonly limits: Pick<ServerLimits, "minSnapshotIntervalMs" | "logCompactionStepEntries">;
  readonly storage: Pick<MemoryStorage, "firstIndex" | "createSnapshot" | "compact">;
  readonly wal: Pick<Wal, "saveSnapshot" | "releaseLockTo">;
  readonly files: Pick<SnapshotFiles, "save" | "releaseDatabases">;
  readonly backend: Pick<Backend, "commit">;
  readonly cluster: Pick<Cluster, "localID" | "version">;
  readonly describe: DescribeSnapshot;
  /** True while a follower needs the log as it is. */
  readonly keepsLog: () => boolean;
  readonly clock: Clock;
  readonly logger: Logger;
}

export class Snapshotter {
  readonly #options: SnapshotterOptions;
  #snapshotIndex: Index;
  #lastMs = Number.NEGATIVE_INFINITY;
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
    this.#compactMemory(index, confState);
    const { snapshotCount, clock, limits, cluster, describe } = this.#options;
    if (this.#running !== undefined) return;
    const { version } = cluster;
    const isForced = this.#wantedVersion !== undefined && this.#wantedVersion === version;
    this.#wantedVersion = undefined;
    if (!isForced) {
      if (index - this.#snapshotIndex <= snapshotCount) return;
      if (clock.nowMs() - this.#lastMs < limits.minSnapshotIntervalMs) return;
    }
    this.#lastMs = clock.nowMs();
    this.#running = describe(index, term, confState)
      .then((snapshot) => this.#save(snapshot, isForced, version))
      .finally(() => {
        this.#running = undefined;
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

  /** Settles when no snapshot is being written. */
  async idle(): Promise<void> {
    await this.#running;
  }

  async #save(snapshot: Snapshot, isForced: boolean, version: string | undefined): Promise<void> {
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
      return;
    }
    wal.releaseLockTo(index);
    this.#releaseDatabases(index);
    this.#snapshotIndex = index;
    this.#snapshotVersion = version;
    logger.info("saved snapshot to disk", { "snapshot-index": index });
  }

  #compactMemory(applied: Index, confState: ConfState): void {
    const { storage, catchUpEntries, snapshotCount, limits } = this.#options;
    // As in etcd: whoever asks for frequent snapshots gets a log that is as short.
    const step = Math.min(limits.logCompactionStepEntries, snapshotCount);
    if (applied - storage.firstIndex() < catchUpEntries + step) return;
    if (this.#options.keepsLog()) return;
    storage.createSnapshot(applied, ConfState.create(confState), EMPTY_SNAPSHOT_DATA);
    storage.compact(applied - catchUpEntries);
  }
}

/** What a follower gets is read from the backend when it is sent, not kept in memory. */
const EMPTY_SNAPSHOT_DATA = new Uint8Array(0);
