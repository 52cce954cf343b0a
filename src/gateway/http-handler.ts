/**
 * What a client listener serves besides gRPC: the JSON gateway, the plain endpoints, and whatever
 * the composition mounts. Requests pass the access rules first, in etcd's order: path rewrite, Host
 * whitelist, certificate rule, CORS, OPTIONS.
 *
 * Beyond etcd: when `--cors` names origins, requests to /v3/ that a browser sends from any other
 * site are refused, instead of being carried out with an answer that the page cannot read.
 */

import type { Duplex } from "node:stream";
import type { Clock } from "../env/clock.ts";
import type { HttpHandler, HttpRequest, HttpResponse } from "../env/http.ts";
import type { Logger } from "../env/logger.ts";
import type { Metrics } from "../env/metrics.ts";
import type { RpcService } from "../env/rpc.ts";
import { serveDebugVars, serveVersion } from "./endpoints/debug.ts";
import { Profiler } from "./endpoints/profiler.ts";
import { HealthEndpoints, type HealthSource } from "./endpoints/health.ts";
import { MetricsEndpoint, type MetricsSource } from "./endpoints/metrics.ts";
import {
  cleanPath,
  decodePath,
  headerValue,
  hostName,
  sendError,
  sendNotFound,
  sendRedirect,
} from "./http-text.ts";
import { JsonGateway } from "./json-gateway.ts";
import { type Mount, Mounts } from "./mounts.ts";
import { serveWebSocket } from "./websocket.ts";

export interface MetricsHandlerDeps {
  readonly source: HealthSource;
  /** Where the health counters are registered. */
  readonly metrics: Metrics;
  /** What /metrics shows. */
  readonly exposition: MetricsSource;
  readonly logger: Logger;
  readonly clock: Clock;
  /** Time that a health check's read may take. */
  readonly requestTimeoutMs: number;
}

export interface HttpHandlerDeps extends MetricsHandlerDeps {
  /** Undefined with `--enable-grpc-gateway=false`. */
  readonly service: RpcService | undefined;
  /** `--max-request-bytes`. */
  readonly maxRequestBytes: number;
  /** `--max-concurrent-streams`: calls of the gateway at a time. Default: no limit. */
  readonly maxConcurrentStreams?: number | undefined;
  /** `--cors`. Empty or "*" allows every origin. */
  readonly cors: readonly string[];
  /** `--host-whitelist`. Empty or "*" allows every host. */
  readonly hostWhitelist: readonly string[];
  /** `--enable-pprof`. */
  readonly pprof: boolean;
  /** `--client-cert-auth`. */
  readonly clientCertAuth: boolean;
  readonly authEnabled: () => boolean;
  readonly commandLine: readonly string[];
  readonly raftStatus?: (() => unknown) | undefined;
  readonly fileDescriptorLimit?: (() => number) | undefined;
  /** More to serve. Access rules have been applied. */
  readonly mounts?: readonly Mount[] | undefined;
}

/** The handler of a client listener. */
export interface ClientHttpHandler extends HttpHandler {
  /**
   * WebSocket upgrades of HTTP/1.1 requests. True: has taken over the socket. False: has not
   * touched it; the request is a plain one, for `handle`.
   */
  upgrade(request: HttpRequest, socket: Duplex, head: Buffer): boolean;
}

export function createHttpHandler(deps: HttpHandlerDeps): ClientHttpHandler {
  return new ClientHandler(deps);
}

/** The handler of `--listen-metrics-urls`: /metrics, /health, /livez and /readyz. */
export function createMetricsHandler(deps: MetricsHandlerDeps): HttpHandler {
  const mounts = new Mounts(healthAndMetrics(deps));
  return {
    handle(request, response) {
      const path = decodePath(request.path);
      if (path === undefined) sendNotFound(request, response);
      else mounts.handle(path, request, response);
    },
  };
}

