/** A lock that is taken at once or not at all: a key that lives as long as a lease. */
import { ComparatorBuilder } from "./comparator-builder.ts";
import type { ConnectionPool } from "./connection-pool.ts";
import { EtcdLockFailedError } from "./errors.ts";
import type { KeyPrefix } from "./keys.ts";
import { Lease } from "./lease.ts";
import type { ICallOptions } from "./options.ts";
import { KVClient } from "./rpc-clients.ts";
import { PutBuilder } from "./write-builders.ts";

const DEFAULT_TTL_SECONDS = 30;

export class Lock {
  readonly #pool: ConnectionPool;
  readonly #namespace: KeyPrefix;
  readonly #key: string | Buffer;
  #ttl = DEFAULT_TTL_SECONDS;
  #lease: Lease | undefined;
  #callOptions: ICallOptions | undefined;

  constructor(pool: ConnectionPool, namespace: KeyPrefix, key: string | Buffer) {
    this.#pool = pool;
    this.#namespace = namespace;
    this.#key = key;
  }

  /** Seconds until the lock is free when its holder has vanished. Default 30. */
  ttl(seconds: number): this {
    if (this.#lease !== undefined) {
      throw new Error("Cannot set a lock TTL after acquiring the lock");
    }
    this.#ttl = seconds;
    return this;
  }

  options(options: ICallOptions): this {
    this.#callOptions = options;
    return this;
  }

  /** Rejects with `EtcdLockFailedError` when somebody holds it; does not wait. */
  async acquire(): Promise<this> {
    const lease = new Lease(this.#pool, this.#namespace, this.#ttl);
    this.#lease = lease;
    const kv = new KVClient(this.#pool);
    const put = new PutBuilder(kv, this.#namespace, this.#key).value("").lease(lease.grant());
    const { succeeded } = await new ComparatorBuilder(kv, this.#namespace)
      .and(this.#key, "Create", "==", 0)
      .then(put)
      .options(this.#callOptions)
      .commit();
    if (succeeded) return this;
    // A lease that cannot be revoked now expires by itself.
    await this.release().catch(() => undefined);
    throw new EtcdLockFailedError(`Failed to acquire a lock on ${String(this.#key)}`);
  }

  /** Of the holder's lease; null while the lock is not taken. */
  async leaseId(): Promise<string | null> {
    return this.#lease === undefined ? null : this.#lease.grant();
  }

  async release(): Promise<void> {
    const lease = this.#lease;
    if (lease === undefined) throw new Error("Attempted to release a lock which was not acquired");
    await lease.revoke(this.#callOptions);
    this.#lease = undefined;
  }

  /** Takes the lock, calls `fn`, and releases the lock whatever became of it. */
  async do<T>(fn: () => T | Promise<T>): Promise<T> {
    await this.acquire();
    try {
      return await fn();
    } finally {
      await this.release();
    }
  }
}
