/**
 * When a key ends that lives for so many seconds from now, in nanoseconds since 1970. No two are
 * equal, as the wall clock shows milliseconds only: keys expire in the order in which they were asked
 * for, the same on every member.
 */
const NS_PER_MS = 1_000_000n;
const NS_PER_SECOND = 1_000_000_000n;

export class Expirations {
  readonly #wallMs: () => number;
  #lastNs = 0n;

  constructor(wallMs: () => number) {
    this.#wallMs = wallMs;
  }

  /** As a signed 64-bit number, which a TTL of centuries wraps around as in etcd. */
  after(ttlSeconds: bigint): bigint {
    const nowNs = BigInt(Math.floor(this.#wallMs())) * NS_PER_MS;
    this.#lastNs = nowNs > this.#lastNs ? nowNs : this.#lastNs + 1n;
    return BigInt.asIntN(64, this.#lastNs + BigInt.asIntN(64, ttlSeconds * NS_PER_SECOND));
  }
}
