/**
 * A disk in memory that fails in every way the real one is known to fail, reproducibly.
 *
 * Modelled faults:
 * - Loss of power. `crash` gives the disk that a machine finds afterwards. Unsynced writes may be
 *   kept, dropped, torn at a sector (512 bytes) or a byte, and reordered (`page-cache-file.ts` has
 *   the exact rules). Names are volatile too: a creation, renaming or removal may be lost until the
 *   directory that holds the name is synced. A renaming inside one directory is atomic; one across
 *   directories is durable once both are synced. Un-synced name changes survive in order, or in any
 *   combination, as the policy says.
 * - Death of the process alone (`kill`): everything stays, the unsynced unsynced.
 * - A crash at a chosen moment: `crashAfter(n)` lets n write points happen; from the next one on
 *   every call throws. A write point is any call that changes the disk or makes a change durable.
 * - Errors: `failWhen` makes chosen calls fail with ENOSPC, EIO, EMFILE ... A failing write may leave
 *   a part of its bytes behind. A sync that fails with EIO loses the unsynced changes for good,
 *   although readers still see them, and the next sync succeeds, as on Linux.
 * - A full disk: `capacityBytes` bounds the sum of file lengths; set it higher and space is back.
 *   Overwriting and preallocated ranges need no new space.
 * - Slow calls: with `hold` set, asynchronous calls stay pending until `release`; `delay` decides for
 *   each call. Calls that are still pending at a crash stay so for ever.
 *
 * Not modelled: bits that rot at rest (tests flip them with `editFile`), misdirected writes, short
 * reads, and damage to the file system itself.
 *
 * Paths are absolute and use "/". A new disk has an empty root. All changes to names of directories
 * count as metadata only; they take no space.
 */
import { assert } from "../../base/assert.ts";
import {
  DIRECT_BLOCK_BYTES,
  type Disk,
  type DiskFile,
  type FileInfo,
  type LockKind,
  type OpenOptions,
} from "../disk.ts";
import type { Random } from "../random.ts";
import { fail, FaultPlan, type FaultRule, type Operation } from "./fault-plan.ts";
import { FileTree, type NamePolicy } from "./file-tree.ts";
import { type ContentPolicy, PageCacheFile } from "./page-cache-file.ts";

export interface CrashPolicy extends ContentPolicy, NamePolicy {}

/** Everything written reached the platter, synced or not. */
export const CRASH_KEEPS_ALL: CrashPolicy = policy("keep", "keep", false, false);
/** Only what was synced survives. */
export const CRASH_DROPS_ALL: CrashPolicy = policy("drop", "drop", false, false);
/** A prefix of the writes survives, the last one torn at a sector. */
export const CRASH_TEARS_SECTORS: CrashPolicy = policy("random", "prefix", false, false);
/** A prefix of the writes survives, the last one torn at any byte. */
export const CRASH_TEARS_BYTES: CrashPolicy = policy("random", "prefix", false, true);
/** Each sector survives as of its own moment; names survive in any combination. */
export const CRASH_REORDERS: CrashPolicy = policy("random", "any", true, false);
/** As `CRASH_REORDERS`, and sectors are torn as well. */
export const CRASH_REORDERS_AND_TEARS: CrashPolicy = policy("random", "any", true, true);

/** All of them, for tests that enumerate. */
export const CRASH_POLICIES: Readonly<Record<string, CrashPolicy>> = {
  "keeps all": CRASH_KEEPS_ALL,
  "drops all": CRASH_DROPS_ALL,
  "tears sectors": CRASH_TEARS_SECTORS,
  "tears bytes": CRASH_TEARS_BYTES,
  reorders: CRASH_REORDERS,
  "reorders and tears": CRASH_REORDERS_AND_TEARS,
};

function policy(
  writes: ContentPolicy["writes"],
  names: NamePolicy["names"],
  reorder: boolean,
  tearBytes: boolean,
): CrashPolicy {
  return { writes, names, reorder, tearBytes };
}

