/** Unsent bytes of all connections that share it, and how many they may be. */
export class OutputBudget {
  #queuedBytes = 0;
  readonly #maxBytes: number;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  get queuedBytes(): number {
    return this.#queuedBytes;
  }

  /** Counts bytes more, or with a negative number fewer. */
  add(bytes: number): void {
    this.#queuedBytes += bytes;
  }

  has(bytes: number): boolean {
    return this.#queuedBytes + bytes <= this.#maxBytes;
  }
}
