/** The keys below a prefix, and everything that can be done with them. */
import { ComparatorBuilder, type comparator, type compareTarget } from "./comparator-builder.ts";
import type { ConnectionPool } from "./connection-pool.ts";
import { Election } from "./election.ts";
import { KeyPrefix, Range, type Rangable, toBuffer } from "./keys.ts";
import { type ILeaseOptions, Lease } from "./lease.ts";
import { Lock } from "./lock.ts";
import { MultiRangeBuilder, SingleRangeBuilder } from "./range-builders.ts";
import { KVClient, LeaseClient } from "./rpc-clients.ts";
import { Isolation, type ISTMOptions, SoftwareTransaction } from "./stm.ts";
import { WatchBuilder, WatchManager } from "./watch.ts";
import { DeleteBuilder, PutBuilder } from "./write-builders.ts";

export class Namespace {
  /** What stands before every key. */
  readonly prefix: Buffer;
  /** The service itself: keys are whole keys. */
  readonly kv: KVClient;
  readonly leaseClient: LeaseClient;
  protected readonly pool: ConnectionPool;
  /** The watches that have not ended. */
  protected readonly watchManager: WatchManager;
  readonly #keys: KeyPrefix;

  constructor(prefix: Buffer, pool: ConnectionPool) {
    this.prefix = prefix;
    this.pool = pool;
    this.kv = new KVClient(pool);
    this.leaseClient = new LeaseClient(pool);
    this.watchManager = new WatchManager(pool);
    this.#keys = new KeyPrefix(prefix);
  }

  get(key: string | Buffer): SingleRangeBuilder {
    return new SingleRangeBuilder(this.kv, this.#keys, key);
  }

  getAll(): MultiRangeBuilder {
    return new MultiRangeBuilder(this.kv, this.#keys);
  }

  put(key: string | Buffer): PutBuilder {
    return new PutBuilder(this.kv, this.#keys, key);
  }

  delete(): DeleteBuilder {
    return new DeleteBuilder(this.kv, this.#keys);
  }

  /** A lease of `ttl` seconds that renews itself unless told not to. */
  lease(ttl: number, options?: ILeaseOptions): Lease {
    return new Lease(this.pool, this.#keys, ttl, options);
  }

  lock(key: string | Buffer): Lock {
    return new Lock(this.pool, this.#keys, key);
  }

  stm(options: Partial<ISTMOptions> = {}): SoftwareTransaction {
    const defaults = { isolation: Isolation.SerializableSnapshot, prefetch: [], retries: 3 };
    return new SoftwareTransaction({ ...defaults, ...options }, this.#keys, this.kv);
  }

  /** Begins a transaction. */
  if(
    key: string | Buffer,
    column: keyof typeof compareTarget,
    cmp: keyof typeof comparator,
    value: string | Buffer | number,
  ): ComparatorBuilder {
    return new ComparatorBuilder(this.kv, this.#keys).and(key, column, cmp, value);
  }

  watch(): WatchBuilder {
    return new WatchBuilder(this.watchManager, this.#keys);
  }

  range(range: Rangable): Range {
    return Range.from(range);
  }

  namespace(prefix: string | Buffer): Namespace {
    return new Namespace(Buffer.concat([this.prefix, toBuffer(prefix)]), this.pool);
  }

  election(name: string, ttl?: number): Election {
    return new Election(this, name, ttl);
  }
}
