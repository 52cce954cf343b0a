/**
 * A received db file that takes the place of the live one, as a follower needs it that is too far
 * behind for the log.
 *
 *   open --install--> paused --rename--> named --sync of the directory--> live
 *
 * Everything that can be wrong with the file is found while it is open: it is locked, its trees are
 * walked, missing buckets are created in it. Whoever needs its content loads it meanwhile.
 *
 * Where the machine stops, the name "db" is a complete file:
 * - before the renaming is durable: the old db, at an index below that of the snapshot, and the
 *   received file under its own name. Start-up must install that (`installAtStart`).
 * - afterwards: the new db, at the index of the snapshot or later. The received name is gone, and
 *   there is nothing to do.
 * No transaction is committed to the new file before the renaming is durable, so there is no third
 * case.
 */

import { assert } from "../base/assert.ts";
import type { Disk } from "../env/disk.ts";
import type { BoltFile } from "./bolt/bolt-file.ts";
import { applyTransaction, DEFAULT_FILL, ListOps } from "./bolt/transaction.ts";
import { BackendClosedError } from "./errors.ts";
import type { FileHost } from "./file-host.ts";
import { type Layers, layeredGet, layeredScan, layeredScanInPlace } from "./layered-reader.ts";
import type { Slicer } from "./slicer.ts";
import { splitPath } from "./split-path.ts";
import type { Backend, Bucket, Replacement, Visit, VisitInPlace } from "./types.ts";

export class FileReplacement implements Replacement {
  readonly #disk: Disk;
  readonly #host: FileHost;
  readonly #onEnd: () => void;
  /** Undefined once it is closed or live. */
  #file: BoltFile | undefined;
  #isInstalling = false;

  /**
   * Owns `file`, which is locked and lies in the directory of the live one. `onEnd` is called when
   * it was installed or given up.
   */
  constructor(disk: Disk, file: BoltFile, host: FileHost, onEnd: () => void) {
    assert(
      splitPath(file.path).directory === splitPath(host.file.path).directory,
      "a replacement lies beside the db file",
    );
    this.#disk = disk;
    this.#file = file;
    this.#host = host;
    this.#onEnd = onEnd;
  }

  get sizeBytes(): number {
    return this.#opened().sizeBytes;
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

  async install(onSwitch: () => void): Promise<void> {
    const file = this.#opened();
    assert(!this.#isInstalling, "a replacement is installed once");
    this.#isInstalling = true;
    try {
      await this.#host.paused(async () => {
        this.#giveName(file);
        await this.#switch(file, onSwitch);
      });
    } finally {
      this.#end();
    }
  }

  close(): void {
    if (!this.#isInstalling) this.#end();
  }

  #giveName(file: BoltFile): void {
    if (this.#host.isClosing) throw new BackendClosedError();
    const { path } = this.#host.file;
    this.#disk.rename(file.path, path);
    file.path = path;
  }

  /** Behind the point of no return: the name "db" may be the new file after a crash. */
  async #switch(file: BoltFile, onSwitch: () => void): Promise<void> {
    try {
      await this.#disk.syncDirectoryAsync(splitPath(file.path).directory);
      this.#host.replaceFile(file, "another");
      this.#file = undefined;
      onSwitch();
    } catch (error) {
      this.#host.fail(error as Error);
      throw error;
    }
  }

  #end(): void {
    this.#file?.release();
    this.#file = undefined;
    this.#onEnd();
  }

  #layers(): Layers {
    const file = this.#opened();
    return { newer: undefined, older: undefined, file, state: file.state };
  }

  #opened(): BoltFile {
    if (this.#file === undefined) throw new BackendClosedError(new Error("it was given up"));
    return this.#file;
  }
}

/** Creates what is missing of `buckets`, empty. Durable when it settles. */
export async function ensureBuckets(
  file: BoltFile,
  buckets: readonly Bucket[],
  slicer: Slicer,
): Promise<void> {
  const missing = buckets
    .filter((bucket) => file.bucket(file.state, bucket.name) === undefined)
    .sort((a, b) => (a.name < b.name ? -1 : 1));
  if (missing.length === 0) return;
  const changes = missing.map(({ name }) => ({
    name,
    fillPercent: DEFAULT_FILL,
    ops: new ListOps(),
  }));
  await file.writeOut(await applyTransaction(file, changes, slicer));
}

/**
 * For start-up: finishes what a crash has interrupted. Called when the newest snapshot of the log is
 * at a higher index than the open `backend`, and `path` is the database received with it. Errors as
 * `openReplacement`'s and `install`'s.
 */
export async function installAtStart(backend: Backend, path: string): Promise<void> {
  const replacement = await backend.openReplacement(path);
  await replacement.install(() => undefined);
}
