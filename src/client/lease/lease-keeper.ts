/**
 * Renews all kept leases of a client over one stream.
 *
 * A lease is renewed a third of its TTL after its last renewal was sent, and at once on a new
 * stream. It is lost when the server says that it is gone, or when its TTL has passed since the
 * last answered renewal was sent: the server may then have let it expire. Being lost is final.
 */
import { LeaseKeepAliveRequest, type LeaseKeepAliveResponse } from "../../api/gen/rpc.ts";
import { StatusCode } from "../../api/errors.ts";
import { formatID, type LeaseID } from "../../base/ids.ts";
import type { Timer } from "../../env/clock.ts";
import type { Caller } from "../caller.ts";
import { EtcdClientError } from "../errors.ts";
import { METHODS } from "../methods.ts";
import { ResilientStream } from "../resilient-stream.ts";

/** Who wants a lease kept. */
export interface LeaseHolder {
  onRenewed(response: LeaseKeepAliveResponse): void;
  /** Called once; nothing follows. */
  onLost(error: EtcdClientError): void;
}

interface KeptLease {
  readonly id: LeaseID;
  readonly holders: Set<LeaseHolder>;
  /** When the renewal under way was sent; undefined: none is. */
  sentMs: number | undefined;
  /** When the next is due. */
  dueMs: number;
  /** When it is lost without a renewal; infinity before the first if the TTL is not known. */
  expiresMs: number;
  timer: Timer | undefined;
}

export class LeaseKeeper {
  readonly #caller: Caller;
  readonly #leases = new Map<LeaseID, KeptLease>();
  #stream: ResilientStream<LeaseKeepAliveRequest, LeaseKeepAliveResponse> | undefined;

  constructor(caller: Caller) {
    this.#caller = caller;
  }

  /** `expiresMs`: until when the lease lives without a renewal, if known. */
  add(leaseID: LeaseID, expiresMs: number | undefined, holder: LeaseHolder): void {
    const known = this.#leases.get(leaseID);
    if (known !== undefined) {
      known.holders.add(holder);
      return;
    }
    const lease: KeptLease = {
      id: leaseID,
      holders: new Set([holder]),
      sentMs: undefined,
      dueMs: this.#caller.clock.nowMs(),
      expiresMs: expiresMs ?? Number.POSITIVE_INFINITY,
      timer: undefined,
    };
    this.#leases.set(leaseID, lease);
    this.#openStream();
    this.#proceed(lease);
  }

  remove(leaseID: LeaseID, holder: LeaseHolder): void {
    const lease = this.#leases.get(leaseID);
    if (lease === undefined) return;
    lease.holders.delete(holder);
    if (lease.holders.size === 0) this.#forget(lease);
  }

  /** Until when the lease lives without another renewal; 0 for one that is not kept. */
  expiresMs(leaseID: LeaseID): number {
    return this.#leases.get(leaseID)?.expiresMs ?? 0;
  }

  #forget(lease: KeptLease): void {
    lease.timer?.cancel();
    this.#leases.delete(lease.id);
    if (this.#leases.size > 0) return;
    this.#stream?.stop();
    this.#stream = undefined;
  }

  #openStream(): void {
    if (this.#stream !== undefined) return;
    const stream = new ResilientStream(
      this.#caller,
      METHODS.leaseKeepAlive,
      {},
      {
        onOpen: () => {
          for (const lease of this.#leases.values()) this.#send(lease);
        },
        onMessage: (message) => this.#onMessage(message),
        onBroken: () => {
          for (const lease of this.#leases.values()) lease.sentMs = undefined;
        },
        onFatal: (error) => this.#onFatal(error),
      },
    );
    this.#stream = stream;
    stream.start();
  }

  #send(lease: KeptLease): void {
    if (this.#stream?.isOpen !== true) return;
    lease.sentMs = this.#caller.clock.nowMs();
    this.#stream.send(LeaseKeepAliveRequest.create({ ID: lease.id }));
  }

  /** Does what is due and sets the timer for what comes next. */
  #proceed(lease: KeptLease): void {
    lease.timer?.cancel();
    const nowMs = this.#caller.clock.nowMs();
    if (nowMs >= lease.expiresMs) {
      this.#lose(lease, "was not renewed in time: no member has answered");
      return;
    }
    if (lease.sentMs === undefined && nowMs >= lease.dueMs) this.#send(lease);
    const waits = lease.sentMs !== undefined || nowMs >= lease.dueMs;
    const nextMs = waits ? lease.expiresMs : Math.min(lease.dueMs, lease.expiresMs);
    if (nextMs === Number.POSITIVE_INFINITY) return;
    lease.timer = this.#caller.clock.setTimer(nextMs - nowMs, () => this.#proceed(lease));
  }

  #onMessage(message: LeaseKeepAliveResponse): void {
    const lease = this.#leases.get(message.ID);
    if (lease?.sentMs === undefined) return;
    if (message.TTL <= 0) {
      this.#lose(lease, "has expired or was revoked");
      return;
    }
    const ttlMs = message.TTL * 1000;
    lease.expiresMs = lease.sentMs + ttlMs;
    lease.dueMs = lease.sentMs + ttlMs / 3;
    lease.sentMs = undefined;
    for (const holder of [...lease.holders]) holder.onRenewed(message);
    if (this.#leases.has(lease.id)) this.#proceed(lease);
  }

  #lose(lease: KeptLease, why: string, cause?: Error): void {
    const { holders } = lease;
    this.#forget(lease);
    const error = new EtcdClientError(`lease ${formatID(lease.id)} ${why}`, {
      code: StatusCode.NOT_FOUND,
      kind: "leaseLost",
      cause,
    });
    for (const holder of holders) holder.onLost(error);
  }

  #onFatal(error: EtcdClientError): void {
    this.#stream = undefined;
    for (const lease of [...this.#leases.values()]) {
      this.#lose(lease, `can no longer be renewed: ${error.message}`, error);
    }
  }
}
