/** A stream on the thread of its connection. */
import { seriesBytes, type StreamCall } from "../../src/env/rpc.ts";
import { STREAM_LOW_WATER_BYTES } from "../../src/transport/limits.ts";
import type { Link } from "./link.ts";
import { type RecordReader, TO_MAIN } from "./records.ts";

/** The main thread hears of messages that have left once they are so many bytes. */
const TELL_BYTES = STREAM_LOW_WATER_BYTES / 2;

/** Why a client's messages are not read: the service asks for it, or too much is under way to it. */
export type HoldReason = "service" | "link";

export class FrontStream {
  slot = 0;
  readonly call: StreamCall;
  readonly #link: Link;
  readonly #holds = new Set<HoldReason>();
  /** Of all messages of the service. */
  #receivedBytes = 0;
  #toldBytes = 0;

  constructor(call: StreamCall, link: Link) {
    this.call = call;
    this.#link = link;
  }

  /** One of the client's. */
  passOn(message: Uint8Array): void {
    const { out } = this.#link;
    out.begin(TO_MAIN.message, this.slot);
    out.bytes(message);
    this.#link.flushSoon();
  }

  /** One of the service's. */
  send(message: Uint8Array): void {
    this.#receivedBytes += message.length;
    this.call.send(message);
  }

  /** Several of the service's, from their record. */
  sendSeries(record: RecordReader): void {
    const [before, after] = [record.bytes(), record.bytes()];
    const between = Array.from({ length: record.u32() }, () => record.bytes());
    const series = { before, between, after };
    this.#receivedBytes += seriesBytes(series);
    this.call.sendSeries(series);
  }

  /**
   * What waits in the connection below the low-water mark counts as gone: nobody is told when it
   * goes. Above it, the main thread hears when it has fallen below.
   */
  tellReleased(): void {
    const bytes = this.#receivedBytes - this.#toldBytes;
    if (bytes < TELL_BYTES || this.call.cancelled) return;
    if (this.call.bufferedBytes >= STREAM_LOW_WATER_BYTES) {
      this.call.onDrain = () => this.tellReleased();
      return;
    }
    this.#toldBytes = this.#receivedBytes;
    this.#link.out.begin(TO_MAIN.released, this.slot);
    this.#link.out.u32(bytes);
    this.#link.flushSoon();
  }

  hold(reason: HoldReason): void {
    if (this.#holds.size === 0) this.call.pauseReceiving();
    this.#holds.add(reason);
  }

  release(reason: HoldReason): void {
    if (this.#holds.delete(reason) && this.#holds.size === 0) this.call.resumeReceiving();
  }
}
