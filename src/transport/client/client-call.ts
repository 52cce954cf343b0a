/**
 * The receiving side of a call on the client: heads, messages and the final status, for unary and
 * streaming calls alike.
 */
import type { Http2Connection } from "../http2/connection.ts";
import { CANCEL, REFUSED_STREAM } from "../http2/constants.ts";
import type { HeaderBlock } from "../http2/header-block.ts";
import type { Http2Stream, StreamHandler } from "../http2/stream.ts";
import type { DeadlineBucket, DeadlineEntry } from "../grpc/deadlines.ts";
import {
  MessageReader,
  type MessageSink,
  type PartialBudget,
  PREFIX_BYTES,
} from "../grpc/message-reader.ts";
import { isGrpcContentType } from "../grpc/request-head.ts";
import {
  CANCELLED,
  DEADLINE_EXCEEDED,
  decodeStatusMessage,
  INTERNAL,
  OK,
  UNAVAILABLE,
  UNKNOWN,
} from "../grpc/status.ts";
import { httpStatusError, RpcError, resetError } from "./rpc-error.ts";

/** What a call reports; `onEnd` is the last, once, with undefined for status OK. */
export interface CallHandler {
  /** Borrowed until it returns. */
  onMessage(body: Uint8Array): void;
  onEnd(error: RpcError | undefined): void;
  /** The call's queue has room again. */
  onDrain?(): void;
}

/** What a call needs of its connection. */
export interface CallOwner {
  readonly http2: Http2Connection;
  readonly maxMessageBytes: number;
  readonly budget: PartialBudget;
  /** Why the connection has ended, or will end. */
  readonly closeReason: string;
  removeDeadline(entry: DeadlineEntry): void;
}

/** Interpretation of a header block that ends a call. */
class CallStatus {
  readonly code: number;
  readonly message: string;

  constructor(block: HeaderBlock) {
    const code = block.get("grpc-status");
    this.code = code !== undefined && /^[0-9]{1,3}$/.test(code) ? Number(code) : -1;
    this.message = decodeStatusMessage(block.get("grpc-message") ?? "");
  }
}

export class ClientCall implements StreamHandler, MessageSink, DeadlineEntry {
  readonly deadlineMs: number;
  deadlineBucket: DeadlineBucket | undefined = undefined;
  deadlinePrevious: DeadlineEntry | undefined = undefined;
  deadlineNext: DeadlineEntry | undefined = undefined;
  /** Undefined while the call waits for a free stream. */
  stream: Http2Stream | undefined = undefined;
  ended = false;
  readonly #owner: CallOwner;
  readonly #handler: CallHandler;
  readonly #unary: boolean;
  #reader: MessageReader | undefined = undefined;
  #headSeen = false;
  #httpStatus = 200;
  /** A unary answer that waits for its status; borrowed until then. */
  #body: Uint8Array | undefined = undefined;

  constructor(owner: CallOwner, handler: CallHandler, unary: boolean, deadlineMs: number) {
    this.#owner = owner;
    this.#handler = handler;
    this.#unary = unary;
    this.deadlineMs = deadlineMs;
  }

  /** Ends the call from this side. */
  cancel(): void {
    this.abort(new RpcError(CANCELLED, "context canceled"));
  }

  abort(error: RpcError): void {
    if (this.ended) return;
    const { stream } = this;
    if (stream !== undefined) this.#owner.http2.resetStream(stream, CANCEL);
    this.end(error);
  }

  end(error: RpcError | undefined): void {
    if (this.ended) return;
    this.ended = true;
    this.#reader?.stop();
    if (this.deadlineBucket !== undefined) this.#owner.removeDeadline(this);
    const body = this.#body;
    this.#body = undefined;
    if (error === undefined && this.#unary) {
      if (body === undefined) {
        const text = "cardinality violation: received no response message";
        this.#handler.onEnd(new RpcError(INTERNAL, text));
        return;
      }
      this.#handler.onMessage(body);
    }
    this.#handler.onEnd(error);
  }

