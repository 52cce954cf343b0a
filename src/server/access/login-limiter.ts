/**
 * Slows down who guesses passwords: after some failures in a row for one user, or from one address,
 * further attempts are refused for a while without a look at the password. A success forgives the
 * user's failures. etcd has no such limit.
 *
 * Who guesses must not lock others out. A user who has logged in from an address before is judged
 * there by the failures of both together, and by nothing that others do elsewhere or beside.
 */
import { EtcdError } from "../../api/errors.ts";
import type { Clock } from "../../env/index.ts";

/** Failures of one user that are free; people mistype. */
const FREE_FAILURES_OF_USER = 10;
/** Of all users at one address, which may be that of many. */
const FREE_FAILURES_OF_ADDRESS = 100;
/** One more attempt is allowed after this, for each failure beyond. */
const FORGIVE_INTERVAL_MS = 1000;
/** Users and addresses remembered, failures and logins each; the oldest are forgotten first. */
const MAX_REMEMBERED = 10_000;

interface Limit {
  readonly key: string;
  readonly freeFailures: number;
}

export class LoginLimiter {
  readonly #clock: Clock;
  /** By user or address: when all its failures will be forgiven, `Clock.nowMs`. */
  readonly #forgivenMs = new Map<string, number>();
  /** Users with the address that they have logged in from. */
  readonly #known = new Set<string>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Throws `EtcdError("tooManyRequests")`. */
  check(user: string, address: string): void {
    const now = this.#clock.nowMs();
    for (const { key, freeFailures } of this.#limitsOf(user, address)) {
      const owedMs = (this.#forgivenMs.get(key) ?? now) - now;
      if (owedMs > freeFailures * FORGIVE_INTERVAL_MS) throw new EtcdError("tooManyRequests");
    }
  }

  /** In whose line a login of this user from there is to wait. */
  laneOf(user: string, address: string): string {
    const pair = pairOf(user, address);
    return this.#known.has(pair) ? pair : `user ${user}`;
  }

  #limitsOf(user: string, address: string): readonly Limit[] {
    const pair = pairOf(user, address);
    if (this.#known.has(pair)) return [{ key: pair, freeFailures: FREE_FAILURES_OF_USER }];
    return [
      { key: `user ${user}`, freeFailures: FREE_FAILURES_OF_USER },
      { key: `address ${hostOf(address)}`, freeFailures: FREE_FAILURES_OF_ADDRESS },
    ];
  }

  failed(user: string, address: string): void {
    const now = this.#clock.nowMs();
    for (const { key } of this.#limitsOf(user, address)) {
      const owedMs = Math.max(0, (this.#forgivenMs.get(key) ?? now) - now);
      this.#forgivenMs.delete(key);
      this.#forgivenMs.set(key, now + owedMs + FORGIVE_INTERVAL_MS);
    }
    dropOldest(this.#forgivenMs);
  }

  succeeded(user: string, address: string): void {
    const pair = pairOf(user, address);
    this.#forgivenMs.delete(`user ${user}`);
    this.#forgivenMs.delete(pair);
    this.#known.delete(pair);
    this.#known.add(pair);
    dropOldest(this.#known);
  }
}

function dropOldest(remembered: Map<string, unknown> | Set<string>): void {
  for (const oldest of remembered.keys()) {
    if (remembered.size <= MAX_REMEMBERED) return;
    remembered.delete(oldest);
  }
}

function pairOf(user: string, address: string): string {
  return `login ${hostOf(address)} ${user}`;
}

/** The port of an address changes with every connection. */
function hostOf(address: string): string {
  return address.replace(/:[0-9]*$/, "");
}
