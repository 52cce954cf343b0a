/** A stream of another thread. */
import { type MessageSeries, seriesBytes, type StreamCall } from "../../src/env/rpc.ts";
import { RESOURCE_EXHAUSTED, UNREAD_OUTPUT } from "../../src/transport/grpc/status.ts";
import { STREAM_LOW_WATER_BYTES } from "../../src/transport/limits.ts";
import { sayGone } from "./desk.ts";
import { DeskCall } from "./desk-call.ts";
import { type RecordReader, TO_FRONT, TO_MAIN } from "./records.ts";

export class DeskStream extends DeskCall implements StreamCall {
  onDrain: (() => void) | undefined = undefined;
  onMessage: ((message: Uint8Array) => void) | undefined = undefined;
  onHalfClose: (() => void) | undefined = undefined;
  #bufferedBytes = 0;
  /** `onDrain` is due once it has fallen below the mark. */
  #wasAbove = false;
  #hasEnded = false;

  /** Until the other thread tells that they have left, in steps. */
  get bufferedBytes(): number {
    return this.#bufferedBytes;
  }

  send(...parts: readonly Uint8Array[]): void {
    let bytes = 0;
    for (const part of parts) bytes += part.length;
    if (!this.#admits(bytes)) return;
    const { out } = this.desk.link;
    out.begin(TO_FRONT.send, this.slot);
    out.parts(parts, bytes);
  }

  /** What the messages share crosses once. */
  sendSeries(series: MessageSeries): void {
    if (!this.#admits(seriesBytes(series))) return;
    const { before, between, after } = series;
    const { out } = this.desk.link;
    out.begin(TO_FRONT.series, this.slot);
    out.bytes(before);
    out.bytes(after);
    out.u32(between.length);
    for (const middle of between) out.bytes(middle);
  }

  /** Counts what is to be sent; false when it cannot be, and the call has ended. */
  #admits(bytes: number): boolean {
    if (this.#hasEnded) return false;
    const { link } = this.desk;
    if (link.isFull(bytes)) {
      this.finish(RESOURCE_EXHAUSTED, UNREAD_OUTPUT);
      this.#cancelled();
      return false;
    }
    this.#bufferedBytes += bytes;
    if (this.#bufferedBytes >= STREAM_LOW_WATER_BYTES) this.#wasAbove = true;
    link.flushSoon();
    return true;
  }

  finish(code: number, message: string): void {
    if (this.#hasEnded) return;
    this.#hasEnded = true;
    this.desk.leave(this.slot);
    const { link } = this.desk;
    link.out.begin(TO_FRONT.finish, this.slot);
    link.out.u32(code);
    link.out.text(message);
    link.flushSoon();
  }

  pauseReceiving(): void {
    this.#say(TO_FRONT.pause);
  }

  resumeReceiving(): void {
    this.#say(TO_FRONT.resume);
  }

  cancel(): void {
    if (this.#hasEnded) return;
    this.#hasEnded = true;
    this.desk.leave(this.slot);
    sayGone(this.desk.link, this.slot);
    this.#cancelled();
  }

  receive(records: RecordReader): void {
    switch (records.kind) {
      case TO_MAIN.message: {
        const message = records.bytes();
        this.#guard(() => this.onMessage?.(message));
        return;
      }
      case TO_MAIN.halfClose:
        this.#guard(() => this.onHalfClose?.());
        return;
      case TO_MAIN.cancel:
        this.cancel();
        return;
      case TO_MAIN.released:
        this.#released(records.u32());
        return;
    }
  }

  #released(bytes: number): void {
    this.#bufferedBytes -= bytes;
    if (!this.#wasAbove || this.#bufferedBytes >= STREAM_LOW_WATER_BYTES) return;
    this.#wasAbove = false;
    this.#guard(() => this.onDrain?.());
  }

  #say(kind: number): void {
    if (this.#hasEnded) return;
    this.desk.link.out.begin(kind, this.slot);
    this.desk.link.flushSoon();
  }

  #cancelled(): void {
    this.cancelled = true;
    const { onCancel } = this;
    this.onCancel = undefined;
    this.#guard(() => onCancel?.());
  }

  #guard(run: () => void): void {
    this.desk.guard(run, (code, message) => this.finish(code, message));
  }
}
