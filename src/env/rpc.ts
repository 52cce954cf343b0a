/**
 * The one narrow interface between transport (gRPC frames, JSON gateway) and server. Requests come
 * in batches as encoded messages, replies leave as encoded messages; neither side sees the other's
 * objects, so that connections may live on worker threads one day.
 */
import type { CallSpan } from "./call-span.ts";

/**
 * A request message may have so much more than `--max-request-bytes`, for the parts around the
 * payload; so may a response of a watch with fragments. As etcd.
 */
export const GRPC_OVERHEAD_BYTES = 524_288;

/** gRPC status codes, the subset and numbers of the gRPC specification. */
export type StatusCode = number;

/** What both kinds of call share. */
export interface Call {
  /** Index into `METHODS` of `api/rpc-table.ts`. */
  readonly method: number;
  /** First value of a request metadata key (lower case), such as "token" or "hasleader". */
  metadata(key: string): string | undefined;
  /** `Clock.nowMs` scale; Infinity when the client set no deadline. */
  readonly deadlineMs: number;
  /** "ip:port" of the client, for logs. */
  readonly remote: string;
  /** True when the call came through the JSON gateway: it never takes identity from a certificate. */
  readonly viaGateway: boolean;
  /** Common name of the verified client certificate, if there is one. */
  readonly certificateName: string | undefined;
  /** Set once the client has gone, reset the stream, or the deadline has passed. */
  readonly cancelled: boolean;
  /** There when the call is recorded for distributed tracing. */
  readonly span?: CallSpan | undefined;
}

/**
 * A message in pieces that are made one by one, each a message by itself with the next fields.
 * `close` is called once, whatever happens.
 */
export interface ReplySource {
  /** Of the whole message: what the pieces add up to. */
  readonly bytes: number;
  /** Memory that it holds, besides the piece that was made last. */
  readonly heldBytes: number;
  /** The next piece; undefined after the last. Throws when the message cannot be completed. */
  next(): Uint8Array | undefined;
  /**
   * False while the next piece, or the end, has yet to come from elsewhere: `next` must wait for
   * `onReady`. The transport's own calls take such a source, others do not. Absent: never false.
   */
  readonly isReady?: boolean;
  onReady?: (() => void) | undefined;
  /**
   * Where it is there, spares memory for pieces: writes the next fields, as many as fit, to
   * target[start, end), and returns where they end; `start` when the next one does not fit, or
   * none is left. Throws as `next`.
   */
  write?(target: Buffer, start: number, end: number): number;
  close(): void;
}

/** Free bytes around a body that has room: what the log puts around a request fits. */
export const BODY_ROOM_BYTES = 128;

/**
 * One request, one reply: by exactly one of `reply…` and `fail`, at any time. A call that was
 * cancelled is ended by one of them, too: it counts against its connection's limit until then.
 */
export interface UnaryCall extends Call {
  /** The encoded request message. Borrowed: valid only until `RpcService.unary` returns. */
  readonly body: Uint8Array;
  /**
   * The body is memory of its own, and `BODY_ROOM_BYTES` on either side of it are free: who serves
   * the call may write there, and keep it all.
   */
  readonly bodyHasRoom?: boolean;
  /** Sends the encoded response with status OK. Takes ownership. Does nothing once cancelled. */
  reply(message: Uint8Array): void;
  /** As `reply`, for a message in pieces. */
  replyParts(parts: readonly Uint8Array[]): void;
  /** As `reply`, for a large message whose pieces are made as the client takes them. */
  replyFrom(source: ReplySource): void;
  fail(code: StatusCode, message: string): void;
  /** Called at most once, when `cancelled` becomes true before an answer. */
  onCancel: (() => void) | undefined;
}

/** Messages that differ in the middle: each is `before`, one of `between`, and `after`. */
export interface MessageSeries {
  readonly before: Uint8Array;
  readonly between: readonly Uint8Array[];
  readonly after: Uint8Array;
}

/** A call with a stream in at least one direction. */
export interface StreamCall extends Call {
  /** Queues one encoded message. Takes ownership. The parts form one message. */
  send(...parts: readonly Uint8Array[]): void;
  /** As `send` for each message of the series, in its order. */
  sendSeries(series: MessageSeries): void;
  /** Bytes queued by `send` and not yet handed to the socket. */
  readonly bufferedBytes: number;
  /** Called when `bufferedBytes` has fallen below the low-water mark after having been above it. */
  onDrain: (() => void) | undefined;
  /** Ends the call with a status; OK is code 0 with an empty message. */
  finish(code: StatusCode, message: string): void;
  /** One request message. Borrowed until it returns. */
  onMessage: ((message: Uint8Array) => void) | undefined;
  /** The client has sent its last message. */
  onHalfClose: (() => void) | undefined;
  /** The client has gone or reset the stream; nothing can be sent any more. */
  onCancel: (() => void) | undefined;
  /** Stops (or resumes) granting flow-control window, so that a flooding client waits. */
  pauseReceiving(): void;
  resumeReceiving(): void;
}

/** Of all messages together. */
export function seriesBytes({ before, between, after }: MessageSeries): number {
  let bytes = (before.length + after.length) * between.length;
  for (const middle of between) bytes += middle.length;
  return bytes;
}

/** What `sendSeries` does where it has no quicker way. */
export function sendOneByOne(call: Pick<StreamCall, "send">, series: MessageSeries): void {
  const { before, between, after } = series;
  for (const middle of between) call.send(before, middle, after);
}

export interface RpcService {
  /**
   * All unary calls that completed in one turn of the loop. Must not throw; must not keep `body`.
   */
  unary(calls: readonly UnaryCall[]): void;
  /** A new stream. The callee sets the handlers before it returns. */
  stream(call: StreamCall): void;
}
