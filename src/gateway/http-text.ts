/** Small pieces of HTTP that the handlers share, with the bodies and headers of Go's server. */

import type { HttpRequest, HttpResponse } from "../env/http.ts";

export type Headers = Readonly<Record<string, string>>;

/** `http.Error` of Go: the text with a newline, and no guessing of its type. */
export function sendError(
  request: HttpRequest,
  response: HttpResponse,
  status: number,
  text: string,
  headers: Headers = {},
): void {
  const more = { "content-type": "text/plain; charset=utf-8", "x-content-type-options": "nosniff" };
  sendText(request, response, status, `${text}\n`, { ...headers, ...more });
}

export function sendNotFound(request: HttpRequest, response: HttpResponse): void {
  sendError(request, response, 404, "404 page not found");
}

/** Sends a whole answer; a HEAD request gets only its head. */
export function sendText(
  request: HttpRequest,
  response: HttpResponse,
  status: number,
  text: string,
  headers: Headers,
): void {
  if (response.closed) return;
  response.head(status, { ...headers, "content-length": String(Buffer.byteLength(text)) });
  if (request.method === "HEAD" || text === "") response.end();
  else response.end(text);
}

/** Answers anything but GET with 405, as etcd's plain endpoints do; true for GET. */
export function allowOnlyGet(request: HttpRequest, response: HttpResponse): boolean {
  if (request.method === "GET") return true;
  sendError(request, response, 405, "Method Not Allowed", { allow: "GET" });
  return false;
}

/** 307 as Go's router sends it, with the query kept. */
export function sendRedirect(request: HttpRequest, response: HttpResponse, path: string): void {
  const location = request.query === "" ? path : `${path}?${request.query}`;
  if (request.method !== "GET" && request.method !== "HEAD") {
    sendText(request, response, 307, "", { location });
    return;
  }
  const body = `<a href="${escapeHtml(location)}">Temporary Redirect</a>.\n\n`;
  sendText(request, response, 307, body, { location, "content-type": "text/html; charset=utf-8" });
}

function escapeHtml(text: string): string {
  return text
    .replaceAll("&", "&amp;")
    .replaceAll("<", "&lt;")
    .replaceAll(">", "&gt;")
    .replaceAll('"', "&#34;")
    .replaceAll("'", "&#39;");
}

/** Percent-decodes a path. Undefined if it is malformed. */
export function decodePath(path: string): string | undefined {
  if (!path.includes("%")) return path;
  try {
    return decodeURIComponent(path);
  } catch {
    return undefined;
  }
}

/** What a clean path has nowhere: no "/" at its beginning, an empty segment, "." or "..". */
const UNCLEAN = /^(?!\/)|\/(?:\/|\.\.?(?:\/|$))/;

/** The path without `//`, `/./` and `/../`, as Go's router demands it. */
export function cleanPath(path: string): string {
  if (!UNCLEAN.test(path)) return path;
  const segments: string[] = [];
  for (const segment of path.split("/")) {
    if (segment === "..") segments.pop();
    else if (segment !== "" && segment !== ".") segments.push(segment);
  }
  const cleaned = `/${segments.join("/")}`;
  return path.endsWith("/") && cleaned !== "/" ? `${cleaned}/` : cleaned;
}

/** A safe value for a response header: control characters would end it early. */
export function headerValue(text: string): string {
  return text.replace(/[^\t\u0020-\u007e]/g, " ");
}

/** The host of a Host header without its port, by the rules of Go's `net.SplitHostPort`. */
export function hostName(host: string): string {
  const bracketed = /^\[([^[\]]*)\]:[^:[\]]*$/.exec(host);
  if (bracketed !== null) return bracketed[1] ?? "";
  const plain = /^([^:[\]]*):[^:[\]]*$/.exec(host);
  return plain === null ? host : (plain[1] ?? "");
}
