/**
 * Stored changes on their way into the key index. Memory answers many independent reads at once, but
 * one after the other where each waits for the last one's result. So changes are gathered, and what
 * the index has about all of their keys is read first: looking them up one by one then finds it in
 * the processor's cache.
 *
 * Keys stay bytes: only those that turn out to be new become strings.
 */

import type { Revision } from "../base/ids.ts";

/** So many that reads overlap, so few that what was read early is still there when it is needed. */
const CHANGES = 256;
const FIRST_KEY_BYTES = 16 * 1024;

/** Of a change in `cells`, four numbers side by side. */
export const STRIDE = 4;
export const MAIN = 0;
export const SUB = 1;
export const CREATE = 2;
export const VERSION = 3;

export class RestoreBatch {
  count = 0;
  /** The keys, one behind the other. */
  keys: Buffer = Buffer.allocUnsafe(FIRST_KEY_BYTES);
  /** Where each key ends; the next one begins there. */
  readonly ends: Int32Array = new Int32Array(CHANGES);
  readonly hashes: Int32Array = new Int32Array(CHANGES);
  readonly cells: Float64Array = new Float64Array(CHANGES * STRIDE);
  /** For whoever works on the batch: a number for each change. */
  readonly marks: Int32Array = new Int32Array(CHANGES);

  startOf(at: number): number {
    return at === 0 ? 0 : (this.ends[at - 1] as number);
  }

  /** Whether a change of a key of so many bytes finds room; an empty batch makes it. */
  hasRoom(keyBytes: number): boolean {
    if (this.count === CHANGES) return false;
    if (this.startOf(this.count) + keyBytes <= this.keys.length) return true;
    if (this.count > 0) return false;
    this.keys = Buffer.allocUnsafe(keyBytes);
    return true;
  }

  /** Takes the key in bytes[start, end) and its change, for which there must be room. */
  add(
    bytes: Uint8Array,
    start: number,
    end: number,
    main: Revision,
    sub: number,
    createRevision: Revision,
    version: number,
  ): void {
    const { keys, cells, count } = this;
    let to = this.startOf(count);
    for (let at = start; at < end; at++) keys[to++] = bytes[at] as number;
    this.ends[count] = to;
    const cell = count * STRIDE;
    cells[cell + MAIN] = main;
    cells[cell + SUB] = sub;
    cells[cell + CREATE] = createRevision;
    cells[cell + VERSION] = version;
    this.count = count + 1;
  }
}
