/** Numbered places for calls: a place that was left is the next to be taken. */
export class Slots<T> {
  readonly #limit: number;
  readonly #entries: (T | undefined)[] = [];
  readonly #free: number[] = [];

  constructor(limit: number) {
    this.#limit = limit;
  }

  /** Undefined when all are taken. */
  take(entry: T): number | undefined {
    const slot = this.#free.pop() ?? this.#entries.length;
    if (slot >= this.#limit) return undefined;
    this.#entries[slot] = entry;
    return slot;
  }

  get(slot: number): T | undefined {
    return this.#entries[slot];
  }

  replace(slot: number, entry: T): void {
    this.#entries[slot] = entry;
  }

  leave(slot: number): void {
    this.#entries[slot] = undefined;
    this.#free.push(slot);
  }
}
