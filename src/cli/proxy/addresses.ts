/** Addresses as the flags of the proxies have them: "host:port", by the rules of Go's `net`. */
import { MAX_PORT } from "../../base/port.ts";

/** As `net.SplitHostPort`; undefined when its rules are broken. */
export function splitHostPort(text: string): { host: string; port: string } | undefined {
  const match = /^(?:\[([^[\]]*)\]|([^:[\]]*)):([^:[\]]*)$/.exec(text);
  return match === null ? undefined : { host: match[1] ?? match[2] ?? "", port: match[3] ?? "" };
}

/** The digits in front, and 0 when there are none or too many. */
export function parsedPort(text: string): number {
  const port = Number(/^\d+/.exec(text)?.[0] ?? 0);
  return port <= MAX_PORT ? port : 0;
}
