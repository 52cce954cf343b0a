/** Unsent bytes of all connections that share it, and how many they may be. */
export class OutputBudget {
  queuedBytes = 0;
  readonly #maxBytes: number;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  has(bytes: number): boolean {
    return this.queuedBytes + bytes <= this.#maxBytes;
  }
}
