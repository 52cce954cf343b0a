/** What the peer may send: the connection's window, and giving window back by halves. */
import { CONNECTION_WINDOW_BYTES, DEFAULT_WINDOW_BYTES } from "../limits.ts";
import type { FrameWriter } from "./frame-writer.ts";
import type { Http2Stream } from "./stream.ts";

export class ReceiveWindows {
  readonly #frames: FrameWriter;
  #window = CONNECTION_WINDOW_BYTES;
  /** Received and not yet given back as window. */
  #unacked = 0;

  constructor(frames: FrameWriter) {
    this.#frames = frames;
  }

  /** Tells the peer that the connection's window is larger than the default. */
  open(): void {
    this.#frames.windowUpdate(0, CONNECTION_WINDOW_BYTES - DEFAULT_WINDOW_BYTES);
  }

  /**
   * Takes a DATA frame, padding included, from the connection's window, whatever becomes of it;
   * false when the peer may not send it.
   */
  take(bytes: number): boolean {
    this.#window -= bytes;
    if (this.#window < 0) return false;
    this.#unacked += bytes;
    if (this.#unacked >= CONNECTION_WINDOW_BYTES / 2) {
      this.#frames.windowUpdate(0, this.#unacked);
      this.#window += this.#unacked;
      this.#unacked = 0;
    }
    return true;
  }

  /** A stream's bytes have been dealt with, and more may follow. */
  consumed(stream: Http2Stream, bytes: number): void {
    if (stream.consume(bytes)) this.#giveBack(stream);
  }

  /** Goes on giving window to a stream that had paused. */
  resume(stream: Http2Stream): void {
    stream.unpause();
    if (!stream.gone && !stream.remoteClosed) this.#giveBack(stream);
  }

  #giveBack(stream: Http2Stream): void {
    const bytes = stream.giveBack();
    if (bytes > 0) this.#frames.windowUpdate(stream.id, bytes);
  }
}
