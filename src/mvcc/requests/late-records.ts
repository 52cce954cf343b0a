/**
 * The records of a large result that are read again when they leave, so that a client that reads
 * slowly costs their revisions and not their bytes. Their revision stays pinned until `close`.
 */
import { EtcdError } from "../../api/errors.ts";
import { assert } from "../../base/assert.ts";
import * as wire from "../../base/wire.ts";
import type { Store } from "../store.ts";

export class LateRecords {
  readonly #store: Store;
  readonly #index: Store["index"];
  readonly #unpin: () => void;
  readonly #mains: number[] = [];
  readonly #subs: number[] = [];
  readonly #lengths: number[] = [];
  /** All of them as fields of a response. */
  fieldBytes = 0;

  /** Takes over the pin of the revision that the records are of. */
  constructor(store: Store, unpin: () => void) {
    this.#store = store;
    this.#index = store.index;
    this.#unpin = unpin;
  }

  get count(): number {
    return this.#mains.length;
  }

  add(main: number, sub: number, length: number): void {
    this.#mains.push(main);
    this.#subs.push(sub);
    this.#lengths.push(length);
    this.fieldBytes += 1 + wire.sizeDelimited(length);
  }

  lengthAt(at: number): number {
    return this.#lengths[at] as number;
  }

  /** Throws "leader changed" when a snapshot has replaced the store's content. */
  read(at: number): Uint8Array {
    if (this.#store.index !== this.#index) throw new EtcdError("leaderChanged");
    const record = this.#store.readRecord(this.#mains[at] as number, this.#subs[at] as number);
    assert(record.length === this.#lengths[at], "a record changed its length");
    return record;
  }

  close(): void {
    this.#unpin();
  }
}
