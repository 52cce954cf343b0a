/**
 * A lease that is kept alive for as long as somebody works under it. Keys that stand for presence
 * (a held lock, a candidacy, a registered service) are attached to it and vanish with it.
 */
import type { LeaseID } from "../../base/ids.ts";
import { optionNames } from "../../base/known-options.ts";
import { type EtcdClientError, isErrorKind } from "../errors.ts";
import type { KeyClient } from "../namespace/namespace.ts";
import type { LeaseKeepAlive } from "../lease/keep-alive.ts";
import { CALL_OPTIONS, type CallOptions, checkOptions } from "../options.ts";

/** As etcd's own client. */
const DEFAULT_TTL_SECONDS = 60;

export interface SessionOptions extends CallOptions {
  /** Seconds that others wait, at least, before they take over after a crash. Default 60. */
  readonly ttl?: number | undefined;
  /** Works under this lease, which must exist, instead of a new one. */
  readonly leaseID?: LeaseID | undefined;
}

const SESSION_OPTIONS = optionNames<SessionOptions>({ ...CALL_OPTIONS, ttl: true, leaseID: true });

export class Session implements AsyncDisposable {
  readonly client: KeyClient;
  readonly leaseID: LeaseID;
  readonly #keepAlive: LeaseKeepAlive;
  #closed = false;

  private constructor(client: KeyClient, keepAlive: LeaseKeepAlive) {
    this.client = client;
    this.leaseID = keepAlive.leaseID;
    this.#keepAlive = keepAlive;
  }

  static async create(client: KeyClient, options: SessionOptions = {}): Promise<Session> {
    checkOptions("Session", options, SESSION_OPTIONS);
    const { ttl = DEFAULT_TTL_SECONDS, leaseID, ...call } = options;
    if (leaseID === undefined) {
      return new Session(client, await client.lease.grantAndKeep(ttl, call));
    }
    const { TTL } = await client.lease.keepAliveOnce(leaseID, call);
    return new Session(client, client.lease.keepAlive(leaseID, { ttl: TTL }));
  }

  /**
   * Settles when the lease is lost, with kind "leaseLost": locks and leaderships of this session
   * may have passed to others. Does not settle after `close` or `orphan`.
   */
  get lost(): Promise<EtcdClientError> {
    return this.#keepAlive.lost;
  }

  /** Fires when the lease is lost: to end work that is done under a lock. */
  get signal(): AbortSignal {
    return this.#keepAlive.signal;
  }

  /** True while nobody else can have taken over; false also for a session that was closed. */
  get isHeld(): boolean {
    return !this.#closed && this.client.clock.nowMs() < this.#keepAlive.expiresMs;
  }

  /**
   * Stops renewing and revokes the lease: all keys of the session vanish at once. Harmless when the
   * lease was gone already.
   */
  async close(options: CallOptions = {}): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.#keepAlive.stop();
    if (this.signal.aborted) return;
    try {
      await this.client.lease.revoke(this.leaseID, options);
    } catch (error) {
      // Somebody was quicker, or its time had passed: what was wanted is so.
      if (!isErrorKind(error, "leaseNotFound")) throw error;
    }
  }

  /** Stops renewing and leaves the keys to expire, or to another session of the same lease. */
  orphan(): void {
    this.#closed = true;
    this.#keepAlive.stop();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}
