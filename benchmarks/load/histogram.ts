/**
 * Latencies in buckets of at most 3 % width, from a microsecond to minutes, in constant memory
 * and without allocation per sample.
 */

/** Buckets per power of two. */
const STEPS = 32;
const STEP_BITS = 5;
/** 2^36 µs is 19 hours. */
const BUCKETS = (36 - STEP_BITS + 1) * STEPS;

export interface LatencySummary {
  readonly count: number;
  readonly meanMs: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly p999Ms: number;
  readonly maxMs: number;
}

export class Histogram {
  readonly #counts = new Float64Array(BUCKETS);
  #count = 0;
  #sumMs = 0;
  #maxMs = 0;

  record(ms: number): void {
    this.#count++;
    this.#sumMs += ms;
    if (ms > this.#maxMs) this.#maxMs = ms;
    const bucket = bucketOf(ms * 1000);
    this.#counts[bucket] = (this.#counts[bucket] ?? 0) + 1;
  }

  summary(): LatencySummary {
    return {
      count: this.#count,
      meanMs: this.#count === 0 ? 0 : this.#sumMs / this.#count,
      p50Ms: this.#percentile(0.5),
      p99Ms: this.#percentile(0.99),
      p999Ms: this.#percentile(0.999),
      maxMs: this.#maxMs,
    };
  }

  #percentile(share: number): number {
    const wanted = Math.ceil(this.#count * share);
    let seen = 0;
    for (let bucket = 0; bucket < BUCKETS; bucket++) {
      seen += this.#counts[bucket] ?? 0;
      if (seen >= wanted && seen > 0) return Math.min(upperBound(bucket) / 1000, this.#maxMs);
    }
    return this.#maxMs;
  }
}

function bucketOf(micros: number): number {
  const value = Math.max(0, Math.min(2 ** 36 - 1, Math.floor(micros)));
  if (value < STEPS) return value;
  const exponent = Math.floor(Math.log2(value)) - STEP_BITS;
  return (exponent + 1) * STEPS + Math.floor(value / 2 ** exponent) - STEPS;
}

/** Largest value in microseconds that a bucket stands for. */
function upperBound(bucket: number): number {
  if (bucket < STEPS) return bucket + 1;
  const exponent = Math.floor(bucket / STEPS) - 1;
  return (STEPS + (bucket % STEPS) + 1) * 2 ** exponent;
}
