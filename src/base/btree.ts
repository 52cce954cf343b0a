/**
 * An ordered map from string to a small integer that also counts: the low bit of each value is the
 * entry's weight, and the tree knows the total weight of any range in O(log n).
 *
 * B+tree: entries live in leaves that are chained for iteration; inner nodes hold, for child i > 0,
 * a separator not greater than the child's smallest key and greater than every key of child i - 1.
 * Invariant: every node's `weight` is the sum of the weights below it. A node may be small, even
 * empty, while its neighbours are full. Keys compare by code unit, which for latin1 strings is the
 * order of their bytes. Ascending insertion leaves full leaves behind.
 *
 * Changing the tree invalidates cursors; seek again by key.
 */

import { assert } from "./assert.ts";

/** Entries of a leaf and children of an inner node. Wide nodes keep the tree at four levels. */
const MAX_FANOUT = 64;
/** A node below this many entries joins a neighbour when both fit in one node. */
const MIN_FANOUT = 16;
/** Fill of nodes made by `fromSorted`: room for a few inserts before the first split. */
const BULK_FANOUT = 60;

interface Leaf {
  readonly leaf: true;
  keys: string[];
  values: number[];
  weight: number;
  next: Leaf | undefined;
}

interface Inner {
  readonly leaf: false;
  /** keys[i] separates children[i] from children[i + 1]. */
  keys: string[];
  children: TreeNode[];
  weight: number;
}

type TreeNode = Leaf | Inner;

/** A position between entries, moving upwards. Valid until the tree changes. */
export interface TreeCursor {
  /** The entry under the cursor. Meaningful while `valid`. */
  readonly key: string;
  readonly value: number;
  readonly valid: boolean;
  next(): void;
}

export class CountedTree {
  #root: TreeNode = newLeaf([], []);
  #size = 0;
  /** The way to the leaf of the last change, `#depth` nodes; what lies behind is old. */
  readonly #path: Inner[] = [];
  readonly #slots: number[] = [];
  #depth = 0;

  /** Entries, whatever their weight. */
  get size(): number {
    return this.#size;
  }

  /** Sum of all weights. */
  get weight(): number {
    return this.#root.weight;
  }

  /**
   * Builds from `count` strictly ascending keys in O(n), pausing after about `keysPerStep`. Asks for
   * each key and value once, in order; they must not change meanwhile.
   */
  static *fromSorted(
    count: number,
    keyAt: (at: number) => string,
    valueAt: (at: number) => number,
    keysPerStep: number,
  ): Generator<void, CountedTree> {
    const tree = new CountedTree();
    if (count === 0) return tree;
    let level: TreeNode[] = yield* sortedLeaves(count, keyAt, valueAt, keysPerStep);
    let firsts: string[] = level.map((node) => (node as Leaf).keys[0] as string);
    while (level.length > 1) {
      const parents: TreeNode[] = [];
      const parentFirsts: string[] = [];
      for (const [start, end] of evenRuns(level.length, BULK_FANOUT)) {
        parents.push(newInner(firsts.slice(start + 1, end), level.slice(start, end)));
        parentFirsts.push(firsts[start] as string);
      }
      level = parents;
      firsts = parentFirsts;
    }
    tree.#root = level[0] as TreeNode;
    tree.#size = count;
    return tree;
  }

  copy(): CountedTree {
    const tree = new CountedTree();
    tree.#root = copyOf(this.#root, undefined);
    tree.#size = this.#size;
    return tree;
  }

  /** The value of `key`, or -1. */
  get(key: string): number {
    let node = this.#root;
    while (!node.leaf) node = node.children[upperBound(node.keys, key)] as TreeNode;
    const at = lowerBound(node.keys, key);
    return at < node.keys.length && node.keys[at] === key ? (node.values[at] as number) : -1;
  }

  /** Adds or replaces an entry. `value` is a non-negative 31-bit integer. */
  set(key: string, value: number): void {
    const leaf = this.#descend(key);
    const at = lowerBound(leaf.keys, key);
    if (at < leaf.keys.length && leaf.keys[at] === key) {
      const change = (value & 1) - ((leaf.values[at] as number) & 1);
      leaf.values[at] = value;
      if (change !== 0) this.#addWeight(leaf, change);
      return;
    }
    insertAt(leaf.keys, at, key);
    insertAt(leaf.values, at, value);
    this.#size++;
    if ((value & 1) !== 0) this.#addWeight(leaf, 1);
    if (leaf.keys.length > MAX_FANOUT) this.#splitLeaf(leaf);
  }

