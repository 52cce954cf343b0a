/** The answers of the v2 API, in its three forms: events, errors with codes, and plain messages. */
import { EtcdError } from "../api/errors.ts";
import type { HttpRequest, HttpResponse } from "../env/http.ts";
import { goJSON, internalText } from "../membership/index.ts";
import { V2Error, type V2ErrorCode } from "../v2store/index.ts";
import { type Headers, sendError, sendText } from "../gateway/index.ts";

/** A request, its answer, and the headers that every answer to it has. */
export interface Exchange {
  readonly request: HttpRequest;
  readonly response: HttpResponse;
  readonly headers: Headers;
}

/** An answer that is only a status and a message. */
export class MessageError extends Error {
  readonly status: number;

  constructor(status: number, message: string) {
    super(message);
    this.name = "MessageError";
    this.status = status;
  }
}

const STATUS: Readonly<Partial<Record<V2ErrorCode, number>>> = {
  100: 404,
  101: 412,
  102: 403,
  105: 412,
  108: 403,
  110: 401,
  300: 500,
};

export function sendJSON(
  { request, response, headers }: Exchange,
  status: number,
  json: string,
  more: Headers = {},
): void {
  const all = { ...headers, "Content-Type": "application/json", ...more };
  sendText(request, response, status, json, all);
}

/** What the paths of keys answer to an error with. */
export function statusOf(error: unknown): number {
  return error instanceof V2Error ? (STATUS[error.code] ?? 400) : 500;
}

/** As the paths of keys answer: whatever it was, it has a code. */
export function sendKeyError(exchange: Exchange, error: unknown, prefix = ""): void {
  const known = error instanceof V2Error ? error : internalError(error);
  const { code, index } = known;
  const text = known.reason;
  const reason = text.startsWith(prefix) ? text.slice(prefix.length) : text;
  const cause = reason === "" ? "" : `,"cause":${goJSON(reason)}`;
  const message = goJSON(known.message);
  const json = `{"errorCode":${code},"message":${message}${cause},"index":${index}}\n`;
  sendJSON(exchange, statusOf(known), json, { "X-Etcd-Index": String(index) });
}

/** Throws what no client has asked for. */
function internalError(error: unknown): V2Error {
  if (!(error instanceof EtcdError)) throw error;
  return new V2Error(300, internalText(error));
}

/** As all other paths answer. */
export function sendMessage(exchange: Exchange, error: unknown): void {
  if (error instanceof V2Error) sendKeyError(exchange, error);
  else if (error instanceof MessageError) {
    sendJSON(exchange, error.status, `{"message":${goJSON(error.message)}}`);
  } else if (error instanceof EtcdError) {
    sendJSON(exchange, 500, '{"message":"Internal Server Error"}');
  } else throw error;
}

/** Answers any other method with 405; true for one of these. */
export function allowMethods(
  request: HttpRequest,
  response: HttpResponse,
  methods: readonly string[],
): boolean {
  if (methods.includes(request.method)) return true;
  sendError(request, response, 405, "Method Not Allowed", { Allow: methods.join(",") });
  return false;
}