export interface FaultDiskOptions {
  /** Sum of all file lengths that fits. Default: no limit. */
  readonly capacityBytes?: number;
}

/** Decides when an asynchronous call completes: calls `complete` once, now or later, or never. */
export type DiskDelay = (operation: Operation, path: string, complete: () => void) => void;

export class FaultDisk implements Disk {
  /** May be changed at any time; at once below the used space is allowed. */
  capacityBytes: number;
  /** While true, asynchronous calls wait for `release`. */
  hold = false;
  /** Calls of `writeDirect` so far that go around the cache on a real disk. */
  directWrites = 0;
  /** Absent: calls complete on a later microtask. */
  delay: DiskDelay | undefined;
  readonly #tree: FileTree;
  readonly #plan = new FaultPlan();
  readonly #held: (() => void)[] = [];

  constructor(options: FaultDiskOptions = {}, tree: FileTree = new FileTree()) {
    this.capacityBytes = options.capacityBytes ?? Number.POSITIVE_INFINITY;
    this.#tree = tree;
  }

  /** Write points passed so far. */
  get writePoints(): number {
    return this.#plan.writePoints;
  }

  /** All calls so far, reads included. */
  get operations(): number {
    return this.#plan.operations;
  }

  /** How often each operation was called. */
  count(operation: Operation): number {
    return this.#plan.count(operation);
  }

  get usedBytes(): number {
    return this.#tree.usedBytes;
  }

  /** True once `crashAfter`'s moment has come. */
  get crashed(): boolean {
    return this.#plan.crashed;
  }

  /** Lets `writePoints` more write points happen, then throws `CrashedDiskError` from every call. */
  crashAfter(writePoints: number): void {
    this.#plan.crashAfter(writePoints);
  }

  /** Makes matching calls fail; the returned function ends it. */
  failWhen(rule: FaultRule): () => void {
    return this.#plan.add(rule);
  }

  /**
   * The disk after a loss of power at this moment. This disk is unchanged except that every later
   * call on it throws; `crash` may be asked again for other survivors of the same moment.
   */
  crash(random: Random, policy: CrashPolicy): FaultDisk {
    this.#plan.crashNow();
    const tree = this.#tree.afterCrash(random, policy, (file) => file.afterCrash(random, policy));
    return new FaultDisk({ capacityBytes: this.capacityBytes }, tree);
  }

  /** Another disk with the same files, all of them synced. This one goes on. */
  copy(random: Random): FaultDisk {
    const keep = CRASH_KEEPS_ALL;
    const tree = this.#tree.afterCrash(random, keep, (file) => file.afterCrash(random, keep));
    return new FaultDisk({ capacityBytes: this.capacityBytes }, tree);
  }

