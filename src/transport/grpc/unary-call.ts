/**
 * A unary call on the server: collects one message, waits in the batch, answers once. A call that
 * the client abandoned while the service works on it still counts against the connection's
 * streams until the service has answered (rapid reset, CVE-2023-44487).
 */
import { MAX_MESSAGE_BYTES } from "../../api/message-size.ts";
import { EMPTY_BYTES } from "../../base/bytes.ts";
import type { ReplySource, UnaryCall } from "../../env/rpc.ts";
import type { HeaderBlock } from "../http2/header-block.ts";
import type { Http2Stream, StreamHandler } from "../http2/stream.ts";
import type { DeadlineBucket, DeadlineEntry } from "./deadlines.ts";
import { decodeMessage } from "./decompress.ts";
import { type MessageSink, MessageReader, PREFIX_BYTES } from "./message-reader.ts";
import { type GrpcRequestHead, metadataValue } from "./request-head.ts";
import { ReplyPump } from "./reply-pump.ts";
import type { GrpcServerConnection } from "./server-connection.ts";
import {
  CANCELLED,
  DEADLINE_EXCEEDED,
  INTERNAL,
  OK,
  RESOURCE_EXHAUSTED,
  UNKNOWN,
  UNREAD_OUTPUT,
} from "./status.ts";

/** Reading the request; waiting in the batch; with the service; answered or abandoned. */
const COLLECTING = 0;
const QUEUED = 1;
const RUNNING = 2;
const DONE = 3;

export class UnaryServerCall implements UnaryCall, StreamHandler, MessageSink, DeadlineEntry {
  readonly method: number;
  readonly deadlineMs: number;
  body: Uint8Array = EMPTY_BYTES;
  bodyHasRoom = false;
  cancelled = false;
  onCancel: (() => void) | undefined = undefined;
  deadlineBucket: DeadlineBucket | undefined = undefined;
  deadlinePrevious: DeadlineEntry | undefined = undefined;
  deadlineNext: DeadlineEntry | undefined = undefined;
  readonly #connection: GrpcServerConnection;
  readonly #stream: Http2Stream;
  readonly #head: GrpcRequestHead;
  #state = COLLECTING;
  #reader: MessageReader | undefined = undefined;
  #received = false;
  readonly #startMs: number;
  /** Abandoned while the service works: counted as a lingering call. */
  #lingers = false;

  constructor(
    connection: GrpcServerConnection,
    stream: Http2Stream,
    head: GrpcRequestHead,
    method: number,
    endStream: boolean,
  ) {
    this.#connection = connection;
    this.#stream = stream;
    this.#head = head;
    this.method = method;
    this.#startMs = connection.server.metrics?.startMs() ?? 0;
    this.deadlineMs = connection.http2.nowMs + head.timeoutMs;
    if (head.timeoutMs !== Number.POSITIVE_INFINITY) connection.server.deadlines.add(this);
    if (endStream) this.#requestEnded();
  }

  get remote(): string {
    return this.#connection.peer.remote;
  }

  get viaGateway(): boolean {
    return false;
  }

  get certificateName(): string | undefined {
    return this.#connection.peer.certificateName;
  }

