/**
 * Cuts a byte stream into frames (RFC 9113 4.1). Frames inside a chunk are handed on in place; a
 * frame that spans chunks is gathered in memory of its own, taken only once its length is known
 * and allowed.
 */
import { MAX_FRAME_BYTES } from "../limits.ts";
import { FRAME_HEADER_BYTES, FRAME_SIZE_ERROR, PREFACE, PROTOCOL_ERROR } from "./constants.ts";

export interface FrameSink {
  /** Nothing more is wanted. */
  readonly finished: boolean;
  /** Nothing more is wanted now. */
  readonly resting: boolean;
  /** One whole frame, `chunk[at, end)` with its header. */
  onFrame(chunk: Buffer, at: number, end: number): void;
  onReadError(code: number, reason: string): void;
}

export class FrameReader {
  readonly #sink: FrameSink;
  #prefaceLeft: number;
  /** A frame that has arrived in part: `#filled` of the `#carry.length` bytes it needs. */
  #carry: Buffer;
  #filled = 0;
  readonly #head: Buffer = Buffer.allocUnsafe(FRAME_HEADER_BYTES);

  constructor(sink: FrameSink, expectPreface: boolean) {
    this.#sink = sink;
    this.#carry = this.#head;
    this.#prefaceLeft = expectPreface ? PREFACE.length : 0;
  }

  /** Returns where it stopped: before the end only because the sink rests. */
  push(chunk: Buffer): number {
    const sink = this.#sink;
    let at = 0;
    if (this.#prefaceLeft > 0) at = this.#preface(chunk);
    if (this.#filled > 0) at = this.#continueCarry(chunk, at);
    const end = chunk.length;
    while (end - at >= FRAME_HEADER_BYTES && !sink.finished && !sink.resting) {
      const length =
        ((chunk[at] as number) << 16) |
        ((chunk[at + 1] as number) << 8) |
        (chunk[at + 2] as number);
      if (length > MAX_FRAME_BYTES) {
        sink.onReadError(FRAME_SIZE_ERROR, "frame too large");
        return end;
      }
      const frameEnd = at + FRAME_HEADER_BYTES + length;
      if (frameEnd > end) break;
      sink.onFrame(chunk, at, frameEnd);
      at = frameEnd;
    }
    if (sink.resting) return at;
    if (at < end && !sink.finished) this.#startCarry(chunk, at);
    return end;
  }

  #preface(chunk: Buffer): number {
    const done = PREFACE.length - this.#prefaceLeft;
    const take = Math.min(this.#prefaceLeft, chunk.length);
    if (PREFACE.compare(chunk, 0, take, done, done + take) !== 0) {
      this.#sink.onReadError(PROTOCOL_ERROR, "bad connection preface");
      return chunk.length;
    }
    this.#prefaceLeft -= take;
    return take;
  }

  #startCarry(chunk: Buffer, at: number): void {
    const have = chunk.length - at;
    this.#carry =
      have < FRAME_HEADER_BYTES
        ? this.#head
        : Buffer.allocUnsafe(FRAME_HEADER_BYTES + chunk.readUIntBE(at, 3));
    chunk.copy(this.#carry, 0, at);
    this.#filled = have;
  }

  /** Completes the kept frame from the chunk; returns where the chunk goes on. */
  #continueCarry(chunk: Buffer, start: number): number {
    let at = start;
    for (;;) {
      const carry = this.#carry;
      const take = Math.min(carry.length - this.#filled, chunk.length - at);
      chunk.copy(carry, this.#filled, at, at + take);
      this.#filled += take;
      at += take;
      if (this.#filled < carry.length) return at;
      if (carry !== this.#head) break;
      const length = carry.readUIntBE(0, 3);
      if (length > MAX_FRAME_BYTES) {
        this.#sink.onReadError(FRAME_SIZE_ERROR, "frame too large");
        return chunk.length;
      }
      if (length === 0) break;
      this.#carry = Buffer.allocUnsafe(FRAME_HEADER_BYTES + length);
      carry.copy(this.#carry);
    }
    const frame = this.#carry;
    this.#carry = this.#head;
    this.#filled = 0;
    this.#sink.onFrame(frame, 0, frame.length);
    return at;
  }
}
