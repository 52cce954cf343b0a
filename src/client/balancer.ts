/**
 * Chooses the endpoint of each call: round robin over the endpoints that are not known to be bad,
 * preferring connections that stand. A call that finds none standing waits for the first of
 * several staggered dials; endpoints that failed are left alone for a growing, jittered while.
 */
import { StatusCode } from "../api/errors.ts";
import type { Clock, Timer } from "../env/clock.ts";
import type { Endpoint, Link } from "./endpoint.ts";
import { closedError, deadlineError, EtcdClientError } from "./errors.ts";
import { type Limits, pause, within } from "./waiting.ts";

/** A dial that takes longer gets company: the next endpoint is tried beside it. */
const STAGGER_MS = 250;

export interface BalancerDeps {
  readonly clock: Clock;
  /** How long a call without a deadline waits for any connection. */
  readonly connectWaitMs: number;
  readonly makeEndpoint: (url: string) => Endpoint;
}

export class Balancer {
  readonly #deps: BalancerDeps;
  #endpoints: readonly Endpoint[];
  /** Endpoints named by calls that are none of the client's. */
  readonly #others = new Map<string, Endpoint>();
  #next = 0;
  #closed = false;
  readonly #onClose = new Set<() => void>();

  constructor(urls: readonly string[], deps: BalancerDeps) {
    if (urls.length === 0) throw new TypeError("no endpoint is given");
    this.#deps = deps;
    this.#endpoints = urls.map((url) => deps.makeEndpoint(url));
  }

  get urls(): string[] {
    return this.#endpoints.map(({ url }) => url);
  }

  get closed(): boolean {
    return this.#closed;
  }

