/** The writes of one backend transaction, by bucket. */

import type { SlabPool } from "../base/byte-slabs.ts";
import type { Bucket, Place } from "./types.ts";
import { WriteBuffer } from "./write-buffer.ts";

export class Batch {
  /** Puts and deletes so far. */
  ops = 0;
  /** Keys and values put so far. */
  bytes = 0;
  /** It is time to seal it, or somebody waits for that. */
  isWanted = false;
  /** By bucket id; a bucket that is here exists after the commit, even when it stays empty. */
  readonly #buffers: (WriteBuffer | undefined)[];
  readonly #buckets: (Bucket | undefined)[];

  readonly #pool: SlabPool | undefined;

  /** Empty, or a snapshot of `from`. Memory comes from `pool`, and goes there by `recycle`. */
  constructor(pool: SlabPool | undefined, from?: Batch) {
    this.#pool = pool;
    this.#buffers = [];
    this.#buckets = [];
    if (from === undefined) return;
    this.ops = from.ops;
    this.bytes = from.bytes;
    for (const bucket of from.#buckets) {
      if (bucket === undefined) continue;
      this.#buckets[bucket.id] = bucket;
      this.#buffers[bucket.id] = new WriteBuffer(pool, from.#buffers[bucket.id]);
    }
  }

  buffer(bucket: Bucket): WriteBuffer | undefined {
    return this.#buffers[bucket.id];
  }

  /** The bucket's buffer, made when missing. */
  touch(bucket: Bucket): WriteBuffer {
    const known = this.#buffers[bucket.id];
    if (known !== undefined) return known;
    const buffer = new WriteBuffer(this.#pool);
    this.#buffers[bucket.id] = buffer;
    this.#buckets[bucket.id] = bucket;
    return buffer;
  }

  /** Touched buckets in the byte order of their names. */
  buckets(): Bucket[] {
    const touched = this.#buckets.filter((bucket) => bucket !== undefined);
    return touched.sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  put(bucket: Bucket, key: Uint8Array, value: Uint8Array): void {
    if (bucket.sequential) {
      const { bytes, start } = this.putInto(bucket, key, value.length);
      bytes.set(value, start);
    } else {
      this.touch(bucket).put(key, value);
      this.#count(key.length + value.length);
    }
  }

  /** See `Backend.putInto`. */
  putInto(bucket: Bucket, key: Uint8Array, valueBytes: number): Place {
    const buffer = this.#buffers[bucket.id] ?? this.touch(bucket);
    buffer.putSequential(key, valueBytes);
    this.#count(key.length + valueBytes);
    return buffer;
  }

  delete(bucket: Bucket, key: Uint8Array): void {
    this.touch(bucket).delete(key);
    this.ops++;
  }

  /** Nobody uses the batch any more. */
  recycle(): void {
    for (const buffer of this.#buffers) buffer?.recycle();
  }

  #count(bytes: number): void {
    this.ops++;
    this.bytes += bytes;
  }
}
