/**
 * Online defragmentation. The db is copied, tree by tree, into a new file from a pinned
 * transaction while writes go on; then the differences to the transactions committed meanwhile are
 * applied, round by round, until little is left. For the last round sealing is held (writes still
 * collect in memory), the new file is synced and renamed over the old one.
 *
 * Whenever the machine stops, the name "db" is a complete file: the old one up to the rename, the
 * new one, equal to the old one's last durable transaction, afterwards. So consistent_index and the
 * data that it covers always come from the same transaction (etcd issue 14685).
 */

import { assert } from "../base/assert.ts";
import { EMPTY_BYTES } from "../base/bytes.ts";
import { type Disk, DiskError } from "../env/disk.ts";
import { BoltFile, type BoltFileOptions, type TreeState } from "./bolt/bolt-file.ts";
import { SequentialSource } from "./bolt/sequential-source.ts";
import { applyTransaction, type BucketOps, SEQUENTIAL_FILL } from "./bolt/transaction.ts";
import { TreeCopy } from "./bolt/tree-copy.ts";
import { TreeDiff } from "./bolt/tree-diff.ts";
import { type BucketRoot, TreeCursor } from "./bolt/tree-read.ts";
import type { WriteTx } from "./bolt/write-tx.ts";
import { BackendClosedError } from "./errors.ts";
import type { FileHost } from "./file-host.ts";
import type { Slicer } from "./slicer.ts";
import { splitPath } from "./split-path.ts";

const FILL_PERCENT = SEQUENTIAL_FILL;
/** With fewer changes than this left, the rest is done while sealing is held. */
const SWITCH_OPS = 10_000;
/** A writer faster than the copy does not delay the end for ever. */
const MAX_CATCH_UP_ROUNDS = 10;
const DRAIN_BYTES = 2 * 1024 * 1024;
/** Synced in portions, so that no single sync holds up the log's. */
const SYNC_BYTES = 16 * 1024 * 1024;
const MAX_TEMP_NAMES = 1000;

export class Defragmenter {
  readonly #disk: Disk;
  readonly #options: BoltFileOptions;
  readonly #slicer: () => Slicer;
  #unsyncedBytes = 0;
  #copiedBytes = 0;

  constructor(disk: Disk, options: BoltFileOptions, slicer: () => Slicer) {
    this.#disk = disk;
    this.#options = options;
    this.#slicer = slicer;
  }

  /** What has been written to the new file. */
  get copiedBytes(): number {
    return this.#copiedBytes;
  }

  /** On failure the old file stays in use, and the new one is removed. */
  async run(host: FileHost): Promise<void> {
    await host.commit();
    const source = host.file;
    const path = source.path;
    const target = await this.#createTarget(path);
    try {
      const copied = await this.#copyAndCatchUp(host, source, target);
      try {
        await host.paused(async () => {
          if (source.state !== source.durable) {
            throw new BackendClosedError(new Error("no space left for a commit"));
          }
          await this.#catchUp(host, source, target, copied, source.durable);
          this.#switchFiles(host, target, path);
        });
      } finally {
        source.unpin(copied);
      }
    } catch (error) {
      if (host.file !== target) this.#discard(target);
      throw error;
    }
  }

  /** Removes what interrupted defragmentations of this db left behind. */
  static removeLeftovers(disk: Disk, path: string): void {
    const { directory, name } = splitPath(path);
    for (const entry of disk.readDirectory(directory)) {
      if (entry.startsWith(`${name}.tmp.`)) disk.remove(disk.join(directory, entry));
    }
  }

