/**
 * Addresses as etcd's settings write them: `http://host:port`, `https://host:port`,
 * `unix://path` and `unixs://path`, alone, in comma lists and in `name=url` lists.
 *
 * The texts of errors are etcd's and, for malformed URLs, those of Go's URL parser.
 * Nothing is looked up here: names stay names.
 */
import { isIP } from "node:net";
import { quote } from "./go-quote.ts";
import { TextError } from "./go-text.ts";

export type EtcdUrlScheme = "http" | "https" | "unix" | "unixs";

/** One address. Compare and print by `href`. */
export interface EtcdUrl {
  readonly scheme: EtcdUrlScheme;
  /** "host:port" as written; for unix sockets what follows the two slashes up to a slash. */
  readonly host: string;
  /** Host without port and brackets; empty when none was written. */
  readonly hostname: string;
  /** 0 when none was written: the system chooses. */
  readonly port: number;
  /** Always empty for http and https. */
  readonly path: string;
  readonly href: string;
}

/** True when connections to it speak TLS. */
export function isSecureUrl({ scheme }: EtcdUrl): boolean {
  return scheme === "https" || scheme === "unixs";
}

function isControl(character: string): boolean {
  return character < " " || character === "\x7f";
}

/**
 * One address of a list, surrounding blanks dropped.
 * @throws TextError with etcd's words.
 */
export function parseEtcdUrl(text: string): EtcdUrl {
  const input = text.trim();
  if ([...input].some(isControl)) {
    throw new TextError(`parse ${quote(input)}: net/url: invalid control character in URL`);
  }
  const { scheme, authority, path } = split(input);
  switch (scheme) {
    case "http":
    case "https": {
      const parts = splitHostPort(authority);
      if (typeof parts === "string") {
        throw new TextError(`URL address does not have the form "host:port": ${input}`);
      }
      if (path !== "") throw new TextError(`URL must not contain a path: ${input}`);
      const href = `${scheme}://${authority}`;
      return { scheme, host: authority, ...parts, path, href };
    }
    case "unix":
    case "unixs":
      return {
        scheme,
        host: authority,
        hostname: authority,
        port: 0,
        path,
        href: `${scheme}://${authority}${path}`,
      };
    default:
      throw new TextError(`URL scheme must be http, https, unix, or unixs: ${input}`);
  }
}

