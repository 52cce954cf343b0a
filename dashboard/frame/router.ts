/**
 * The address of what is shown, behind "#": `#/keys?key=/a/b`. So every view can be linked to, and
 * the server needs to know one page only.
 */
import { parseShown, shownText } from "../api/bytes.ts";

export interface Route {
  /** Id of the page. */
  readonly page: string;
  readonly params: ReadonlyMap<string, string>;
}

export function parseRoute(hash: string): Route {
  const [path = "", query = ""] = hash.replace(/^#\/?/, "").split(/\?(.*)/s);
  return { page: path, params: new Map(new URLSearchParams(query)) };
}

/** As `href`. Parameters that are undefined or "" are left out. */
export function routeHref(page: string, params: Readonly<Record<string, string | undefined>> = {}) {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(params)) {
    if (value !== undefined && value !== "") query.set(name, value);
  }
  const text = query.toString();
  return text === "" ? `#/${page}` : `#/${page}?${text}`;
}

/** Bytes as a parameter, readable where they are text. */
export function paramOf(bytes: Uint8Array): string {
  return shownText(bytes);
}

export function bytesOfParam(param: string): Uint8Array {
  return parseShown(param);
}
