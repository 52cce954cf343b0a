/** Failures of name lookups in Go's words. */
import { getServers } from "node:dns";
import { isIP } from "node:net";

/** What is told of a name that cannot be looked up, with the server that was asked first. */
export function lookupFailure(
  name: string,
  reason: string,
  servers: readonly string[] = [],
): string {
  const [server = ""] = servers.length > 0 ? servers : getServers();
  if (server === "") return `lookup ${name}: ${reason}`;
  return `lookup ${name} on ${withPort(server)}: ${reason}`;
}

function withPort(server: string): string {
  if (isIP(server) === 6) return `[${server}]:53`;
  return /:\d+$/.test(server) ? server : `${server}:53`;
}

/** Go's words for an error code of `node:dns`; undefined when it has none. */
export function lookupReason(code: string | undefined): string | undefined {
  switch (code) {
    case "ENOTFOUND":
    case "ENODATA":
      return "no such host";
    case "EREFUSED":
    case "ESERVFAIL":
    case "ENOTIMP":
    case "EAI_AGAIN":
      return "server misbehaving";
    case "ETIMEOUT":
      return "i/o timeout";
    case "ECONNREFUSED":
      return "connection refused";
    default:
      return undefined;
  }
}
