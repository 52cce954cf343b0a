/**
 * The v2 proxy: passes each HTTP request on to a member, and its answer back, both at the pace of
 * who is slower. A member that cannot be reached is passed over for the next one.
 *
 * A request that may have been carried out is not sent a second time, except for reads.
 */
import { errorMessage } from "../../base/error-message.ts";
import type { ClientRequest, IncomingMessage } from "node:http";
import type { EtcdUrl } from "../../base/etcd-url.ts";
import type { Clock } from "../../env/clock.ts";
import type { HttpRequest, HttpResponse } from "../../env/http.ts";
import type { Logger } from "../../env/logger.ts";
import { failureText, headersOfAnswer, type PeerHttp } from "../../transport/peer/peer-http.ts";
import type { Director } from "./director.ts";
import type { HttpProxyMetrics } from "./metrics.ts";
import { RequestBody } from "./request-body.ts";

/** RFC 9110 7.6.1: of this connection only. */
const HOP_HEADERS: ReadonlySet<string> = new Set([
  "connection",
  "keep-alive",
  "proxy-authenticate",
  "proxy-authorization",
  "proxy-connection",
  "te",
  "trailers",
  "transfer-encoding",
  "upgrade",
  "expect",
]);
const READS: ReadonlySet<string> = new Set(["GET", "HEAD"]);

export interface ReverseProxyDeps {
  readonly director: Director;
  readonly http: PeerHttp;
  readonly logger: Logger;
  readonly clock: Clock;
  readonly metrics: HttpProxyMetrics;
  /** `--proxy-write-timeout`: how long a member may take nothing; 0 for any time. */
  readonly writeTimeoutMs: number;
  /** `--proxy-read-timeout`: how long a member may say nothing; 0 for any time. */
  readonly readTimeoutMs: number;
}

type Attempt =
  | { readonly kind: "answered"; readonly incoming: IncomingMessage }
  | { readonly kind: "failed"; readonly mayRepeat: boolean }
  | { readonly kind: "clientGone" };

export type HttpHeaders = Readonly<Record<string, string>>;

export class ReverseProxy {
  readonly #deps: ReverseProxyDeps;

  constructor(deps: ReverseProxyDeps) {
    this.#deps = deps;
  }

