/** /metrics: the text exposition format, compressed for scrapers that ask for it. */

import { errorMessage } from "../../base/error-message.ts";
import { promisify } from "node:util";
import { gzip } from "node:zlib";
import type { HttpRequest, HttpResponse } from "../../env/http.ts";
import { sendError } from "../http-text.ts";

/** The registry, as far as it is read here. */
export interface MetricsSource {
  readonly contentType: string;
  render(): string;
}

const compress = promisify(gzip);

export function serveMetrics(
  source: MetricsSource,
  request: HttpRequest,
  response: HttpResponse,
): void {
  let text: string;
  try {
    text = source.render();
  } catch (error) {
    const message = errorMessage(error);
    sendError(request, response, 500, `An error has occurred while serving metrics:\n\n${message}`);
    return;
  }
  const headers = { "content-type": source.contentType };
  if (request.method === "HEAD") {
    response.head(200, headers);
    response.end();
  } else if (acceptsGzip(request.headers["accept-encoding"])) {
    compress(text).then(
      (packed) => {
        if (response.closed) return;
        response.head(200, {
          ...headers,
          "content-encoding": "gzip",
          "content-length": String(packed.length),
        });
        response.end(packed);
      },
      (error: Error) => sendError(request, response, 500, error.message),
    );
  } else {
    response.head(200, { ...headers, "content-length": String(Buffer.byteLength(text)) });
    response.end(text);
  }
}

function acceptsGzip(header = ""): boolean {
  return header
    .split(",")
    .map((part) => part.trim().toLowerCase())
    .some((part) => part === "gzip" || (part.startsWith("gzip;") && !/q=0(\.0*)?$/.test(part)));
}
