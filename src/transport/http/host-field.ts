/** What Go's server refuses about `Host` (RFC 9112 3.2: one, and well-formed). */
import type { IncomingMessage } from "node:http";

/** The characters of RFC 3986 that a host, a port and user information are made of, without "@". */
const HOST = /^[A-Za-z0-9!$%&'()*+,\-.:;=[\]_~]*$/;

/** The reason to refuse with 400, or undefined. */
export function hostProblem(request: IncomingMessage): string | undefined {
  const hosts = request.headersDistinct.host;
  if (hosts === undefined) {
    const needed = request.httpVersionMajor === 1 && request.httpVersionMinor >= 1;
    return needed ? "Bad Request: missing required Host header" : undefined;
  }
  // Go counts before it looks, and says nothing more.
  if (hosts.length > 1) return "Bad Request";
  return isHost(hosts[0] ?? "") ? undefined : "Bad Request: malformed Host header";
}

export function isHost(host: string): boolean {
  return HOST.test(host);
}
