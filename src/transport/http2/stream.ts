/**
 * One HTTP/2 stream: windows, what waits to be sent, and who handles what arrives. The state of
 * RFC 9113 5.1 is the pair (localClosed, remoteClosed); a stream that is closed on both sides or
 * reset leaves the connection's map.
 */
import type { HeaderBlock } from "./header-block.ts";
import type { HeaderTemplate, OutgoingFields } from "./hpack-encoder.ts";

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

/** A piece of body, or a header section, waiting for its turn. */
export interface OutgoingItem {
  /** Empty for a header section. */
  readonly bytes: Uint8Array;
  /** Bytes already sent. */
  at: number;
  readonly headers: HeaderTemplate | OutgoingFields | undefined;
  readonly endStream: boolean;
}

export class Http2Stream {
  readonly id: number;
  handler: StreamHandler = IGNORE_STREAM;
  /** May be negative after the peer shrank the initial window (RFC 9113 6.9.2). */
  sendWindow: number;
  /** What the peer may still send. */
  recvWindow: number;
  /** Received and not yet given back as window. */
  recvUnacked = 0;
  /** No window is given back while true. */
  recvPaused = false;
  /** Some body was written to the output. */
  bodySent = false;
  /** END_STREAM was written to the output. */
  localClosed = false;
  /** END_STREAM was queued; nothing may follow. Invariant: localClosed implies endQueued. */
  endQueued = false;
  remoteClosed = false;
  /** Left the connection's map; sends are ignored. */
  gone = false;
  /** Client: the final response head has arrived. */
  headReceived = false;
  /** Announced by content-length, or -1; and what has arrived. */
  contentLength = -1;
  receivedBytes = 0;
  readonly openedMs: number;
  /** Waiting output in order; `queueHead` is the first unsent. */
  queue: OutgoingItem[] = NO_ITEMS;
  queueHead = 0;
  queuedBytes = 0;
  /** Was at or above the low-water mark since the last `onWritable`. */
  aboveLowWater = false;
  /** In the scheduler's list of streams that may send. */
  scheduled = false;

  constructor(id: number, sendWindow: number, recvWindow: number, openedMs: number) {
    this.id = id;
    this.sendWindow = sendWindow;
    this.recvWindow = recvWindow;
    // A small integer costs no allocation; RAPID_RESET_AGE_MS does not need the fraction.
    this.openedMs = Math.floor(openedMs);
  }

  get hasQueue(): boolean {
    return this.queueHead < this.queue.length;
  }
}

/** Shared empty queue: most streams never queue. Never pushed to. */
export const NO_ITEMS: OutgoingItem[] = [];

/** RFC 9113 8.1.1: the DATA frames add up to the announced length. */
export function lengthFits(stream: Http2Stream, endStream: boolean): boolean {
  return endStream
    ? stream.receivedBytes === stream.contentLength
    : stream.receivedBytes <= stream.contentLength;
}
