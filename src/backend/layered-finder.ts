/** Finds values through the layers (see `layered-reader.ts`), without an object for each. */

import { EMPTY_BYTES } from "../base/bytes.ts";
import { TreeFinder } from "./bolt/tree-finder.ts";
import type { Layers } from "./layered-reader.ts";
import type { Bucket, Finder } from "./types.ts";
import type { WriteBuffer } from "./write-buffer.ts";

export class LayeredFinder implements Finder {
  bytes: Uint8Array = EMPTY_BYTES;
  start = 0;
  end = 0;
  readonly #newer: WriteBuffer | undefined;
  readonly #older: WriteBuffer | undefined;
  readonly #tree: TreeFinder | undefined;

  constructor(layers: Layers, bucket: Bucket) {
    this.#newer = layers.newer?.buffer(bucket);
    this.#older = layers.older?.buffer(bucket);
    const root = layers.file.bucket(layers.state, bucket.name);
    this.#tree = root === undefined ? undefined : new TreeFinder(layers.file, root);
  }

  find(key: Uint8Array): boolean {
    let found = this.#newer?.get(key);
    if (found === undefined) found = this.#older?.get(key);
    if (found === null) return false;
    if (found !== undefined) {
      this.bytes = found;
      this.start = 0;
      this.end = found.length;
      return true;
    }
    const tree = this.#tree;
    if (tree === undefined || !tree.find(key) || tree.page === undefined) return false;
    this.bytes = tree.page.buffer;
    this.start = tree.start;
    this.end = tree.end;
    return true;
  }
}