  /** Removes an entry; false if there was none. */
  delete(key: string): boolean {
    const leaf = this.#descend(key);
    const at = lowerBound(leaf.keys, key);
    if (at >= leaf.keys.length || leaf.keys[at] !== key) return false;
    const weight = (leaf.values[at] as number) & 1;
    removeAt(leaf.keys, at);
    removeAt(leaf.values, at);
    this.#size--;
    if (weight !== 0) this.#addWeight(leaf, -1);
    if (leaf.keys.length < MIN_FANOUT) this.#rebalance();
    return true;
  }

  /** Total weight of the entries below `key`. */
  rank(key: string): number {
    let node = this.#root;
    let total = 0;
    while (!node.leaf) {
      const slot = upperBound(node.keys, key);
      for (let i = 0; i < slot; i++) total += (node.children[i] as TreeNode).weight;
      node = node.children[slot] as TreeNode;
    }
    const at = lowerBound(node.keys, key);
    for (let i = 0; i < at; i++) total += (node.values[i] as number) & 1;
    return total;
  }

  /** A cursor at the first entry not below `key`, valid up to the last below `end`; "": to the last. */
  seek(key: string, end = ""): TreeCursor {
    let node = this.#root;
    while (!node.leaf) node = node.children[upperBound(node.keys, key)] as TreeNode;
    return new LeafCursor(node, lowerBound(node.keys, key), end);
  }

  /** Walks to the leaf for `key` and remembers the way for the changes that follow. */
  #descend(key: string): Leaf {
    const path = this.#path;
    const slots = this.#slots;
    let depth = 0;
    let node = this.#root;
    while (!node.leaf) {
      const slot = upperBound(node.keys, key);
      path[depth] = node;
      slots[depth++] = slot;
      node = node.children[slot] as TreeNode;
    }
    this.#depth = depth;
    return node;
  }

  #addWeight(leaf: Leaf, change: number): void {
    leaf.weight += change;
    for (let depth = 0; depth < this.#depth; depth++) {
      (this.#path[depth] as Inner).weight += change;
    }
  }

  #splitLeaf(leaf: Leaf): void {
    // At the right edge keys mostly ascend: leave the left leaf full instead of half empty.
    const cut = leaf.next === undefined ? leaf.keys.length - 1 : leaf.keys.length >> 1;
    const right = newLeaf(leaf.keys.slice(cut), leaf.values.slice(cut));
    leaf.keys.length = cut;
    leaf.values.length = cut;
    leaf.weight -= right.weight;
    right.next = leaf.next;
    leaf.next = right;
    this.#insertChild(right.keys[0] as string, right);
  }

  /** Hangs `node` into the remembered path, right of the child that was descended into. */
  #insertChild(separator: string, node: TreeNode): void {
    let key = separator;
    let added = node;
    for (let depth = this.#depth - 1; depth >= 0; depth--) {
      const parent = this.#path[depth] as Inner;
      const slot = this.#slots[depth] as number;
      insertAt(parent.keys, slot, key);
      insertAt(parent.children, slot + 1, added);
      if (parent.children.length <= MAX_FANOUT) return;
      const atEnd = slot + 2 === parent.children.length;
      const cut = atEnd ? parent.children.length - 2 : parent.children.length >> 1;
      key = parent.keys[cut - 1] as string;
      const right = newInner(parent.keys.slice(cut), parent.children.slice(cut));
      parent.keys.length = cut - 1;
      parent.children.length = cut;
      parent.weight -= right.weight;
      added = right;
    }
    this.#root = newInner([key], [this.#root, added]);
  }

  /** Joins the small leaf of the remembered path with a neighbour, and so on upwards. */
  #rebalance(): void {
    for (let depth = this.#depth - 1; depth >= 0; depth--) {
      const parent = this.#path[depth] as Inner;
      const slot = this.#slots[depth] as number;
      const left = slot > 0 ? slot - 1 : slot;
      if (left + 1 >= parent.children.length || !this.#tryJoin(parent, left)) return;
      if (parent.children.length >= MIN_FANOUT) return;
    }
    while (!this.#root.leaf && this.#root.children.length === 1) {
      this.#root = this.#root.children[0] as TreeNode;
    }
  }

  /** Joins children `at` and `at + 1` if they fit into one node. */
  #tryJoin(parent: Inner, at: number): boolean {
    const left = parent.children[at] as TreeNode;
    const right = parent.children[at + 1] as TreeNode;
    if (fanout(left) + fanout(right) > MAX_FANOUT) return false;
    if (left.leaf && right.leaf) {
      for (const key of right.keys) left.keys.push(key);
      for (const value of right.values) left.values.push(value);
      left.next = right.next;
    } else if (!left.leaf && !right.leaf) {
      left.keys.push(parent.keys[at] as string);
      for (const key of right.keys) left.keys.push(key);
      for (const child of right.children) left.children.push(child);
    }
    left.weight += right.weight;
    removeAt(parent.keys, at);
    removeAt(parent.children, at + 1);
    return true;
  }
}

