/**
 * One endpoint of the cluster: at most one connection that takes calls, dialled when somebody
 * needs it, and the memory of how it failed.
 *
 * A state is one of: idle, connecting, ready. Besides, an endpoint that failed is "bad" until
 * `badUntilMs`; it is then still used if all others are bad too and their time has come.
 */
import type { Clock } from "../env/clock.ts";
import type { Metadata } from "../transport/client/connection.ts";
import type { Backoff } from "./backoff.ts";
import type { CallHead, Connection, Ways } from "./connection.ts";
import type { Dial, DialOptions } from "./dial.ts";
import type { EventListener } from "./events.ts";
import type { Target } from "./target.ts";

/** A connection with the encoded heads of the methods that were called on it. */
export class Link {
  readonly endpoint: Endpoint;
  readonly connection: Connection;
  #methods = new Map<string, CallHead>();
  #token: string | undefined;

  constructor(endpoint: Endpoint, connection: Connection) {
    this.endpoint = endpoint;
    this.connection = connection;
  }

  /** The head of a call; made once per path and token. `more` is the same for all of a client. */
  method(
    path: string,
    token: string | undefined,
    requireLeader: boolean,
    more: Metadata | undefined,
  ): CallHead {
    if (token === undefined && !requireLeader && more === undefined) {
      return this.connection.method(path);
    }
    if (token !== this.#token) {
      this.#methods = new Map();
      this.#token = token;
    }
    const name = requireLeader ? `!${path}` : path;
    let method = this.#methods.get(name);
    if (method === undefined) {
      method = this.connection.method(path, metadataOf(token, requireLeader, more));
      this.#methods.set(name, method);
    }
    return method;
  }
}

/** `more` and etcd's own keys. */
export function metadataOf(
  token: string | undefined,
  requireLeader: boolean,
  more: Metadata | undefined,
): Metadata {
  return {
    ...more,
    ...(token === undefined ? {} : { token }),
    ...(requireLeader ? { hasleader: "true" } : {}),
  };
}

type State =
  | { readonly kind: "idle" }
  | { readonly kind: "connecting"; readonly dial: Dial; readonly link: Promise<Link> }
  | { readonly kind: "ready"; readonly link: Link };

const IDLE: State = { kind: "idle" };

export class Endpoint {
  readonly target: Target;
  readonly #clock: Clock;
  readonly #backoff: Backoff;
  readonly #dialOptions: Omit<DialOptions, "clock">;
  readonly #emit: EventListener | undefined;
  readonly #ways: Ways;
  #state: State = IDLE;
  /** Connections that take no more calls and are not closed yet. */
  readonly #draining = new Set<Connection>();
  #closed = false;
  /** Failures in a row; any answer ends the row. */
  #failures = 0;
  #badUntilMs = Number.NEGATIVE_INFINITY;
  /** The last failure, while the endpoint is bad. */
  lastError: Error | undefined;

  constructor(
    target: Target,
    clock: Clock,
    backoff: Backoff,
    dialOptions: Omit<DialOptions, "clock">,
    emit: EventListener | undefined,
    ways: Ways,
  ) {
    this.target = target;
    this.#clock = clock;
    this.#backoff = backoff;
    this.#dialOptions = dialOptions;
    this.#emit = emit;
    this.#ways = ways;
  }

  get url(): string {
    return this.target.url;
  }

  /** When it may be tried again; in the past for a good one. */
  get badUntilMs(): number {
    return this.#badUntilMs;
  }

  /** The connection, if there is one that takes calls. */
  get ready(): Link | undefined {
    const state = this.#state;
    if (state.kind !== "ready") return undefined;
    if (!state.link.connection.closing) return state.link;
    this.#setIdle(state.link.connection);
    return undefined;
  }

  /** The connection, dialled if need be. Rejects with the dial's `RpcError`. */
  connect(): Promise<Link> {
    const { ready } = this;
    if (ready !== undefined) return Promise.resolve(ready);
    if (this.#state.kind === "connecting") return this.#state.link;
    let isUp = false;
    const attempt = this.#ways.dial(this.target, {
      ...this.#dialOptions,
      clock: this.#clock,
      connection: {
        ...this.#dialOptions.connection,
        onClose: (reason) => this.#onClose(isUp, reason),
      },
    });
    const link = attempt.connection.then(
      (connection) => {
        isUp = true;
        return this.#onConnected(connection);
      },
      (error: Error) => {
        this.#state = IDLE;
        this.markBad(error);
        if (!this.#closed) this.#emit?.({ kind: "connectFailed", endpoint: this.url, error });
        throw error;
      },
    );
    link.catch(() => undefined);
    this.#state = { kind: "connecting", dial: attempt, link };
    return link;
  }

  /** It answered: the next failure is a first one. */
  markGood(): void {
    if (this.#failures === 0) return;
    this.#failures = 0;
    this.#badUntilMs = Number.NEGATIVE_INFINITY;
    this.lastError = undefined;
  }

  /** Others are preferred for a while. All calls that one incident ends count as one failure. */
  markBad(error: Error): void {
    const nowMs = this.#clock.nowMs();
    if (nowMs < this.#badUntilMs) return;
    this.#failures++;
    this.lastError = error;
    this.#badUntilMs = nowMs + this.#backoff.delayMs(this.#failures);
  }

  /** Open calls end with UNAVAILABLE. */
  close(): void {
    this.#closed = true;
    const state = this.#state;
    this.#state = IDLE;
    if (state.kind === "connecting") state.dial.abandon();
    if (state.kind === "ready") state.link.connection.close();
    for (const connection of this.#draining) connection.close();
  }

  #onConnected(connection: Connection): Link {
    const link = new Link(this, connection);
    if (this.#closed) connection.close();
    else this.#state = { kind: "ready", link };
    this.#emit?.({ kind: "connected", endpoint: this.url });
    return link;
  }

  #onClose(isUp: boolean, reason: string): void {
    if (isUp && !this.#closed) this.#emit?.({ kind: "disconnected", endpoint: this.url, reason });
    for (const connection of this.#draining) {
      if (connection.openCalls === 0) this.#draining.delete(connection);
    }
    void this.ready;
  }

  #setIdle(connection: Connection): void {
    this.#state = IDLE;
    if (connection.openCalls > 0) this.#draining.add(connection);
    else connection.close();
  }
}