function split(input: string): { scheme: string; authority: string; path: string } {
  const match = /^([a-zA-Z][a-zA-Z0-9+.-]*):(.*)$/.exec(input);
  const scheme = (match?.[1] ?? "").toLowerCase();
  const rest = match === null ? input : (match[2] ?? "");
  if (match === null) {
    if (input.startsWith(":"))
      throw new TextError(`parse ${quote(input)}: missing protocol scheme`);
    const colon = input.indexOf(":");
    const slash = input.indexOf("/");
    if (colon >= 0 && (slash < 0 || colon < slash)) {
      throw new TextError(`parse ${quote(input)}: first path segment in URL cannot contain colon`);
    }
  }
  if (!rest.startsWith("//")) return { scheme, authority: "", path: rest };
  const body = rest.slice(2);
  const end = body.search(/[/?#]/);
  const withUser = end < 0 ? body : body.slice(0, end);
  const authority = withUser.slice(withUser.lastIndexOf("@") + 1);
  const tail = end < 0 ? "" : body.slice(end);
  checkAuthority(input, authority);
  return { scheme, authority, path: tail };
}

function checkAuthority(input: string, authority: string): void {
  const bad = /[ <>"{}|\\^`]/.exec(authority);
  if (bad !== null) {
    throw new TextError(`parse ${quote(input)}: invalid character ${quote(bad[0])} in host name`);
  }
  const badEscape = /%(?![0-9a-fA-F]{2}).{0,2}/.exec(authority);
  if (badEscape !== null) {
    throw new TextError(`parse ${quote(input)}: invalid URL escape ${quote(badEscape[0])}`);
  }
  const bracket = authority.startsWith("[") ? authority.indexOf("]") : -1;
  if (authority.startsWith("[") && bracket < 0) {
    throw new TextError(`parse ${quote(input)}: missing ']' in host`);
  }
  const afterHost = bracket >= 0 ? authority.slice(bracket + 1) : authority.replace(/^[^:]*/, "");
  const lastColon = bracket >= 0 ? afterHost : afterHost.slice(afterHost.lastIndexOf(":"));
  if (lastColon !== "" && !/^:[0-9]*$/.test(lastColon)) {
    throw new TextError(`parse ${quote(input)}: invalid port ${quote(lastColon)} after host`);
  }
}

/** Host and port of "host:port", "[v6]:port" or ":port"; otherwise what is wrong, as Go says it. */
function splitHostPort(host: string): { hostname: string; port: number } | string {
  const match = /^(?:\[([^\]]*)\]|([^:[\]]*)):([0-9]*)$/.exec(host);
  if (match !== null) {
    return { hostname: match[1] ?? match[2] ?? "", port: Number(match[3] ?? "0") };
  }
  const colons = host.split(":").length - 1;
  if (colons > 1 && !host.startsWith("[")) return `address ${host}: too many colons in address`;
  return `address ${host}: missing port in address`;
}

/** A comma list of addresses, sorted by text, without repeats. An empty list is an error. */
export function parseEtcdUrls(text: string): EtcdUrl[] {
  const byHref = new Map<string, EtcdUrl>();
  for (const part of text.split(",")) {
    const url = parseEtcdUrl(part);
    byHref.set(url.href, url);
  }
  return [...byHref.values()].sort(compareUrls);
}

function compareUrls(a: EtcdUrl, b: EtcdUrl): number {
  if (a.href === b.href) return 0;
  return a.href < b.href ? -1 : 1;
}

/**
 * `name=url,name=url,…`, several addresses of one name allowed (each name's sorted).
 * @throws TextError when an address is malformed or missing.
 */
export function parseInitialCluster(text: string): Map<string, readonly EtcdUrl[]> {
  const texts = new Map<string, string[]>();
  for (const pair of text.split(",")) {
    if (pair === "") continue;
    const equals = pair.indexOf("=");
    const name = equals < 0 ? pair : pair.slice(0, equals);
    const urls = texts.get(name) ?? [];
    urls.push(equals < 0 ? "" : pair.slice(equals + 1));
    texts.set(name, urls);
  }
  const result = new Map<string, readonly EtcdUrl[]>();
  for (const [name, urls] of texts) {
    result.set(name, urls.map(parseEtcdUrl).sort(compareUrls));
  }
  return result;
}

/** `name=url` for each address, joined by commas; the default of `--initial-cluster`. */
export function formatInitialCluster(name: string, urls: readonly EtcdUrl[]): string {
  return urls.map((url) => `${name === "" ? "default" : name}=${url.href}`).join(",");
}

export function formatUrls(urls: readonly EtcdUrl[]): string {
  return urls.map((url) => url.href).join(",");
}

/** What is wrong with binding to these addresses, or undefined. Only IPs and localhost bind. */
export function bindProblem(urls: readonly EtcdUrl[]): string | undefined {
  for (const url of urls) {
    if (url.scheme === "unix" || url.scheme === "unixs") continue;
    const isAddress = isIP(url.hostname) !== 0 && !url.hostname.includes("%");
    if (url.hostname !== "localhost" && !isAddress) {
      return `expected IP in URL for binding (${url.href})`;
    }
  }
  return undefined;
}

/** What is wrong with advertising these addresses, or undefined. Others must be able to dial. */
export function advertiseProblem(urls: readonly EtcdUrl[]): string | undefined {
  for (const url of urls) {
    const parts = splitHostPort(url.host);
    if (typeof parts === "string") return parts;
    if (parts.hostname === "") return `unexpected empty host (${url.href})`;
  }
  return undefined;
}
