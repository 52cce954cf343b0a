/**
 * Sets of keys as half-open ranges, as permissions are granted and asked for.
 *
 * Keys are latin1 strings, so that `<` is the byte order. A range is [begin, end), where `end` ""
 * means without an upper end; a single key is [key, key + "\0"). The end that stands in requests
 * and roles is translated in `keyRange` alone, for permissions, watches and deletions alike: ""
 * means the single key there, and "\0" everything from the key on.
 */
import { latin1FromBytes } from "../base/bytes.ts";

export interface KeyRange {
  readonly begin: string;
  /** Exclusive; "" means unbounded. */
  readonly end: string;
}

/** The range that `key` and `rangeEnd` of a request, or of a granted permission, mean. */
export function keyRange(key: Uint8Array, rangeEnd: Uint8Array): KeyRange {
  const begin = latin1FromBytes(key);
  if (rangeEnd.length === 0) return pointRange(begin);
  const isOpen = rangeEnd.length === 1 && rangeEnd[0] === 0;
  return { begin, end: isOpen ? "" : latin1FromBytes(rangeEnd) };
}

/** The range of one key. */
export function pointRange(key: string): KeyRange {
  return { begin: key, end: `${key}\0` };
}

/** True if `one` ends before `other` does; "" is the greatest end. */
function endsBefore(one: string, other: string): boolean {
  if (one === "") return false;
  return other === "" || one < other;
}

/** True if `key` lies below `end`. */
function isBelow(key: string, end: string): boolean {
  return end === "" || key < end;
}

/**
 * The union of ranges, asked whether it holds all keys of another one.
 *
 * A range that is empty (its end is not above its begin) holds no key, yet etcd answers for it too:
 * as for its begin. Members must agree on that, since a refused operation undoes the whole
 * transaction around it.
 */
export class KeyRangeSet {
  /** Begins of the merged ranges, ascending, and their ends: neither overlapping nor adjacent. */
  readonly #begins: string[] = [];
  readonly #ends: string[] = [];

  constructor(ranges: Iterable<KeyRange>) {
    const sorted = [...ranges].sort((a, b) => (a.begin < b.begin ? -1 : a.begin > b.begin ? 1 : 0));
    for (const { begin, end } of sorted) {
      // No key is empty, and no range either: what old databases hold must not become a grant.
      if (begin !== "" && isBelow(begin, end)) this.#add(begin, end);
    }
  }

  #add(begin: string, end: string): void {
    const lastEnd = this.#ends.at(-1);
    if (lastEnd !== undefined && (lastEnd === "" || begin <= lastEnd)) {
      if (endsBefore(lastEnd, end)) this.#ends[this.#ends.length - 1] = end;
      return;
    }
    this.#begins.push(begin);
    this.#ends.push(end);
  }

  /** The same for one key. */
  has(key: string): boolean {
    if (key === "") return false;
    const coveredUntil = this.#ends[lastAtOrBelow(this.#begins, key)];
    return coveredUntil !== undefined && isBelow(key, coveredUntil);
  }

  /** True if every key of the range is in the set. */
  covers({ begin, end }: KeyRange): boolean {
    if (begin === "") return false;
    const coveredUntil = this.#ends[lastAtOrBelow(this.#begins, begin)];
    if (coveredUntil === undefined) return false;
    return isBelow(begin, end) ? !endsBefore(coveredUntil, end) : isBelow(begin, coveredUntil);
  }
}

/** Position of the last of the ascending `keys` that is not above `key`; -1 if there is none. */
function lastAtOrBelow(keys: readonly string[], key: string): number {
  let low = 0;
  let high = keys.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((keys[middle] ?? "") <= key) low = middle + 1;
    else high = middle;
  }
  return low - 1;
}
