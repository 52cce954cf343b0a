/**
 * HTTP/1.1 by node:http, whose strict parser refuses what request smuggling needs. It never
 * listens: accepted sockets are handed to it. `Upgrade: h2c` is answered as HTTP/1.1.
 */
import { createServer, type IncomingMessage, type Server, ServerResponse } from "node:http";
import type { Duplex } from "node:stream";
import type { HttpHandler, HttpRequest, HttpResponse } from "../../env/http.ts";
import { HttpBodyTooLarge } from "../../env/http.ts";
import {
  HTTP1_HEADERS_TIMEOUT_MS,
  HTTP1_REQUEST_TIMEOUT_MS,
  MAX_HTTP1_HEADER_BYTES,
} from "../limits.ts";
import type { ExchangePeer } from "./http2-exchange.ts";

/** A WebSocket upgrade; the callee owns the socket from then on. */
export type UpgradeHandler = (request: HttpRequest, socket: Duplex, head: Buffer) => void;

/** How long an idle connection stays open, as Go's server without an own setting: long. */
const KEEP_ALIVE_TIMEOUT_MS = 120_000;

export class Http1Server {
  readonly #server: Server;
  readonly #handler: HttpHandler;
  readonly #peers = new WeakMap<object, ExchangePeer>();
  readonly #sockets = new Set<Duplex>();
  readonly #busy = new Map<Duplex, number>();
  #draining = false;

  /** `requestTimeoutMs` is for a whole request, body included; 0 for no limit. */
  constructor(
    handler: HttpHandler,
    onUpgrade: UpgradeHandler | undefined,
    requestTimeoutMs: number = HTTP1_REQUEST_TIMEOUT_MS,
  ) {
    this.#handler = handler;
    this.#server = createServer({
      maxHeaderSize: MAX_HTTP1_HEADER_BYTES,
      insecureHTTPParser: false,
      headersTimeout: HTTP1_HEADERS_TIMEOUT_MS,
      requestTimeout: requestTimeoutMs,
      keepAliveTimeout: KEEP_ALIVE_TIMEOUT_MS,
      connectionsCheckingInterval: 2_000,
    });
    this.#server.on("request", (request, response) => this.#handle(request, response));
    this.#server.on("connect", (_request, socket) => refuseConnect(socket));
    this.#server.on("clientError", (error, socket) => refuseMalformed(error, socket));
    if (onUpgrade !== undefined) {
      this.#server.on("upgrade", (request, socket, head) => {
        const protocol = (request.headers.upgrade ?? "").toLowerCase();
        if (protocol === "websocket") {
          onUpgrade(new Http1Request(request, this.#peer(request)), socket, head);
        } else {
          this.#handleWithoutUpgrade(request, socket);
        }
      });
    }
    // Starts the check of the two timeouts above, which a server that listens gets by itself.
    this.#server.emit("listening");
  }

  /** Serves a socket; `first` is what a sniffer has already read. */
  accept(socket: Duplex, first: Buffer, peer: ExchangePeer): void {
    this.#peers.set(socket, peer);
    this.#sockets.add(socket);
    socket.once("close", () => {
      this.#sockets.delete(socket);
      this.#busy.delete(socket);
    });
    if (first.length > 0) socket.unshift(first);
    this.#server.emit("connection", socket);
    socket.resume();
  }

  /** Closes idle connections now and busy ones after their answer. */
  drain(): void {
    this.#draining = true;
    for (const socket of this.#sockets) if (!this.#busy.has(socket)) socket.destroy();
  }

  get connections(): number {
    return this.#sockets.size;
  }

  destroy(): void {
    for (const socket of this.#sockets) socket.destroy();
    this.#server.close();
    this.#server.emit("close");
  }

  #peer(request: IncomingMessage): ExchangePeer {
    const unknown = { remote: "@", secure: false, certificateName: undefined };
    return this.#peers.get(request.socket) ?? unknown;
  }

  #handle(request: IncomingMessage, response: ServerResponse): void {
    const { socket } = request;
    this.#busy.set(socket, (this.#busy.get(socket) ?? 0) + 1);
    response.once("close", () => {
      const left = (this.#busy.get(socket) ?? 1) - 1;
      if (left > 0) this.#busy.set(socket, left);
      else this.#busy.delete(socket);
      if (this.#draining && left <= 0) socket.destroySoon();
    });
    const peer = this.#peer(request);
    try {
      this.#handler.handle(new Http1Request(request, peer), new Http1Response(request, response));
    } catch {
      socket.destroy();
    }
  }

  /** Node has given the socket away for an upgrade that we do not do; answer and close. */
  #handleWithoutUpgrade(request: IncomingMessage, socket: Duplex): void {
    const response = new ServerResponse(request);
    response.shouldKeepAlive = false;
    response.assignSocket(socket as IncomingMessage["socket"]);
    response.once("finish", () => socket.end());
    this.#handle(request, response);
  }
}

