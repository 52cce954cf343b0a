/** One plain HTTP request over our HTTP/2, in the shape that handlers know from HTTP/1.1. */
import type { HttpRequest, HttpResponse } from "../../env/http.ts";
import { CANCEL, ENHANCE_YOUR_CALM } from "../http2/constants.ts";
import type { Http2Connection } from "../http2/connection.ts";
import type { HeaderBlock } from "../http2/header-block.ts";
import { OutgoingField } from "../http2/hpack-encoder.ts";
import type { Http2Stream, StreamHandler } from "../http2/stream.ts";
import type { PartialBudget } from "../grpc/message-reader.ts";
import { STREAM_LOW_WATER_BYTES } from "../limits.ts";
import { BodyQueue, type BodySource } from "./body-queue.ts";

/** Fields that only HTTP/1.1 has (RFC 9113 8.2.2). */
const HTTP1_ONLY = new Set([
  "connection",
  "keep-alive",
  "proxy-connection",
  "transfer-encoding",
  "upgrade",
]);

export interface ExchangePeer {
  readonly remote: string;
  readonly secure: boolean;
  readonly certificateName: string | undefined;
}

export class Http2Exchange implements HttpRequest, HttpResponse, StreamHandler, BodySource {
  readonly method: string;
  readonly path: string;
  readonly query: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly remote: string;
  readonly secure: boolean;
  readonly certificateName: string | undefined;
  onDrain: (() => void) | undefined = undefined;
  onClose: (() => void) | undefined = undefined;
  readonly #connection: Http2Connection;
  readonly #stream: Http2Stream;
  readonly #budget: PartialBudget;
  readonly #body: BodyQueue;
  #charged = 0;
  #headSent = false;
  #ended = false;
  #closed = false;

  constructor(
    connection: Http2Connection,
    stream: Http2Stream,
    head: HeaderBlock,
    endStream: boolean,
    peer: ExchangePeer,
    budget: PartialBudget,
  ) {
    this.#connection = connection;
    this.#stream = stream;
    this.#budget = budget;
    this.#body = new BodyQueue(this);
    this.method = head.method;
    const mark = head.path.indexOf("?");
    this.path = mark < 0 ? head.path : head.path.slice(0, mark);
    this.query = mark < 0 ? "" : head.path.slice(mark + 1);
    this.headers = headerRecord(head);
    this.remote = peer.remote;
    this.secure = peer.secure;
    this.certificateName = peer.certificateName;
    if (endStream) this.#body.end();
  }

  // HttpRequest.

  readBody(limitBytes: number): Promise<Uint8Array> {
    return this.#body.readAll(limitBytes).finally(() => this.#settle());
  }

  bodyChunks(): AsyncIterable<Uint8Array> {
    return this.#body.chunks();
  }

  pauseBody(): void {
    this.#stream.pauseReceiving();
  }

  resumeBody(): void {
    this.#settle();
    this.#connection.resumeReceiving(this.#stream);
  }

  // HttpResponse.

  get closed(): boolean {
    return this.#closed || this.#ended;
  }

  head(status: number, headers: Readonly<Record<string, string>>): void {
    if (this.#headSent || this.closed) return;
    this.#headSent = true;
    this.#sendHead(status, headers, false);
  }

  #sendHead(status: number, headers: Readonly<Record<string, string>>, endStream: boolean): void {
    const fields = [new OutgoingField(":status", String(status))];
    for (const [name, value] of Object.entries(headers)) {
      const lower = name.toLowerCase();
      if (!HTTP1_ONLY.has(lower)) fields.push(new OutgoingField(lower, fieldValue(value)));
    }
    this.#connection.send.headers(this.#stream, fields, endStream);
  }

  write(chunk: Uint8Array | string): boolean {
    if (this.closed) return false;
    if (!this.#headSent) this.head(200, {});
    if (this.method === "HEAD") return true;
    const bytes = asBytes(chunk);
    if (this.#refuses(bytes)) return false;
    this.#connection.send.data(this.#stream, bytes, false);
    return this.#stream.queuedBytes < STREAM_LOW_WATER_BYTES;
  }

  end(chunk?: Uint8Array | string): void {
    if (this.closed) return;
    if (!this.#headSent) this.head(200, {});
    const bytes = chunk === undefined || this.method === "HEAD" ? NO_BYTES : asBytes(chunk);
    if (this.#refuses(bytes)) return;
    this.#ended = true;
    this.#connection.send.data(this.#stream, bytes, true);
    this.#release();
  }

  /** Ends a stream whose client has left too much unread; its answer would only wait. */
  #refuses(bytes: Uint8Array): boolean {
    if (this.admits(bytes.length)) return false;
    this.#connection.resetStream(this.#stream, ENHANCE_YOUR_CALM);
    this.onReset(ENHANCE_YOUR_CALM);
    return true;
  }

  admits(bytes: number): boolean {
    return this.#connection.send.backlog.admits(bytes);
  }

  abort(): void {
    if (this.closed) return;
    this.#connection.resetStream(this.#stream, CANCEL);
    this.onReset(CANCEL);
  }

  // StreamHandler.

  onHeaders(_trailers: HeaderBlock, endStream: boolean): void {
    if (endStream) this.#body.end();
  }

  onData(chunk: Buffer, start: number, end: number, endStream: boolean): void {
    const length = end - start;
    if (length > 0) {
      if (this.#budget.partialBytes + length > this.#budget.maxPartialBytes) {
        this.#connection.resetStream(this.#stream, CANCEL);
        this.onReset(CANCEL);
        return;
      }
      this.#budget.partialBytes += length;
      this.#charged += length;
      this.#body.push(Buffer.from(chunk.subarray(start, end)));
    }
    if (endStream) this.#body.end();
  }

  onReset(_code: number): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#release();
    this.#body.fail(new Error("client disconnected"));
    if (!this.#ended) this.onClose?.();
  }

  onWritable(): void {
    this.onDrain?.();
  }

  /** Charges the connection only for what still waits here. */
  #settle(): void {
    const waiting = Math.min(this.#body.bytes, this.#charged);
    this.#budget.partialBytes -= this.#charged - waiting;
    this.#charged = waiting;
  }

  #release(): void {
    this.#budget.partialBytes -= this.#charged;
    this.#charged = 0;
  }
}

const NO_BYTES = new Uint8Array(0);

function asBytes(chunk: Uint8Array | string): Uint8Array {
  return typeof chunk === "string" ? Buffer.from(chunk, "utf8") : chunk;
}

/** A value that cannot break the field out of its line. */
function fieldValue(value: string): string {
  return Buffer.from(value.replace(/[\r\n\0]/g, " ").trim(), "utf8").toString("latin1");
}

function headerRecord(head: HeaderBlock): Record<string, string> {
  const record: Record<string, string> = Object.create(null);
  for (const { name, value } of head.fields) {
    const before = record[name];
    const glue = name === "cookie" ? "; " : ", ";
    record[name] = before === undefined ? value : before + glue + value;
  }
  if (head.authority !== "") record.host = head.authority;
  return record;
}
