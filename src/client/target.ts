/** Endpoint addresses as users write them. */

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
 * The port of an address without one is 2379.
 */
export function parseTarget(url: string, hasTls: boolean): Target {
  const match = /^(?:(\w+):\/\/)?(.*)$/s.exec(url.trim());
  const scheme = match?.[1]?.toLowerCase();
  const rest = match?.[2] ?? "";
  switch (scheme) {
    case "unix":
    case "unixs":
      if (rest === "") break;
      return { url, host: rest, port: undefined, secure: scheme === "unixs" };
    case undefined:
    case "http":
    case "https": {
      const address = parseHostPort(rest.replace(/\/+$/, ""));
      if (address === undefined) break;
      return { url, ...address, secure: scheme === undefined ? hasTls : scheme === "https" };
    }
    default:
      throw new TypeError(`endpoint "${url}" has the unknown scheme ${scheme}`);
  }
  throw new TypeError(`endpoint "${url}" is not of the form http://host:port`);
}

function parseHostPort(text: string): { host: string; port: number } | undefined {
  const match = /^(?:\[([0-9a-fA-F:.%\w]+)\]|([^:/?#@\s]+))(?::([0-9]{1,5}))?$/.exec(text);
  const host = match?.[1] ?? match?.[2];
  const port = match?.[3] === undefined ? DEFAULT_PORT : Number(match[3]);
  return host === undefined || port === 0 || port > 65_535 ? undefined : { host, port };
}
