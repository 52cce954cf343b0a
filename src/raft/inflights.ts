/**
 * A window of append messages on their way to one follower, bounded by count and by bytes.
 * A ring that grows on demand: the bound may be huge and is rarely reached.
 */
import { assert } from "../base/assert.ts";
import type { Index } from "../base/ids.ts";

export class Inflights {
  readonly maxMessages: number;
  /** Infinity: no limit. The window may exceed it by less than one message. */
  readonly maxBytes: number;

  #lastIndexes: number[] = [];
  #sizes: number[] = [];
  #start = 0;
  #count = 0;
  #bytes = 0;

  constructor(maxMessages: number, maxBytes: number) {
    this.maxMessages = maxMessages;
    this.maxBytes = maxBytes;
  }

  get count(): number {
    return this.#count;
  }

  get full(): boolean {
    return this.#count >= this.maxMessages || this.#bytes >= this.maxBytes;
  }

  /** Notes a message whose last entry is `lastIndex`. Indexes ascend. Forbidden when full. */
  add(lastIndex: Index, bytes: number): void {
    assert(!this.full, "cannot add into a full inflights window");
    if (this.#count === this.#lastIndexes.length) this.#grow();
    const at = (this.#start + this.#count) % this.#lastIndexes.length;
    this.#lastIndexes[at] = lastIndex;
    this.#sizes[at] = bytes;
    this.#count++;
    this.#bytes += bytes;
  }

  /** Forgets the messages that end at or before `index`: they were acknowledged. */
  freeUpTo(index: Index): void {
    const capacity = this.#lastIndexes.length;
    while (this.#count > 0 && (this.#lastIndexes[this.#start] as number) <= index) {
      this.#bytes -= this.#sizes[this.#start] as number;
      this.#start = (this.#start + 1) % capacity;
      this.#count--;
    }
  }

  reset(): void {
    this.#start = 0;
    this.#count = 0;
    this.#bytes = 0;
  }

  #grow(): void {
    const indexes: number[] = [];
    const sizes: number[] = [];
    for (let i = 0; i < this.#count; i++) {
      const at = (this.#start + i) % this.#count;
      indexes.push(this.#lastIndexes[at] as number);
      sizes.push(this.#sizes[at] as number);
    }
    const capacity = Math.min(Math.max(4, this.#count * 2), this.maxMessages);
    while (indexes.length < capacity) {
      indexes.push(0);
      sizes.push(0);
    }
    this.#lastIndexes = indexes;
    this.#sizes = sizes;
    this.#start = 0;
  }
}