function healthAndMetrics(deps: MetricsHandlerDeps): readonly Mount[] {
  const metrics = new MetricsEndpoint(deps.exposition, deps.metrics);
  return [
    ...new HealthEndpoints(deps).mounts(),
    ["/metrics", (_path, request, response) => metrics.serve(request, response)],
  ];
}

const PROFILES = "/debug/pprof/";

function clientMounts(deps: HttpHandlerDeps, gateway: JsonGateway | undefined): readonly Mount[] {
  const mounts: Mount[] = [
    ...healthAndMetrics(deps),
    ["/version", (_path, request, response) => serveVersion(deps.source, request, response)],
    ["/debug/vars", (_path, request, response) => serveDebugVars(deps, request, response)],
    ...(deps.mounts ?? []),
  ];
  if (gateway !== undefined) {
    mounts.push(["/v3/", (path, request, response) => gateway.handle(path, request, response)]);
  }
  if (deps.pprof) {
    const profiler = new Profiler(deps);
    mounts.push([
      PROFILES,
      (path, request, response) => profiler.handle(path.slice(PROFILES.length), request, response),
    ]);
  }
  return mounts;
}

class ClientHandler implements ClientHttpHandler {
  readonly #deps: HttpHandlerDeps;
  readonly #gateway: JsonGateway | undefined;
  readonly #mounts: Mounts;
  readonly #anyOrigin: boolean;
  readonly #anyHost: boolean;

  constructor(deps: HttpHandlerDeps) {
    this.#deps = deps;
    const { service } = deps;
    this.#gateway = service === undefined ? undefined : new JsonGateway({ ...deps, service });
    this.#mounts = new Mounts(clientMounts(deps, this.#gateway));
    this.#anyOrigin = deps.cors.length === 0 || deps.cors.includes("*");
    this.#anyHost = deps.hostWhitelist.length === 0 || deps.hostWhitelist.includes("*");
  }

  handle(request: HttpRequest, plain: HttpResponse): void {
    const decoded = decodePath(request.path);
    if (decoded === undefined) {
      sendError(request, plain, 400, "400 Bad Request");
      return;
    }
    const path = rewrite(decoded);
    if (this.#refuses(path, request, plain)) return;
    const response = this.#withCors(request, plain);
    if (request.method === "OPTIONS") {
      response.head(200, { "content-length": "0" });
      response.end();
      return;
    }
    const cleaned = cleanPath(path);
    if (cleaned !== path) sendRedirect(request, response, cleaned);
    else this.#mounts.handle(path, request, response);
  }

  upgrade(request: HttpRequest, socket: Duplex, head: Buffer): boolean {
    const path = rewrite(decodePath(request.path) ?? "/");
    const gateway = this.#gateway;
    if (gateway === undefined || !path.startsWith("/v3/")) return false;
    if (this.#refusal(path, request) !== undefined) return false;
    const handler: HttpHandler = {
      handle: (proxied, response) => gateway.handle(cleanPath(path), proxied, response),
    };
    serveWebSocket(handler, request, socket, head, {
      maxMessageBytes: gateway.maxJsonBytes,
      logger: this.#deps.logger,
    });
    return true;
  }

  /** Answers a request that the access rules forbid; true if it was answered. */
  #refuses(path: string, request: HttpRequest, response: HttpResponse): boolean {
    const refusal = this.#refusal(path, request);
    if (refusal === undefined) return false;
    if (refusal.status === 421) {
      const host = hostName(request.headers.host ?? "");
      this.#deps.logger.warn("rejecting HTTP request to prevent DNS rebinding attacks", { host });
    }
    sendError(request, response, refusal.status, refusal.text);
    return true;
  }

  /** What the access rules forbid. */
  #refusal(path: string, request: HttpRequest): Refusal | undefined {
    if (request.secure) {
      if (this.#ignoresCertificate(path, request)) return { status: 400, text: CERTIFICATE_TEXT };
    } else if (!this.#anyHost) {
      const host = hostName(request.headers.host ?? "");
      if (!this.#deps.hostWhitelist.includes(host)) {
        return { status: 421, text: misdirectedText(host) };
      }
    }
    if (path.startsWith("/v3/") && request.method !== "OPTIONS" && this.#isCrossSite(request)) {
      return { status: 403, text: "origin not allowed" };
    }
    return undefined;
  }

  /** True if the user would expect to be who the certificate says, which the gateway cannot do. */
  #ignoresCertificate(path: string, request: HttpRequest): boolean {
    const { clientCertAuth, authEnabled } = this.#deps;
    return (
      clientCertAuth &&
      this.#gateway !== undefined &&
      path.startsWith("/v3/") &&
      (request.certificateName ?? "") !== "" &&
      authEnabled()
    );
  }

