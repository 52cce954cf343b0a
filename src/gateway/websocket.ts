/**
 * WebSocket access to the JSON gateway, as etcd's proxy offers it: each message of the client is a
 * JSON request of the stream (or the one request of a unary method), each line of the answer comes
 * back as one text message. A token travels as `Sec-WebSocket-Protocol: Bearer, <token>` or in the
 * cookie `token`, since browsers cannot set `Authorization` here.
 */

import { IncomingMessage } from "node:http";
import { Socket } from "node:net";
import type { Duplex } from "node:stream";
import type { ServerOptions, WebSocket } from "ws";
import type { HttpHandler, HttpRequest, HttpResponse } from "../env/http.ts";
import type { Logger } from "../env/logger.ts";
import { sendError } from "./http-text.ts";
/** Messages that wait for the server before the socket is paused. */
const MAX_QUEUED_MESSAGES = 16;
/** A client that pings without reading the answers is cut off when this much waits for it. */
const MAX_QUEUED_PONG_BYTES = 64 * 1024;
/** Fragments of one message; each costs memory beside its content. */
const MAX_FRAGMENTS = 1024;
/** Time for the client to answer our close frame. */
const CLOSE_TIMEOUT_MS = 2_000;
/** RFC 6455 section 7.4.1. */
const CLOSE_NORMAL = 1000;

export interface WebSocketOptions {
  /** Largest message of a client. */
  readonly maxMessageBytes: number;
  readonly logger: Logger;
}

/** Upgrades the connection and serves it with `handler`, which sees a POST request. */
export function serveWebSocket(
  handler: HttpHandler,
  request: HttpRequest,
  socket: Duplex,
  head: Buffer,
  options: WebSocketOptions,
): void {
  const plain = new SocketResponse(socket);
  const key = request.headers["sec-websocket-key"] ?? "";
  if (request.method !== "GET") {
    sendError(request, plain, 405, "Method Not Allowed", { "sec-websocket-version": "13" });
    return;
  }
  const isValid =
    request.headers["sec-websocket-version"] === "13" && Buffer.from(key, "base64").length === 16;
  if (!isValid) {
    sendError(request, plain, 400, "Bad Request", { "sec-websocket-version": "13" });
    return;
  }
  const protocol = request.headers["sec-websocket-protocol"] ?? "";
  const bearer = protocol.startsWith("Bearer");
  const serve = (webSocket: WebSocket): void => {
    const exchange = new WebSocketExchange(webSocket, socket);
    handler.handle(new WebSocketRequest(request, requestHeaders(request), exchange), exchange);
  };
  open(key, bearer, socket, head, options, serve).catch((error: unknown) => {
    options.logger.error("failed to serve a WebSocket", { error });
    socket.destroy();
  });
}

/** Answers a handshake that has been checked. The package is loaded when the first client comes. */
async function open(
  key: string,
  bearer: boolean,
  socket: Duplex,
  head: Buffer,
  options: WebSocketOptions,
  serve: (webSocket: WebSocket) => void,
): Promise<void> {
  const { WebSocketServer } = await import("ws");
  // The types of the package are older than its limits.
  const settings: ServerOptions & { maxFragments: number; closeTimeout: number } = {
    noServer: true,
    clientTracking: false,
    perMessageDeflate: false,
    autoPong: false,
    maxPayload: options.maxMessageBytes,
    maxFragments: MAX_FRAGMENTS,
    closeTimeout: CLOSE_TIMEOUT_MS,
  };
  const handshake = new IncomingMessage(new Socket());
  handshake.method = "GET";
  handshake.headers.upgrade = "websocket";
  handshake.headers["sec-websocket-key"] = key;
  handshake.headers["sec-websocket-version"] = "13";
  // Of what the client offers only this is known here; a token beside it need not be a protocol.
  if (bearer) handshake.headers["sec-websocket-protocol"] = "Bearer";
  new WebSocketServer(settings).handleUpgrade(handshake, socket, head, serve);
}

/** Headers of the request that the gateway sees. */
function requestHeaders(request: HttpRequest): Record<string, string> {
  const headers: Record<string, string> = Object.create(null);
  for (const name of ["host", "origin", "referer"]) {
    const value = request.headers[name];
    if (value !== undefined) headers[name] = value;
  }
  const protocol = request.headers["sec-websocket-protocol"];
  const marker = "Bearer,";
  if (protocol !== undefined) {
    const at = protocol.indexOf(marker);
    const token = at < 0 ? "" : protocol.slice(at + marker.length).trim();
    headers.authorization = token === "" ? "" : `Bearer ${token}`;
  }
  const cookie = /(?:^|;)\s*token=([^;]*)/.exec(request.headers.cookie ?? "")?.[1];
  if (cookie !== undefined) headers.authorization = `Bearer ${cookie.trim()}`;
  return headers;
}

class WebSocketRequest implements HttpRequest {
  readonly method = "POST";
  readonly path: string;
  readonly query: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly remote: string;
  readonly secure: boolean;
  readonly certificateName: string | undefined;
  readonly #exchange: WebSocketExchange;

  constructor(
    request: HttpRequest,
    headers: Readonly<Record<string, string>>,
    exchange: WebSocketExchange,
  ) {
    this.path = request.path;
    this.query = request.query;
    this.headers = headers;
    this.remote = request.remote;
    this.secure = request.secure;
    this.certificateName = request.certificateName;
    this.#exchange = exchange;
  }