  /** `more` are headers of every answer that does not bring its own. */
  forward(request: HttpRequest, response: HttpResponse, more: HttpHeaders): void {
    this.#forward(request, response, more).catch((error: unknown) => {
      this.#deps.logger.error("http handler failed", { error });
      response.abort();
    });
  }

  async #forward(request: HttpRequest, response: HttpResponse, more: HttpHeaders): Promise<void> {
    const { director, logger, metrics, clock } = this.#deps;
    const { method } = request;
    const startMs = clock.nowMs();
    metrics.incoming.of(method).add();
    const refuse = (status: number, message: string): void => {
      response.head(status, { ...more, "content-type": "application/json" });
      response.end(JSON.stringify({ message: `httpproxy: ${message}` }));
    };
    const body = new RequestBody(request);
    try {
      await body.begin();
    } catch (error) {
      logger.info("failed to read request body", { error });
      refuse(500, `failed to read request body: ${errorMessage(error)}`);
      return;
    }
    const endpoints = director.available;
    if (endpoints.length === 0) {
      metrics.dropped.of(method, "zero_endpoints").add();
      logger.info("zero endpoints currently available");
      refuse(503, "zero endpoints currently available");
      return;
    }
    let tried = 0;
    for (const endpoint of endpoints) {
      tried++;
      const attempt = await this.#attempt(endpoint.url, request, response, body);
      if (attempt.kind === "clientGone") return;
      if (attempt.kind === "answered") {
        metrics.handled.of(method, String(attempt.incoming.statusCode)).add();
        metrics.seconds.of(method).observe((clock.nowMs() - startMs) / 1000);
        passOn(attempt.incoming, response, more);
        return;
      }
      metrics.dropped.of(method, "failed_sending_request").add();
      director.failed(endpoint);
      if (!attempt.mayRepeat) break;
    }
    metrics.dropped.of(method, "failed_getting_response").add();
    const message = `unable to get response from ${tried} endpoint(s)`;
    logger.info(message);
    refuse(502, message);
  }

  /** Settles when the member begins to answer. */
  #attempt(
    url: EtcdUrl,
    request: HttpRequest,
    response: HttpResponse,
    body: RequestBody,
  ): Promise<Attempt> {
    const { http, logger, readTimeoutMs } = this.#deps;
    const target = request.query === "" ? request.path : `${request.path}?${request.query}`;
    const head = { method: request.method, path: target, headers: headersFor(request, body) };
    const isRead = READS.has(request.method);
    // A kept connection may just have been closed by the member: nobody could say what became of a
    // write.
    const outgoing = isRead && body.isWhole ? http.openKept(url, head) : http.open(url, head);
    if (readTimeoutMs > 0) {
      outgoing.setTimeout(readTimeoutMs, () => outgoing.destroy(new Error("i/o timeout")));
    }
    return new Promise((resolve) => {
      let isConnected = false;
      const connected = (): void => {
        isConnected = true;
      };
      outgoing.once("socket", (socket) => {
        if (!socket.connecting) connected();
        socket.once("encrypted" in socket ? "secureConnect" : "connect", connected);
      });
      outgoing.on("error", (error) => {
        const fields = { url: url.href, error: failureText(error, url) };
        logger.info("failed to direct request", fields);
        resolve({ kind: "failed", mayRepeat: !body.isSpent && (isRead || !isConnected) });
      });
      response.onClose = () => {
        logger.info("client closed request prematurely", { "remote-addr": request.remote });
        resolve({ kind: "clientGone" });
        outgoing.destroy();
      };
      outgoing.once("response", (incoming) => resolve({ kind: "answered", incoming }));
      void this.#send(outgoing, body);
    });
  }

  /** A large body waits for the connection: what it has been given cannot be given to another. */
  async #send(outgoing: ClientRequest, body: RequestBody): Promise<void> {
    try {
      if (!body.isWhole && !(await connection(outgoing))) return;
      for await (const chunk of body.read()) {
        if (outgoing.destroyed) return;
        if (!outgoing.write(chunk) && !body.isWhole) await this.#drained(outgoing);
      }
      outgoing.end();
    } catch (error) {
      outgoing.destroy(error instanceof Error ? error : new Error(String(error)));
    }
  }

  #drained(outgoing: ClientRequest): Promise<void> {
    const { clock, writeTimeoutMs } = this.#deps;
    return new Promise((resolve) => {
      const settle = (): void => {
        timer?.cancel();
        outgoing.off("drain", settle);
        outgoing.off("close", settle);
        resolve();
      };
      const late = (): void => void outgoing.destroy(new Error("i/o timeout"));
      const timer = writeTimeoutMs > 0 ? clock.setTimer(writeTimeoutMs, late) : undefined;
      outgoing.on("drain", settle);
      outgoing.on("close", settle);
    });
  }
}

/** False when there will be none. */
function connection(outgoing: ClientRequest): Promise<boolean> {
  return new Promise((resolve) => {
    outgoing.once("close", () => resolve(false));
    outgoing.once("socket", (socket) => {
      if (!socket.connecting) resolve(true);
      socket.once("encrypted" in socket ? "secureConnect" : "connect", () => resolve(true));
    });
  });
}

function passOn(incoming: IncomingMessage, response: HttpResponse, more: HttpHeaders): void {
  const headers = { ...more, ...withoutHopHeaders(headersOfAnswer(incoming)) };
  response.onClose = () => incoming.destroy();
  response.onDrain = () => incoming.resume();
  // Not complete: the client must not take it for the whole.
  incoming.on("error", () => response.abort());
  incoming.on("data", (chunk: Uint8Array) => {
    if (!response.write(chunk)) incoming.pause();
  });
  incoming.on("end", () => response.end());
  response.head(incoming.statusCode ?? 502, headers);
}

function headersFor(request: HttpRequest, body: RequestBody): Record<string, string> {
  const headers = withoutHopHeaders(request.headers);
  const client = request.remote.replace(/:\d+$/, "").replace(/^\[(.*)\]$/, "$1");
  const before = headers["x-forwarded-for"];
  headers["x-forwarded-for"] = before === undefined ? client : `${before}, ${client}`;
  if (body.isWhole && body.heldBytes > 0) headers["content-length"] = String(body.heldBytes);
  else if (!body.isWhole && headers["content-length"] === undefined) {
    headers["transfer-encoding"] = "chunked";
  }
  return headers;
}

function withoutHopHeaders(headers: HttpHeaders): Record<string, string> {
  return Object.fromEntries(Object.entries(headers).filter(([name]) => !HOP_HEADERS.has(name)));
}
