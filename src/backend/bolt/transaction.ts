/**
 * One write transaction over several top-level buckets: merges each bucket's operations into its
 * tree, then the new bucket values into the root tree, and installs the result. Runs in slices;
 * readers see the old tree until the end.
 */

import { bytesFromLatin1, EMPTY_BYTES } from "../../base/bytes.ts";
import type { Slicer } from "../slicer.ts";
import type { BoltFile } from "./bolt-file.ts";
import { encodeBucketValue, inlineLimitBytes } from "./bucket-value.ts";
import { type OpSource, PUT, PUT_BUCKET, TreeMerge, type TreeMergeOptions } from "./tree-merge.ts";
import type { WriteTx } from "./write-tx.ts";

/** Pages of buckets that grow at the end are filled further: nothing is inserted later. */
export const SEQUENTIAL_FILL = 0.9;
export const DEFAULT_FILL = 0.5;

export interface BucketOps {
  readonly name: string;
  readonly fillPercent: number;
  /** Of the bucket, when it is new. Default 0. */
  readonly sequence?: bigint;
  /** Operations for the bucket; invalid from the start means: create it when missing. */
  readonly ops: OpSource;
  /** Called before the operations are used. */
  readonly begin?: (tx: WriteTx) => void;
}

/** Called between slices; may write pages of the transaction early. */
export type BetweenSlices = (tx: WriteTx) => Promise<void>;

/** `changes` in ascending order of the names' bytes. The result is in memory, not yet written. */
export async function applyTransaction(
  file: BoltFile,
  changes: readonly BucketOps[],
  slicer: Slicer,
  betweenSlices?: BetweenSlices,
): Promise<WriteTx> {
  const tx = file.begin();
  const buckets = new Map(tx.base.buckets);
  const rootOps = new ListOps();
  for (const change of changes) {
    const root = file.bucket(tx.base, change.name);
    if (root !== undefined && !change.ops.valid) continue;
    change.begin?.(tx);
    const merge = new TreeMerge(tx, root, change.ops, {
      fillPercent: change.fillPercent,
      inlineLimitBytes: inlineLimitBytes(tx.pageSize),
      sequence: change.sequence ?? 0n,
    });
    while (!merge.step(slicer.isOverdue)) {
      await betweenSlices?.(tx);
      await slicer.pause();
    }
    const updated = merge.finish();
    buckets.set(change.name, updated);
    rootOps.add(PUT_BUCKET, bytesFromLatin1(change.name), encodeBucketValue(updated));
  }
  let rootPgid = tx.base.rootPgid;
  if (rootOps.valid) {
    const options: TreeMergeOptions = { fillPercent: DEFAULT_FILL, inlineLimitBytes: 0 };
    const merge = new TreeMerge(tx, file.rootBucket(tx.base), rootOps, options);
    while (!merge.step(slicer.isOverdue)) await slicer.pause();
    rootPgid = merge.finish().rootPgid;
  }
  file.install(tx, rootPgid, buckets);
  return tx;
}

/** Operations from a list; `add` before the first use, in key order. */
export class ListOps implements OpSource {
  readonly hasDeletes = false;
  valid = false;
  kind = PUT;
  keyBuffer: Uint8Array = EMPTY_BYTES;
  readonly keyStart = 0;
  keyEnd = 0;
  valueBuffer: Uint8Array = EMPTY_BYTES;
  readonly valueStart = 0;
  valueEnd = 0;
  readonly #list: { kind: number; key: Uint8Array; value: Uint8Array }[] = [];
  #next = 0;

  add(kind: number, key: Uint8Array, value: Uint8Array): void {
    this.#list.push({ kind, key, value });
    if (this.#list.length === 1) this.advance();
  }

  advance(): void {
    const item = this.#list[this.#next++];
    this.valid = item !== undefined;
    if (item === undefined) return;
    this.kind = item.kind;
    this.keyBuffer = item.key;
    this.keyEnd = item.key.length;
    this.valueBuffer = item.value;
    this.valueEnd = item.value.length;
  }
}
