/**
 * The db file's image at one durable transaction, read while later transactions are written. Both
 * meta pages are made anew: slot 0 says the transaction, slot 1 the one before, same content, as
 * bbolt does; so a reader cannot see a later root. Pages that the tree does not reach may hold
 * anything.
 */

import type { BoltFile, TreeState } from "./bolt/bolt-file.ts";
import { BackendClosedError, BackendCorruptError } from "./errors.ts";
import { type Layers, layeredGet, layeredScan } from "./layered-reader.ts";
import type { BackendSnapshot, Bucket, Visit } from "./types.ts";

export class FileSnapshot implements BackendSnapshot {
  readonly sizeBytes: number;
  readonly #file: BoltFile;
  readonly #state: TreeState;
  readonly #onClose: () => void;
  #closed = false;

  constructor(file: BoltFile, state: TreeState, onClose: () => void) {
    file.pin(state);
    file.retain();
    this.#file = file;
    this.#state = state;
    this.#onClose = onClose;
    this.sizeBytes = state.highWater * file.pageSize;
  }

  get(bucket: Bucket, key: Uint8Array): Uint8Array | undefined {
    return layeredGet(this.#layers(), bucket, key);
  }

  scan(bucket: Bucket, start: Uint8Array, end: Uint8Array | undefined, visit: Visit): void {
    layeredScan(this.#layers(), bucket, start, end, visit);
  }

  async *chunks(chunkBytes: number): AsyncIterable<Uint8Array> {
    const { pageSize } = this.#file;
    const metas = Buffer.concat([
      this.#file.metaPage(this.#state, 0, this.#state.txid),
      this.#file.metaPage(this.#state, 1, Math.max(0, this.#state.txid - 1)),
    ]);
    for (let at = 0; at < this.sizeBytes; ) {
      const chunk = Buffer.allocUnsafeSlow(Math.min(chunkBytes, this.sizeBytes - at));
      await this.#read(chunk, at);
      if (at < 2 * pageSize) metas.copy(chunk, 0, at, Math.min(at + chunk.length, metas.length));
      yield chunk;
      at += chunk.length;
    }
  }

  #layers(): Layers {
    this.#mustBeOpen();
    return { newer: undefined, older: undefined, file: this.#file, state: this.#state };
  }

  #mustBeOpen(): void {
    if (this.#closed) throw new BackendClosedError(new Error("snapshot is closed"));
  }

  async #read(chunk: Buffer, at: number): Promise<void> {
    this.#mustBeOpen();
    // Holds the descriptor open when the snapshot is closed during the read.
    this.#file.retain();
    try {
      const got = await this.#file.file.read(chunk, at);
      if (got < chunk.length) {
        throw new BackendCorruptError(this.#file.path, -1, "file is shorter than its pages");
      }
    } finally {
      this.#file.release();
    }
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#file.unpin(this.#state);
    this.#file.release();
    this.#onClose();
  }
}