  /** The first message: a WebSocket has no end of body while it waits for the answer. */
  async readBody(): Promise<Uint8Array> {
    const message = await this.#exchange.nextMessage();
    if (message === undefined) throw new Error("websocket closed");
    return message;
  }

  async *bodyChunks(): AsyncGenerator<Uint8Array, void, void> {
    for (;;) {
      const message = await this.#exchange.nextMessage();
      if (message === undefined) return;
      yield Buffer.concat([message, NEWLINE]);
    }
  }
}

const NEWLINE = Buffer.from("\n");

/** The open WebSocket; it is the response, and holds the messages that came in. */
class WebSocketExchange implements HttpResponse {
  onDrain: (() => void) | undefined = undefined;
  onClose: (() => void) | undefined = undefined;
  closed = false;
  readonly #webSocket: WebSocket;
  readonly #socket: Duplex;
  readonly #messages: Uint8Array[] = [];
  #waiting: ((message: Uint8Array | undefined) => void) | undefined;
  #rest = "";

  constructor(webSocket: WebSocket, socket: Duplex) {
    this.#webSocket = webSocket;
    this.#socket = socket;
    webSocket.binaryType = "nodebuffer";
    webSocket.on("message", (message: Buffer) => this.#queue(message));
    webSocket.on("ping", (payload) => this.#pong(payload));
    // It says with a close frame what was wrong; the connection then closes.
    webSocket.on("error", () => this.#gone());
    webSocket.on("close", () => this.#gone());
    socket.on("drain", () => this.onDrain?.());
    socket.on("end", () => this.#gone());
  }

  /** Undefined once the client has gone. */
  nextMessage(): Promise<Uint8Array | undefined> {
    const message = this.#messages.shift();
    if (message !== undefined) {
      if (this.#messages.length < MAX_QUEUED_MESSAGES) this.#webSocket.resume();
      return Promise.resolve(message);
    }
    if (this.closed) return Promise.resolve(undefined);
    return new Promise((resolve) => {
      this.#waiting = resolve;
    });
  }

  /** There is no status line here: errors are told by their JSON. */
  head(): void {}

  write(chunk: Uint8Array | string): boolean {
    if (this.closed) return false;
    const text = this.#rest + (typeof chunk === "string" ? chunk : Buffer.from(chunk).toString());
    const lines = text.split("\n");
    this.#rest = lines.pop() ?? "";
    let writable = true;
    for (const line of lines) writable = this.#sendText(line);
    return writable;
  }

  end(chunk?: Uint8Array | string): void {
    if (this.closed) return;
    if (chunk !== undefined) this.write(chunk);
    this.#sendText(this.#rest);
    this.closed = true;
    this.#webSocket.close(CLOSE_NORMAL);
    this.#socket.end();
    this.#wake();
  }

  abort(): void {
    this.#socket.destroy();
  }

  #sendText(line: string): boolean {
    if (line === "") return true;
    this.#webSocket.send(line);
    return !this.#socket.writableNeedDrain;
  }

  #pong(payload: Uint8Array): void {
    if (this.#socket.writableLength > MAX_QUEUED_PONG_BYTES) this.#webSocket.terminate();
    else this.#webSocket.pong(payload);
  }

  #queue(message: Uint8Array): void {
    const waiting = this.#waiting;
    if (waiting !== undefined) {
      this.#waiting = undefined;
      waiting(message);
      return;
    }
    this.#messages.push(message);
    if (this.#messages.length >= MAX_QUEUED_MESSAGES) this.#webSocket.pause();
  }

  #gone(): void {
    this.#wake();
    if (this.closed) return;
    this.closed = true;
    this.onClose?.();
  }

  #wake(): void {
    const waiting = this.#waiting;
    this.#waiting = undefined;
    waiting?.(undefined);
  }
}

const STATUS_TEXT: Readonly<Record<number, string>> = {
  400: "Bad Request",
  405: "Method Not Allowed",
};

/** Answers in plain HTTP on a connection that was to be upgraded, and closes it. */
class SocketResponse implements HttpResponse {
  onDrain: (() => void) | undefined = undefined;
  onClose: (() => void) | undefined = undefined;
  closed = false;
  readonly #socket: Duplex;

  constructor(socket: Duplex) {
    this.#socket = socket;
    socket.on("error", () => socket.destroy());
    socket.on("drain", () => this.onDrain?.());
    socket.once("close", () => {
      if (this.closed) return;
      this.closed = true;
      this.onClose?.();
    });
  }

  head(status: number, headers: Readonly<Record<string, string>>): void {
    const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
    const reason = STATUS_TEXT[status] ?? "";
    this.#socket.write(
      `HTTP/1.1 ${status} ${reason}\r\n${lines.join("")}connection: close\r\n\r\n`,
    );
  }

  write(chunk: Uint8Array | string): boolean {
    return !this.closed && this.#socket.write(chunk);
  }

  end(chunk?: Uint8Array | string): void {
    if (this.closed) return;
    this.closed = true;
    this.#socket.end(chunk);
  }

  abort(): void {
    this.#socket.destroy();
  }
}
