/**
 * Length-prefixed messages of one direction of a call. The announced length is checked before
 * memory is taken, and memory grows with what has arrived, never with what was announced.
 *
 * A message that spans chunks is copied into memory of its own, which has room around it.
 */
import { BODY_ROOM_BYTES } from "../../env/rpc.ts";
import { RESOURCE_EXHAUSTED } from "./status.ts";

export const PREFIX_BYTES = 5;

const FIRST_CAPACITY_BYTES = 4_096;
/** What is taken for what has arrived: a message of a megabyte grows once behind its first frame. */
const GROWTH = 16;
const NO_BYTES: Buffer = Buffer.alloc(0);

/** Bytes of unfinished messages of one connection, against `MAX_PARTIAL_REQUEST_BYTES`. */
export interface PartialBudget {
  partialBytes: number;
  readonly maxPartialBytes: number;
}

export interface MessageSink {
  /**
   * One message with its compression flag; borrowed as the chunk that was fed, unless it has room
   * (see `UnaryCall.bodyHasRoom`).
   */
  onGrpcMessage(compression: number, body: Buffer, hasRoom: boolean): void;
  onFramingError(code: number, message: string): void;
}

export class MessageReader {
  readonly #sink: MessageSink;
  readonly #maxBytes: number;
  readonly #budget: PartialBudget;
  /** Prefix of the message that has arrived in part; all 5 bytes once `#need >= 0`. */
  readonly #prefix: Uint8Array = new Uint8Array(PREFIX_BYTES);
  #prefixFilled = 0;
  /** Body bytes of the current message, or -1 while its prefix is incomplete. */
  #need = -1;
  /** What has arrived of it, behind `BODY_ROOM_BYTES`; as much follows where it is complete. */
  #body: Buffer = NO_BYTES;
  #bodyFilled = 0;
  #stopped = false;

  constructor(sink: MessageSink, maxBytes: number, budget: PartialBudget) {
    this.#sink = sink;
    this.#maxBytes = maxBytes;
    this.#budget = budget;
  }

  /** True in the middle of a message. */
  get partial(): boolean {
    return this.#prefixFilled > 0;
  }

  /** In the middle of a message, behind its prefix. */
  get hasPrefix(): boolean {
    return this.#prefixFilled === PREFIX_BYTES;
  }

  /** Ends reading and gives memory back. */
  stop(): void {
    this.#stopped = true;
    this.#release();
  }

  feed(chunk: Buffer, start: number, end: number): void {
    let at = start;
    while (at < end && !this.#stopped) {
      const whole = this.#wholeLength(chunk, at, end);
      if (whole >= 0) {
        const start = at + PREFIX_BYTES;
        const compression = chunk[at] as number;
        at = start + whole;
        this.#sink.onGrpcMessage(compression, chunk.subarray(start, at), false);
        continue;
      }
      if (this.#need < 0) {
        at = this.#readPrefix(chunk, at, end);
        if (this.#need < 0) continue;
      }
      if (this.#bodyFilled === 0 && end - at >= this.#need) {
        const body = chunk.subarray(at, at + this.#need);
        at += this.#need;
        this.#emit(body, false);
      } else if (at < end) {
        const take = Math.min(this.#need - this.#bodyFilled, end - at);
        if (!this.#hold(chunk, at, take)) return;
        at += take;
        if (this.#bodyFilled === this.#need) {
          const end = BODY_ROOM_BYTES + this.#need;
          this.#emit(this.#body.subarray(BODY_ROOM_BYTES, end), true);
        }
      }
    }
  }

  /** The length of the message that begins at `at`, if it is allowed and all there; else -1. */
  #wholeLength(chunk: Buffer, at: number, end: number): number {
    if (this.#prefixFilled > 0 || end - at < PREFIX_BYTES) return -1;
    const length = lengthIn(chunk, at);
    return length <= this.#maxBytes && length <= end - at - PREFIX_BYTES ? length : -1;
  }

  #readPrefix(chunk: Buffer, start: number, end: number): number {
    let at = start;
    const prefix = this.#prefix;
    while (this.#prefixFilled < PREFIX_BYTES && at < end) {
      prefix[this.#prefixFilled++] = chunk[at++] as number;
    }
    if (this.#prefixFilled < PREFIX_BYTES) return at;
    const length = lengthIn(prefix, 0);
    if (length > this.#maxBytes) {
      this.stop();
      const text = `grpc: received message larger than max (${length} vs. ${this.#maxBytes})`;
      this.#sink.onFramingError(RESOURCE_EXHAUSTED, text);
      return at;
    }
    this.#need = length;
    if (length === 0) this.#emit(NO_BYTES, false);
    return at;
  }

  /** Copies bytes of an unfinished message; false when the connection holds too many. */
  #hold(chunk: Buffer, at: number, length: number): boolean {
    const filled = this.#bodyFilled + length;
    if (filled + 2 * BODY_ROOM_BYTES > this.#body.length) {
      const wanted = Math.max(FIRST_CAPACITY_BYTES - 2 * BODY_ROOM_BYTES, filled * GROWTH);
      const capacity = Math.min(wanted, this.#need) + 2 * BODY_ROOM_BYTES;
      const budget = this.#budget;
      if (budget.partialBytes + capacity - this.#body.length > budget.maxPartialBytes) {
        this.stop();
        this.#sink.onFramingError(RESOURCE_EXHAUSTED, "grpc: too many unfinished requests");
        return false;
      }
      budget.partialBytes += capacity - this.#body.length;
      const larger = Buffer.allocUnsafeSlow(capacity);
      this.#body.copy(larger, 0, 0, BODY_ROOM_BYTES + this.#bodyFilled);
      this.#body = larger;
    }
    chunk.copy(this.#body, BODY_ROOM_BYTES + this.#bodyFilled, at, at + length);
    this.#bodyFilled = filled;
    return true;
  }

  #emit(body: Buffer, hasRoom: boolean): void {
    const compression = this.#prefix[0] as number;
    this.#release();
    this.#sink.onGrpcMessage(compression, body, hasRoom);
  }

  #release(): void {
    this.#budget.partialBytes -= this.#body.length;
    this.#body = NO_BYTES;
    this.#bodyFilled = 0;
    this.#prefixFilled = 0;
    this.#need = -1;
  }
}

/** The length in the prefix at `at`. */
function lengthIn(bytes: Uint8Array, at: number): number {
  const low = ((bytes[at + 2] as number) << 16) | ((bytes[at + 3] as number) << 8);
  return (bytes[at + 1] as number) * 0x100_0000 + (low | (bytes[at + 4] as number));
}