function refuseConnect(socket: Duplex): void {
  socket.end("HTTP/1.1 405 Method Not Allowed\r\nconnection: close\r\ncontent-length: 0\r\n\r\n");
}

/** In the form of Go's server: a bare status line and its text. */
function refuseMalformed(error: NodeJS.ErrnoException, socket: Duplex): void {
  if (!socket.writable) {
    socket.destroy();
    return;
  }
  const status = REFUSALS[error.code ?? ""] ?? "400 Bad Request";
  socket.end(
    `HTTP/1.1 ${status}\r\ncontent-type: text/plain; charset=utf-8\r\n` +
      `connection: close\r\n\r\n${status}`,
  );
}

const REFUSALS: Readonly<Record<string, string>> = {
  ERR_HTTP_REQUEST_TIMEOUT: "408 Request Timeout",
  HPE_HEADER_OVERFLOW: "431 Request Header Fields Too Large",
};

class Http1Request implements HttpRequest {
  readonly method: string;
  readonly path: string;
  readonly query: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly remote: string;
  readonly secure: boolean;
  readonly certificateName: string | undefined;
  readonly #request: IncomingMessage;

  constructor(request: IncomingMessage, peer: ExchangePeer) {
    this.#request = request;
    this.method = request.method ?? "GET";
    const target = originForm(request.url ?? "/");
    const mark = target.indexOf("?");
    this.path = mark < 0 ? target : target.slice(0, mark);
    this.query = mark < 0 ? "" : target.slice(mark + 1);
    const headers: Record<string, string> = Object.create(null);
    for (const [name, value] of Object.entries(request.headers)) {
      if (value !== undefined) headers[name] = Array.isArray(value) ? value.join(", ") : value;
    }
    this.headers = headers;
    this.remote = peer.remote;
    this.secure = peer.secure;
    this.certificateName = peer.certificateName;
  }

  async readBody(limitBytes: number): Promise<Uint8Array> {
    const parts: Uint8Array[] = [];
    let bytes = 0;
    for await (const chunk of this.bodyChunks()) {
      bytes += chunk.length;
      if (bytes > limitBytes) throw new HttpBodyTooLarge(limitBytes);
      parts.push(chunk);
    }
    return parts.length === 1 ? (parts[0] as Uint8Array) : Buffer.concat(parts);
  }

  async *bodyChunks(): AsyncGenerator<Uint8Array, void, void> {
    // Leaving early must not destroy the socket: the answer (413) still has to go out.
    yield* this.#request.iterator({ destroyOnReturn: false }) as AsyncIterable<Uint8Array>;
  }
}

/** "http://host/path" (absolute form, RFC 9112 3.2.2) becomes "/path". */
function originForm(url: string): string {
  const match = /^https?:\/\/[^/?]*/i.exec(url);
  if (match === null) return url;
  const rest = url.slice(match[0].length);
  return rest.startsWith("/") ? rest : `/${rest}`;
}

class Http1Response implements HttpResponse {
  onDrain: (() => void) | undefined = undefined;
  onClose: (() => void) | undefined = undefined;
  readonly #request: IncomingMessage;
  readonly #response: ServerResponse;

  constructor(request: IncomingMessage, response: ServerResponse) {
    this.#request = request;
    this.#response = response;
    response.on("drain", () => this.onDrain?.());
    response.on("close", () => {
      if (!response.writableFinished) this.onClose?.();
    });
    response.on("error", () => {});
  }

  get closed(): boolean {
    return this.#response.destroyed || this.#response.writableEnded;
  }

  head(status: number, headers: Readonly<Record<string, string>>): void {
    if (this.#response.headersSent || this.closed) return;
    this.#closeAfterEarlyAnswer();
    this.#response.writeHead(status, { ...headers });
  }

  /** The rest of a body that nobody reads must not be taken for the next request. */
  #closeAfterEarlyAnswer(): void {
    const { headers, complete } = this.#request;
    const length = headers["content-length"];
    const hasBody =
      headers["transfer-encoding"] !== undefined || (length !== undefined && length !== "0");
    if (hasBody && !complete) this.#response.shouldKeepAlive = false;
  }

  write(chunk: Uint8Array | string): boolean {
    if (this.closed) return false;
    return this.#response.write(chunk);
  }

  end(chunk?: Uint8Array | string): void {
    if (this.closed) return;
    if (!this.#response.headersSent) this.#closeAfterEarlyAnswer();
    if (chunk === undefined) this.#response.end();
    else this.#response.end(chunk);
    if (!this.#request.complete) this.#request.resume();
  }

  abort(): void {
    this.#response.destroy();
  }
}