  /** Replaces the endpoints; those that stay keep their connections. */
  setUrls(urls: readonly string[]): void {
    if (urls.length === 0) throw new TypeError("no endpoint is given");
    const before = new Map(this.#endpoints.map((endpoint) => [endpoint.url, endpoint]));
    this.#endpoints = urls.map((url) => before.get(url) ?? this.#deps.makeEndpoint(url));
    for (const endpoint of before.values()) {
      if (!this.#endpoints.includes(endpoint)) endpoint.close();
    }
  }

  /** Calls `end` when the client is closed; returns how to take that back. */
  onClose(end: () => void): () => void {
    this.#onClose.add(end);
    return () => this.#onClose.delete(end);
  }

  /** Ends all connections and all waiting. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    for (const endpoint of this.#endpoints) endpoint.close();
    for (const endpoint of this.#others.values()) endpoint.close();
    for (const end of [...this.#onClose]) end();
  }

  /**
   * A connection for one call; synchronous when one stands. `url` names the only endpoint that
   * will do; `avoid` failed this call before and is taken only if there is no other.
   */
  pick(limits: Limits, url: string | undefined, avoid: Endpoint | undefined): Link | Promise<Link> {
    if (this.#closed) throw closedError();
    const candidates = url === undefined ? this.#inTurn() : [this.#named(url)];
    const standing = this.#standing(candidates, avoid);
    return standing ?? this.#waitForAny(limits, candidates, avoid);
  }

  #standing(candidates: readonly Endpoint[], avoid: Endpoint | undefined): Link | undefined {
    const nowMs = this.#deps.clock.nowMs();
    let wanted: Endpoint | undefined;
    let secondBest: Link | undefined;
    for (const endpoint of candidates) {
      const link = endpoint.ready;
      const isBad = endpoint.badUntilMs > nowMs;
      if (isBad || endpoint === avoid) {
        secondBest ??= link;
      } else if (link === undefined) {
        wanted ??= endpoint;
      } else {
        // Whose turn it was is dialled for the calls to come.
        void wanted?.connect();
        return link;
      }
    }
    // An endpoint that has failed and is still connected is better than none at all: others of
    // its calls may well succeed.
    return wanted === undefined ? secondBest : undefined;
  }

  async #waitForAny(
    limits: Limits,
    candidates: readonly Endpoint[],
    avoid: Endpoint | undefined,
  ): Promise<Link> {
    const { clock, connectWaitMs } = this.#deps;
    const giveUpMs = Math.min(limits.deadlineMs, clock.nowMs() + connectWaitMs);
    const lastError = (): unknown => candidates.find((each) => each.lastError)?.lastError;
    for (;;) {
      const nowMs = clock.nowMs();
      const willing = candidates.filter(({ badUntilMs }) => badUntilMs <= nowMs);
      if (willing.length > 0) {
        const order = [...willing].sort((a, b) => Number(a === avoid) - Number(b === avoid));
        const link = await within(this.#firstOf(order), limits, clock, lastError);
        if (this.#closed) throw closedError();
        if (link !== undefined) return link;
        continue;
      }
      const dueMs = Math.min(...candidates.map(({ badUntilMs }) => badUntilMs));
      if (dueMs >= giveUpMs) {
        if (limits.deadlineMs > giveUpMs) throw this.#unreachable(candidates);
        // The deadline comes first; waiting for it would help nobody but a call that can be ended.
        await this.#pauseOpen(limits.deadlineMs - nowMs, limits.signal);
        throw deadlineError(lastError());
      }
      await this.#pauseOpen(dueMs - nowMs, limits.signal);
    }
  }

  /** The first connection of staggered dials; undefined when all have failed. */
  #firstOf(endpoints: readonly Endpoint[]): Promise<Link | undefined> {
    return new Promise((resolve) => {
      let begun = 0;
      let failed = 0;
      let timer: Timer | undefined;
      const finish = (link: Link | undefined): void => {
        begun = endpoints.length;
        timer?.cancel();
        forget();
        resolve(link);
      };
      const forget = this.onClose(() => finish(undefined));
      const onFailed = (): void => {
        failed++;
        if (failed === endpoints.length) finish(undefined);
        else if (failed === begun) beginNext();
      };
      const beginNext = (): void => {
        timer?.cancel();
        const endpoint = endpoints[begun];
        if (endpoint === undefined) return;
        begun++;
        if (begun < endpoints.length) timer = this.#deps.clock.setTimer(STAGGER_MS, beginNext);
        endpoint.connect().then(finish, onFailed);
      };
      beginNext();
    });
  }

  async #pauseOpen(delayMs: number, signal: AbortSignal | undefined): Promise<void> {
    const closing = new AbortController();
    const forget = this.onClose(() => closing.abort());
    try {
      await pause(
        delayMs,
        this.#deps.clock,
        signal === undefined ? closing.signal : AbortSignal.any([signal, closing.signal]),
      );
    } catch (error) {
      throw closing.signal.aborted ? closedError() : error;
    } finally {
      forget();
    }
  }

  #unreachable(candidates: readonly Endpoint[]): EtcdClientError {
    const reasons = candidates.map(
      ({ url, lastError }) => `${url}: ${lastError?.message ?? "not tried"}`,
    );
    return new EtcdClientError(`no endpoint is reachable; ${reasons.join("; ")}`, {
      code: StatusCode.UNAVAILABLE,
      kind: "unavailable",
      cause: candidates[0]?.lastError,
    });
  }

  /** All endpoints, beginning with the one whose turn it is. */
  #inTurn(): readonly Endpoint[] {
    const all = this.#endpoints;
    if (all.length === 1) return all;
    const first = this.#next % all.length;
    this.#next = first + 1;
    return [...all.slice(first), ...all.slice(0, first)];
  }

  #named(url: string): Endpoint {
    const own = this.#endpoints.find((endpoint) => endpoint.url === url) ?? this.#others.get(url);
    if (own !== undefined) return own;
    const other = this.#deps.makeEndpoint(url);
    this.#others.set(url, other);
    return other;
  }
}
