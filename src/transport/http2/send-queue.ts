/**
 * What waits to be sent on one stream, in order: header sections and pieces of body. Plain fields,
 * for the reason of `stream.ts`.
 */
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

/** Shared by queues in which nothing waits. Never pushed to. */
const NO_ITEMS: OutgoingItem[] = [];

/** Items that have gone are cut off from this many on. */
const COMPACT_ITEMS = 64;

export class SendQueue {
  private _items: OutgoingItem[] = NO_ITEMS;
  /** The first unsent item. */
  private _head = 0;
  private _bytes = 0;
  /** Was at or above the low-water mark since `fellBelow` last said so. */
  private _aboveLowWater = false;
  private _frameEnds = false;

  get isEmpty(): boolean {
    return this._head === this._items.length;
  }

  get bytes(): number {
    return this._bytes;
  }

  /** What is next can leave without window: a header section, or an empty piece. */
  get needsNoWindow(): boolean {
    const item = this._items[this._head];
    return item !== undefined && item.bytes.length === item.at;
  }

  push(
    bytes: Uint8Array,
    headers: HeaderTemplate | OutgoingFields | undefined,
    endStream: boolean,
  ): void {
    if (this._items === NO_ITEMS) this._items = [];
    this._items.push({ bytes, at: 0, headers, endStream });
    this._bytes += bytes.length;
    if (this._bytes >= STREAM_LOW_WATER_BYTES) this._aboveLowWater = true;
  }

  /** Takes the header section that is next; undefined when body is. */
  takeHeaders(): QueuedHeaders | undefined {
    const item = this._items[this._head];
    if (item?.headers === undefined) return undefined;
    this._shift();
    return item;
  }

  /** Bytes of the next DATA frame, of which `allowed` may leave; see `frameEnds`. */
  nextFrame(allowed: number): number {
    const items = this._items;
    let length = 0;
    let ends = false;
    for (let i = this._head; i < items.length && !ends; i++) {
      const item = items[i] as OutgoingItem;
      const left = item.bytes.length - item.at;
      if (item.headers !== undefined || (length >= allowed && left > 0)) break;
      length += left;
      ends = item.endStream && length <= Math.max(allowed, 0);
    }
    this._frameEnds = ends;
    return Math.max(0, Math.min(length, allowed));
  }

  /** The frame that `nextFrame` measured ends the stream. */
  get frameEnds(): boolean {
    return this._frameEnds;
  }

  /** Moves the first `length` bytes into the output. */
  moveTo(output: OutputQueue, length: number): void {
    this._bytes -= length;
    let left = length;
    for (;;) {
      const item = this._items[this._head];
      if (item === undefined || item.headers !== undefined) break;
      const take = Math.min(left, item.bytes.length - item.at);
      if (take > 0) output.append(item.bytes.subarray(item.at, item.at + take));
      item.at += take;
      left -= take;
      if (item.at < item.bytes.length) break;
      this._shift();
    }
  }

  /** True once after the queue fell below the low-water mark, having been above it. */
  fellBelow(): boolean {
    if (!this._aboveLowWater || this._bytes >= STREAM_LOW_WATER_BYTES) return false;
    this._aboveLowWater = false;
    return true;
  }

  /** Forgets everything; returns how many bytes that were. */
  clear(): number {
    const bytes = this._bytes;
    this._bytes = 0;
    this._items = NO_ITEMS;
    this._head = 0;
    return bytes;
  }

  private _shift(): void {
    this._head += 1;
    if (this._head === this._items.length) {
      this._items = NO_ITEMS;
      this._head = 0;
    } else if (this._head > COMPACT_ITEMS && this._head * 2 > this._items.length) {
      this._items = this._items.slice(this._head);
      this._head = 0;
    }
  }
}
