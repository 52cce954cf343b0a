/**
 * All elements of one tree as puts into another file. Nested buckets are rebuilt in the target when
 * the walk comes to them.
 */

import { EMPTY_BYTES } from "../../base/bytes.ts";
import { decodeBucketValue, encodeBucketValue, inlineLimitBytes } from "./bucket-value.ts";
import { type OpSource, PUT, PUT_BUCKET, TreeMerge } from "./tree-merge.ts";
import { type BucketRoot, type PageSource, TreeCursor } from "./tree-read.ts";
import type { WriteTx } from "./write-tx.ts";

const NEVER_OVERDUE = () => false;

export class TreeCopy implements OpSource {
  readonly hasDeletes = false;
  valid = true;
  kind = PUT;
  keyBuffer: Uint8Array = EMPTY_BYTES;
  keyStart = 0;
  keyEnd = 0;
  valueBuffer: Uint8Array = EMPTY_BYTES;
  valueStart = 0;
  valueEnd = 0;
  readonly #source: PageSource;
  readonly #cursor: TreeCursor;
  readonly #fillPercent: number;
  #target: WriteTx | undefined;

  constructor(source: PageSource, root: BucketRoot, fillPercent: number) {
    this.#source = source;
    this.#cursor = new TreeCursor(source, root);
    this.#fillPercent = fillPercent;
    this.#cursor.seek(EMPTY_BYTES);
    this.valid = this.#cursor.page !== undefined;
  }

  /** Must be called before the first operation is used. */
  begin(target: WriteTx): void {
    this.#target = target;
    this.#load();
  }

  advance(): void {
    this.#cursor.next();
    this.#load();
  }

  #load(): void {
    const { page, index } = this.#cursor;
    if (page === undefined) {
      this.valid = false;
      return;
    }
    this.keyBuffer = page.buffer;
    this.keyStart = page.keyStart(index);
    this.keyEnd = this.keyStart + page.keyLength(index);
    if (page.isBucket(index)) {
      this.kind = PUT_BUCKET;
      this.valueBuffer = this.#copyBucket(page.value(index), page.id);
      this.valueStart = 0;
      this.valueEnd = this.valueBuffer.length;
    } else {
      this.kind = PUT;
      this.valueBuffer = page.buffer;
      this.valueStart = this.keyEnd;
      this.valueEnd = this.keyEnd + page.valueLength(index);
    }
  }

  #copyBucket(value: Buffer, where: number): Buffer {
    const root = decodeBucketValue(value, this.#source.path, where, Number.MAX_SAFE_INTEGER);
    if (root.inline !== undefined || this.#target === undefined) return value;
    const ops = new TreeCopy(this.#source, root, this.#fillPercent);
    ops.begin(this.#target);
    const merge = new TreeMerge(this.#target, undefined, ops, {
      fillPercent: this.#fillPercent,
      inlineLimitBytes: inlineLimitBytes(this.#target.pageSize),
      sequence: root.sequence,
    });
    merge.step(NEVER_OVERDUE);
    return encodeBucketValue(merge.finish());
  }
}
