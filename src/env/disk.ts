/**
 * Files as an argument. The Node implementation is in `platform`, a fault-injecting one in
 * `env/testing`; both pass the same contract suite (`env/testing/disk-contract.ts`).
 *
 * Errors are `DiskError`s with the system's code (`ENOSPC`, `EIO`, `EACCES`, `ENOENT` ...).
 * After an `EIO` from a sync the caller must stop the member: dirty pages may be gone.
 */

/** An operating system's refusal, mapped once at the edge. */
export class DiskError extends Error {
  /** The system's error name, such as "ENOSPC". */
  readonly code: string;
  readonly path: string;
  constructor(code: string, path: string, message: string) {
    super(message);
    this.name = "DiskError";
    this.code = code;
    this.path = path;
  }
}

/** What `writeDirect` needs: position, length and memory are multiples of it. */
export const DIRECT_BLOCK_BYTES = 4096;

export type LockKind =
  /** `flock(LOCK_EX)`, as bbolt takes on its db file. */
  | "flock"
  /** An open-file-description record lock over the whole file, as etcd takes on WAL segments. */
  | "ofd";

export interface OpenOptions {
  readonly write?: boolean;
  /** Create the file when missing. Implies `write`. */
  readonly create?: boolean;
  /** With `create`: fail with EEXIST when it is there. */
  readonly exclusive?: boolean;
  readonly truncate?: boolean;
  /** Permission bits of a created file, exact whatever the umask. Default 0o600. */
  readonly mode?: number;
}

/**
 * An open file. Positions and lengths are bytes. The asynchronous calls of one file may overlap;
 * their order is the caller's affair. `close` while one is pending is a programming error.
 */
export interface DiskFile {
  readonly path: string;
  /** Reads up to `target.length` bytes at `position`; fewer only at the end of the file. */
  readSync(target: Uint8Array, position: number): number;
  read(target: Uint8Array, position: number): Promise<number>;
  /** Writes all of `data` at `position`, or throws. */
  writeSync(data: Uint8Array, position: number): void;
  /** Writes the chunks one behind the other, beginning at `position`. Borrows them until settled. */
  write(chunks: readonly Uint8Array[], position: number): Promise<void>;
  /**
   * As `write`, but around the system's cache of files where position, length and memory
   * (`Disk.allocate`) are whole blocks and the file system can: for what is large and not read soon.
   * No more durable than `write` before a `datasync`.
   */
  writeDirect(data: Uint8Array, position: number): Promise<void>;
  /** `fdatasync`: file content and size are durable when it settles. */
  datasync(): Promise<void>;
  datasyncSync(): void;
  size(): number;
  truncateSync(length: number): void;
  /** Reserves real blocks so that the file is at least `length` long and zero-filled. */
  preallocateSync(length: number): void;
  /** False when another process holds the lock. Held until `close`. */
  tryLock(kind: LockKind): boolean;
  close(): void;
  /**
   * As `close`, off the event loop: closing the last descriptor of a large removed file takes the
   * time that freeing its blocks takes. Absent: use `close`.
   */
  closeInBackground?(): Promise<void>;
}

export interface FileInfo {
  readonly name: string;
  readonly isDirectory: boolean;
  readonly size: number;
  /** Permission bits, such as 0o700. */
  readonly mode: number;
}

export interface Disk {
  open(path: string, options?: OpenOptions): DiskFile;
  /** Undefined when nothing is there; any other failure throws. */
  stat(path: string): FileInfo | undefined;
  /** Names in the directory, sorted by code unit. */
  readDirectory(path: string): string[];
  makeDirectories(path: string, mode: number): void;
  rename(from: string, to: string): void;
  remove(path: string): void;
  removeAll(path: string): void;
  /** fsync of a directory: renames, creations and removals in it are durable afterwards. */
  syncDirectory(path: string): void;
  /** As `syncDirectory`, off the event loop; covers what was done before the call. */
  syncDirectoryAsync(path: string): Promise<void>;
  /** The whole file; a file above `limitBytes` is refused with EFBIG before memory is taken. */
  readFile(path: string, limitBytes: number): Uint8Array;
  /** Memory for `writeDirect`; its content is arbitrary. */
  allocate(bytes: number): Buffer;
  /** Joins path segments in the way of this disk. */
  join(...segments: string[]): string;
}
