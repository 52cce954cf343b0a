/**
 * Slows down who guesses passwords: after some failures in a row for one user, or from one address,
 * further attempts are refused for a while without a look at the password. A success forgives the
 * user's failures. etcd has no such limit.
 */
import { EtcdError } from "../../api/errors.ts";
import type { Clock } from "../../env/index.ts";

/** Failures of one user that are free; people mistype. */
const FREE_FAILURES_OF_USER = 10;
/** Of all users at one address, which may be that of many. */
const FREE_FAILURES_OF_ADDRESS = 100;
/** One more attempt is allowed after this, for each failure beyond. */
const FORGIVE_INTERVAL_MS = 1000;
/** Users and addresses remembered; the oldest are forgotten first. */
const MAX_REMEMBERED = 10_000;

export class LoginLimiter {
  readonly #clock: Clock;
  /** By user or address: when all its failures will be forgiven, `Clock.nowMs`. */
  readonly #forgivenMs = new Map<string, number>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Throws `EtcdError("tooManyRequests")`. */
  check(user: string, address: string): void {
    const now = this.#clock.nowMs();
    const free = [FREE_FAILURES_OF_USER, FREE_FAILURES_OF_ADDRESS];
    for (const [i, key] of keysOf(user, address).entries()) {
      const owedMs = (this.#forgivenMs.get(key) ?? now) - now;
      if (owedMs > (free[i] ?? 0) * FORGIVE_INTERVAL_MS) throw new EtcdError("tooManyRequests");
    }
  }

  failed(user: string, address: string): void {
    const now = this.#clock.nowMs();
    for (const key of keysOf(user, address)) {
      const owedMs = Math.max(0, (this.#forgivenMs.get(key) ?? now) - now);
      this.#forgivenMs.delete(key);
      this.#forgivenMs.set(key, now + owedMs + FORGIVE_INTERVAL_MS);
    }
    for (const oldest of this.#forgivenMs.keys()) {
      if (this.#forgivenMs.size <= MAX_REMEMBERED) break;
      this.#forgivenMs.delete(oldest);
    }
  }

  succeeded(user: string): void {
    this.#forgivenMs.delete(`user ${user}`);
  }
}

/** The port of an address changes with every connection. */
function keysOf(user: string, address: string): readonly string[] {
  return [`user ${user}`, `address ${address.replace(/:[0-9]*$/, "")}`];
}
