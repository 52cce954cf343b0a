/** Leases that renew themselves and say what becomes of them. */
import { EventEmitter } from "node:events";
import { type CallOptions, METHODS } from "../client/index.ts";
import type { Clock, Timer } from "../env/clock.ts";
import type { ConnectionPool, ICallable } from "./connection-pool.ts";
import { castError, EtcdLeaseInvalidError } from "./errors.ts";
import type { KeyPrefix } from "./keys.ts";
import { fromMessage } from "./messages/convert.ts";
import type { ILeaseKeepAliveResponse } from "./messages/lease.ts";
import { callOptionsOf, type ICallOptions } from "./options.ts";
import { KVClient, LeaseClient } from "./rpc-clients.ts";
import { PutBuilder } from "./write-builders.ts";

/** Until a renewal that failed is tried again. */
const RETRY_MS = 500;

export const LeaseState = { Pending: 0, Alive: 1, Revoked: 2 } as const;
export type LeaseState = (typeof LeaseState)[keyof typeof LeaseState];

export interface ILeaseOptions extends ICallOptions {
  /** Renews the lease every third of its TTL. Default true. */
  autoKeepAlive?: boolean;
}

interface LeaseEvents {
  /** The lease is gone, or must be taken for gone. */
  lost: [error: Error];
  keepaliveFired: [];
  keepaliveSucceeded: [answer: ILeaseKeepAliveResponse];
  /** A renewal failed; the next is tried. */
  keepaliveFailed: [error: Error];
  /** Renewals have begun. */
  keepaliveEstablished: [];
}

export class Lease extends EventEmitter {
  readonly #pool: ConnectionPool;
  readonly #namespace: KeyPrefix;
  readonly #ttl: number;
  readonly #client: LeaseClient;
  readonly #clock: Clock;
  readonly #options: ICallOptions;
  /** Settles with the error of a grant that failed: nobody may be waiting for it. */
  readonly #granted: Promise<string | Error>;
  #state: LeaseState = LeaseState.Pending;
  #renewedMs = 0;
  #loss: Error | undefined;
  #timer: Timer | undefined;
  #stopRenewing: () => void = () => undefined;

  constructor(
    pool: ConnectionPool,
    namespace: KeyPrefix,
    ttl: number,
    { autoKeepAlive = true, ...options }: ILeaseOptions = {},
  ) {
    super();
    if (!(ttl >= 1)) {
      throw new RangeError(`The TTL in an etcd lease must be at least 1 second. Got: ${ttl}`);
    }
    this.#pool = pool;
    this.#namespace = namespace;
    this.#ttl = ttl;
    this.#client = new LeaseClient(pool);
    this.#clock = pool.client.clock;
    // The deadline is that of the grant.
    this.#options = { signal: options.signal };
    this.#granted = this.#grant(options, autoKeepAlive);
  }

  get state(): LeaseState {
    return this.#state;
  }

  async #grant(options: ICallOptions, autoKeepAlive: boolean): Promise<string | Error> {
    try {
      const { ID } = await this.#client.leaseGrant({ TTL: this.#ttl }, options);
      if (this.#state === LeaseState.Pending) {
        this.#state = LeaseState.Alive;
        this.#renewedMs = this.#clock.nowMs();
        if (autoKeepAlive) this.#keepAlive();
      }
      return ID;
    } catch (error) {
      const cast = castError(error);
      this.#lose(cast);
      return cast;
    }
  }

  /** The id of the lease; rejects when it was not granted. */
  async grant(): Promise<string> {
    const granted = await this.#granted;
    if (granted instanceof Error) throw granted;
    return granted;
  }

  /** Ends the lease; its keys are deleted. No error if it has ended already. */
  async revoke(options: ICallOptions = this.#options): Promise<void> {
    this.release();
    const granted = await this.#granted;
    if (granted instanceof Error) return;
    try {
      await this.#client.leaseRevoke({ ID: granted }, options);
    } catch (error) {
      if (!(error instanceof EtcdLeaseInvalidError)) throw error;
    }
  }

  /** Renews it no more; it expires by itself. */
  release(): void {
    this.#state = LeaseState.Revoked;
    this.#stopRenewing();
  }

  /** A write of a key that lives as long as the lease. */
  put(key: string | Buffer): PutBuilder {
    const calls: ICallable = {
      exec: async (...call) => {
        try {
          return await this.#pool.exec(...call);
        } catch (error) {
          throw error instanceof EtcdLeaseInvalidError ? this.#lose(error) : error;
        }
      },
    };
    return new PutBuilder(new KVClient(calls), this.#namespace, key).lease(this.grant());
  }

  async keepaliveOnce(options: ICallOptions = this.#options): Promise<ILeaseKeepAliveResponse> {
    const id = await this.grant();
    const context = { service: "Lease", method: "leaseKeepAlive", params: { ID: id } };
    return this.#renew(
      id,
      callOptionsOf(options, undefined, this.#clock, { ...context, isStream: true }),
    );
  }

  /** True when the lease is lost, revoked or released. */
  revoked(): boolean {
    return this.#state === LeaseState.Revoked;
  }

  override on<K extends keyof LeaseEvents>(
    event: K,
    handler: (...args: LeaseEvents[K]) => void,
  ): this {
    return super.on(event, handler as (...args: unknown[]) => void);
  }

  async #renew(id: string, options: CallOptions): Promise<ILeaseKeepAliveResponse> {
    try {
      const answer = await this.#pool.client.lease.keepAliveOnce(BigInt(id), options);
      this.#renewedMs = this.#clock.nowMs();
      return fromMessage(METHODS.leaseKeepAlive.response, answer) as ILeaseKeepAliveResponse;
    } catch (error) {
      const cast = castError(error, "Lease");
      if (!(cast instanceof EtcdLeaseInvalidError)) throw cast;
      throw this.#lose(new EtcdLeaseInvalidError(id));
    }
  }

  /** Renews at once, then every third of the TTL, and sooner when something has failed. */
  #keepAlive(): void {
    const forgets = [
      this.#pool.onClose(() => this.release()),
      this.#pool.onDisconnect(() => this.#renewIn(0)),
    ];
    this.#stopRenewing = () => {
      this.#timer?.cancel();
      for (const forget of forgets) forget();
    };
    queueMicrotask(() => {
      this.emit("keepaliveEstablished");
      void this.#fire();
    });
  }

  #renewIn(delayMs: number): void {
    this.#timer?.cancel();
    if (!this.revoked()) this.#timer = this.#clock.setTimer(delayMs, () => void this.#fire());
  }

  async #fire(): Promise<void> {
    if (this.revoked()) return;
    if (this.#clock.nowMs() - this.#renewedMs > 2000 * this.#ttl) {
      const text = "We lost connection to etcd and our lease has expired.";
      this.#lose(Object.assign(new EtcdLeaseInvalidError(""), { message: text }));
      return;
    }
    const periodMs = (1000 * this.#ttl) / 3;
    this.#renewIn(periodMs);
    this.emit("keepaliveFired");
    try {
      const answer = await this.#renew(await this.grant(), { timeoutMs: periodMs });
      if (!this.revoked()) this.emit("keepaliveSucceeded", answer);
    } catch (error) {
      if (this.revoked()) return;
      this.#renewIn(Math.min(RETRY_MS, periodMs));
      this.emit("keepaliveFailed", castError(error));
    }
  }

  /** Returns what the lease was lost by, which may have been told before. */
  #lose(error: Error): Error {
    if (this.revoked()) return this.#loss ?? error;
    this.#loss = error;
    this.release();
    this.emit("lost", error);
    return error;
  }
}
