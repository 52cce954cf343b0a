/**
 * One level of the tree of keys, found without reading what is below it: a page of keys is asked
 * for, and where keys go on below a child, the next question begins behind that child.
 *
 * A child is what follows the level's prefix up to and with the next separator (a branch), or the
 * rest of a key that has none (a leaf). A key can be both a leaf "a" and above a branch "a/".
 */
import { concatBytes, keyAfter, prefixEnd } from "../api/bytes.ts";
import { prefixRange, type RangeAnswer, type RangeRequest } from "../api/kv.ts";

export type Ranger = (request: RangeRequest, signal: AbortSignal) => Promise<RangeAnswer>;

export type Child =
  | { readonly kind: "branch"; readonly prefix: Uint8Array }
  | { readonly kind: "leaf"; readonly key: Uint8Array };

export interface LevelQuery {
  readonly prefix: Uint8Array;
  /** Empty: keys are one flat list. */
  readonly separator: Uint8Array;
  /** 0: the newest. */
  readonly revision: number;
  /** Where to go on; undefined: at the beginning. */
  readonly from: Uint8Array | undefined;
}

export interface LevelPage {
  readonly children: readonly Child[];
  /** Where the next page begins; undefined at the end. */
  readonly next: Uint8Array | undefined;
}

/** Children that a page has before it ends: more than a screen shows. */
const PAGE_CHILDREN = 200;
/** Questions for one page: rows are to be seen soon, though each takes a large store some ms. */
const MAX_QUESTIONS = 25;
/** Keys of a question: few where all but one lie below one child, many where each is a child. */
const MIN_KEYS = 4;
const MAX_KEYS = 400;
const FIRST_KEYS = 50;

export async function loadLevel(
  range: Ranger,
  query: LevelQuery,
  signal: AbortSignal,
): Promise<LevelPage> {
  const { key: first, end } = prefixRange(query.prefix);
  const children: Child[] = [];
  let from: Uint8Array | undefined = query.from ?? first;
  let limit = FIRST_KEYS;
  for (let question = 0; from !== undefined && question < MAX_QUESTIONS; question++) {
    const { revision } = query;
    const answer = await range({ key: from, end, limit, revision, keysOnly: true }, signal);
    const keys = answer.kvs.map(({ key }) => key);
    const found = childrenOf(keys, query);
    children.push(...found);
    from = nextFrom(found.at(-1), keys.at(-1), answer.more, end);
    if (children.length >= PAGE_CHILDREN) break;
    const isSparse = found.length * 4 <= keys.length;
    limit = isSparse ? Math.max(MIN_KEYS, limit >> 1) : Math.min(MAX_KEYS, limit * 2);
  }
  return { children, next: from };
}

/** Children of sorted keys, each once. */
function childrenOf(keys: readonly Uint8Array[], { prefix, separator }: LevelQuery): Child[] {
  const children: Child[] = [];
  let branch: Uint8Array | undefined;
  for (const key of keys) {
    if (branch !== undefined && isBelow(key, branch, prefix.length)) continue;
    const at = indexOf(key, separator, prefix.length);
    if (at < 0) {
      children.push({ kind: "leaf", key });
    } else {
      branch = key.slice(0, at + separator.length);
      children.push({ kind: "branch", prefix: branch });
    }
  }
  return children;
}

/** Behind a whole branch, or behind the last key. */
function nextFrom(
  child: Child | undefined,
  lastKey: Uint8Array | undefined,
  more: boolean,
  end: Uint8Array,
): Uint8Array | undefined {
  if (!more || child === undefined || lastKey === undefined) return undefined;
  if (child.kind === "leaf") return keyAfter(lastKey);
  const behind = prefixEnd(child.prefix);
  const isEnd = behind.length === 1 && behind[0] === 0;
  return isEnd || (end.length === behind.length && end.every((byte, i) => byte === behind[i]))
    ? undefined
    : behind;
}

/** Whether `key` begins with `branch`; that the first `known` bytes do is known. */
function isBelow(key: Uint8Array, branch: Uint8Array, known: number): boolean {
  if (key.length < branch.length) return false;
  for (let i = known; i < branch.length; i++) if (key[i] !== branch[i]) return false;
  return true;
}

function indexOf(bytes: Uint8Array, part: Uint8Array, from: number): number {
  const [first] = part;
  if (first === undefined) return -1;
  for (let at = bytes.indexOf(first, from); at >= 0; at = bytes.indexOf(first, at + 1)) {
    if (part.every((byte, i) => bytes[at + i] === byte)) return at;
  }
  return -1;
}

/** The part of a child's bytes that its level adds. */
export function nameOf(child: Child, levelPrefix: Uint8Array): Uint8Array {
  return bytesOfChild(child).subarray(levelPrefix.length);
}

/** The key of a leaf, the prefix of a branch. */
export function bytesOfChild(child: Child): Uint8Array {
  return child.kind === "leaf" ? child.key : child.prefix;
}

/** All ancestors of a key below `root`, the nearest last: what must be open for it to be seen. */
export function ancestorsOf(
  key: Uint8Array,
  root: Uint8Array,
  separator: Uint8Array,
): readonly Uint8Array[] {
  const ancestors: Uint8Array[] = [];
  let from = root.length;
  for (;;) {
    const at = indexOf(key, separator, from);
    if (at < 0) return ancestors;
    from = at + separator.length;
    ancestors.push(concatBytes(key.subarray(0, from)));
  }
}
