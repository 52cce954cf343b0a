/**
 * HTTP/1 by node:http, whose strict parser refuses what request smuggling needs. It never
 * listens: accepted sockets are handed to it. A request that offers an upgrade that nobody does
 * (`Upgrade: h2c`) is served as if it had not offered it.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { Duplex } from "node:stream";
import type { HttpHandler, HttpRequest } from "../../env/http.ts";
import type { OutputBudget } from "../http2/output-budget.ts";
import {
  HTTP1_HEADERS_TIMEOUT_MS,
  HTTP1_REQUEST_TIMEOUT_MS,
  MAX_HTTP1_HEADER_BYTES,
} from "../limits.ts";
import { Http1Request, Http1Response } from "./http1-exchange.ts";
import { hostProblem } from "./host-field.ts";
import type { ExchangePeer } from "./http2-exchange.ts";
import { VersionedResponse } from "./versioned-response.ts";
import { bodyWasParsed, headWithoutOffer, offersUpgrade } from "./upgrade-offer.ts";

/**
 * A WebSocket upgrade. True: the callee owns the socket from then on. False: the callee has
 * touched nothing, and the request is served as a plain one.
 */
export type UpgradeHandler = (request: HttpRequest, socket: Duplex, head: Buffer) => boolean;

/** How long an idle connection stays open, as Go's server without an own setting: long. */
const KEEP_ALIVE_TIMEOUT_MS = 120_000;

export class Http1Server {
  readonly #server: Server;
  readonly #handler: HttpHandler;
  readonly #peers = new WeakMap<object, ExchangePeer>();
  readonly #sockets = new Set<Duplex>();
  readonly #onUpgrade: UpgradeHandler | undefined;
  readonly #budget: OutputBudget;
  /** Requests of a socket that are not answered yet, and what waits for their answers. */
  readonly #busy = new Map<Duplex, number>();
  readonly #waiting = new Map<Duplex, () => void>();
  /** Sockets with a request at work, and the requests behind it. */
  readonly #lines = new Map<Duplex, (() => void)[]>();
  #draining = false;

