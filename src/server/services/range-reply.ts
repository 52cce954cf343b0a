/** A range response that is encoded where it leaves from, or piece by piece. */
import type { ReplySource } from "../../env/index.ts";
import { RangeEncoder, type RangeResult } from "../../mvcc/index.ts";

/** Small enough to be made between two heartbeats' work, and to wait for a client. */
const PIECE_BYTES = 256 * 1024;

export class RangeReply implements ReplySource {
  readonly bytes: number;
  readonly heldBytes: number;
  readonly #result: RangeResult;
  readonly #encoder: RangeEncoder;

  constructor(header: Uint8Array, result: RangeResult, bytes: number) {
    this.bytes = bytes;
    this.#result = result;
    this.heldBytes = result.kvs.bytes;
    this.#encoder = new RangeEncoder(header, result);
  }

  next(): Uint8Array | undefined {
    return this.#encoder.piece(PIECE_BYTES);
  }

  write(target: Buffer, start: number, end: number): number {
    return this.#encoder.write(target, start, end);
  }

  close(): void {
    this.#result.late?.close();
  }
}
