/**
 * Header blocks out of their frames (RFC 9113 6.2, 6.10): padding and priority cut off, HEADERS and
 * CONTINUATION put together until END_HEADERS, before which nothing else may come.
 */
import { MAX_CONTINUATIONS, MAX_HEADER_BLOCK_BYTES } from "../limits.ts";
import {
  ENHANCE_YOUR_CALM,
  FLAG_END_HEADERS,
  FLAG_END_STREAM,
  FLAG_PADDED,
  FLAG_PRIORITY,
  FRAME_CONTINUATION,
  FRAME_SIZE_ERROR,
  PROTOCOL_ERROR,
} from "./constants.ts";

export interface HeaderSink {
  /** A whole block, `chunk[start, end)`, still compressed. */
  onHeaderBlock(chunk: Buffer, start: number, end: number, id: number, endStream: boolean): void;
  /** A frame that carried nothing and ended nothing. */
  onEmptyFrame(): void;
  fail(code: number, reason: string): void;
}

/** A block of which more must come. */
interface OpenBlock {
  readonly streamId: number;
  readonly endStream: boolean;
  readonly startedMs: number;
  readonly parts: Buffer[];
  bytes: number;
}

export class HeaderAssembly {
  readonly #sink: HeaderSink;
  #open: OpenBlock | undefined = undefined;

  constructor(sink: HeaderSink) {
    this.#sink = sink;
  }

  /** When the block began that waits for more; undefined when none does. */
  get openSinceMs(): number | undefined {
    return this.#open?.startedMs;
  }

  /** Such a frame may come now. */
  allows(type: number, id: number): boolean {
    const open = this.#open;
    return open === undefined || (type === FRAME_CONTINUATION && id === open.streamId);
  }

  onHeaders(
    chunk: Buffer,
    payload: number,
    frameEnd: number,
    flags: number,
    id: number,
    nowMs: number,
  ): void {
    let start = payload;
    let end = frameEnd;
    if (flags & FLAG_PADDED) {
      const padding = start < end ? (chunk[start] as number) : 0;
      if (padding >= end - start) {
        this.#sink.fail(PROTOCOL_ERROR, "padding exceeds frame");
        return;
      }
      start += 1;
      end -= padding;
    }
    if (flags & FLAG_PRIORITY) {
      start += 5;
      if (start > end) {
        this.#sink.fail(FRAME_SIZE_ERROR, "HEADERS too short for its priority");
        return;
      }
    }
    const endStream = (flags & FLAG_END_STREAM) !== 0;
    if (flags & FLAG_END_HEADERS) {
      this.#sink.onHeaderBlock(chunk, start, end, id, endStream);
      return;
    }
    if (start === end) this.#sink.onEmptyFrame();
    const parts = [Buffer.from(chunk.subarray(start, end))];
    this.#open = { streamId: id, endStream, startedMs: nowMs, parts, bytes: end - start };
  }

  onContinuation(chunk: Buffer, start: number, end: number, flags: number): void {
    const open = this.#open;
    if (open === undefined) {
      this.#sink.fail(PROTOCOL_ERROR, "unexpected CONTINUATION");
      return;
    }
    open.bytes += end - start;
    open.parts.push(Buffer.from(chunk.subarray(start, end)));
    if (open.bytes > MAX_HEADER_BLOCK_BYTES || open.parts.length > MAX_CONTINUATIONS + 1) {
      this.#sink.fail(ENHANCE_YOUR_CALM, "header block too large");
      return;
    }
    if ((flags & FLAG_END_HEADERS) === 0) {
      if (start === end) this.#sink.onEmptyFrame();
      return;
    }
    this.#open = undefined;
    const block = Buffer.concat(open.parts);
    this.#sink.onHeaderBlock(block, 0, block.length, open.streamId, open.endStream);
  }
}
