/**
 * One node of the v2 store's tree: a key with a value, or a directory. Nodes change in place; what is
 * shown of them (`views.ts`) is a copy.
 */
import { compareExpiry, type Expiry } from "./expiry.ts";

export class Node {
  /** From the root, such as "/1/dir/key". */
  readonly path: string;
  readonly createdIndex: number;
  modifiedIndex: number;
  parent: Node | undefined;
  /** Undefined: never. */
  expiry: Expiry | undefined;
  value: string;
  /** By name; undefined for a key with a value. */
  readonly children: Map<string, Node> | undefined;
  /** Owned by the queue of what expires; -1 while not in it. */
  heapIndex = -1;

  constructor(path: string, index: number, content: string | Map<string, Node>, expiry?: Expiry) {
    this.path = path;
    this.createdIndex = index;
    this.modifiedIndex = index;
    this.expiry = expiry;
    this.value = typeof content === "string" ? content : "";
    this.children = typeof content === "string" ? undefined : content;
  }

  get isDirectory(): boolean {
    return this.children !== undefined;
  }

  /** Hidden from listings. */
  get isHidden(): boolean {
    return this.path.charCodeAt(this.path.lastIndexOf("/") + 1) === UNDERSCORE;
  }
}

const UNDERSCORE = 0x5f;

/**
 * The order in which nodes with an end are ended. Of two that end at the same nanosecond the lesser
 * path comes first, so that every member ends them in the same order.
 */
export function endsBefore(a: Node, b: Node): boolean {
  const order = compareExpiry(a.expiry as Expiry, b.expiry as Expiry);
  return order !== 0 ? order < 0 : a.path < b.path;
}

export function nameOf(path: string): string {
  return path.slice(path.lastIndexOf("/") + 1);
}

/** Joins the name of a child; the root's path ends with "/" already. */
export function childPath(parent: Node, name: string): string {
  return parent.path === "/" ? `/${name}` : `${parent.path}/${name}`;
}

/** What a path must not have: an empty segment, "." or "..", and "/" at its end. */
const UNCLEAN = /^(?!\/)|\/(?:\/|\.\.?(?:\/|$))|.\/$/;

/** An absolute path, by the rules of Go's `path.Clean`. */
export function cleanPath(path: string): string {
  if (!UNCLEAN.test(path)) return path;
  const segments: string[] = [];
  for (const segment of path.split("/")) {
    if (segment === "..") segments.pop();
    else if (segment !== "" && segment !== ".") segments.push(segment);
  }
  return `/${segments.join("/")}`;
}
