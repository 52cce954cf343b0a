/** Where the collector is, in the forms that gRPC clients take. */
import { MAX_PORT } from "../base/port.ts";

export interface CollectorAddress {
  /** Host name or address; the path of a unix socket. */
  readonly host: string;
  /** Undefined for unix sockets. */
  readonly port: number | undefined;
}

/** Of addresses without one, as in gRPC. */
const DEFAULT_PORT = 443;

/**
 * Takes "host:port", "host", and these behind "dns:", "dns:///" or "passthrough:///"; "unix:path".
 * Undefined for what is no address.
 */
export function parseCollectorAddress(text: string): CollectorAddress | undefined {
  const path = /^unix:(?:\/\/(?=\/))?(.+)$/s.exec(text)?.[1];
  if (path !== undefined) return { host: path, port: undefined };
  const target = text.replace(/^(?:dns|passthrough):(?:\/\/\/)?/, "");
  const match = /^(?:\[([0-9a-fA-F:.%\w]+)\]|([^:/?#@\s[\]]+)|(?=:))(?::([0-9]{1,5}))?$/.exec(
    target,
  );
  if (match === null) return undefined;
  const port = match[3] === undefined ? DEFAULT_PORT : Number(match[3]);
  if (port === 0 || port > MAX_PORT) return undefined;
  return { host: match[1] ?? match[2] ?? "localhost", port };
}
