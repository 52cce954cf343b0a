/** A large range response, encoded piece by piece. */
import type { ReplySource } from "../../env/index.ts";
import { encodeRangeChunks, type RangeResult } from "../../mvcc/index.ts";

/** Small enough to be made between two heartbeats' work, and to wait for a client. */
const PIECE_BYTES = 256 * 1024;

export class RangeReply implements ReplySource {
  readonly bytes: number;
  readonly heldBytes: number;
  readonly #result: RangeResult;
  readonly #pieces: Generator<Uint8Array>;

  constructor(header: Uint8Array, result: RangeResult, bytes: number) {
    this.bytes = bytes;
    this.#result = result;
    this.heldBytes = result.kvs.bytes;
    this.#pieces = encodeRangeChunks(header, result, PIECE_BYTES);
  }

  next(): Uint8Array | undefined {
    const piece = this.#pieces.next();
    return piece.done === true ? undefined : piece.value;
  }

  close(): void {
    this.#result.late?.close();
  }
}
