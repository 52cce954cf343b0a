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
import type { Ways } from "./connection.ts";
import { dial } from "./dial.ts";
import { Endpoint } from "./endpoint.ts";
import { closedError } from "./errors.ts";
import { eventListener } from "./events.ts";
import { checkMetadata } from "./metadata.ts";
import { KV } from "./kv.ts";
import { withJSON } from "./json.ts";
import { type KVCalls, kvCallsOf } from "./kv-calls.ts";
import { Lease } from "./lease/lease.ts";
import { Leasing, type LeasingOptions } from "./leasing/leasing.ts";
import { Maintenance } from "./maintenance.ts";
import type { RpcMethod } from "./methods.ts";
import { KeyPrefix } from "./namespace/key-prefix.ts";
import { type KeyClient, Namespace } from "./namespace/namespace.ts";
import {
  type Bytes,
  type CallOptions,
  type EtcdClientOptions,
  checkClientOptions,
  checkEndpoints,
} from "./options.ts";
import { type AnswerListener, receiveAll } from "./server-stream.ts";
import { parseTarget } from "./target.ts";
import { WatchHub } from "./watch/watch-hub.ts";
import type { WatchOptions } from "./watch/watch-state.ts";
import { Watcher } from "./watch/watcher.ts";

const DEFAULT_ENDPOINT = "http://127.0.0.1:2379";
const DEFAULT_DIAL_TIMEOUT_MS = 5000;
const DEFAULT_KEEPALIVE_INTERVAL_MS = 30_000;
const DEFAULT_KEEPALIVE_TIMEOUT_MS = 10_000;
/** A call that failed so often, on many members, is told. */
const DEFAULT_MAX_ATTEMPTS = 5;
const DEFAULT_BACKOFF_MS = 50;
/** A member that comes back is found within seconds. */
const DEFAULT_MAX_BACKOFF_MS = 2000;

const OVER_SOCKETS: Ways = { dial };

export class EtcdClient implements KeyClient, AsyncDisposable {
  readonly kv: KV;
  readonly lease: Lease;
  readonly auth: Auth;
  readonly cluster: Cluster;
  readonly maintenance: Maintenance;
  readonly #balancer: Balancer;
  readonly #caller: Caller;
  readonly #calls: KVCalls;
  readonly #hubs = new Map<string, WatchHub>();

  /** What deadlines are measured with. */
  readonly clock: Clock;

  /**
   * Throws `TypeError` for endpoints that are none and options that do not exist. Does not dial.
   * `ways` is for `etcd-ts/testing`, whose members need no sockets.
   */
  constructor(options: EtcdClientOptions = {}, ways: Ways = OVER_SOCKETS) {
    checkClientOptions(options);
    const { endpoints = DEFAULT_ENDPOINT } = options;
    const emit = eventListener(options.onEvent, options.logger);
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
        return new Endpoint(target, clock, backoff, dialOptions(options), emit, ways);
      },
    });
    this.#caller = new Caller({
      balancer: this.#balancer,
      clock,
      backoff,
      maxAttempts: options.maxAttempts ?? DEFAULT_MAX_ATTEMPTS,
      requestTimeoutMs: options.requestTimeoutMs,
      credentials: options.credentials,
      token: options.token,
      metadata: checkMetadata(options.metadata),
      emit,
      begun: ways.begun,
    });
    this.#calls = kvCallsOf(this.#caller);
    this.kv = new KV(this.#calls);
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
    checkEndpoints(endpoints);
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
    return this.#watch(key, options, undefined);
  }

  #watch(key: Bytes, options: WatchOptions & CallOptions, prefix: KeyPrefix | undefined): Watcher {
    if (this.#balancer.closed) throw closedError();
    return new Watcher(this.#caller, this.#hubFor(options), key, options, prefix);
  }

  /**
   * The keys that begin with `prefix`, without it: what reads, writes, watches, locks and campaigns
   * there cannot reach any other. Uses this client's connections; there is nothing to close.
   */
  namespace(prefix: Bytes): Namespace {
    const deps = {
      clock: this.clock,
      calls: this.#calls,
      lease: this.lease,
      isClosed: () => this.closed,
      watch: (key: Bytes, options: WatchOptions & CallOptions, at: KeyPrefix) =>
        this.#watch(key, options, at),
    };
    return new Namespace(deps, new KeyPrefix(prefix));
  }

  /**
   * Reads of single keys without asking, while nobody else writes to them: who reads a key owns it,
   * by a key with this prefix, and who writes to it through leasing with the same prefix, here or in
   * Go, makes the owner leave first. Close it, or writers wait for its session to expire.
   */
  leasing(prefix: Bytes, options: LeasingOptions = {}): Leasing {
    return new Leasing({ client: this, calls: this.#calls }, prefix, options);
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

  /**
   * Any method that answers with a stream: each answer goes to `onAnswer`. While a promise that it
   * has returned is open, the server waits.
   */
  receive<Q, R>(
    method: RpcMethod<Q, R>,
    request: Q,
    onAnswer: AnswerListener<R>,
    options: CallOptions = {},
  ): Promise<void> {
    return receiveAll(
      this.#caller,
      method,
      request,
      (answer) => onAnswer(withJSON(answer)),
      options,
    );
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