  /** `requestTimeoutMs` is for a whole request, body included; 0 for no limit. */
  constructor(
    handler: HttpHandler,
    onUpgrade: UpgradeHandler | undefined,
    budget: OutputBudget,
    requestTimeoutMs: number = HTTP1_REQUEST_TIMEOUT_MS,
  ) {
    this.#handler = handler;
    this.#onUpgrade = onUpgrade;
    this.#budget = budget;
    this.#server = createServer({
      maxHeaderSize: MAX_HTTP1_HEADER_BYTES,
      insecureHTTPParser: false,
      requireHostHeader: false,
      headersTimeout: HTTP1_HEADERS_TIMEOUT_MS,
      requestTimeout: requestTimeoutMs,
      keepAliveTimeout: KEEP_ALIVE_TIMEOUT_MS,
      connectionsCheckingInterval: 2_000,
      ServerResponse: VersionedResponse,
    });
    // Bounded by their bytes. A number would cut the list, and a head made of it would differ.
    this.#server.maxHeadersCount = 0;
    this.#server.on("request", (request, response) => this.#handle(request, response));
    this.#server.on("connect", (_request, socket) => refuseConnect(socket));
    this.#server.on("clientError", (error, socket) => refuseMalformed(error, socket));
    this.#server.on("upgrade", (request, stream, head) => {
      this.#afterAnswers(request.socket, () => this.#upgrade(request, stream, head));
    });
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
      this.#waiting.delete(socket);
      this.#lines.delete(socket);
    });
    this.#parse(socket, first);
  }

  #parse(socket: Duplex, first: Buffer): void {
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
      this.#next(socket);
      const left = (this.#busy.get(socket) ?? 1) - 1;
      if (left > 0) {
        this.#busy.set(socket, left);
        return;
      }
      this.#busy.delete(socket);
      if (this.#draining) socket.destroySoon();
      const waiting = this.#waiting.get(socket);
      this.#waiting.delete(socket);
      waiting?.();
    });
    this.#inLine(socket, () => this.#serve(request, response));
  }

  /** One request of a connection at a time, as in Go: others' are served in between. */
  #inLine(socket: Duplex, serve: () => void): void {
    const line = this.#lines.get(socket);
    if (line === undefined) {
      this.#lines.set(socket, []);
      serve();
      return;
    }
    line.push(serve);
    if (line.length > 1) return;
    // When the packet has been parsed: the parser itself resumes at the end of each message.
    process.nextTick(() => {
      if (line.length > 0) socket.pause();
    });
  }

  /** The request at work has been answered. */
  #next(socket: Duplex): void {
    const line = this.#lines.get(socket);
    if (line === undefined) return;
    const serve = line.shift();
    if (serve === undefined) {
      this.#lines.delete(socket);
      return;
    }
    setImmediate(() => {
      if (!this.#lines.has(socket)) return;
      if (line.length === 0) socket.resume();
      serve();
    });
  }

  #serve(request: IncomingMessage, response: ServerResponse): void {
    const { socket } = request;
    if (request.httpVersionMajor !== 1) {
      // Not HTTP/1, and what speaks HTTP/2 has said so before: as etcd, without a word.
      socket.destroy();
      return;
    }
    const problem = hostProblem(request);
    if (problem !== undefined) {
      refuseHead(response, 400, problem);
      return;
    }
    const coding = request.headers["transfer-encoding"];
    if (coding !== undefined && coding.toLowerCase() !== "chunked") {
      // The body would reach its handler in a coding that nobody undoes.
      refuseHead(response, 501, "Not Implemented", "Unsupported transfer encoding");
      return;
    }
    const peer = this.#peer(request);
    try {
      this.#handler.handle(
        new Http1Request(request, peer),
        new Http1Response(request, response, this.#budget),
      );
    } catch {
      socket.destroy();
    }
  }

  /** Answers leave in the order of their requests. */
  #afterAnswers(socket: Duplex, run: () => void): void {
    if (this.#busy.has(socket)) this.#waiting.set(socket, run);
    else run();
  }

  /** Node has given the socket away: to the WebSocket, or back to the parser. */
  #upgrade(request: IncomingMessage, stream: Duplex, head: Buffer): void {
    const { socket } = request;
    if (socket.destroyed) return;
    if (offersUpgrade(request, "websocket") && hostProblem(request) === undefined) {
      const plain = new Http1Request(request, this.#peer(request));
      if (this.#onUpgrade?.(plain, stream, head) === true) return;
    }
    // The parser that is gone may have counted an idle connection. Not every Duplex has a timeout.
    if ("setTimeout" in socket) socket.setTimeout(0);
    if (bodyWasParsed(request, stream)) this.#serveParsed(request, stream, head);
    else this.#parse(stream, Buffer.concat([headWithoutOffer(request), head]));
  }

  /** Serves a request that has its body already; what follows it comes out of `stream`. */
  #serveParsed(request: IncomingMessage, stream: Duplex, head: Buffer): void {
    const { socket } = request;
    const response = new VersionedResponse(request);
    response.shouldKeepAlive = !/\bclose\b/i.test(request.headers.connection ?? "");
    response.assignSocket(socket);
    response.once("finish", () => {
      response.detachSocket(socket);
      response.emit("close");
      if (!response.shouldKeepAlive || this.#draining) stream.end();
      else if (stream === socket) this.#parse(socket, head);
      else {
        this.#sockets.delete(socket);
        this.accept(stream, head, this.#peer(request));
      }
    });
    if (/^100-continue$/i.test(request.headers.expect ?? "")) response.writeContinue();
    this.#handle(request, response);
  }
}

function refuseConnect(socket: Duplex): void {
  socket.end("HTTP/1.1 405 Method Not Allowed\r\nconnection: close\r\ncontent-length: 0\r\n\r\n");
}

/** In its turn, after the answers of requests before it. */
function refuseHead(
  response: ServerResponse,
  status: number,
  reason: string,
  text: string = `${status} ${reason}`,
): void {
  response.shouldKeepAlive = false;
  response.writeHead(status, reason, {
    "content-type": "text/plain; charset=utf-8",
    "content-length": text.length,
  });
  response.end(text);
}

function refuseMalformed(error: NodeJS.ErrnoException, socket: Duplex): void {
  refuse(socket, REFUSALS[error.code ?? ""] ?? "400 Bad Request");
}

/** In the form of Go's server: a bare status line and its text. */
function refuse(socket: Duplex, status: string): void {
  if (!socket.writable) {
    socket.destroy();
    return;
  }
  socket.end(
    `HTTP/1.1 ${status}\r\ncontent-type: text/plain; charset=utf-8\r\n` +
      `connection: close\r\n\r\n${status}`,
  );
}

const REFUSALS: Readonly<Record<string, string>> = {
  ERR_HTTP_REQUEST_TIMEOUT: "408 Request Timeout",
  HPE_HEADER_OVERFLOW: "431 Request Header Fields Too Large",
};
