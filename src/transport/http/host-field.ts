/** What Go's server refuses about `Host` (RFC 9112 3.2: one, and well-formed). */
import type { IncomingMessage } from "node:http";

/** The characters of RFC 3986 that a host, a port and user information are made of, without "@". */
const HOST = /^[A-Za-z0-9!$%&'()*+,\-.:;=[\]_~]*$/;

/** The reason to refuse with 400, or undefined. */
export function hostProblem(request: IncomingMessage): string | undefined {
  const { rawHeaders } = request;
  let host: string | undefined;
  for (let i = 0; i + 1 < rawHeaders.length; i += 2) {
    const name = rawHeaders[i] as string;
    if (name.length !== NAME.length || name.toLowerCase() !== NAME) continue;
    // Go counts before it looks, and says nothing more.
    if (host !== undefined) return "Bad Request";
    host = rawHeaders[i + 1] as string;
  }
  if (host === undefined) {
    const needed = request.httpVersionMajor === 1 && request.httpVersionMinor >= 1;
    return needed ? "Bad Request: missing required Host header" : undefined;
  }
  return isHost(host) ? undefined : "Bad Request: malformed Host header";
}

const NAME = "host";

export function isHost(host: string): boolean {
  return HOST.test(host);
}
