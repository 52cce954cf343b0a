/**
 * A map from half-open intervals [begin, end) of strings to values that answers which intervals
 * hold a point, in O(log n + answers). An empty `end` means unbounded above.
 *
 * Treap ordered by (begin, end) where each node knows the greatest end below it. Priorities come
 * from a private xorshift sequence: the shape depends on nothing but the order of operations.
 * Intervals must not be empty (begin < end); single points are [key, key + "\0").
 */

import { assert } from "./assert.ts";

interface IntervalNode<V> {
  readonly begin: string;
  readonly end: string;
  value: V;
  readonly priority: number;
  /** Greatest end in this subtree; "" if one is unbounded. */
  maxEnd: string;
  left: IntervalNode<V> | undefined;
  right: IntervalNode<V> | undefined;
}

export class IntervalTree<V> {
  #root: IntervalNode<V> | undefined;
  #size = 0;
  #random = 0x9e3779b9;

  get size(): number {
    return this.#size;
  }

  get(begin: string, end: string): V | undefined {
    let node = this.#root;
    while (node !== undefined) {
      const order = compareIntervals(begin, end, node);
      if (order === 0) return node.value;
      node = order < 0 ? node.left : node.right;
    }
    return undefined;
  }

  /** Adds the interval or replaces its value. */
  set(begin: string, end: string, value: V): void {
    assert(end === "" || begin < end, "an interval is not empty");
    this.#root = this.#insert(this.#root, begin, end, value);
  }

  delete(begin: string, end: string): boolean {
    const before = this.#size;
    this.#root = this.#remove(this.#root, begin, end);
    return this.#size < before;
  }

  /** Calls `visit` for each interval that holds `point`, in order of begin. */
  stab(point: string, visit: (value: V) => void): void {
    stabNode(this.#root, point, visit);
  }

  /** True if some interval holds `point`. */
  covers(point: string): boolean {
    return findCovering(this.#root, point);
  }

  /** All intervals in order. */
  *entries(): Generator<readonly [begin: string, end: string, value: V]> {
    const stack: IntervalNode<V>[] = [];
    let node = this.#root;
    while (node !== undefined || stack.length > 0) {
      while (node !== undefined) {
        stack.push(node);
        node = node.left;
      }
      const top = stack.pop() as IntervalNode<V>;
      yield [top.begin, top.end, top.value];
      node = top.right;
    }
  }

  #nextPriority(): number {
    let x = this.#random;
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    this.#random = x;
    return x;
  }

  #insert(
    node: IntervalNode<V> | undefined,
    begin: string,
    end: string,
    value: V,
  ): IntervalNode<V> {
    if (node === undefined) {
      this.#size++;
      const priority = this.#nextPriority();
      return { begin, end, value, priority, maxEnd: end, left: undefined, right: undefined };
    }
    const order = compareIntervals(begin, end, node);
    if (order === 0) {
      node.value = value;
      return node;
    }
    if (order < 0) {
      node.left = this.#insert(node.left, begin, end, value);
      if (node.left.priority > node.priority) return rotateRight(node, node.left);
    } else {
      node.right = this.#insert(node.right, begin, end, value);
      if (node.right.priority > node.priority) return rotateLeft(node, node.right);
    }
    updateMaxEnd(node);
    return node;
  }

  #remove(
    node: IntervalNode<V> | undefined,
    begin: string,
    end: string,
  ): IntervalNode<V> | undefined {
    if (node === undefined) return undefined;
    const order = compareIntervals(begin, end, node);
    if (order === 0) {
      this.#size--;
      return merge(node.left, node.right);
    }
    if (order < 0) node.left = this.#remove(node.left, begin, end);
    else node.right = this.#remove(node.right, begin, end);
    updateMaxEnd(node);
    return node;
  }
}

function compareIntervals<V>(begin: string, end: string, node: IntervalNode<V>): number {
  if (begin !== node.begin) return begin < node.begin ? -1 : 1;
  if (end === node.end) return 0;
  return endIsGreater(end, node.end) ? 1 : -1;
}

function endIsGreater(a: string, b: string): boolean {
  if (b === "") return false;
  return a === "" || a > b;
}

function updateMaxEnd<V>(node: IntervalNode<V>): void {
  let max = node.end;
  if (node.left !== undefined && endIsGreater(node.left.maxEnd, max)) max = node.left.maxEnd;
  if (node.right !== undefined && endIsGreater(node.right.maxEnd, max)) max = node.right.maxEnd;
  node.maxEnd = max;
}

function rotateRight<V>(node: IntervalNode<V>, left: IntervalNode<V>): IntervalNode<V> {
  node.left = left.right;
  left.right = node;
  updateMaxEnd(node);
  updateMaxEnd(left);
  return left;
}

function rotateLeft<V>(node: IntervalNode<V>, right: IntervalNode<V>): IntervalNode<V> {
  node.right = right.left;
  right.left = node;
  updateMaxEnd(node);
  updateMaxEnd(right);
  return right;
}

function merge<V>(
  left: IntervalNode<V> | undefined,
  right: IntervalNode<V> | undefined,
): IntervalNode<V> | undefined {
  if (left === undefined) return right;
  if (right === undefined) return left;
  if (left.priority > right.priority) {
    left.right = merge(left.right, right);
    updateMaxEnd(left);
    return left;
  }
  right.left = merge(left, right.left);
  updateMaxEnd(right);
  return right;
}

function isBelowEnd(point: string, end: string): boolean {
  return end === "" || point < end;
}

function stabNode<V>(
  node: IntervalNode<V> | undefined,
  point: string,
  visit: (value: V) => void,
): void {
  if (node === undefined || !isBelowEnd(point, node.maxEnd)) return;
  stabNode(node.left, point, visit);
  if (node.begin > point) return;
  if (isBelowEnd(point, node.end)) visit(node.value);
  stabNode(node.right, point, visit);
}

function findCovering<V>(start: IntervalNode<V> | undefined, point: string): boolean {
  let node = start;
  while (node !== undefined) {
    if (!isBelowEnd(point, node.maxEnd)) return false;
    if (node.begin <= point && isBelowEnd(point, node.end)) return true;
    // Everything left of a node begins earlier: if its greatest end is above the point, one of
    // them holds the point or begins above it; in both cases nothing right of the node can.
    const left: IntervalNode<V> | undefined = node.left;
    node = left !== undefined && isBelowEnd(point, left.maxEnd) ? left : node.right;
  }
  return false;
}
