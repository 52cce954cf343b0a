/** Finds stored records by revision, one after the other, without an object for each. */

import { type Backend, type Finder, KEY_BUCKET, type Place } from "../backend/index.ts";
import { assert } from "../base/assert.ts";
import { EMPTY_BYTES } from "../base/bytes.ts";
import type { Revision } from "../base/ids.ts";
import { writeRevisionKey } from "../base/revision-key.ts";
import type { StagedWrite } from "./staged-write.ts";

export class RecordFinder {
  /** What was found: `bytes[start, end)`. Do not change it. */
  bytes: Uint8Array = EMPTY_BYTES;
  start = 0;
  end = 0;
  readonly #finder: Finder;
  readonly #currentRevision: Revision;
  readonly #staged: StagedWrite | undefined;
  readonly #key: Uint8Array;

  /** Uses `key`, of `REVISION_KEY_BYTES`, while it looks for a record. */
  constructor(
    backend: Backend,
    currentRevision: Revision,
    staged: StagedWrite | undefined,
    key: Uint8Array,
  ) {
    this.#key = key;
    this.#finder = backend.finder?.(KEY_BUCKET) ?? new PlainFinder(backend);
    this.#currentRevision = currentRevision;
    this.#staged = staged;
  }

  /** Finds the record of the change at {main, sub}, which the index knows. */
  find(main: Revision, sub: number): void {
    if (main > this.#currentRevision && this.#staged !== undefined) {
      this.#show(this.#staged.find(sub));
      return;
    }
    writeRevisionKey(this.#key, main, sub);
    const found = this.#finder.find(this.#key);
    if (!found) assert(false, `the key bucket lacks revision ${main}/${sub}`);
    this.#show(this.#finder);
  }

  #show({ bytes, start, end }: Place): void {
    this.bytes = bytes;
    this.start = start;
    this.end = end;
  }

  /** As `find`; the record as an array. */
  read(main: Revision, sub: number): Uint8Array {
    this.find(main, sub);
    return this.bytes.subarray(this.start, this.end);
  }
}

/** For a backend that has no finder of its own. */
class PlainFinder implements Finder {
  bytes: Uint8Array = EMPTY_BYTES;
  readonly start = 0;
  readonly #backend: Backend;

  constructor(backend: Backend) {
    this.#backend = backend;
  }

  get end(): number {
    return this.bytes.length;
  }

  find(key: Uint8Array): boolean {
    const found = this.#backend.get(KEY_BUCKET, key);
    this.bytes = found ?? EMPTY_BYTES;
    return found !== undefined;
  }
}