class LeafCursor implements TreeCursor {
  #leaf: Leaf;
  #at: number;
  readonly #end: string;
  /** Where the entries below `#end` stop in this leaf. */
  #limit: number;
  valid = false;

  constructor(leaf: Leaf, at: number, end: string) {
    this.#leaf = leaf;
    this.#at = at;
    this.#end = end;
    this.#limit = limitOf(leaf, end);
    this.#load();
  }

  get key(): string {
    return this.#leaf.keys[this.#at] as string;
  }

  get value(): number {
    return this.#leaf.values[this.#at] as number;
  }

  next(): void {
    this.#at++;
    if (this.#at >= this.#limit) this.#load();
  }

  /** Goes to the next leaf that has an entry, where this one is at its end. */
  #load(): void {
    while (this.#at >= this.#limit) {
      const { next } = this.#leaf;
      if (next === undefined || this.#limit < this.#leaf.keys.length) {
        this.valid = false;
        return;
      }
      this.#leaf = next;
      this.#at = 0;
      this.#limit = limitOf(next, this.#end);
    }
    this.valid = true;
  }
}

function limitOf({ keys }: Leaf, end: string): number {
  const count = keys.length;
  if (end === "" || count === 0 || (keys[count - 1] as string) < end) return count;
  return lowerBound(keys, end);
}

function newLeaf(keys: string[], values: number[]): Leaf {
  let weight = 0;
  for (const value of values) weight += value & 1;
  return { leaf: true, keys, values, weight, next: undefined };
}

/** A copy of a node and of all below it, whose last leaf goes on with `next`. */
function copyOf(node: TreeNode, next: Leaf | undefined): TreeNode {
  if (node.leaf) return { ...node, keys: node.keys.slice(), values: node.values.slice(), next };
  const children: TreeNode[] = new Array(node.children.length);
  let after = next;
  for (let i = children.length - 1; i >= 0; i--) {
    const child = copyOf(node.children[i] as TreeNode, after);
    children[i] = child;
    after = firstLeaf(child);
  }
  return { ...node, keys: node.keys.slice(), children };
}

function firstLeaf(node: TreeNode): Leaf {
  let at = node;
  while (!at.leaf) at = at.children[0] as TreeNode;
  return at;
}

function newInner(keys: string[], children: TreeNode[]): Inner {
  let weight = 0;
  for (const child of children) weight += child.weight;
  return { leaf: false, keys, children, weight };
}

function fanout(node: TreeNode): number {
  return node.leaf ? node.keys.length : node.children.length;
}

/** First index whose key is not below `key`. */
function lowerBound(keys: readonly string[], key: string): number {
  let low = 0;
  let high = keys.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((keys[middle] as string) < key) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** First index whose key is above `key`. */
function upperBound(keys: readonly string[], key: string): number {
  let low = 0;
  let high = keys.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (key < (keys[middle] as string)) high = middle;
    else low = middle + 1;
  }
  return low;
}

function insertAt<T>(list: T[], at: number, item: T): void {
  list.push(item);
  for (let i = list.length - 1; i > at; i--) list[i] = list[i - 1] as T;
  list[at] = item;
}

function removeAt<T>(list: T[], at: number): void {
  for (let i = at + 1; i < list.length; i++) list[i - 1] = list[i] as T;
  list.pop();
}

/** Cuts `count` items into runs of at most `limit` that differ by at most one. */
function* evenRuns(count: number, limit: number): Generator<[start: number, end: number]> {
  const runs = Math.ceil(count / limit);
  for (let run = 0; run < runs; run++) {
    yield [Math.floor((run * count) / runs), Math.floor(((run + 1) * count) / runs)];
  }
}

function* sortedLeaves(
  count: number,
  keyAt: (at: number) => string,
  valueAt: (at: number) => number,
  keysPerStep: number,
): Generator<void, Leaf[]> {
  const leaves: Leaf[] = [];
  // Copies of these take no more memory than they need; arrays that grow do.
  const keys: string[] = [];
  const values: number[] = [];
  let pauseAt = keysPerStep;
  for (const [start, end] of evenRuns(count, BULK_FANOUT)) {
    for (let at = start; at < end; at++) {
      keys[at - start] = keyAt(at);
      values[at - start] = valueAt(at);
    }
    const leaf = newLeaf(keys.slice(0, end - start), values.slice(0, end - start));
    const previous = leaves.at(-1);
    if (previous !== undefined) {
      previous.next = leaf;
      assert((previous.keys.at(-1) as string) < (leaf.keys[0] as string), "keys must ascend");
    }
    leaves.push(leaf);
    if (end < pauseAt) continue;
    pauseAt = end + keysPerStep;
    yield;
  }
  return leaves;
}
