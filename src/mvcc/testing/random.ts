/** A seeded generator for property tests (mulberry32): the same seed gives the same run. */

export class TestRandom {
  #state: number;

  constructor(seed: number) {
    this.#state = seed >>> 0;
  }

  /** An integer in [0, bound). */
  below(bound: number): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let t = this.#state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return Math.floor((((t ^ (t >>> 14)) >>> 0) / 0x1_0000_0000) * bound);
  }

  chance(percent: number): boolean {
    return this.below(100) < percent;
  }

  pick<T>(items: readonly T[]): T {
    return items[this.below(items.length)] as T;
  }
}

/** Seeds to run: `count` fixed ones, or the one in the environment variable TEST_SEED. */
export function seeds(count: number): number[] {
  const { TEST_SEED: given } = process.env;
  if (given !== undefined) return [Number(given)];
  return Array.from({ length: count }, (_, i) => 1000 + i);
}
