/**
 * /metrics: the text exposition format, compressed for scrapers that ask for it, and the count of
 * scrapes as Prometheus' own handler keeps it.
 */

import { errorMessage } from "../../base/error-message.ts";
import { promisify } from "node:util";
import { gzip } from "node:zlib";
import type { HttpRequest, HttpResponse } from "../../env/http.ts";
import type { Counter, Gauge, Labelled, Metrics } from "../../env/metrics.ts";
import { labelled, plain } from "../../env/metric-table.ts";
import { sendError } from "../http-text.ts";

/** What Prometheus' handler of Go tells of itself. */
export const ScrapeMetrics = {
  scrapesInFlight: plain(
    "promhttp_metric_handler_requests_in_flight",
    "Current number of scrapes being served.",
  ),
  scrapes: labelled(
    "promhttp_metric_handler_requests_total",
    "Total number of scrapes by HTTP status code.",
    "code",
  ),
} as const;

/** The registry, as far as it is read here. */
export interface MetricsSource {
  readonly contentType: string;
  render(): string;
}

const compress = promisify(gzip);

export class MetricsEndpoint {
  readonly #source: MetricsSource;
  readonly #inFlight: Gauge;
  readonly #scrapes: Labelled<Counter>;

  constructor(source: MetricsSource, metrics: Metrics) {
    this.#source = source;
    this.#inFlight = metrics.gauge(ScrapeMetrics.scrapesInFlight);
    this.#scrapes = metrics.counters(ScrapeMetrics.scrapes, ScrapeMetrics.scrapes.labels);
    for (const code of ["200", "500", "503"]) this.#scrapes.of(code);
  }

  serve(request: HttpRequest, response: HttpResponse): void {
    this.#inFlight.add(1);
    void this.#answer(request, response).then((status) => {
      this.#inFlight.add(-1);
      this.#scrapes.of(String(status)).add();
    });
  }

  /** Never rejects. The status of the answer. */
  async #answer(request: HttpRequest, response: HttpResponse): Promise<number> {
    try {
      const text = this.#source.render();
      const headers = { "content-type": this.#source.contentType };
      if (request.method === "HEAD") {
        response.head(200, headers);
        response.end();
      } else if (acceptsGzip(request.headers["accept-encoding"])) {
        const packed = await compress(text);
        if (!response.closed) send(response, { ...headers, "content-encoding": "gzip" }, packed);
      } else send(response, headers, Buffer.from(text));
      return 200;
    } catch (error) {
      const message = errorMessage(error);
      const told = `An error has occurred while serving metrics:\n\n${message}`;
      sendError(request, response, 500, told);
      return 500;
    }
  }
}

function send(
  response: HttpResponse,
  headers: Readonly<Record<string, string>>,
  body: Uint8Array,
): void {
  response.head(200, { ...headers, "content-length": String(body.length) });
  response.end(body);
}

function acceptsGzip(header = ""): boolean {
  return header
    .split(",")
    .map((part) => part.trim().toLowerCase())
    .some((part) => part === "gzip" || (part.startsWith("gzip;") && !/q=0(\.0*)?$/.test(part)));
}
