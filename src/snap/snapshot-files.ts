/**
 * The snapshot directory: `.snap` files (raft snapshots with the membership), `.snap.db` files (whole
 * databases received from a leader), and the rests of interrupted work.
 *
 * Invariants
 * - A file gets its final name only when its content is durable, and a promise resolves only when
 *   the name is durable too. (etcd writes `.snap` under the final name at once; what a reader sees
 *   afterwards is the same.)
 * - A damaged `.snap` is set aside as `.broken`, never deleted, never used.
 *
 * Not here: `db`, which belongs to the storage engine.
 */
import type { Snapshot } from "../api/gen/raft.ts";
import type { Index, Term } from "../base/ids.ts";
import type { Clock } from "../env/clock.ts";
import { humanizeBytes } from "../base/go-text.ts";
import type { Disk, DiskFile } from "../env/disk.ts";
import type { Logger } from "../env/logger.ts";
import type { Metrics } from "../env/metrics.ts";
import { EMPTY_SNAPSHOT, NO_DATABASE, LOG_TEXTS, SnapError } from "./errors.ts";
import {
  DATABASE_SUFFIX,
  databaseName,
  decodeSnapFile,
  encodeSnapFile,
  parseDatabaseName,
  parseSnapName,
  SNAP_SUFFIX,
  snapName,
} from "./snap-file.ts";
import { SnapMeter } from "./snap-meter.ts";

/** A `.snap` file holds the membership and the legacy v2 store; above this it is not one of ours. */
export const MAX_SNAP_BYTES = 1024 * 1024 * 1024;

export interface SnapDeps {
  readonly disk: Disk;
  readonly logger: Logger;
  readonly metrics?: Metrics;
  /** For the durations in metrics. */
  readonly clock?: Clock;
}

/** A snapshot that the log knows of. */
export interface SnapshotPoint {
  readonly index: Index;
  readonly term: Term;
}

export class SnapshotFiles {
  readonly directory: string;
  readonly #disk: Disk;
  readonly #logger: Logger;
  readonly #meter: SnapMeter;
  #temporaryCount = 0;

  constructor(deps: SnapDeps, directory: string) {
    this.directory = directory;
    this.#disk = deps.disk;
    this.#logger = deps.logger;
    this.#meter = new SnapMeter(deps.metrics, deps.clock);
  }

  /** Deletes the rests of interrupted work: `tmp*` and `db.tmp*`. At start, before anything else. */
  cleanUp(): void {
    for (const name of this.#disk.readDirectory(this.directory)) {
      if (name.startsWith("db.tmp")) {
        this.#logger.info("found orphaned defragmentation file; deleting", { path: name });
      } else if (!name.startsWith("tmp")) continue;
      this.#disk.remove(this.#path(name));
    }
  }

