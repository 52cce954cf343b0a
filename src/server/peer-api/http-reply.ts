/** Whole HTTP answers with the headers and bodies of Go's server. */
import { formatID } from "../../base/ids.ts";
import type { Clock, HttpRequest, HttpResponse } from "../../env/index.ts";
import type { ServerContext } from "../context.ts";

export type Headers = Readonly<Record<string, string>>;
export type Handler = (request: HttpRequest, response: HttpResponse) => void;

/** Go's `http.Error`. */
export function sendError(
  request: HttpRequest,
  response: HttpResponse,
  status: number,
  text: string,
  headers: Headers = {},
): void {
  const type = { "content-type": "text/plain; charset=utf-8", "x-content-type-options": "nosniff" };
  send(request, response, status, `${text}\n`, { ...headers, ...type });
}

export function send(
  request: HttpRequest,
  response: HttpResponse,
  status: number,
  body: string | Uint8Array,
  headers: Headers,
): void {
  if (response.closed) return;
  response.head(status, { ...headers, "content-length": String(Buffer.byteLength(body)) });
  if (request.method === "HEAD") response.end();
  else response.end(body);
}

/** Answers every other method with 405. */
export function isMethod(
  method: "GET" | "POST",
  request: HttpRequest,
  response: HttpResponse,
): boolean {
  if (request.method === method) return true;
  sendError(request, response, 405, "Method Not Allowed", { allow: method });
  return false;
}

export type ClusterHeaderNeeds = Pick<ServerContext, "clusterID">;

/** Tells a joining member which cluster it asked. */
export function clusterHeader({ clusterID }: ClusterHeaderNeeds): Headers {
  return { "x-etcd-cluster-id": formatID(clusterID) };
}

/** Far above what a question of a few bytes needs; etcd lets a request take five minutes. */
const MAX_QUESTION_BODY_MS = 30_000;

/**
 * The body of a small question. A connection whose body does not come in time is cut, and then this
 * rejects; with `HttpBodyTooLarge` when the body is too long.
 */
export function readSmallBody(
  clock: Clock,
  request: HttpRequest,
  response: HttpResponse,
  limitBytes: number,
): Promise<Uint8Array> {
  const timer = clock.setTimer(MAX_QUESTION_BODY_MS, () => response.abort());
  return request.readBody(limitBytes).finally(() => timer.cancel());
}

/** Go's answer to an error that it did not expect. */
export function sendInternalError(request: HttpRequest, response: HttpResponse, more: Headers) {
  const headers = { ...more, "content-type": "application/json" };
  send(request, response, 500, '{"message":"Internal Server Error"}', headers);
}
