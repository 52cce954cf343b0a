/** What waits to be sent on one stream, in order: header sections and pieces of body. */
import { STREAM_LOW_WATER_BYTES } from "../limits.ts";
import type { HeaderTemplate, OutgoingFields } from "./hpack-encoder.ts";
import type { OutputQueue } from "./output-queue.ts";

/** A piece of body, or a header section, waiting for its turn. */
interface OutgoingItem {
  /** Empty for a header section. */
  readonly bytes: Uint8Array;
  /** Bytes already sent. */
  at: number;
  readonly headers: HeaderTemplate | OutgoingFields | undefined;
  readonly endStream: boolean;
}

/** A header section that is next. */
export interface QueuedHeaders {
  readonly headers: HeaderTemplate | OutgoingFields | undefined;
  readonly endStream: boolean;
}

/** Items that have gone are cut off from this many on. */
const COMPACT_ITEMS = 64;

export class SendQueue {
  #items: OutgoingItem[] = [];
  /** The first unsent item. */
  #head = 0;
  #bytes = 0;
  /** Was at or above the low-water mark since `fellBelow` last said so. */
  #aboveLowWater = false;
  #frameEnds = false;

  get isEmpty(): boolean {
    return this.#head === this.#items.length;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** What is next can leave without window: a header section, or an empty piece. */
  get needsNoWindow(): boolean {
    const item = this.#items[this.#head];
    return item !== undefined && item.bytes.length === item.at;
  }

  push(
    bytes: Uint8Array,
    headers: HeaderTemplate | OutgoingFields | undefined,
    endStream: boolean,
  ): void {
    this.#items.push({ bytes, at: 0, headers, endStream });
    this.#bytes += bytes.length;
    if (this.#bytes >= STREAM_LOW_WATER_BYTES) this.#aboveLowWater = true;
  }

  /** Takes the header section that is next; undefined when body is. */
  takeHeaders(): QueuedHeaders | undefined {
    const item = this.#items[this.#head];
    if (item?.headers === undefined) return undefined;
    this.#shift();
    return item;
  }

  /** Bytes of the next DATA frame, of which `allowed` may leave; see `frameEnds`. */
  nextFrame(allowed: number): number {
    const items = this.#items;
    let length = 0;
    let ends = false;
    for (let i = this.#head; i < items.length && !ends; i++) {
      const item = items[i] as OutgoingItem;
      const left = item.bytes.length - item.at;
      if (item.headers !== undefined || (length >= allowed && left > 0)) break;
      length += left;
      ends = item.endStream && length <= Math.max(allowed, 0);
    }
    this.#frameEnds = ends;
    return Math.max(0, Math.min(length, allowed));
  }

  /** The frame that `nextFrame` measured ends the stream. */
  get frameEnds(): boolean {
    return this.#frameEnds;
  }

  /** Moves the first `length` bytes into the output. */
  moveTo(output: OutputQueue, length: number): void {
    this.#bytes -= length;
    let left = length;
    for (;;) {
      const item = this.#items[this.#head];
      if (item === undefined || item.headers !== undefined) break;
      const take = Math.min(left, item.bytes.length - item.at);
      if (take > 0) output.append(item.bytes.subarray(item.at, item.at + take));
      item.at += take;
      left -= take;
      if (item.at < item.bytes.length) break;
      this.#shift();
    }
  }

  /** True once after the queue fell below the low-water mark, having been above it. */
  fellBelow(): boolean {
    if (!this.#aboveLowWater || this.#bytes >= STREAM_LOW_WATER_BYTES) return false;
    this.#aboveLowWater = false;
    return true;
  }

  /** Forgets everything; returns how many bytes that were. */
  clear(): number {
    const bytes = this.#bytes;
    this.#bytes = 0;
    this.#items = [];
    this.#head = 0;
    return bytes;
  }

  #shift(): void {
    this.#head += 1;
    if (this.#head === this.#items.length) {
      this.#items = [];
      this.#head = 0;
    } else if (this.#head > COMPACT_ITEMS && this.#head * 2 > this.#items.length) {
      this.#items = this.#items.slice(this.#head);
      this.#head = 0;
    }
  }
}