  #isCrossSite(request: HttpRequest): boolean {
    if (this.#anyOrigin) return false;
    const { origin, host = "" } = request.headers;
    if (origin === undefined) return false;
    if (this.#deps.cors.includes(origin)) return false;
    return origin.replace(/^https?:\/\//, "") !== host;
  }

  #withCors(request: HttpRequest, response: HttpResponse): HttpResponse {
    if (this.#anyOrigin) return new ResponseWithHeaders(response, FOR_ALL_ORIGINS);
    const { origin = "" } = request.headers;
    if (!this.#deps.cors.includes(origin)) {
      return new ResponseWithHeaders(response, { vary: "Origin" });
    }
    const headers = { ...corsHeaders(headerValue(origin)), vary: "Origin" };
    return new ResponseWithHeaders(response, headers);
  }
}

interface Refusal {
  readonly status: number;
  readonly text: string;
}

const CERTIFICATE_TEXT =
  "CommonName of client sending a request against gateway will be ignored " +
  "and not used as expected";

function corsHeaders(origin: string): Record<string, string> {
  return {
    "access-control-allow-headers": "accept, content-type, authorization",
    "access-control-allow-methods": "POST, GET, OPTIONS, PUT, DELETE",
    "access-control-allow-origin": origin,
  };
}

const FOR_ALL_ORIGINS = corsHeaders("*");

/** The prefix that the gateway of etcd 3.3 had. */
function rewrite(path: string): string {
  return path.startsWith("/v3beta/") ? path.replace("/v3beta/", "/v3/") : path;
}

function misdirectedText(host: string): string {
  return `
etcd received your request, but the Host header was unrecognized.

To fix this, choose one of the following options:
- Enable TLS, then any HTTPS request will be allowed.
- Add the hostname you want to use to the whitelist in settings.
  - e.g. etcd --host-whitelist ${JSON.stringify(host)}

This requirement has been added to help prevent "DNS Rebinding" attacks (CVE-2018-5702).
`;
}

/** Adds headers to whatever answer is given. */
class ResponseWithHeaders implements HttpResponse {
  readonly #response: HttpResponse;
  readonly #headers: Readonly<Record<string, string>>;

  constructor(response: HttpResponse, headers: Readonly<Record<string, string>>) {
    this.#response = response;
    this.#headers = headers;
  }

  get closed(): boolean {
    return this.#response.closed;
  }

  get onDrain(): (() => void) | undefined {
    return this.#response.onDrain;
  }

  set onDrain(handler: (() => void) | undefined) {
    this.#response.onDrain = handler;
  }

  get onClose(): (() => void) | undefined {
    return this.#response.onClose;
  }

  set onClose(handler: (() => void) | undefined) {
    this.#response.onClose = handler;
  }

  head(status: number, headers: Readonly<Record<string, string>>): void {
    this.#response.head(status, { ...this.#headers, ...headers });
  }

  write(chunk: Uint8Array | string): boolean {
    return this.#response.write(chunk);
  }

  admits(bytes: number): boolean {
    return this.#response.admits?.(bytes) ?? true;
  }

  end(chunk?: Uint8Array | string): void {
    this.#response.end(chunk);
  }

  abort(): void {
    this.#response.abort();
  }
}
