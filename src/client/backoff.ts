/** Pauses between attempts: doubling, bounded, with jitter, so that clients do not march in step. */

export interface BackoffOptions {
  readonly firstMs: number;
  readonly maxMs: number;
  /** Numbers in [0, 1). */
  readonly random: () => number;
}

export class Backoff {
  readonly #options: BackoffOptions;

  constructor(options: BackoffOptions) {
    this.#options = options;
  }

  /** The pause after the n-th failure in a row, n from 1: between half and all of the step. */
  delayMs(failures: number): number {
    const { firstMs, maxMs, random } = this.#options;
    const stepMs = Math.min(maxMs, firstMs * 2 ** Math.min(failures - 1, 30));
    return stepMs * (0.5 + random() / 2);
  }
}
