/** Addresses of members as API 2 reads them: looser than those of a server's settings. */
import { quote } from "../../base/go-quote.ts";
import { bytesOfText } from "../../base/raw-text.ts";

export interface Address {
  readonly scheme: string;
  /** "host:port" as written. */
  readonly host: string;
  /** With its leading slash, or empty; decoded. */
  readonly path: string;
  readonly href: string;
}

export type ParsedAddress = { readonly address: Address } | { readonly error: string };

/** In Go's words if it is none. Without a scheme, http is meant. */
export function parseAddress(given: string): ParsedAddress {
  const first = split(given);
  if ("error" in first || first.address.scheme !== "") return first;
  return split(`http://${first.address.host}${first.address.path}`);
}

function split(text: string): ParsedAddress {
  const fail = (reason: string): ParsedAddress => ({
    error: `parse ${quote(text)}: ${reason}`,
  });
  if (hasControl(text)) return fail("net/url: invalid control character in URL");
  const match = /^([a-zA-Z][a-zA-Z0-9+.-]*):(.*)$/.exec(text);
  const scheme = (match?.[1] ?? "").toLowerCase();
  const rest = match?.[2] ?? text;
  if (match === null && text.startsWith(":")) return fail("missing protocol scheme");
  if (match === null && /^[^/]*:/.test(text)) {
    return fail("first path segment in URL cannot contain colon");
  }
  const badEscape = /%(?![0-9a-fA-F]{2}).{0,2}/.exec(rest);
  if (badEscape !== null) return fail(`invalid URL escape ${quote(badEscape[0])}`);
  const [, authority = "", path = ""] = /^(?:\/\/([^/?#]*))?(.*)$/.exec(rest) ?? [];
  const host = authority.slice(authority.lastIndexOf("@") + 1);
  const [, port = ""] = /^(?:\[[^\]]*\]|[^:]*)(:.*)?$/.exec(host) ?? [];
  if (!/^(:\d*)?$/.test(port)) return fail(`invalid port ${quote(port)} after host`);
  const slashes = rest.startsWith("//") ? "//" : "";
  const href = scheme === "" ? rest : `${scheme}:${slashes}${host}${path}`;
  return { address: { scheme, host, path: decodePath(path), href } };
}

function hasControl(text: string): boolean {
  return [...text].some((char) => char < " " || char === "\x7f");
}

function decodePath(path: string): string {
  try {
    return decodeURIComponent(path.replace(/[?#].*$/s, ""));
  } catch {
    return path;
  }
}

/** A path without empty, "." and ".." parts; a slash at its end stays. */
export function cleanPath(path: string): string {
  const kept: string[] = [];
  for (const part of path.split("/")) {
    if (part === "..") kept.pop();
    else if (part !== "" && part !== ".") kept.push(part);
  }
  const clean = `/${kept.join("/")}`;
  return path.endsWith("/") && clean !== "/" ? `${clean}/` : clean;
}

/** Escapes a path as Go's URLs print it. */
export function escapePath(path: string): string {
  return escapeText(path).replace(/%(24|26|2B|2C|2F|3A|3B|3D|40)/g, decodeURIComponent);
}

/** A query or a form: sorted by name, blanks as "+". */
export function encodeForm(values: Readonly<Record<string, string>>): string {
  return Object.keys(values)
    .sort()
    .map((name) => `${escapeForm(name)}=${escapeForm(values[name] ?? "")}`)
    .join("&");
}

function escapeForm(text: string): string {
  return escapeText(text).replaceAll("%20", "+");
}

/** All but letters, digits, "-", "_", ".", "~"; arguments may hold bytes that are no UTF-8. */
function escapeText(text: string): string {
  let escaped = "";
  for (const byte of bytesOfText(text)) {
    const char = String.fromCharCode(byte);
    escaped += /[A-Za-z0-9_.~-]/.test(char)
      ? char
      : `%${byte.toString(16).toUpperCase().padStart(2, "0")}`;
  }
  return escaped;
}