  /** The transaction that the target equals at the end; it is pinned. */
  async #copyAndCatchUp(host: FileHost, source: BoltFile, target: BoltFile): Promise<TreeState> {
    let at = source.durable;
    source.pin(at);
    try {
      await this.#apply(host, target, this.#copyAll(source, at));
      for (let round = 0; round < MAX_CATCH_UP_ROUNDS; round++) {
        await host.commit();
        const next = source.durable;
        source.pin(next);
        const previous = at;
        at = next;
        let changed: number;
        try {
          changed = await this.#catchUp(host, source, target, previous, next);
        } finally {
          source.unpin(previous);
        }
        if (changed < SWITCH_OPS) break;
      }
      return at;
    } catch (error) {
      source.unpin(at);
      throw error;
    }
  }

  /** Brings the target from tree `from` to tree `to`; returns the number of changes. */
  async #catchUp(
    host: FileHost,
    source: BoltFile,
    target: BoltFile,
    from: TreeState,
    to: TreeState,
  ): Promise<number> {
    if (from.txid === to.txid) return 0;
    const diffs: TreeDiff[] = [];
    const changes: BucketOps[] = [];
    for (const name of bucketNames(source, to)) {
      const after = mustBucket(source, to, name);
      const before = source.bucket(from, name);
      if (before === undefined) {
        changes.push(copyOf(source, name, after));
      } else if (!isSameRoot(before, after)) {
        const ops = new TreeDiff(source, before, after);
        diffs.push(ops);
        changes.push({ name, fillPercent: FILL_PERCENT, ops });
      }
    }
    await this.#apply(host, target, changes);
    return diffs.reduce((sum, diff) => sum + diff.consumed, 0);
  }

  #copyAll(source: BoltFile, state: TreeState): BucketOps[] {
    return bucketNames(source, state).map((name) =>
      copyOf(source, name, mustBucket(source, state, name)),
    );
  }

  async #apply(host: FileHost, target: BoltFile, changes: readonly BucketOps[]): Promise<void> {
    const tx = await applyTransaction(target, changes, this.#slicer(), async (running) => {
      if (host.isClosing) throw new BackendClosedError();
      await this.#drain(target, running);
    });
    await target.writeOut(tx);
    this.#unsyncedBytes = 0;
  }

  async #drain(target: BoltFile, tx: WriteTx): Promise<void> {
    const { dirtyBytes } = tx;
    if (dirtyBytes < DRAIN_BYTES) return;
    this.#unsyncedBytes += dirtyBytes;
    await target.writePages(tx.drain());
    this.#copiedBytes += dirtyBytes;
    if (this.#unsyncedBytes < SYNC_BYTES) return;
    this.#unsyncedBytes = 0;
    await target.sync();
  }

  #switchFiles(host: FileHost, target: BoltFile, path: string): void {
    this.#disk.rename(target.path, path);
    target.path = path;
    host.replaceFile(target, "same");
    try {
      this.#disk.syncDirectory(splitPath(path).directory);
    } catch (error) {
      host.fail(error as Error);
      throw error;
    }
  }

  async #createTarget(path: string): Promise<BoltFile> {
    for (let attempt = 0; attempt < MAX_TEMP_NAMES; attempt++) {
      const name = `${path}.tmp.${attempt}`;
      try {
        const options = { ...this.#options, exclusive: true, mustExist: false };
        return await BoltFile.open(this.#disk, name, options);
      } catch (error) {
        if (error instanceof DiskError && error.code === "EEXIST") continue;
        this.#tryRemove(name);
        throw error;
      }
    }
    throw new DiskError("EEXIST", path, `${path}.tmp.*: too many leftovers of defragmentations`);
  }

  #discard(target: BoltFile): void {
    target.release();
    this.#tryRemove(target.path);
  }

  #tryRemove(path: string): void {
    try {
      this.#disk.remove(path);
    } catch {
      // It is removed at the next start.
    }
  }
}

function copyOf(source: BoltFile, name: string, root: BucketRoot): BucketOps {
  const pages = new SequentialSource(source, source.state.highWater, "kept");
  const ops = new TreeCopy(pages, root, FILL_PERCENT);
  return {
    name,
    fillPercent: FILL_PERCENT,
    sequence: root.sequence,
    ops,
    begin: ops.begin.bind(ops),
  };
}

function bucketNames(source: BoltFile, state: TreeState): string[] {
  const names: string[] = [];
  const cursor = new TreeCursor(source, source.rootBucket(state));
  cursor.seek(EMPTY_BYTES);
  for (let { page } = cursor; page !== undefined; page = cursor.page) {
    if (page.isBucket(cursor.index)) names.push(page.key(cursor.index).latin1Slice());
    cursor.next();
  }
  return names;
}

function mustBucket(source: BoltFile, state: TreeState, name: string): BucketRoot {
  const root = source.bucket(state, name);
  assert(root !== undefined, `bucket ${name} is gone`);
  return root;
}

function isSameRoot(a: BucketRoot, b: BucketRoot): boolean {
  if (a.inline === undefined || b.inline === undefined) {
    return a.rootPgid === b.rootPgid && a.inline === b.inline;
  }
  return a.inline.buffer.equals(b.inline.buffer);
}
