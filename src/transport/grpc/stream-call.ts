/** A streaming call on the server. The response head leaves with the first message. */
import { copyBytes } from "../../base/bytes.ts";
import { type MessageSeries, sendOneByOne, seriesBytes, type StreamCall } from "../../env/rpc.ts";
import type { HeaderBlock } from "../http2/header-block.ts";
import type { Http2Stream, StreamHandler } from "../http2/stream.ts";
import type { DeadlineBucket, DeadlineEntry } from "./deadlines.ts";
import { decodeMessage } from "./decompress.ts";
import { MessageReader, type MessageSink } from "./message-reader.ts";
import type { MethodRow } from "./method-table.ts";
import { type GrpcRequestHead, metadataValue } from "./request-head.ts";
import { MESSAGE_COST } from "../limits.ts";
import type { GrpcServerConnection } from "./server-connection.ts";
import {
  CANCELLED,
  DEADLINE_EXCEEDED,
  INTERNAL,
  RESOURCE_EXHAUSTED,
  UNREAD_OUTPUT,
} from "./status.ts";

const ONE_REQUEST = "non-client-streaming RPC";

export class StreamServerCall implements StreamCall, StreamHandler, MessageSink, DeadlineEntry {
  readonly method: number;
  readonly deadlineMs: number;
  cancelled = false;
  onDrain: (() => void) | undefined = undefined;
  onMessage: ((message: Uint8Array) => void) | undefined = undefined;
  onHalfClose: (() => void) | undefined = undefined;
  onCancel: (() => void) | undefined = undefined;
  deadlineBucket: DeadlineBucket | undefined = undefined;
  deadlinePrevious: DeadlineEntry | undefined = undefined;
  deadlineNext: DeadlineEntry | undefined = undefined;
  readonly #connection: GrpcServerConnection;
  readonly #stream: Http2Stream;
  readonly #head: GrpcRequestHead;
  readonly #startMs: number;
  readonly #reader: MessageReader;
  #headSent = false;
  /** Finished by the service, cancelled, or past its deadline. */
  #ended = false;
  #halfClosed = false;
  /** The client sends one message: it is delivered once nothing can follow it. */
  readonly #oneRequest: boolean;
  #request: Uint8Array | undefined;

  constructor(
    connection: GrpcServerConnection,
    stream: Http2Stream,
    head: GrpcRequestHead,
    row: MethodRow,
  ) {
    this.#connection = connection;
    this.#stream = stream;
    this.#head = head;
    this.method = row.index;
    this.#oneRequest = row.kind === "serverStream";
    this.#startMs = connection.server.metrics?.startMs() ?? 0;
    this.deadlineMs = connection.http2.nowMs + head.timeoutMs;
    this.#reader = new MessageReader(this, connection.server.maxMessageBytes, connection);
  }

