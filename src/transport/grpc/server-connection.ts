/** What the calls of one connection share: peer facts, reply templates, limits. */
import type { Logger } from "../../env/logger.ts";
import type { RpcService } from "../../env/rpc.ts";
import type { HeaderBlock } from "../http2/header-block.ts";
import type { Http2Connection } from "../http2/connection.ts";
import {
  HeaderTemplate,
  MODE_INDEX,
  OutgoingField,
  type OutgoingFields,
} from "../http2/hpack-encoder.ts";
import type { Http2Stream, StreamHandler } from "../http2/stream.ts";
import { IGNORE_STREAM } from "../http2/stream.ts";
import { MAX_PARTIAL_REQUEST_BYTES } from "../limits.ts";
import type { Deadlines } from "./deadlines.ts";
import type { PartialBudget } from "./message-reader.ts";
import type { MethodTable } from "./method-table.ts";
import { GrpcRequestHead } from "./request-head.ts";
import type { RpcMetrics } from "./rpc-metrics.ts";
import { StreamServerCall } from "./stream-call.ts";
import { encodeStatusMessage, INTERNAL } from "./status.ts";
import type { CallBatch } from "./call-batch.ts";
import { UnaryServerCall } from "./unary-call.ts";

/** What all connections of one server share. */
export interface GrpcServer {
  readonly service: RpcService;
  readonly methods: MethodTable;
  readonly batch: CallBatch;
  readonly deadlines: Deadlines;
  /** Limit of one request message. */
  readonly maxMessageBytes: number;
  readonly metrics: RpcMetrics | undefined;
  readonly logger: Logger;
}

export interface PeerFacts {
  /** "ip:port". */
  readonly remote: string;
  readonly certificateName: string | undefined;
}

const STATUS_200 = new OutgoingField(":status", "200");
const GRPC_CONTENT_TYPE = new OutgoingField("content-type", "application/grpc", MODE_INDEX);
const GRPC_STATUS_OK = new OutgoingField("grpc-status", "0", MODE_INDEX);

export class GrpcServerConnection implements PartialBudget {
  readonly server: GrpcServer;
  readonly http2: Http2Connection;
  readonly peer: PeerFacts;
  readonly okTrailers: HeaderTemplate = new HeaderTemplate([GRPC_STATUS_OK]);
  partialBytes = 0;
  readonly maxPartialBytes: number = MAX_PARTIAL_REQUEST_BYTES;
  readonly #plainHead = new HeaderTemplate([STATUS_200, GRPC_CONTENT_TYPE]);

  constructor(server: GrpcServer, http2: Http2Connection, peer: PeerFacts) {
    this.server = server;
    this.http2 = http2;
    this.peer = peer;
  }

  /** Starts the call of a request head whose content type is gRPC's. */
  open(stream: Http2Stream, block: HeaderBlock, endStream: boolean): StreamHandler {
    let head = block.interpretation;
    if (!(head instanceof GrpcRequestHead)) {
      head = new GrpcRequestHead(block, this.server.methods);
      block.interpretation = head;
    }
    return this.#call(stream, head as GrpcRequestHead, endStream);
  }

  #call(stream: Http2Stream, head: GrpcRequestHead, endStream: boolean): StreamHandler {
    const row = head.row;
    if (row === undefined || head.problemCode !== 0) {
      this.sendStatusOnly(stream, head, head.problemCode, head.problem);
      this.http2.callRefused();
      return IGNORE_STREAM;
    }
    this.server.metrics?.started(row.index);
    if (row.kind === "unary") return new UnaryServerCall(this, stream, head, row.index, endStream);
    const call = new StreamServerCall(this, stream, head, row);
    stream.handOver(call);
    call.start(endStream);
    return call;
  }

  /** Head of an answer that goes on with messages; encoded once per connection as a rule. */
  #replyHead(head: GrpcRequestHead): HeaderTemplate | OutgoingFields {
    if (head.contentType === GRPC_CONTENT_TYPE.value) return this.#plainHead;
    return [STATUS_200, new OutgoingField("content-type", head.contentType)];
  }

  /** Starts an answer; messages and a status follow. */
  sendHead(stream: Http2Stream, head: GrpcRequestHead): void {
    this.http2.send.headers(stream, this.#replyHead(head), false);
  }

  /** The whole answer of a unary call that went well. Takes ownership of `body`. */
  sendReply(stream: Http2Stream, head: GrpcRequestHead, body: Uint8Array): void {
    const replyHead = this.#replyHead(head);
    if (replyHead instanceof HeaderTemplate) {
      this.http2.send.unaryReply(stream, replyHead, body, this.okTrailers);
    } else {
      this.sendReplyParts(stream, head, [body]);
    }
  }

  /** As `sendReply`, with a body in parts. */
  sendReplyParts(stream: Http2Stream, head: GrpcRequestHead, parts: readonly Uint8Array[]): void {
    this.sendHead(stream, head);
    this.http2.send.message(stream, parts, false);
    this.http2.send.headers(stream, this.okTrailers, true);
  }

  /** An answer that is only a status ("trailers-only"). */
  sendStatusOnly(stream: Http2Stream, head: GrpcRequestHead, code: number, message: string): void {
    const fields = [
      new OutgoingField(":status", String(head.httpStatus)),
      new OutgoingField("content-type", head.contentType),
      ...statusFields(code, message),
    ];
    this.http2.send.headers(stream, fields, true);
  }

  /** The status after messages. */
  sendTrailers(stream: Http2Stream, code: number, message: string): void {
    const usual = code === 0 && message === "";
    this.http2.send.headers(stream, usual ? this.okTrailers : statusFields(code, message), true);
  }

  /** A service threw: its fault, but the caller must not wait for ever. */
  serviceFailed(error: unknown, fail: (code: number, message: string) => void): void {
    this.server.logger.error("rpc handler failed", { error });
    fail(INTERNAL, "internal error");
  }
}

function statusFields(code: number, message: string): OutgoingField[] {
  const fields = [new OutgoingField("grpc-status", String(code))];
  if (message !== "") fields.push(new OutgoingField("grpc-message", encodeStatusMessage(message)));
  return fields;
}
