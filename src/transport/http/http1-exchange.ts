/** One HTTP/1 request and its answer by node:http, in the shape that handlers know. */
import type { IncomingMessage, ServerResponse } from "node:http";
import type { HttpRequest, HttpResponse } from "../../env/http.ts";
import { HttpBodyTooLarge } from "../../env/http.ts";
import type { OutputBudget } from "../http2/output-budget.ts";
import {
  FAIR_QUEUED_OUTPUT_BYTES,
  IDLE_WRITE_TIMEOUT_MS,
  MAX_FRAMED_BYTES,
  STALLED_OUTPUT_BYTES,
} from "../limits.ts";
import type { ExchangePeer } from "./http2-exchange.ts";
import { hasBody } from "./upgrade-offer.ts";

export class Http1Request implements HttpRequest {
  readonly method: string;
  readonly path: string;
  readonly query: string;
  readonly remote: string;
  readonly secure: boolean;
  readonly certificateName: string | undefined;
  readonly #request: IncomingMessage;
  #headers: Readonly<Record<string, string>> | undefined;

  constructor(request: IncomingMessage, peer: ExchangePeer) {
    this.#request = request;
    this.method = request.method ?? "GET";
    const target = originForm(request.url ?? "/");
    const mark = target.indexOf("?");
    this.path = mark < 0 ? target : target.slice(0, mark);
    this.query = mark < 0 ? "" : target.slice(mark + 1);
    this.remote = peer.remote;
    this.secure = peer.secure;
    this.certificateName = peer.certificateName;
  }

