/** Endpoint addresses as users write them: every form that etcd's own client can reach. */
import { MAX_PORT } from "../base/port.ts";

const DEFAULT_PORT = 2379;

export interface Target {
  /** As given; how errors and `endpoint` options name it. */
  readonly url: string;
  /** Host name or address; for unix sockets the path. */
  readonly host: string;
  /** Undefined for unix sockets. */
  readonly port: number | undefined;
  readonly secure: boolean;
}

/**
 * `hasTls` makes an address without a scheme secure. Throws `TypeError` for what is no address.
 * The port of an address without one is 2379; one without a host is on this machine. User, path,
 * query and fragment of a URL are ignored.
 */
export function parseTarget(url: string, hasTls: boolean): Target {
  const text = url.trim();
  const socket = /^(unixs?):(?!\/\/$)(?:\/\/)?(.+)$/is.exec(text);
  if (socket?.[2] !== undefined) {
    const secure = socket[1]?.toLowerCase() === "unixs";
    return { url, host: socket[2], port: undefined, secure };
  }
  const match = /^(?:(\w+):\/\/)?(.*)$/s.exec(text);
  const scheme = match?.[1]?.toLowerCase();
  if (scheme !== undefined && scheme !== "http" && scheme !== "https" && !/^unixs?$/.test(scheme)) {
    throw new TypeError(`endpoint "${url}" has the unknown scheme ${scheme}`);
  }
  const rest = match?.[2] ?? "";
  const address =
    scheme === undefined ? parseHostPort(rest.replace(/\/+$/, "")) : parseAuthority(rest);
  if (address === undefined) {
    throw new TypeError(`endpoint "${url}" is not of the form http://host:port`);
  }
  return { url, ...address, secure: scheme === undefined ? hasTls : scheme === "https" };
}

interface HostPort {
  readonly host: string;
  readonly port: number;
}

/** What stands behind "http://". A zone's "%" is written "%25" there (RFC 6874, section 2). */
function parseAuthority(rest: string): HostPort | undefined {
  const authority = rest.replace(/[/?#].*$/s, "");
  return parseHostPort(authority.slice(authority.lastIndexOf("@") + 1).replace("%25", "%"));
}

function parseHostPort(text: string): HostPort | undefined {
  const match = /^(?:\[([0-9a-fA-F:.%\w]+)\]|([^:/?#@\s]*))(?::(0*[0-9]{1,5}))?$/.exec(text);
  if (match === null || text === "") return undefined;
  const host = match[1] ?? (match[2] || "localhost");
  const port = match[3] === undefined ? DEFAULT_PORT : Number(match[3]);
  return port === 0 || port > MAX_PORT ? undefined : { host, port };
}
