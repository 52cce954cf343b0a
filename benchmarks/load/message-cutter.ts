/** Cuts the bytes of one call into gRPC messages, where they lie as long as they are whole. */

const PREFIX_BYTES = 5;
const NO_BYTES: Buffer = Buffer.alloc(0);

/** The message is [start, end) of `bytes`, borrowed until it returns. */
export type OnMessage = (bytes: Buffer, start: number, end: number, nowMs: number) => void;

export class MessageCutter {
  readonly #onMessage: OnMessage;
  /** The beginning of a message whose end has not arrived. */
  #rest: Buffer = NO_BYTES;

  constructor(onMessage: OnMessage) {
    this.#onMessage = onMessage;
  }

  /** `nowMs` is handed on. */
  push(chunk: Buffer, start: number, end: number, nowMs: number): void {
    if (this.#rest.length === 0) {
      const at = this.#cut(chunk, start, end, nowMs);
      if (at < end) this.#rest = Buffer.from(chunk.subarray(at, end));
      return;
    }
    const bytes = Buffer.concat([this.#rest, chunk.subarray(start, end)]);
    const at = this.#cut(bytes, 0, bytes.length, nowMs);
    this.#rest = at === bytes.length ? NO_BYTES : bytes.subarray(at);
  }

  /** Returns where the first message begins that is not whole. */
  #cut(bytes: Buffer, start: number, end: number, nowMs: number): number {
    let at = start;
    while (end - at >= PREFIX_BYTES) {
      const next = at + PREFIX_BYTES + bytes.readUInt32BE(at + 1);
      if (next > end) break;
      this.#onMessage(bytes, at + PREFIX_BYTES, next, nowMs);
      at = next;
    }
    return at;
  }
}
