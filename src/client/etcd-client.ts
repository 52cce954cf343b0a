/**
 * The client: one object for a cluster, with a service for each part of the API. It dials when
 * something is asked of it, and keeps its connections until it is closed.
 */
import type { Clock } from "../env/clock.ts";
import { SystemClock } from "../env/system-clock.ts";
import { Auth } from "./auth.ts";
import { Backoff } from "./backoff.ts";
import { Balancer } from "./balancer.ts";
import { Caller } from "./caller.ts";
import { Cluster } from "./cluster.ts";
import { Endpoint } from "./endpoint.ts";
import { closedError } from "./errors.ts";
import { KV } from "./kv.ts";
import { Lease } from "./lease/lease.ts";
import { Maintenance } from "./maintenance.ts";
import type { RpcMethod } from "./methods.ts";
import type { Bytes, CallOptions, EtcdClientOptions } from "./options.ts";
import { receiveAll } from "./server-stream.ts";
import { parseTarget } from "./target.ts";
import { WatchHub } from "./watch/watch-hub.ts";
import type { WatchOptions } from "./watch/watch-state.ts";
import { Watcher } from "./watch/watcher.ts";

const DEFAULT_ENDPOINT = "http://127.0.0.1:2379";
const DEFAULT_DIAL_TIMEOUT_MS = 5000;
const DEFAULT_KEEPALIVE_INTERVAL_MS = 30_000;
const DEFAULT_KEEPALIVE_TIMEOUT_MS = 10_000;
const DEFAULT_MAX_ATTEMPTS = 5;
const DEFAULT_BACKOFF_MS = 50;
const DEFAULT_MAX_BACKOFF_MS = 2000;

export class EtcdClient implements AsyncDisposable {
  readonly kv: KV;
  readonly lease: Lease;
  readonly auth: Auth;
  readonly cluster: Cluster;
  readonly maintenance: Maintenance;
  readonly #balancer: Balancer;
  readonly #caller: Caller;
  readonly #hubs = new Map<string, WatchHub>();

  /** What deadlines are measured with. */
  readonly clock: Clock;

  /** Throws `TypeError` for endpoints that are none. Does not dial. */
  constructor(options: EtcdClientOptions = {}) {
    const { endpoints = DEFAULT_ENDPOINT } = options;
    const clock = options.clock ?? new SystemClock({ holdsProcess: true });
    this.clock = clock;
    const backoff = new Backoff({
      firstMs: options.backoffMs ?? DEFAULT_BACKOFF_MS,
      maxMs: options.maxBackoffMs ?? DEFAULT_MAX_BACKOFF_MS,
      random: options.random ?? Math.random,
    });
    this.#balancer = new Balancer(typeof endpoints === "string" ? [endpoints] : endpoints, {
      clock,
      connectWaitMs: options.dialTimeoutMs ?? DEFAULT_DIAL_TIMEOUT_MS,
      makeEndpoint: (url) => {
        const target = parseTarget(url, options.tls !== undefined);
        return new Endpoint(target, clock, backoff, dialOptions(options));
      },
    });
    this.#caller = new Caller({
      balancer: this.#balancer,
      clock,
      backoff,
      maxAttempts: options.maxAttempts ?? DEFAULT_MAX_ATTEMPTS,
      requestTimeoutMs: options.requestTimeoutMs,
      credentials: options.credentials,
    });
    this.kv = new KV(this.#caller);
    this.lease = new Lease(this.#caller);
    this.auth = new Auth(this.#caller);
    this.cluster = new Cluster(this.#caller);
    this.maintenance = new Maintenance(this.#caller);
  }

  get closed(): boolean {
    return this.#balancer.closed;
  }

  get endpoints(): readonly string[] {
    return this.#balancer.urls;
  }

  /** Replaces the endpoints; those that stay keep their connections. */
  setEndpoints(endpoints: readonly string[]): void {
    this.#balancer.setUrls(endpoints);
  }

  /** Makes the client URLs of all started members that have a vote the endpoints. */
  async syncEndpoints(options: CallOptions = {}): Promise<readonly string[]> {
    const { members } = await this.cluster.memberList(options);
    const urls = members.flatMap(({ name, isLearner, clientURLs }) =>
      name === "" || isLearner ? [] : clientURLs,
    );
    if (urls.length > 0) this.setEndpoints(urls);
    return this.endpoints;
  }

  /**
   * Watches a key, or with `prefix`, `fromKey` or `rangeEnd` a range of keys. Watches of one
   * client share one stream. Of the call's options, `timeoutMs` bounds the time until the server
   * has the watch, and `requireLeader` is true unless set: a watch at a member that is cut off
   * from its cluster moves to another.
   */
  watch(key: Bytes, options: WatchOptions & CallOptions = {}): Watcher {
    if (this.#balancer.closed) throw closedError();
    return new Watcher(this.#caller, this.#hubFor(options), key, options);
  }

  #hubFor({ endpoint, requireLeader = true }: CallOptions): WatchHub {
    const name = `${requireLeader} ${endpoint ?? ""}`;
    let hub = this.#hubs.get(name);
    if (hub === undefined) {
      hub = new WatchHub(this.#caller, { endpoint, requireLeader }, () => this.#hubs.delete(name));
      this.#hubs.set(name, hub);
    }
    return hub;
  }

  /** Any unary method with etcd's own messages, such as `METHODS.range`. */
  call<Q, R>(method: RpcMethod<Q, R>, request: Q, options: CallOptions = {}): Promise<R> {
    return this.#caller.unary(method, request, options);
  }

  /** Any method that answers with a stream: each answer goes to `onAnswer`. */
  receive<Q, R>(
    method: RpcMethod<Q, R>,
    request: Q,
    onAnswer: (answer: R) => void,
    options: CallOptions = {},
  ): Promise<void> {
    return receiveAll(this.#caller, method, request, onAnswer, options);
  }

  /**
   * Closes all connections. Calls under way reject with kind "clientClosed", watches end, leases
   * are no longer renewed. A closed client stays closed.
   */
  close(): void {
    this.#balancer.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.close();
  }
}

function dialOptions(options: EtcdClientOptions): ConstructorParameters<typeof Endpoint>[3] {
  const { keepaliveIntervalMs, keepaliveTimeoutMs, maxMessageBytes } = options;
  return {
    tls: options.tls,
    timeoutMs: options.dialTimeoutMs ?? DEFAULT_DIAL_TIMEOUT_MS,
    connection: {
      maxMessageBytes,
      keepaliveIntervalMs: keepaliveIntervalMs ?? DEFAULT_KEEPALIVE_INTERVAL_MS,
      keepaliveTimeoutMs: keepaliveTimeoutMs ?? DEFAULT_KEEPALIVE_TIMEOUT_MS,
    },
  };
}
