/**
 * What a v2 proxy serves: its own metrics and configuration, everything else from the members. CORS
 * as in etcd; `readonly` refuses all methods but GET.
 */
import type { HttpHandler, HttpRequest, HttpResponse } from "../../env/http.ts";

import type { HttpHeaders, ReverseProxy } from "./reverse-proxy.ts";

const CONFIG_PATH = "/v2/config/local/proxy";
const METRICS_PATH = "/metrics";
const PLAIN_TEXT = { "content-type": "text/plain; charset=utf-8" } as const;

export interface ProxyHandlerDeps {
  readonly isReadonly: boolean;
  /** `--cors`. Empty or "*" allows every origin. */
  readonly cors: readonly string[];
  /** URLs of the members that may be asked now. */
  readonly endpoints: () => readonly string[];
  readonly members: ReverseProxy;
  readonly metrics: { readonly contentType: string; render(): string };
}

export class ProxyHandler implements HttpHandler {
  readonly #deps: ProxyHandlerDeps;

  constructor(deps: ProxyHandlerDeps) {
    this.#deps = deps;
  }

  handle(request: HttpRequest, response: HttpResponse): void {
    const { isReadonly, metrics, members } = this.#deps;
    if (request.path === METRICS_PATH) {
      response.head(200, { "content-type": metrics.contentType });
      response.end(metrics.render());
      return;
    }
    if (isReadonly && request.method !== "GET") {
      response.head(501, {});
      response.end();
      return;
    }
    const cors = this.#corsHeaders(request);
    if (request.method === "OPTIONS") {
      response.head(200, { ...cors, "content-length": "0" });
      response.end();
    } else if (request.path === CONFIG_PATH) this.#tellConfig(request, response, cors);
    else members.forward(request, response, cors);
  }

  #tellConfig({ method }: HttpRequest, response: HttpResponse, cors: HttpHeaders): void {
    if (method === "GET") {
      response.head(200, { ...cors, ...PLAIN_TEXT });
      response.end(`${JSON.stringify({ endpoints: this.#deps.endpoints() })}\n`);
      return;
    }
    const refusal = { ...PLAIN_TEXT, allow: "GET", "x-content-type-options": "nosniff" };
    response.head(405, { ...cors, ...refusal });
    response.end("Method Not Allowed\n");
  }

  #corsHeaders({ headers }: HttpRequest): HttpHeaders {
    const { cors } = this.#deps;
    const origin = headers["origin"] ?? "";
    const isAny = cors.length === 0 || cors.includes("*");
    if (!isAny && !cors.includes(origin)) return {};
    return {
      "access-control-allow-methods": "POST, GET, OPTIONS, PUT, DELETE",
      "access-control-allow-origin": isAny ? "*" : origin,
      "access-control-allow-headers": "accept, content-type, authorization",
    };
  }
}