  /** Hands the call to the service, which sets its handlers. */
  start(endStream: boolean): void {
    const { server } = this.#connection;
    if (this.deadlineMs !== Number.POSITIVE_INFINITY) server.deadlines.add(this);
    this.#guard(() => server.service.stream(this));
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

  get bufferedBytes(): number {
    return this.#stream.queuedBytes;
  }

  metadata(key: string): string | undefined {
    return metadataValue(this.#head.block, key);
  }

  // The service's side.

  send(...parts: readonly Uint8Array[]): void {
    if (this.#ended) return;
    let bytes = 0;
    for (const part of parts) bytes += part.length;
    if (!this.#connection.http2.send.backlog.admits(bytes)) {
      this.#refuse(RESOURCE_EXHAUSTED, UNREAD_OUTPUT);
      return;
    }
    if (!this.#headSent) {
      this.#headSent = true;
      this.#connection.sendHead(this.#stream, this.#head);
    }
    this.#connection.server.metrics?.sent(this.method, bytes);
    this.#connection.http2.send.message(this.#stream, parts, false);
  }

  sendSeries(series: MessageSeries): void {
    if (this.#ended) return;
    const bytes = seriesBytes(series);
    if (!this.#headSent || !this.#connection.http2.send.backlog.admits(bytes)) {
      // The head goes first; and of what is too much, as much as there is room for.
      sendOneByOne(this, series);
      return;
    }
    this.#connection.server.metrics?.sent(this.method, bytes, series.between.length);
    this.#connection.http2.send.messages(this.#stream, series);
  }

  finish(code: number, message: string): void {
    if (this.#ended) return;
    this.#end(code);
    if (this.#headSent) this.#connection.sendTrailers(this.#stream, code, message);
    else this.#connection.sendStatusOnly(this.#stream, this.#head, code, message);
  }

  pauseReceiving(): void {
    this.#stream.pauseReceiving();
  }

  resumeReceiving(): void {
    this.#connection.http2.resumeReceiving(this.#stream);
  }

  // The stream's side.

  onData(chunk: Buffer, start: number, end: number, endStream: boolean): void {
    if (this.#ended) return;
    this.#reader.feed(chunk, start, end);
    if (endStream) this.#requestEnded();
  }

  onHeaders(_trailers: HeaderBlock, endStream: boolean): void {
    if (endStream) this.#requestEnded();
  }

  onGrpcMessage(compression: number, body: Buffer): void {
    if (this.#ended) return;
    this.#connection.http2.charge(MESSAGE_COST);
    const decoded = decodeMessage(
      compression,
      body,
      this.#head,
      this.#connection.server.maxMessageBytes,
    );
    if (!(decoded instanceof Uint8Array)) {
      this.#refuse(decoded.code, decoded.message);
    } else if (!this.#oneRequest) {
      this.#deliver(decoded);
    } else if (this.#request === undefined) {
      this.#request = copyBytes(decoded);
    } else {
      const text = `received multiple request messages for ${ONE_REQUEST}`;
      this.#refuse(INTERNAL, `cardinality violation: ${text}`);
    }
  }

  #deliver(message: Uint8Array): void {
    this.#connection.server.metrics?.received(this.method, message.length);
    try {
      this.onMessage?.(message);
    } catch (error) {
      this.#failed(error);
    }
  }

  onFramingError(code: number, message: string): void {
    this.#refuse(code, message);
  }

  onWritable(): void {
    if (!this.#ended) this.#guard(() => this.onDrain?.());
  }

  onReset(_code: number): void {
    if (this.#ended) return;
    this.#end(CANCELLED);
    this.#cancel();
  }

  onDeadline(): void {
    this.#refuse(DEADLINE_EXCEEDED, "context deadline exceeded");
  }

  #requestEnded(): void {
    if (this.#ended || this.#halfClosed) return;
    this.#halfClosed = true;
    if (this.#reader.partial) {
      this.#refuse(INTERNAL, "unexpected EOF");
      return;
    }
    if (this.#oneRequest) {
      const request = this.#request;
      this.#request = undefined;
      if (request === undefined) {
        const text = `received no request message from ${ONE_REQUEST}`;
        this.#refuse(INTERNAL, `cardinality violation: ${text}`);
        return;
      }
      this.#deliver(request);
    }
    if (!this.#ended) this.#guard(() => this.onHalfClose?.());
  }

  /** The transport ends the call; the service learns it as a cancellation. */
  #refuse(code: number, message: string): void {
    if (this.#ended) return;
    this.finish(code, message);
    this.#cancel();
  }

  #cancel(): void {
    this.cancelled = true;
    const { onCancel } = this;
    this.onCancel = undefined;
    this.#guard(() => onCancel?.());
  }

  #end(code: number): void {
    this.#ended = true;
    this.#reader.stop();
    this.#connection.server.deadlines.remove(this);
    this.#connection.server.metrics?.handled(this.method, code, this.#startMs);
  }

  #guard(run: () => void): void {
    try {
      run();
    } catch (error) {
      this.#failed(error);
    }
  }

  #failed(error: unknown): void {
    this.#connection.serviceFailed(error, (code, message) => this.finish(code, message));
  }
}
