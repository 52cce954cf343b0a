/** A point-in-time view: pinned tree, sealed batch, frozen copy of the open batch. */

import { assert } from "../base/assert.ts";
import { TreeCursor } from "./bolt/tree-read.ts";
import { type Layers, layeredGet, layeredScan } from "./layered-reader.ts";
import type { Bucket, ReadView, Visit } from "./types.ts";

export class LayeredView implements ReadView {
  #layers: Layers | undefined;
  readonly #onClose: () => void;

  constructor(layers: Layers, onClose: () => void) {
    layers.file.pin(layers.state);
    layers.file.retain();
    this.#layers = layers;
    this.#onClose = onClose;
  }

  get(bucket: Bucket, key: Uint8Array): Uint8Array | undefined {
    return layeredGet(this.#current(), bucket, key);
  }

  scan(bucket: Bucket, start: Uint8Array, end: Uint8Array | undefined, visit: Visit): void {
    layeredScan(this.#current(), bucket, start, end, visit);
  }

  /** Top-level buckets, by the byte order of their names. */
  buckets(): Bucket[] {
    const { newer, older, file, state } = this.#current();
    const byName = new Map<string, Bucket>();
    const cursor = new TreeCursor(file, file.rootBucket(state));
    cursor.seek(new Uint8Array(0));
    for (let { page } = cursor; page !== undefined; page = cursor.page) {
      if (page.isBucket(cursor.index)) {
        const name = page.key(cursor.index).latin1Slice();
        byName.set(name, { id: UNKNOWN_BUCKET_ID, name, sequential: false });
      }
      cursor.next();
    }
    for (const batch of [older, newer]) {
      for (const bucket of batch?.buckets() ?? []) byName.set(bucket.name, bucket);
    }
    return [...byName.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  close(): void {
    const layers = this.#layers;
    if (layers === undefined) return;
    this.#layers = undefined;
    layers.file.unpin(layers.state);
    layers.file.release();
    this.#onClose();
  }

  #current(): Layers {
    assert(this.#layers !== undefined, "read view is closed");
    return this.#layers;
  }
}

/** No batch uses this id, so that reads go to the tree. */
const UNKNOWN_BUCKET_ID = -1;
