/**
 * One end of the way between the main thread and a thread of connections: gathers the records of a
 * turn of the loop into one message, and knows how much the other side has not dealt with yet.
 */
import { type RecordReader, RecordReader as Reader, RecordWriter } from "./records.ts";

/** A message about nothing else tells the other side what was dealt with, once it is so much. */
const TELL_BYTES = 1_048_576;

/** What the other side may have waiting; see `Link.isFull`. Bounds the memory of messages. */
export const MAX_WAITING_BYTES = 67_108_864;

export interface LinkPort {
  postMessage(value: unknown, transferList: readonly ArrayBuffer[]): void;
}

export class Link {
  readonly out = new RecordWriter();
  readonly #port: LinkPort;
  #sentBytes = 0;
  /** Of what was sent. */
  #dealtWithBytes = 0;
  /** Of the other side's messages: dealt with, and told so. */
  #receivedBytes = 0;
  #toldBytes = 0;
  #isScheduled = false;
  readonly #flush = (): void => {
    this.#isScheduled = false;
    this.flush();
  };

  constructor(port: LinkPort) {
    this.#port = port;
  }

  /** Bytes under way to the other side, with those that wait here for the end of the turn. */
  get waitingBytes(): number {
    return this.#sentBytes + this.out.length - this.#dealtWithBytes;
  }

  /** Whether so many more are too many. What is waited for when there is little is admitted. */
  isFull(bytes = 0): boolean {
    const waiting = this.waitingBytes;
    return waiting + bytes > MAX_WAITING_BYTES && waiting > TELL_BYTES;
  }

  /** At the end of the turn. To be called after a record was written. */
  flushSoon(): void {
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    setImmediate(this.#flush);
  }

  flush(): void {
    if (this.out.isEmpty && this.#receivedBytes - this.#toldBytes < TELL_BYTES) return;
    this.#toldBytes = this.#receivedBytes;
    const message = this.out.take(this.#receivedBytes);
    this.#sentBytes += message.length;
    this.#port.postMessage(message, [message.buffer]);
  }

  /** Hands over the records of a message, and counts it as dealt with once `handle` returns. */
  received(message: Uint8Array, handle: (records: RecordReader) => void): void {
    const records = new Reader(message);
    this.#dealtWithBytes = records.dealtWith;
    handle(records);
    this.#receivedBytes += message.length;
    if (this.#receivedBytes - this.#toldBytes >= TELL_BYTES) this.flushSoon();
  }
}