  // StreamHandler.

  onHeaders(block: HeaderBlock, endStream: boolean): void {
    if (!this.#headSeen) {
      this.#headSeen = true;
      this.#httpStatus = block.status;
      if (!endStream) {
        if (block.status !== 200) this.abort(httpStatusError(block.status));
        else if (block.interpretation === undefined) this.#checkContentType(block);
        return;
      }
    }
    if (endStream) this.#finish(block);
  }

  #checkContentType(block: HeaderBlock): void {
    const type = block.get("content-type");
    if (isGrpcContentType(type)) block.interpretation = true;
    else this.abort(new RpcError(UNKNOWN, `unexpected content-type ${JSON.stringify(type ?? "")}`));
  }

  #finish(block: HeaderBlock): void {
    let status = block.interpretation;
    if (!(status instanceof CallStatus)) {
      status = new CallStatus(block);
      block.interpretation = status;
    }
    const { code, message } = status as CallStatus;
    if (code === OK) this.end(this.#truncated());
    else if (code > 0) this.end(new RpcError(code, message));
    else if (this.#httpStatus !== 200) this.end(httpStatusError(this.#httpStatus));
    else this.end(new RpcError(UNKNOWN, "malformed header: missing grpc-status"));
  }

  #truncated(): RpcError | undefined {
    return this.#reader?.partial === true ? new RpcError(INTERNAL, "unexpected EOF") : undefined;
  }

  onData(chunk: Buffer, start: number, end: number, endStream: boolean): void {
    if (this.ended) return;
    const length = end - start - PREFIX_BYTES;
    if (
      this.#reader === undefined &&
      length >= 0 &&
      chunk[start] === 0 &&
      chunk.readUInt32BE(start + 1) === length &&
      length <= this.#owner.maxMessageBytes
    ) {
      this.#deliver(chunk.subarray(start + PREFIX_BYTES, end));
    } else {
      const { maxMessageBytes, budget } = this.#owner;
      this.#reader ??= new MessageReader(this, maxMessageBytes, budget);
      this.#reader.feed(chunk, start, end);
    }
    if (endStream)
      this.end(new RpcError(INTERNAL, "server closed the stream without sending trailers"));
  }

  onGrpcMessage(compression: number, body: Buffer): void {
    if (compression === 0) this.#deliver(body);
    else this.abort(new RpcError(INTERNAL, "grpc: compressed message without an agreed encoding"));
  }

  onFramingError(code: number, message: string): void {
    this.abort(new RpcError(code, message));
  }

  #deliver(body: Uint8Array): void {
    if (this.ended) return;
    if (!this.#unary) {
      this.#handler.onMessage(body);
    } else if (this.#body === undefined) {
      this.#body = body;
    } else {
      const text = "cardinality violation: received more than one response message";
      this.abort(new RpcError(INTERNAL, text));
    }
  }

  onReset(code: number): void {
    const { http2, closeReason } = this.#owner;
    if (code === REFUSED_STREAM && http2.closing) {
      // Above the last stream id of the server's GOAWAY: never processed, also when this was the
      // last stream and the connection is finished thereby.
      this.end(new RpcError(UNAVAILABLE, closeReason, true));
    } else if (http2.finished) {
      this.end(new RpcError(UNAVAILABLE, closeReason));
    } else if (code === CANCEL && http2.nowMs >= this.deadlineMs) {
      // The server's clock for this call was quicker than our timer, as grpc-go's often is.
      this.end(new RpcError(DEADLINE_EXCEEDED, "context deadline exceeded"));
    } else {
      this.end(resetError(code));
    }
  }

  onWritable(): void {
    if (!this.ended) this.#handler.onDrain?.();
  }

  onDeadline(): void {
    this.abort(new RpcError(DEADLINE_EXCEEDED, "context deadline exceeded"));
  }
}
