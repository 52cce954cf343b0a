/**
 * Keeps the next segment ready: a locked, preallocated temporary file (`0.tmp` and `1.tmp` in turn,
 * so that it is never the one published last). A cut then costs a renaming instead of an allocation.
 */
import type { Disk, DiskFile } from "../env/disk.ts";
import type { Logger } from "../env/logger.ts";
import { FILE_LOCKED, WalError } from "./errors.ts";

export interface PreparedFile {
  readonly path: string;
  readonly file: DiskFile;
}

export class SegmentPipeline {
  readonly #disk: Disk;
  readonly #logger: Logger;
  readonly #directory: string;
  readonly #segmentBytes: number;
  #count = 0;
  #ready: PreparedFile | undefined;
  /** The last attempt found no room: the next one is when the file is needed. */
  #postponed = false;

  constructor(disk: Disk, logger: Logger, directory: string, segmentBytes: number) {
    this.#disk = disk;
    this.#logger = logger;
    this.#directory = directory;
    this.#segmentBytes = segmentBytes;
  }

  /** Makes a file ready if none is. A failure is logged; `take` will try again and report it. */
  prepare(): void {
    if (this.#ready !== undefined || this.#postponed) return;
    try {
      this.#ready = this.#allocate();
    } catch (error) {
      this.#postponed = true;
      this.#logger.error("failed to preallocate space when creating a new WAL", {
        size: this.#segmentBytes,
        error,
      });
    }
  }

  /** The prepared file, now the caller's: it renames, or gives back. */
  take(): PreparedFile {
    const taken = this.#ready ?? this.#allocate();
    this.#ready = undefined;
    this.#postponed = false;
    this.#count++;
    return taken;
  }

  /** Removes a file that was taken and could not be used. */
  discard(prepared: PreparedFile): void {
    prepared.file.close();
    try {
      this.#disk.remove(prepared.path);
    } catch (error) {
      this.#logger.warn("failed to remove a temporary WAL file", { path: prepared.path, error });
    }
  }

  close(): void {
    const ready = this.#ready;
    this.#ready = undefined;
    if (ready !== undefined) this.discard(ready);
  }

  #allocate(): PreparedFile {
    const path = this.#disk.join(this.#directory, `${this.#count % 2}.tmp`);
    // A rest of an earlier run may hold records: begin empty.
    const file = this.#disk.open(path, { create: true, truncate: true });
    try {
      if (!file.tryLock("ofd")) throw new WalError("locked", `${FILE_LOCKED}: ${path}`);
      file.preallocateSync(this.#segmentBytes);
    } catch (error) {
      file.close();
      throw error;
    }
    return { path, file };
  }
}
