/**
 * Watch events in wire form. An event is encoded at most twice, with and without the previous
 * record, however many watchers share it; each form is a complete `events` field of WatchResponse.
 */

import type { Revision } from "../../base/ids.ts";
import * as wire from "../../base/wire.ts";
import { encodeDeletedKeyValue, KeyValueView } from "../key-value.ts";
import type { Store } from "../store.ts";

const EVENTS_TAG = 0x5a;
const TYPE_TAG = 0x08;
const TYPE_DELETE = 1;
const KV_TAG = 0x12;
const PREV_KV_TAG = 0x1a;

const view = new KeyValueView();

export class SharedEvent {
  readonly tombstone: boolean;
  readonly revision: Revision;
  readonly #store: Store;
  readonly #key: string;
  readonly #record: Uint8Array;
  readonly #previousMain: number;
  readonly #previousSub: number;
  #plain: Uint8Array | undefined;
  #withPrevious: Uint8Array | undefined;

  /** `previousMain` 0: none; -1: to be looked up. */
  constructor(
    store: Store,
    key: string,
    revision: Revision,
    tombstone: boolean,
    record: Uint8Array,
    previousMain: Revision,
    previousSub: number,
  ) {
    this.#store = store;
    this.#key = key;
    this.revision = revision;
    this.tombstone = tombstone;
    this.#record = record;
    this.#previousMain = previousMain;
    this.#previousSub = previousSub;
  }

  /** The event's bytes. With the previous record, this must be called before it is compacted. */
  encoded(withPrevious: boolean): Uint8Array {
    if (!withPrevious) {
      this.#plain ??= this.#encode(undefined);
      return this.#plain;
    }
    this.#withPrevious ??= this.#encodeWithPrevious();
    return this.#withPrevious;
  }

  #encodeWithPrevious(): Uint8Array {
    const previous = this.#previousRecord();
    return previous === undefined ? this.encoded(false) : this.#encode(previous);
  }

  /** The key's record before the event's transaction; none if the event created the key. */
  #previousRecord(): Uint8Array | undefined {
    const store = this.#store;
    const main = this.#previousMain;
    if (main === 0) return undefined;
    if (main > 0 && main < this.revision) return store.readRecord(main, this.#previousSub);
    const before = this.revision - 1;
    if (before < store.compactRevision || this.#isCreation()) return undefined;
    if (!store.index.findAt(this.#key, before)) return undefined;
    return store.readRecord(store.index.main, store.index.sub);
  }

  #isCreation(): boolean {
    return !this.tombstone && view.load(this.#record).createRevision === this.revision;
  }

  #encode(previous: Uint8Array | undefined): Uint8Array {
    const kv = this.tombstone ? encodeDeletedKeyValue(this.#key, this.revision) : this.#record;
    let body = 1 + wire.sizeDelimited(kv.length);
    if (this.tombstone) body += 2;
    if (previous !== undefined) body += 1 + wire.sizeDelimited(previous.length);
    const size = 1 + wire.sizeDelimited(body);
    const bytes = Buffer.allocUnsafe(size);
    let at = size;
    if (previous !== undefined) {
      at = wire.prependBytes(bytes, at, previous);
      bytes[--at] = PREV_KV_TAG;
    }
    at = wire.prependBytes(bytes, at, kv);
    bytes[--at] = KV_TAG;
    if (this.tombstone) {
      bytes[--at] = TYPE_DELETE;
      bytes[--at] = TYPE_TAG;
    }
    at = wire.prependVarint32(bytes, at, body);
    bytes[--at] = EVENTS_TAG;
    return bytes;
  }
}