  /**
   * The disk after the process was killed: files are as they were, what was not synced still is not,
   * handles and locks are gone. This disk only throws from now on.
   */
  kill(): FaultDisk {
    this.#plan.crashNow();
    this.#tree.dropHandles();
    return new FaultDisk({ capacityBytes: this.capacityBytes }, this.#tree);
  }

  /** Makes everything written so far durable: a quiet starting point for a test. */
  syncAll(): void {
    this.#tree.syncAll();
  }

  /** Lets the oldest `count` held calls complete, in order. Returns how many there were. */
  release(count: number = Number.POSITIVE_INFINITY): number {
    let released = 0;
    while (released < count) {
      const next = this.#held.shift();
      if (next === undefined) break;
      next();
      released++;
    }
    return released;
  }

  get heldOperations(): number {
    return this.#held.length;
  }

  /** A copy of a file's bytes as a reader sees them, beside all counters and faults. */
  fileContent(path: string): Uint8Array {
    return this.#tree.file(path).content();
  }

  /** Changes a file at rest, durably: bit rot, or a file prepared by a test. */
  editFile(path: string, edit: (content: Uint8Array) => Uint8Array): void {
    const file = this.#tree.file(path);
    const content = edit(file.content());
    file.setLength(content.length);
    file.write(content, 0);
    file.markSynced(file.pendingChanges);
  }

  open(path: string, options: OpenOptions = {}): DiskFile {
    const found = this.#tree.lookup(path);
    const creates = options.create === true && found === undefined;
    this.#plan.enter(creates ? "create" : "open", path);
    if (found === undefined && !creates) throw fail("ENOENT", "open", path);
    if (found !== undefined && options.exclusive === true) throw fail("EEXIST", "open", path);
    const writable = options.create === true || options.write === true;
    if (found !== undefined && !(found instanceof PageCacheFile)) {
      throw fail("EISDIR", "open", path);
    }
    const file = found ?? this.#tree.createFile(path, options.mode ?? 0o600);
    if (options.truncate === true && file.length > 0) {
      this.#plan.enter("truncate", path);
      file.setLength(0);
    }
    return new FaultFile(this, this.#plan, this.#tree, file, path, writable);
  }

  stat(path: string): FileInfo | undefined {
    this.#plan.enter("stat", path);
    return this.#tree.info(path);
  }

  readDirectory(path: string): string[] {
    this.#plan.enter("readDirectory", path);
    return this.#tree.names(path);
  }

  makeDirectories(path: string, mode: number): void {
    this.#plan.enter("makeDirectories", path);
    this.#tree.makeDirectories(path, mode);
  }

  rename(from: string, to: string): void {
    this.#plan.enter("rename", to);
    this.#tree.rename(from, to);
  }

  remove(path: string): void {
    this.#plan.enter("remove", path);
    this.#tree.remove(path);
  }

  removeAll(path: string): void {
    for (const victim of this.#tree.descendants(path)) this.remove(victim);
  }

  syncDirectory(path: string): void {
    this.#plan.enter("syncDirectory", path);
    this.#tree.syncDirectory(path);
  }

  syncDirectoryAsync(path: string): Promise<void> {
    const covered = this.#tree.nameChanges;
    return this.later("syncDirectory", path, () => {
      this.#plan.enter("syncDirectory", path);
      this.#tree.syncDirectory(path, covered);
    });
  }

  readFile(path: string, limitBytes: number): Uint8Array {
    this.#plan.enter("read", path);
    const file = this.#tree.file(path);
    if (file.length > limitBytes) throw fail("EFBIG", "read", path);
    return file.content();
  }

  allocate(bytes: number): Buffer {
    return Buffer.allocUnsafeSlow(bytes);
  }

  join(...segments: string[]): string {
    const joined = segments.filter((segment) => segment !== "").join("/");
    return joined.replace(/\/+/g, "/");
  }

  /** Runs `complete` on a later microtask, or when released. For the files of this disk. */
  later<T>(operation: Operation, path: string, complete: () => T): Promise<T> {
    return new Promise((resolve, reject) => {
      const run = (): void => {
        try {
          resolve(complete());
        } catch (error) {
          reject(error);
        }
      };
      if (this.hold) this.#held.push(run);
      else if (this.delay !== undefined) this.delay(operation, path, run);
      else queueMicrotask(run);
    });
  }

  /** Bytes that still fit. For the files of this disk. */
  get freeBytes(): number {
    return Math.max(0, this.capacityBytes - this.#tree.usedBytes);
  }
}

class FaultFile implements DiskFile {
  readonly path: string;
  readonly #disk: FaultDisk;
  readonly #plan: FaultPlan;
  readonly #tree: FileTree;
  readonly #file: PageCacheFile;
  readonly #writable: boolean;
  #open = true;
  #asyncPending = 0;

  constructor(
    disk: FaultDisk,
    plan: FaultPlan,
    tree: FileTree,
    file: PageCacheFile,
    path: string,
    writable: boolean,
  ) {
    this.#disk = disk;
    this.#plan = plan;
    this.#tree = tree;
    this.#file = file;
    this.path = path;
    this.#writable = writable;
    tree.hold(file);
  }

  readSync(target: Uint8Array, position: number): number {
    this.#enter("read");
    return this.#file.read(target, position);
  }

  read(target: Uint8Array, position: number): Promise<number> {
    return this.#later("read", () => this.readSync(target, position));
  }

  writeSync(data: Uint8Array, position: number): void {
    const failure = this.#plan.tryEnter("write", this.path);
    this.#mustBeWritable("write");
    const wanted = Math.min(data.length, failure?.keepBytes ?? data.length);
    const fits = Math.max(0, this.#file.length + this.#disk.freeBytes - position);
    this.#change(() => this.#file.write(data.subarray(0, Math.min(wanted, fits)), position));
    if (failure !== undefined) throw failure.error;
    if (fits < data.length) throw fail("ENOSPC", "write", this.path);
  }

  write(chunks: readonly Uint8Array[], position: number): Promise<void> {
    const borrowed = Buffer.concat(chunks);
    return this.#later("write", () => {
      assert(Buffer.concat(chunks).equals(borrowed), `bytes changed while written: ${this.path}`);
      this.writeSync(borrowed, position);
    });
  }

  writeDirect(data: Uint8Array, position: number): Promise<void> {
    const isWhole = data.length % DIRECT_BLOCK_BYTES === 0 && position % DIRECT_BLOCK_BYTES === 0;
    if (isWhole) this.#disk.directWrites++;
    return this.write([data], position);
  }

  datasync(): Promise<void> {
    // What is written after the call is not covered by it.
    const covered = this.#file.pendingChanges;
    return this.#later("datasync", () => this.#sync(Math.min(covered, this.#file.pendingChanges)));
  }

  datasyncSync(): void {
    this.#sync(this.#file.pendingChanges);
  }

  size(): number {
    this.#enter("stat");
    return this.#file.length;
  }

  truncateSync(length: number): void {
    this.#enter("truncate");
    this.#mustBeWritable("truncate");
    this.#mustFit("truncate", length);
    this.#change(() => this.#file.setLength(length));
  }

  preallocateSync(length: number): void {
    this.#enter("preallocate");
    this.#mustBeWritable("fallocate");
    this.#mustFit("fallocate", length);
    this.#change(() => this.#file.setLength(Math.max(length, this.#file.length)));
  }

  tryLock(kind: LockKind): boolean {
    this.#enter("lock");
    return this.#file.tryLock(kind, this);
  }

  close(): void {
    if (!this.#open) return;
    assert(
      this.#asyncPending === 0 || this.#disk.crashed,
      `closed with calls pending: ${this.path}`,
    );
    this.#open = false;
    this.#file.unlock(this);
    this.#tree.release(this.#file);
  }

  #sync(covered: number): void {
    const failure = this.#plan.tryEnter("datasync", this.path);
    if (failure === undefined) {
      this.#file.markSynced(covered);
      return;
    }
    if (failure.error.code === "EIO") this.#file.loseUnsynced();
    throw failure.error;
  }

  #enter(operation: Operation): void {
    assert(this.#open, `used after close: ${this.path}`);
    this.#plan.enter(operation, this.path);
  }

  #mustBeWritable(call: string): void {
    assert(this.#open, `used after close: ${this.path}`);
    if (!this.#writable) throw fail("EBADF", call, this.path);
  }

  #mustFit(call: string, length: number): void {
    if (length - this.#file.length > this.#disk.freeBytes) throw fail("ENOSPC", call, this.path);
  }

  #change(apply: () => void): void {
    const before = this.#file.length;
    apply();
    this.#tree.usedBytes += this.#file.length - before;
  }

  async #later<T>(operation: Operation, complete: () => T): Promise<T> {
    assert(this.#open, `used after close: ${this.path}`);
    this.#asyncPending++;
    try {
      return await this.#disk.later(operation, this.path, complete);
    } finally {
      this.#asyncPending--;
    }
  }
}
