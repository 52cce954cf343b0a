/**
 * A `Backend` that is a map per bucket and nothing else: no file, no batches. For tests of the
 * layers that only put, get, delete and scan; everything else throws.
 */

import type {
  Backend,
  BackendSnapshot,
  Bucket,
  Place,
  ReadView,
  Replacement,
  Visit,
} from "../../backend/types.ts";
import { bytesFromLatin1, latin1FromBytes } from "../../base/bytes.ts";

export class MemoryBackend implements Backend {
  onBeforeCommit: (() => void) | undefined = undefined;
  onFatal: ((error: Error) => void) | undefined = undefined;
  readonly congested = false;
  readonly sizeBytes = 0;
  readonly sizeInUseBytes = 0;
  readonly openReadViews = 0;
  readonly #buckets = new Map<string, Map<string, Uint8Array>>();

  put(bucket: Bucket, key: Uint8Array, value: Uint8Array): void {
    this.#entries(bucket).set(latin1FromBytes(key), value);
  }

  putInto(bucket: Bucket, key: Uint8Array, valueBytes: number): Place {
    const bytes = Buffer.alloc(valueBytes);
    this.put(bucket, Buffer.from(key), bytes);
    return { bytes, start: 0, end: valueBytes };
  }

  delete(bucket: Bucket, key: Uint8Array): void {
    this.#entries(bucket).delete(latin1FromBytes(key));
  }

  get(bucket: Bucket, key: Uint8Array): Uint8Array | undefined {
    return this.#entries(bucket).get(latin1FromBytes(key));
  }

  scan(bucket: Bucket, start: Uint8Array, end: Uint8Array | undefined, visit: Visit): void {
    const from = latin1FromBytes(start);
    const to = end === undefined ? undefined : latin1FromBytes(end);
    for (const key of [...this.#entries(bucket).keys()].sort()) {
      if (key < from || (to !== undefined && key >= to)) continue;
      const value = this.#entries(bucket).get(key) as Uint8Array;
      if (visit(bytesFromLatin1(key), value) === false) return;
    }
  }

  /** Everything in a bucket, keys as latin1, values as latin1. */
  dump(bucket: Bucket): Record<string, string> {
    const entries = [...this.#entries(bucket)].sort(([a], [b]) => (a < b ? -1 : 1));
    return Object.fromEntries(entries.map(([key, value]) => [key, latin1FromBytes(value)]));
  }

  commitIfDue(): void {}

  waitUncongested(): Promise<void> {
    return Promise.resolve();
  }

  commit(): Promise<void> {
    this.onBeforeCommit?.();
    return Promise.resolve();
  }

  holdCommits(): () => void {
    throw new Error("a memory backend has no batches");
  }

  openView(): ReadView {
    throw new Error("a memory backend has no views");
  }

  openSnapshot(): Promise<BackendSnapshot> {
    return Promise.reject(new Error("a memory backend has no snapshots"));
  }

  hash(): Promise<number> {
    return Promise.reject(new Error("a memory backend has no hash"));
  }

  defragment(): Promise<void> {
    return Promise.resolve();
  }

  openReplacement(): Promise<Replacement> {
    return Promise.reject(new Error("a memory backend has no file"));
  }

  close(): Promise<void> {
    return Promise.resolve();
  }

  #entries(bucket: Bucket): Map<string, Uint8Array> {
    let entries = this.#buckets.get(bucket.name);
    if (entries === undefined) {
      entries = new Map();
      this.#buckets.set(bucket.name, entries);
    }
    return entries;
  }
}