  metadata(key: string): string | undefined {
    return metadataValue(this.#head.block, key);
  }

  // The service's side.

  reply(message: Uint8Array): void {
    const connection = this.#connection;
    if (!connection.http2.send.backlog.admits(message.length)) {
      this.fail(RESOURCE_EXHAUSTED, UNREAD_OUTPUT);
      return;
    }
    if (!this.#answer(OK)) return;
    connection.server.metrics?.sent(this.method, message.length);
    connection.sendReply(this.#stream, this.#head, message);
  }

  replyParts(parts: readonly Uint8Array[]): void {
    let bytes = 0;
    for (const part of parts) bytes += part.length;
    if (bytes > MAX_MESSAGE_BYTES) {
      const text = `trying to send message larger than max (${bytes} vs. ${MAX_MESSAGE_BYTES})`;
      this.fail(RESOURCE_EXHAUSTED, `grpc: ${text}`);
      return;
    }
    if (!this.#connection.http2.send.backlog.admits(bytes)) {
      this.fail(RESOURCE_EXHAUSTED, UNREAD_OUTPUT);
      return;
    }
    if (!this.#answer(OK)) return;
    this.#connection.server.metrics?.sent(this.method, bytes);
    this.#connection.sendReplyParts(this.#stream, this.#head, parts);
  }

  replyFrom(source: ReplySource): void {
    const { http2, server } = this.#connection;
    const admitted = http2.send.backlog.admits(source.heldBytes);
    if (!admitted) this.fail(RESOURCE_EXHAUSTED, UNREAD_OUTPUT);
    if (!admitted || !this.#answer(OK) || this.#stream.gone) {
      source.close();
      return;
    }
    server.metrics?.sent(this.method, source.bytes);
    if (source.write !== undefined) http2.send.expectBody();
    this.#connection.sendHead(this.#stream, this.#head);
    new ReplyPump(this.#connection, this.#stream, source).start();
  }

  fail(code: number, message: string): void {
    if (!this.#answer(code)) return;
    this.#connection.sendStatusOnly(this.#stream, this.#head, code, message);
  }

  /** Moves to DONE; false when there is nobody to answer. */
  #answer(code: number): boolean {
    if (this.#lingers) {
      this.#lingers = false;
      this.#connection.http2.streams.left();
    }
    if (this.#state === DONE) return false;
    this.#state = DONE;
    this.#connection.server.deadlines.remove(this);
    this.#connection.server.metrics?.handled(this.method, code, this.#startMs);
    return true;
  }

  // The batch's side.

  /** The service is about to get the call; false when it has been cancelled. */
  begin(): boolean {
    if (this.#state !== QUEUED) return false;
    this.#state = RUNNING;
    return true;
  }

  /** The service has seen the body; the chunk that it is part of may go. */
  releaseBody(): void {
    this.body = EMPTY_BYTES;
    this.bodyHasRoom = false;
  }

  serviceFailed(error: unknown): void {
    this.#connection.serviceFailed(error, (code, message) => this.fail(code, message));
  }

  // The stream's side.

  onData(chunk: Buffer, start: number, end: number, endStream: boolean): void {
    if (this.#state !== COLLECTING) return;
    const length = end - start - PREFIX_BYTES;
    if (
      endStream &&
      length >= 0 &&
      !this.#received &&
      this.#reader === undefined &&
      chunk[start] === 0 &&
      chunk.readUInt32BE(start + 1) === length &&
      length <= this.#connection.server.maxMessageBytes
    ) {
      this.#received = true;
      this.body = chunk.subarray(start + PREFIX_BYTES, end);
      this.#requestEnded();
      return;
    }
    this.#reader ??= new MessageReader(
      this,
      this.#connection.server.maxMessageBytes,
      this.#connection,
    );
    this.#reader.feed(chunk, start, end);
    if (endStream) this.#requestEnded();
  }

  onHeaders(_trailers: HeaderBlock, endStream: boolean): void {
    if (endStream) this.#requestEnded();
  }

  onGrpcMessage(compression: number, body: Buffer, hasRoom: boolean): void {
    if (this.#received) {
      this.#reject(INTERNAL, "cardinality violation: received more than one request message");
      return;
    }
    this.#received = true;
    const decoded = decodeMessage(
      compression,
      body,
      this.#head,
      this.#connection.server.maxMessageBytes,
    );
    if (decoded instanceof Uint8Array) {
      this.body = decoded;
      this.bodyHasRoom = hasRoom && decoded === body;
    } else this.#reject(decoded.code, decoded.message);
  }

  onFramingError(code: number, message: string): void {
    this.#reject(code, message);
  }

  #requestEnded(): void {
    if (this.#state !== COLLECTING) return;
    // As grpc-go: what a handler that reads its one message finds instead.
    if (this.#reader?.partial === true) {
      this.#reject(UNKNOWN, this.#reader.hasPrefix ? "unexpected EOF" : "EOF");
    } else if (!this.#received) {
      this.#reject(UNKNOWN, "EOF");
    } else {
      this.#state = QUEUED;
      this.#connection.server.metrics?.received(this.method, this.body.length);
      this.#connection.server.batch.add(this);
    }
  }

  /** Answers before the service has seen the call. */
  #reject(code: number, message: string): void {
    if (this.#state === DONE) return;
    this.#reader?.stop();
    this.fail(code, message);
  }

  onWritable(): void {}

  onReset(_code: number): void {
    this.#abandon(CANCELLED);
  }

  onDeadline(): void {
    if (this.#state === DONE) return;
    const stream = this.#stream;
    this.#abandon(DEADLINE_EXCEEDED);
    this.#connection.sendStatusOnly(
      stream,
      this.#head,
      DEADLINE_EXCEEDED,
      "context deadline exceeded",
    );
  }

  #abandon(code: number): void {
    if (this.#state === DONE) return;
    const running = this.#state === RUNNING;
    this.#reader?.stop();
    this.#answer(code);
    this.cancelled = true;
    if (!running) return;
    this.#lingers = true;
    this.#connection.http2.streams.linger();
    this.onCancel?.();
  }
}
