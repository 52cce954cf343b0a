/**
 * Which handler serves a path, by the rules of Go's router: a prefix that ends with "/" is a tree,
 * any other is one path; the longest that fits wins; the root of a tree without its "/" is
 * redirected to it. What nobody serves is 404.
 */
import { assert } from "../base/assert.ts";
import type { HttpRequest, HttpResponse } from "../env/http.ts";
import { sendNotFound, sendRedirect } from "./http-text.ts";

/** `path` is percent-decoded and clean, where `request.path` is what the client sent. */
export type MountHandler = (path: string, request: HttpRequest, response: HttpResponse) => void;

/** A handler and the prefix under which it serves, such as "/v2/" or "/version". */
export type Mount = readonly [prefix: string, handler: MountHandler];

export class Mounts {
  readonly #byPrefix: ReadonlyMap<string, MountHandler>;

  /** Throws when two want the same prefix. */
  constructor(mounts: readonly Mount[]) {
    this.#byPrefix = new Map(mounts);
    assert(this.#byPrefix.size === mounts.length, "two handlers are mounted at one path");
    for (const [prefix] of mounts) assert(prefix.startsWith("/"), "a mount is no path");
  }

  handle(path: string, request: HttpRequest, response: HttpResponse): void {
    const handler = this.#byPrefix.get(path);
    if (handler !== undefined) handler(path, request, response);
    else if (this.#byPrefix.has(`${path}/`)) sendRedirect(request, response, `${path}/`);
    else (this.#treeOf(path) ?? NOT_FOUND)(path, request, response);
  }

  #treeOf(path: string): MountHandler | undefined {
    for (let end = path.lastIndexOf("/"); end >= 0; end = path.lastIndexOf("/", end - 1)) {
      const handler = this.#byPrefix.get(path.slice(0, end + 1));
      if (handler !== undefined || end === 0) return handler;
    }
    return undefined;
  }
}

const NOT_FOUND: MountHandler = (_path, request, response) => sendNotFound(request, response);
