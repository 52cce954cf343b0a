/**
 * Where a node of the v2 tree lies among the v3 keys, as in etcd 3.4 and 3.5: below the prefix first
 * its depth in three digits, so that one range lists a directory, then its path. A directory has a
 * "/" at its end. Beside the nodes lies one key that tells what the last change was.
 */
import { bytesFromUtf8 } from "../../base/bytes.ts";
import { cleanPath, KEYS_ROOT } from "../../v2store/index.ts";

/** Deepest directories that a recursive delete reaches, counted from the one deleted; etcd's. */
export const MAX_DEPTH = 63;

export interface KeySpan {
  readonly key: Uint8Array;
  readonly rangeEnd: Uint8Array;
}

export class V3Paths {
  readonly #prefix: string;
  readonly #nodeStart: number;
  /** Holds the action of the last change. */
  readonly action: Uint8Array;
  readonly actionText: string;
  /** All of it. */
  readonly everything: KeySpan;

  constructor(prefix: string) {
    this.#prefix = prefix;
    this.#nodeStart = prefix.length + "/000/k/".length;
    this.actionText = `${prefix}/act`;
    this.action = bytesFromUtf8(this.actionText);
    this.everything = spanOf(`${prefix}/`);
  }

  file(path: string): Uint8Array {
    return bytesFromUtf8(this.#key(cleanPath(path), 0));
  }

  directory(path: string): Uint8Array {
    return bytesFromUtf8(`${this.#key(cleanPath(path), 0)}/`);
  }

  /** What lies `depth` levels below a directory; 1 is its own content. */
  level(path: string, depth: number): KeySpan {
    return spanOf(`${this.#key(cleanPath(path), depth)}/`);
  }

  /** The path of a node, from its key; "" for a key that is none. */
  pathOf(key: string): string {
    const path = key.slice(this.#nodeStart);
    return path.startsWith("/") ? cleanPath(path) : "";
  }

  #key(path: string, depth: number): string {
    let levels = depth;
    for (let at = path.indexOf("/"); at >= 0; at = path.indexOf("/", at + 1)) levels++;
    return `${this.#prefix}/${String(levels).padStart(3, "0")}/k/${path}`;
  }
}

/** All keys that begin with a text that ends with "/", which "0" follows. */
function spanOf(text: string): KeySpan {
  return { key: bytesFromUtf8(text), rangeEnd: bytesFromUtf8(`${text.slice(0, -1)}0`) };
}

/** What users can neither change nor need: there is nothing at such a path. */
export function isRoot(path: string): boolean {
  return path === "" || path === "/" || path === "/0" || path === KEYS_ROOT;
}

/** The directories above a node, the nearest first, without the root. */
export function directoriesAbove(path: string): string[] {
  const found: string[] = [];
  let at = cleanPath(path);
  for (;;) {
    at = at.slice(0, at.lastIndexOf("/"));
    if (isRoot(at)) return found;
    found.push(at);
  }
}
