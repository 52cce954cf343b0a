/** Items that one side pushes and the other awaits in order, ended or failed once. */

/** Items handed out before their places are given back. */
const COMPACT_AT = 1024;

type Waiter<T> = {
  readonly resolve: (item: T | undefined) => void;
  readonly reject: (error: Error) => void;
};

export class ItemQueue<T> {
  #items: T[] = [];
  #head = 0;
  #waiters: Waiter<T>[] = [];
  #ended = false;
  #error: Error | undefined;

  get size(): number {
    return this.#items.length - this.#head;
  }

  /** Ignored after the end. */
  push(item: T): void {
    if (this.#ended) return;
    const waiter = this.#waiters.shift();
    if (waiter === undefined) this.#items.push(item);
    else waiter.resolve(item);
  }

  /** No more items; those that wait are still handed out, then `error` once, then undefined. */
  end(error?: Error): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#error = error;
    for (const waiter of this.#waiters.splice(0)) this.#settleEnd(waiter);
  }

  /** Drops what waits. */
  clear(): void {
    this.#items = [];
    this.#head = 0;
  }

  /** As `end`, and what waits is dropped. */
  fail(error: Error | undefined): void {
    this.clear();
    if (this.#ended) this.#error = error;
    else this.end(error);
  }

  /** The next item; undefined at the end. */
  next(): Promise<T | undefined> {
    if (this.#head < this.#items.length) {
      const item = this.#items[this.#head++] as T;
      if (this.#head === this.#items.length || this.#head >= COMPACT_AT) {
        this.#items = this.#items.slice(this.#head);
        this.#head = 0;
      }
      return Promise.resolve(item);
    }
    return new Promise((resolve, reject) => {
      const waiter = { resolve, reject };
      if (this.#ended) this.#settleEnd(waiter);
      else this.#waiters.push(waiter);
    });
  }

  #settleEnd(waiter: Waiter<T>): void {
    const error = this.#error;
    this.#error = undefined;
    if (error === undefined) waiter.resolve(undefined);
    else waiter.reject(error);
  }
}
