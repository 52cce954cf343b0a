/**
 * One HTTP/2 stream: windows, what waits to be sent, and who handles what arrives. The state of
 * RFC 9113 5.1 is the pair (localClosed, remoteClosed); a stream that is closed on both sides or
 * reset leaves the connection's table.
 *
 * Its fields are not `#private`: a stream is made for each call, and those took 5 % of one's time.
 */
import { MAX_WINDOW_BYTES, STREAM_WINDOW_BYTES } from "../limits.ts";
import type { HeaderBlock } from "./header-block.ts";
import type { HeaderTemplate, OutgoingFields } from "./hpack-encoder.ts";
import { SendQueue } from "./send-queue.ts";

/** Receives what the peer does on one stream. No method may throw. */
export interface StreamHandler {
  /** Response head (client) or trailers. Trailers always end the stream. */
  onHeaders(block: HeaderBlock, endStream: boolean): void;
  /** Body bytes `chunk[start, end)`, borrowed until the current turn of the loop ends. */
  onData(chunk: Buffer, start: number, end: number, endStream: boolean): void;
  /** The stream ended abnormally: reset by the peer, by a peer's error, or with the connection. */
  onReset(code: number): void;
  /** The queue fell below the low-water mark after having been above it. */
  onWritable(): void;
}

/** Handles a stream whose owner has no more interest in it. */
export const IGNORE_STREAM: StreamHandler = {
  onHeaders() {},
  onData() {},
  onReset() {},
  onWritable() {},
};

export class Http2Stream {
  readonly id: number;
  /** To the millisecond: a small integer costs no allocation. */
  readonly openedMs: number;
  private _handler: StreamHandler = IGNORE_STREAM;
  private _gone = false;
  private _sendWindow: number;
  private _bodySent = false;
  private _localClosed = false;
  /** END_STREAM was queued; nothing may follow. Invariant: localClosed implies endQueued. */
  private _endQueued = false;
  /** Most streams never queue. */
  private _queue: SendQueue | undefined = undefined;
  private _takesTurns = false;
  /** What the peer may still send. */
  private _recvWindow = STREAM_WINDOW_BYTES;
  /** Received and not yet given back as window. */
  private _recvUnacked = 0;
  private _recvPaused = false;
  private _remoteClosed = false;
  private _headReceived = false;
  /** Announced by content-length, or -1; and what has arrived. */
  private _contentLength = -1;
  private _receivedBytes = 0;

  constructor(id: number, sendWindow: number, openedMs: number) {
    this.id = id;
    this._sendWindow = sendWindow;
    this.openedMs = Math.floor(openedMs);
  }

  get handler(): StreamHandler {
    return this._handler;
  }

  /** Gives the stream to another handler. */
  handOver(handler: StreamHandler): void {
    this._handler = handler;
  }

  /** Left the connection's table; sends are ignored. */
  get gone(): boolean {
    return this._gone;
  }

  /** Leaves the table; false when it had. */
  leave(): boolean {
    if (this._gone) return false;
    this._gone = true;
    return true;
  }

  /** Tells the handler of the abnormal end, and nothing after it. */
  abandon(code: number): void {
    const handler = this._handler;
    this._handler = IGNORE_STREAM;
    handler.onReset(code);
  }

  // Sending.

  /** May be negative after the peer shrank the initial window (RFC 9113 6.9.2). */
  get sendWindow(): number {
    return this._sendWindow;
  }

  /** Some body was written to the output. */
  get bodySent(): boolean {
    return this._bodySent;
  }

  /** END_STREAM was written to the output. */
  get localClosed(): boolean {
    return this._localClosed;
  }

  /** Something is to be sent; false when nothing may be any more. */
  begins(endStream: boolean): boolean {
    if (this._gone || this._endQueued) return false;
    this._endQueued = endStream;
    return true;
  }

  /** DATA of so many bytes was written. */
  spend(bytes: number): void {
    this._bodySent = true;
    this._sendWindow -= bytes;
  }

  closeLocal(): void {
    this._localClosed = true;
  }

  /** Adds to (or, by a setting, takes from) the send window; false on overflow (6.9.1). */
  changeSendWindow(bytes: number): boolean {
    this._sendWindow += bytes;
    return this._sendWindow <= MAX_WINDOW_BYTES;
  }

  get hasQueue(): boolean {
    return this._queue !== undefined && !this._queue.isEmpty;
  }

  /** Undefined until something had to wait. */
  get queue(): SendQueue | undefined {
    return this._queue;
  }

  get queuedBytes(): number {
    return this._queue === undefined ? 0 : this._queue.bytes;
  }

  enqueue(
    bytes: Uint8Array,
    headers: HeaderTemplate | OutgoingFields | undefined,
    endStream: boolean,
  ): void {
    this._queue ??= new SendQueue();
    this._queue.push(bytes, headers, endStream);
  }

  /** Has something that its own window lets go. */
  get sendable(): boolean {
    const queue = this._queue;
    if (queue === undefined || queue.isEmpty || this._gone) return false;
    return this._sendWindow > 0 || queue.needsNoWindow;
  }

  /** Takes turns from now on; false when it does already, or has nothing to send. */
  joinTurns(): boolean {
    if (this._takesTurns || !this.sendable) return false;
    this._takesTurns = true;
    return true;
  }

  leaveTurns(): void {
    this._takesTurns = false;
  }

  // Receiving.

  get remoteClosed(): boolean {
    return this._remoteClosed;
  }

  closeRemote(): void {
    this._remoteClosed = true;
  }

  /** Client: the final response head has arrived. */
  get headReceived(): boolean {
    return this._headReceived;
  }

  /** The head with this content-length, or -1. */
  receiveHead(contentLength: number): void {
    this._headReceived = true;
    this._contentLength = contentLength;
  }

  /** Body bytes have arrived. */
  receiveBody(bytes: number): void {
    this._receivedBytes += bytes;
  }

  /** RFC 9113 8.1.1: the DATA frames add up to the announced length. */
  lengthFits(ended: boolean): boolean {
    if (this._contentLength < 0) return true;
    return ended
      ? this._receivedBytes === this._contentLength
      : this._receivedBytes <= this._contentLength;
  }

  /** Takes a frame's bytes from the receive window; false when the peer may not send them. */
  takeWindow(bytes: number): boolean {
    this._recvWindow -= bytes;
    return this._recvWindow >= 0;
  }

  /** Counts bytes to give back as window; true when it is time to. */
  consume(bytes: number): boolean {
    this._recvUnacked += bytes;
    return !this._recvPaused && this._recvUnacked >= STREAM_WINDOW_BYTES / 2;
  }

  /** The window to give back now. */
  giveBack(): number {
    const bytes = this._recvUnacked;
    this._recvWindow += bytes;
    this._recvUnacked = 0;
    return bytes;
  }

  /** No window is given back until the connection's `resumeReceiving`. */
  pauseReceiving(): void {
    this._recvPaused = true;
  }

  /** For the connection, which gives back what is due. */
  unpause(): void {
    this._recvPaused = false;
  }
}
