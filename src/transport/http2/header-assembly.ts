/** A header block over several frames: HEADERS, then CONTINUATION until END_HEADERS. */
import { MAX_CONTINUATIONS, MAX_HEADER_BLOCK_BYTES } from "../limits.ts";

export class HeaderAssembly {
  /** Stream whose block is not complete, or 0: nothing else may come before its end. */
  streamId = 0;
  endStream = false;
  startedMs = 0;
  #parts: Buffer[] = [];
  #bytes = 0;

  begin(streamId: number, endStream: boolean, part: Buffer, nowMs: number): void {
    this.streamId = streamId;
    this.endStream = endStream;
    this.startedMs = nowMs;
    this.#parts = [Buffer.from(part)];
    this.#bytes = part.length;
  }

  /** False when the block is larger, or in more frames, than allowed. */
  add(part: Buffer): boolean {
    this.#bytes += part.length;
    this.#parts.push(Buffer.from(part));
    return this.#bytes <= MAX_HEADER_BLOCK_BYTES && this.#parts.length <= MAX_CONTINUATIONS + 1;
  }

  /** The whole block; the next one may begin. */
  take(): Buffer {
    const block = Buffer.concat(this.#parts);
    this.#parts = [];
    this.streamId = 0;
    return block;
  }
}