  /** Made when somebody looks. */
  get headers(): Readonly<Record<string, string>> {
    if (this.#headers !== undefined) return this.#headers;
    const headers: Record<string, string> = Object.create(null);
    const { headers: all } = this.#request;
    for (const name in all) {
      const value = all[name];
      if (value !== undefined) headers[name] = Array.isArray(value) ? value.join(", ") : value;
    }
    this.#headers = headers;
    return headers;
  }

  /** By events: the iterator of a stream is dear for the small body of a form. */
  readBody(limitBytes: number): Promise<Uint8Array> {
    const request = this.#request;
    return new Promise((resolve, reject) => {
      const parts: Uint8Array[] = [];
      let bytes = 0;
      let hasEnded = false;
      const take = (chunk: Uint8Array): void => {
        bytes += chunk.length;
        if (bytes <= limitBytes) {
          parts.push(chunk);
          return;
        }
        // The answer (413) still has to go out; what is left is read behind it.
        request.off("data", take).pause();
        reject(new HttpBodyTooLarge(limitBytes));
      };
      request.on("end", () => {
        hasEnded = true;
        if (!this.#isWhole(bytes)) reject(new Error(INCOMPLETE));
        else resolve(parts.length === 1 ? (parts[0] as Uint8Array) : Buffer.concat(parts));
      });
      request.on("close", () => {
        if (!hasEnded) reject(new Error(INCOMPLETE));
      });
      if (request.destroyed) reject(new Error(INCOMPLETE));
      else request.on("data", take);
    });
  }

  #isWhole(bytes: number): boolean {
    const length = this.#request.headers["content-length"];
    return this.#request.complete && (length === undefined || Number(length) === bytes);
  }

  async *bodyChunks(): AsyncGenerator<Uint8Array, void, void> {
    const request = this.#request;
    let bytes = 0;
    // Leaving early must not destroy the socket: the answer (413) still has to go out.
    for await (const chunk of request.iterator({ destroyOnReturn: false })) {
      bytes += (chunk as Uint8Array).length;
      yield chunk as Uint8Array;
    }
    if (!this.#isWhole(bytes)) throw new Error(INCOMPLETE);
  }
}

const INCOMPLETE = "the body of the request did not arrive";

/** "http://host/path" (absolute form, RFC 9112 3.2.2) becomes "/path". */
function originForm(url: string): string {
  const match = /^https?:\/\/[^/?]*/i.exec(url);
  if (match === null) return url;
  const rest = url.slice(match[0].length);
  return rest.startsWith("/") ? rest : `/${rest}`;
}

/** An answer; what its client has not taken is charged to the budget of unread output. */
export class Http1Response implements HttpResponse {
  onDrain: (() => void) | undefined = undefined;
  onClose: (() => void) | undefined = undefined;
  readonly #request: IncomingMessage;
  readonly #response: ServerResponse;
  readonly #budget: OutputBudget;
  #charged = 0;
  /** The head has left with a first piece of the body. */
  #hasBegun = false;
  readonly #drained = (): void => {
    if (this.#charged > STALLED_OUTPUT_BYTES) this.#limitIdleness(0);
    this.#charge(-this.#charged);
    this.onDrain?.();
  };

  constructor(request: IncomingMessage, response: ServerResponse, budget: OutputBudget) {
    this.#request = request;
    this.#response = response;
    this.#budget = budget;
    response.on("drain", this.#drained);
    const { socket } = response;
    response.on("close", () => {
      socket?.off("drain", this.#drained);
      this.#charge(-this.#charged);
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
    this.#response.writeHead(status, headers);
  }

  /** The rest of a body that nobody reads must not be taken for the next request. */
  #closeAfterEarlyAnswer(): void {
    const request = this.#request;
    if (hasBody(request) && !request.complete) this.#response.shouldKeepAlive = false;
  }

  write(chunk: Uint8Array | string): boolean {
    if (this.closed || this.#refuses(chunk)) return false;
    const taken = this.#writeChunk(chunk) ?? this.#response.write(chunk);
    if (!taken) this.#charge(chunk.length);
    return taken;
  }

  /**
   * A small piece of a body that has begun, in one write with its framing: node:http makes four of it,
   * and waits for the end of the turn. Undefined where it does not apply.
   */
  #writeChunk(chunk: Uint8Array | string): boolean | undefined {
    const response = this.#response;
    const { socket } = response;
    if (!this.#hasBegun) {
      this.#hasBegun = true;
      return undefined;
    }
    if (socket === null || !response.chunkedEncoding) return undefined;
    if (typeof chunk === "string" || chunk.length === 0 || chunk.length > MAX_FRAMED_BYTES) {
      return undefined;
    }
    const size = `${chunk.length.toString(16)}\r\n`;
    const framed = Buffer.allocUnsafe(size.length + chunk.length + 2);
    framed.latin1Write(size, 0);
    framed.set(chunk, size.length);
    framed.latin1Write("\r\n", size.length + chunk.length);
    const taken = socket.write(framed);
    // The response itself does not know of it.
    if (!taken && socket.listenerCount("drain", this.#drained) === 0) {
      socket.once("drain", this.#drained);
    }
    return taken;
  }

  end(chunk?: Uint8Array | string): void {
    if (this.closed) return;
    if (!this.#response.headersSent) this.#closeAfterEarlyAnswer();
    if (chunk === undefined) this.#response.end();
    else if (!this.#refuses(chunk)) {
      this.#charge(chunk.length);
      this.#response.end(chunk);
    }
    if (!this.#request.complete) this.#request.resume();
  }

  admits(bytes: number): boolean {
    return this.#charged + bytes <= FAIR_QUEUED_OUTPUT_BYTES || this.#budget.has(bytes);
  }

  abort(): void {
    this.#response.destroy();
  }

  #refuses(chunk: Uint8Array | string): boolean {
    if (this.admits(chunk.length)) return false;
    this.abort();
    return true;
  }

  #charge(bytes: number): void {
    this.#charged += bytes;
    this.#budget.add(bytes);
    if (bytes > 0 && this.#charged > STALLED_OUTPUT_BYTES) {
      this.#limitIdleness(IDLE_WRITE_TIMEOUT_MS);
    }
  }

  /** Of the socket: without a byte in either direction for so long it is closed. */
  #limitIdleness(timeoutMs: number): void {
    const { socket } = this.#response;
    if (socket !== null && "setTimeout" in socket) socket.setTimeout(timeoutMs);
  }
}
