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
    const found = this.#findIn(this.#newer, key) ?? this.#findIn(this.#older, key);
    if (found !== undefined) return found;
    const tree = this.#tree;
    if (tree === undefined || !tree.find(key) || tree.page === undefined) return false;
    this.bytes = tree.page.buffer;
    this.start = tree.start;
    this.end = tree.end;
    return true;
  }

  /** Undefined when the buffer does not know the key. */
  #findIn(buffer: WriteBuffer | undefined, key: Uint8Array): boolean | undefined {
    const found = buffer?.find(key);
    if (buffer === undefined || found === undefined) return undefined;
    if (found === null) return false;
    this.bytes = buffer.bytes;
    this.start = buffer.start;
    this.end = buffer.end;
    return true;
  }
}
