/** What a grpc-proxy serves by plain HTTP: its health and the cluster's, its metrics and a member's. */
import { errorMessage } from "../../base/error-message.ts";
import { type EtcdClient, isErrorKind } from "../../client/index.ts";
import type { Profiler } from "../../gateway/index.ts";
import type { HttpHandler, HttpRequest, HttpResponse } from "../../env/http.ts";

/** As etcd's. */
const HEALTH_TIMEOUT_MS = 1_000;
const WATCH_TIMEOUT_MS = 3_000;
const PLAIN_TEXT = { "content-type": "text/plain; charset=utf-8" } as const;

export interface HttpPathsDeps {
  readonly client: EtcdClient;
  readonly metrics: { readonly contentType: string; render(): string };
  /** The metrics of a member; rejects when none answers. */
  readonly memberMetrics: () => Promise<Uint8Array>;
  /** Undefined: no profiles. */
  readonly profiler: Profiler | undefined;
}

const PROFILES = "/debug/pprof/";

interface Health {
  readonly health: "true" | "false";
  readonly reason: string;
}

export class HttpPaths implements HttpHandler {
  readonly #deps: HttpPathsDeps;

  constructor(deps: HttpPathsDeps) {
    this.#deps = deps;
  }

  handle(request: HttpRequest, response: HttpResponse): void {
    switch (request.path) {
      case "/health":
        this.#tellHealth(request, response, () => this.#clusterHealth());
        return;
      case "/proxy/health":
        this.#tellHealth(request, response, () => this.#proxyHealth());
        return;
      case "/proxy/metrics": {
        const { metrics } = this.#deps;
        response.head(200, { "content-type": metrics.contentType });
        response.end(metrics.render());
        return;
      }
      case "/metrics":
        void this.#passMetrics(response);
        return;
      default:
        if (this.#deps.profiler !== undefined && request.path.startsWith(PROFILES)) {
          this.#deps.profiler.handle(request.path.slice(PROFILES.length), request, response);
          return;
        }
        response.head(404, { ...PLAIN_TEXT, "x-content-type-options": "nosniff" });
        response.end("404 page not found\n");
    }
  }

  #tellHealth({ method }: HttpRequest, response: HttpResponse, ask: () => Promise<Health>): void {
    if (method !== "GET") {
      const headers = { ...PLAIN_TEXT, allow: "GET", "x-content-type-options": "nosniff" };
      response.head(405, headers);
      response.end("Method Not Allowed\n");
      return;
    }
    void ask().then((health) => {
      response.head(health.health === "true" ? 200 : 503, PLAIN_TEXT);
      response.end(JSON.stringify(health));
    });
  }

  /** Who may not read the key has been answered, too. */
  async #clusterHealth(): Promise<Health> {
    try {
      await this.#deps.client.kv.get("a", { timeoutMs: HEALTH_TIMEOUT_MS });
    } catch (error) {
      const isAnswered = isErrorKind(error, "permissionDenied");
      const reason = `GET ERROR:${errorMessage(error)}`;
      if (!isAnswered) return { health: "false", reason };
    }
    return { health: "true", reason: "" };
  }

  async #proxyHealth(): Promise<Health> {
    const health = await this.#clusterHealth();
    if (health.health === "false") return health;
    const watcher = this.#deps.client.watch("a", { timeoutMs: WATCH_TIMEOUT_MS });
    try {
      await watcher.created;
      return health;
    } catch (error) {
      const isDenied = isErrorKind(error, "permissionDenied");
      return isDenied ? health : { health: "false", reason: "WATCH TIMEOUT" };
    } finally {
      watcher.cancel();
    }
  }

  async #passMetrics(response: HttpResponse): Promise<void> {
    try {
      const body = await this.#deps.memberMetrics();
      response.head(200, { "content-type": "text/plain; version=0.0.4" });
      response.end(body);
    } catch {
      response.head(500, { ...PLAIN_TEXT, "x-content-type-options": "nosniff" });
      response.end("Internal server error\n");
    }
  }
}
