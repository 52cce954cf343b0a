/**
 * A binary min-heap of things that fall due, which know their own place in it, so that moving or
 * removing one costs O(log n). A thing is in at most one queue.
 *
 * Invariant: items[i].heapIndex === i for every item; -1 for what is in no queue.
 */

export interface QueueItem {
  /** Owned by the queue. -1 while in none. */
  heapIndex: number;
}

export interface DueItem extends QueueItem {
  dueMs: number;
}

/** Things in any order that is total. */
export class OrderedQueue<T extends QueueItem> {
  readonly #items: T[] = [];
  readonly #isBefore: (a: T, b: T) => boolean;

  constructor(isBefore: (a: T, b: T) => boolean) {
    this.#isBefore = isBefore;
  }

  get size(): number {
    return this.#items.length;
  }

  /** The first item of the order. */
  peek(): T | undefined {
    return this.#items[0];
  }

  /** Adds the item, or moves it after what orders it has changed. */
  update(item: T): void {
    if (item.heapIndex < 0) {
      item.heapIndex = this.#items.length;
      this.#items.push(item);
    }
    this.#siftUp(item);
    this.#siftDown(item);
  }

  /** Does nothing if the item is not in the queue. */
  remove(item: T): void {
    const index = item.heapIndex;
    if (index < 0) return;
    item.heapIndex = -1;
    const last = this.#items.pop();
    if (last === undefined || last === item) return;
    this.#place(last, index);
    this.#siftUp(last);
    this.#siftDown(last);
  }

  /**
   * Puts exactly these items in, which come in their order: a sorted array is a heap already, so
   * this costs no comparison.
   */
  fill(sorted: readonly T[]): void {
    this.clear();
    for (const item of sorted) {
      item.heapIndex = this.#items.length;
      this.#items.push(item);
    }
  }

  clear(): void {
    for (const item of this.#items) item.heapIndex = -1;
    this.#items.length = 0;
  }

  #place(item: T, index: number): void {
    item.heapIndex = index;
    this.#items[index] = item;
  }

  #siftUp(item: T): void {
    let index = item.heapIndex;
    while (index > 0) {
      const parentIndex = (index - 1) >> 1;
      const parent = this.#items[parentIndex] as T;
      if (!this.#isBefore(item, parent)) break;
      this.#place(parent, index);
      index = parentIndex;
    }
    this.#place(item, index);
  }

  #siftDown(item: T): void {
    const size = this.#items.length;
    let index = item.heapIndex;
    for (;;) {
      let childIndex = 2 * index + 1;
      if (childIndex >= size) break;
      const right = this.#items[childIndex + 1];
      if (right !== undefined && this.#isBefore(right, this.#items[childIndex] as T)) childIndex++;
      const child = this.#items[childIndex] as T;
      if (!this.#isBefore(child, item)) break;
      this.#place(child, index);
      index = childIndex;
    }
    this.#place(item, index);
  }
}

/** Things in the order in which they fall due. */
export class DueQueue<T extends DueItem> extends OrderedQueue<T> {
  constructor() {
    super((a, b) => a.dueMs < b.dueMs);
  }

  /** Adds the item, or moves it if it is already in. */
  set(item: T, dueMs: number): void {
    item.dueMs = dueMs;
    this.update(item);
  }
}
