/**
 * A client that sees the keys below a prefix only, without it, as if they were all that there is.
 * It has what works on keys; connections, credentials and everything else are the client's.
 */
import type { Clock } from "../../env/clock.ts";
import { KV } from "../kv.ts";
import type { KVCalls } from "../kv-calls.ts";
import type { Lease } from "../lease/lease.ts";
import { Leasing, type LeasingOptions } from "../leasing/leasing.ts";
import type { Bytes, CallOptions } from "../options.ts";
import type { WatchOptions } from "../watch/watch-state.ts";
import type { Watcher } from "../watch/watcher.ts";
import type { KeyPrefix } from "./key-prefix.ts";
import { prefixedCalls } from "./prefixed-calls.ts";

/** What sessions, locks, elections and `stm` work with: a client, or a namespace of one. */
export interface KeyClient {
  readonly kv: KV;
  readonly lease: Lease;
  /** What deadlines are measured with. */
  readonly clock: Clock;
  readonly closed: boolean;
  watch(key: Bytes, options?: WatchOptions & CallOptions): Watcher;
  /** The keys below `prefix`, without it. */
  namespace(prefix: Bytes): KeyClient;
}

/** What a namespace needs of its client. */
export interface NamespaceDeps {
  readonly clock: Clock;
  readonly calls: KVCalls;
  readonly lease: Lease;
  readonly isClosed: () => boolean;
  readonly watch: (key: Bytes, options: WatchOptions & CallOptions, prefix: KeyPrefix) => Watcher;
}

export class Namespace implements KeyClient {
  readonly kv: KV;
  /** Leases belong to no namespace; of their keys, those of this one are shown. */
  readonly lease: Lease;
  readonly clock: Clock;
  readonly #deps: NamespaceDeps;
  readonly #prefix: KeyPrefix;

  /** See `EtcdClient.namespace`. */
  constructor(deps: NamespaceDeps, prefix: KeyPrefix) {
    this.#deps = deps;
    this.#prefix = prefix;
    this.clock = deps.clock;
    this.kv = new KV(prefixedCalls(deps.calls, prefix));
    this.lease = deps.lease.inside(prefix);
  }

  get closed(): boolean {
    return this.#deps.isClosed();
  }

  watch(key: Bytes, options: WatchOptions & CallOptions = {}): Watcher {
    return this.#deps.watch(key, options, this.#prefix);
  }

  /** See `EtcdClient.leasing`; the prefix is in the namespace, too. */
  leasing(prefix: Bytes, options: LeasingOptions = {}): Leasing {
    const calls = prefixedCalls(this.#deps.calls, this.#prefix);
    return new Leasing({ client: this, calls }, prefix, options);
  }

  namespace(prefix: Bytes): Namespace {
    return new Namespace(this.#deps, this.#prefix.inside(prefix));
  }
}
