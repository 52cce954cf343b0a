/**
 * The nodes that expire, the next one first. Of two that end at the same nanosecond the lesser path
 * comes first, so that every member expires them in the same order.
 *
 * Invariant: items[i].heapIndex === i for each; every node in it has an `expiry`.
 */
import { compareExpiry, type Expiry } from "./expiry.ts";
import type { Node } from "./node.ts";

export class ExpiryHeap {
  readonly #items: Node[] = [];

  get size(): number {
    return this.#items.length;
  }

  peek(): Node | undefined {
    return this.#items[0];
  }

  /** Adds the node, moves it after its expiry has changed, or removes it when it has none. */
  update(node: Node): void {
    if (node.expiry === undefined) {
      this.remove(node);
      return;
    }
    if (node.heapIndex < 0) {
      node.heapIndex = this.#items.length;
      this.#items.push(node);
    }
    this.#siftUp(node);
    this.#siftDown(node);
  }

  /** Does nothing for a node that is not in it. */
  remove(node: Node): void {
    const index = node.heapIndex;
    if (index < 0) return;
    node.heapIndex = -1;
    const last = this.#items.pop();
    if (last === undefined || last === node) return;
    this.#place(last, index);
    this.#siftUp(last);
    this.#siftDown(last);
  }

  #place(node: Node, index: number): void {
    node.heapIndex = index;
    this.#items[index] = node;
  }

  #siftUp(node: Node): void {
    let index = node.heapIndex;
    while (index > 0) {
      const parentIndex = (index - 1) >> 1;
      const parent = this.#items[parentIndex] as Node;
      if (!isBefore(node, parent)) break;
      this.#place(parent, index);
      index = parentIndex;
    }
    this.#place(node, index);
  }

  #siftDown(node: Node): void {
    let index = node.heapIndex;
    for (;;) {
      let childIndex = 2 * index + 1;
      let child = this.#items[childIndex];
      if (child === undefined) break;
      const right = this.#items[childIndex + 1];
      if (right !== undefined && isBefore(right, child)) {
        child = right;
        childIndex++;
      }
      if (!isBefore(child, node)) break;
      this.#place(child, index);
      index = childIndex;
    }
    this.#place(node, index);
  }
}

function isBefore(a: Node, b: Node): boolean {
  const order = compareExpiry(a.expiry as Expiry, b.expiry as Expiry);
  return order !== 0 ? order < 0 : a.path < b.path;
}