  /** Writes the `.snap` file of this snapshot. Resolves when file and name are durable. */
  async save(snapshot: Snapshot): Promise<void> {
    const startMs = this.#meter.nowMs();
    const { term, index } = snapshot.metadata;
    if (index === 0) throw new Error("snap: a snapshot at index 0 is not saved");
    const content = encodeSnapFile(snapshot);
    this.#meter.took("encode", startMs);
    await this.#publish(snapName(term, index), async (file) => {
      await file.write([content], 0);
      const syncMs = this.#meter.nowMs();
      await file.datasync();
      this.#meter.took("fsync", syncMs);
    });
    this.#meter.took("save", startMs);
  }

  /**
   * The newest usable snapshot, among `points` only when given (those that the log knows of).
   * Undefined when there is none. Damaged files are renamed to `.broken` on the way.
   */
  loadNewest(points?: readonly SnapshotPoint[]): Snapshot | undefined {
    for (const name of this.#snapNames()) {
      const snapshot = this.#loadOrSetAside(name);
      if (snapshot === undefined) continue;
      const { term, index } = snapshot.metadata;
      if (points === undefined || points.some((p) => p.term === term && p.index === index)) {
        return snapshot;
      }
    }
    return undefined;
  }

  /** Index in the name of the newest file, whose content may turn out unusable; 0: there is none. */
  newestIndex(): Index {
    return parseSnapName(this.#snapNames()[0] ?? "") ?? 0;
  }

  /**
   * Keeps a database that arrives in chunks as the one of the snapshot at `index`; returns its path.
   * One that is there already stays, and the new one is dropped.
   */
  async saveDatabase(chunks: AsyncIterable<Uint8Array>, index: Index): Promise<string> {
    const startMs = this.#meter.nowMs();
    const path = this.#path(databaseName(index));
    if (this.#disk.stat(path) !== undefined) {
      for await (const _ of chunks);
      return path;
    }
    let bytes = 0;
    await this.#publish(databaseName(index), async (file) => {
      for await (const chunk of chunks) {
        await file.write([chunk], bytes);
        bytes += chunk.length;
      }
      const syncMs = this.#meter.nowMs();
      await file.datasync();
      this.#meter.took("databaseFsync", syncMs);
    });
    this.#logger.info("saved database snapshot to disk", {
      path,
      bytes,
      size: humanizeBytes(bytes),
    });
    this.#meter.took("databaseSave", startMs);
    return path;
  }

  /** Path of the database of the snapshot at `index`. Throws a `SnapError` when there is none. */
  databasePath(index: Index): string {
    const path = this.#path(databaseName(index));
    if (this.#disk.stat(path) !== undefined) return path;
    this.#logger.warn("failed to find [SNAPSHOT-INDEX].snap.db", {
      "snapshot-index": index,
      "snapshot-file-path": path,
      error: NO_DATABASE,
    });
    throw new SnapError("no-database", path, NO_DATABASE);
  }

  /** Deletes databases of snapshots older than `index`: they were never taken into use. */
  releaseDatabases(index: Index): void {
    for (const name of this.#disk.readDirectory(this.directory)) {
      const found = parseDatabaseName(name);
      if (found === undefined || found >= index) continue;
      this.#logger.info("found orphaned .snap.db file; deleting", { path: name });
      this.#disk.remove(this.#path(name));
    }
  }

  /** Names of `.snap` files, newest first. */
  #snapNames(): string[] {
    const names: string[] = [];
    for (const name of this.#disk.readDirectory(this.directory)) {
      if (name.endsWith(SNAP_SUFFIX)) names.push(name);
      else if (name !== "db" && !name.endsWith(DATABASE_SUFFIX)) {
        this.#logger.warn("found unexpected non-snap file; skipping", { path: name });
      }
    }
    return names.reverse();
  }

  #loadOrSetAside(name: string): Snapshot | undefined {
    const path = this.#path(name);
    // A disk error is no damage: it is thrown, and the file stays as it is.
    const content = this.#disk.readFile(path, MAX_SNAP_BYTES);
    try {
      if (content.length === 0) throw new SnapError("empty", path, EMPTY_SNAPSHOT);
      return decodeSnapFile(content, path);
    } catch (error) {
      if (!(error instanceof SnapError)) throw error;
      const text =
        content.length === 0 ? "failed to read empty snapshot file" : LOG_TEXTS[error.code];
      this.#logger.warn(text, { path, ...error.fields, error: error.message });
      this.#disk.rename(path, `${path}.broken`);
      this.#logger.warn("renamed to a broken snap file", { path, "broken-path": `${path}.broken` });
      return undefined;
    }
  }

  /** Fills a temporary file and gives it its name; both are durable afterwards. */
  async #publish(name: string, fill: (file: DiskFile) => Promise<void>): Promise<void> {
    const temporary = this.#path(`tmp${this.#temporaryCount++}-${name}`);
    const file = this.#disk.open(temporary, { create: true, truncate: true });
    try {
      await fill(file);
      this.#disk.rename(temporary, this.#path(name));
    } catch (error) {
      this.#logger.warn("failed to write a snap file", { path: this.#path(name), error });
      this.#removeQuietly(temporary);
      throw error;
    } finally {
      file.close();
    }
    await this.#disk.syncDirectoryAsync(this.directory);
  }

  #removeQuietly(path: string): void {
    try {
      this.#disk.remove(path);
    } catch (error) {
      this.#logger.warn("failed to remove a broken snap file", { path, error });
    }
  }

  #path(name: string): string {
    return this.#disk.join(this.directory, name);
  }
}
