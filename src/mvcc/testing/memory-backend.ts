/**
 * A Backend in memory for tests of the layers above it: same reads and writes, no file. `crash`
 * gives the state that a restart would find: everything up to the last commit.
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
import { assert } from "../../base/assert.ts";
import { CountedTree } from "../../base/btree.ts";
import { bytesFromLatin1, latin1FromBytes } from "../../base/bytes.ts";

interface Entry {
  readonly key: Uint8Array;
  readonly value: Uint8Array;
}

class MemoryBucket {
  readonly #tree = new CountedTree();
  readonly #entries: (Entry | undefined)[] = [];
  readonly #free: number[] = [];

  get(key: Uint8Array): Uint8Array | undefined {
    const slot = this.#tree.get(latin1FromBytes(key));
    return slot < 0 ? undefined : this.#entries[slot]?.value;
  }

  put(key: Uint8Array, value: Uint8Array): void {
    const name = latin1FromBytes(key);
    const known = this.#tree.get(name);
    const slot = known < 0 ? (this.#free.pop() ?? this.#entries.length) : known;
    this.#entries[slot] = { key, value };
    if (known < 0) this.#tree.set(name, slot);
  }

  delete(key: Uint8Array): void {
    const name = latin1FromBytes(key);
    const slot = this.#tree.get(name);
    if (slot < 0) return;
    this.#tree.delete(name);
    this.#entries[slot] = undefined;
    this.#free.push(slot);
  }

  scan(start: Uint8Array, end: Uint8Array | undefined, visit: Visit): void {
    const bound = end === undefined ? undefined : latin1FromBytes(end);
    for (const cursor = this.#tree.seek(latin1FromBytes(start)); cursor.valid; cursor.next()) {
      if (bound !== undefined && cursor.key >= bound) return;
      const entry = this.#entries[cursor.value] as Entry;
      if (visit(entry.key, entry.value) === false) return;
    }
  }

  copy(): MemoryBucket {
    const copy = new MemoryBucket();
    this.scan(bytesFromLatin1(""), undefined, (key, value) => {
      copy.put(key, value);
      return true;
    });
    return copy;
  }
}

export class MemoryBackend implements Backend {
  readonly #buckets: MemoryBucket[] = [];
  #committed: MemoryBucket[] = [];
  #holds = 0;
  #onReleased: (() => void)[] = [];
  onBeforeCommit: (() => void) | undefined = undefined;
  onFatal: ((error: Error) => void) | undefined = undefined;
  readonly congested = false;
  readonly sizeBytes = 0;
  readonly sizeInUseBytes = 0;
  openReadViews = 0;

  get(bucket: Bucket, key: Uint8Array): Uint8Array | undefined {
    return this.#bucket(bucket).get(key);
  }

  scan(bucket: Bucket, start: Uint8Array, end: Uint8Array | undefined, visit: Visit): void {
    this.#bucket(bucket).scan(start, end, visit);
  }

  put(bucket: Bucket, key: Uint8Array, value: Uint8Array): void {
    this.#bucket(bucket).put(key, value);
  }

  putInto(bucket: Bucket, key: Uint8Array, valueBytes: number): Place {
    const bytes = Buffer.alloc(valueBytes);
    this.put(bucket, Buffer.from(key), bytes);
    return { bytes, start: 0, end: valueBytes };
  }

  delete(bucket: Bucket, key: Uint8Array): void {
    this.#bucket(bucket).delete(key);
  }

  commitIfDue(): void {}

  async waitUncongested(): Promise<void> {}

  async commit(): Promise<void> {
    if (this.#holds > 0) await new Promise<void>((resolve) => this.#onReleased.push(resolve));
    this.commitNow();
  }

  /** Commits are held at the moment. */
  get isHeld(): boolean {
    return this.#holds > 0;
  }

  holdCommits(): () => void {
    this.#holds++;
    return () => {
      if (--this.#holds === 0) for (const resolve of this.#onReleased.splice(0)) resolve();
    };
  }

  commitNow(): void {
    assert(this.#holds === 0, "a commit while commits are held");
    this.onBeforeCommit?.();
    this.#committed = this.#buckets.map((bucket) => bucket.copy());
  }

  /** A backend with what was committed, or with everything. */
  crash(keepUncommitted = false): MemoryBackend {
    const survivor = new MemoryBackend();
    const source = keepUncommitted ? this.#buckets : this.#committed;
    source.forEach((bucket, id) => {
      survivor.#buckets[id] = bucket.copy();
    });
    return survivor;
  }

  openView(): ReadView {
    const buckets = this.#buckets.map((bucket) => bucket.copy());
    this.openReadViews++;
    return {
      get: (bucket, key) => buckets[bucket.id]?.get(key),
      scan: (bucket, start, end, visit) => buckets[bucket.id]?.scan(start, end, visit),
      close: () => {
        this.openReadViews--;
      },
    };
  }

  openSnapshot(): Promise<BackendSnapshot> {
    return Promise.reject(new Error("the memory backend has no file"));
  }

  hash(): Promise<number> {
    return Promise.reject(new Error("the memory backend has no hash"));
  }

  async defragment(): Promise<void> {}

  openReplacement(): Promise<Replacement> {
    return Promise.reject(new Error("the memory backend has no file"));
  }

  async close(): Promise<void> {}

  #bucket(bucket: Bucket): MemoryBucket {
    let found = this.#buckets[bucket.id];
    if (found === undefined) {
      found = new MemoryBucket();
      this.#buckets[bucket.id] = found;
    }
    return found;
  }
}
