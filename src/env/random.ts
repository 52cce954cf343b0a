/** Chance as an argument: seeded in tests and simulation, the system's generator in production. */
export interface Random {
  /** A uniformly distributed integer in [0, bound). `bound` is at least 1 and at most 2^31. */
  below(bound: number): number;
  /** Fills `target` with random bytes and returns it. Fit for tokens in production. */
  fill(target: Uint8Array): Uint8Array;
}
