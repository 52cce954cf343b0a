/**
 * Revokes expired leases through raft. Only the leader's lessor knows expiries, so on other
 * members every scan is empty.
 *
 * A lease leaves the lessor's queue when a scan returns it and comes back later if its revocation
 * failed; revocations beyond the parallel limit wait here. Right before a revocation is proposed it
 * is checked again that this member leads and that the lease is still expired: meanwhile another
 * leader may have renewed it, or a client revoked it and granted the same id anew.
 *
 * Invariant: a lease is at most once in the queue or under way.
 */
import { LeaseRevokeRequest } from "../../api/gen/rpc.ts";
import type { LeaseID } from "../../base/ids.ts";
import type { Clock, Counter, Logger, Timer } from "../../env/index.ts";
import { RaftField } from "../log/raft-request.ts";

/** etcd's expiry scan interval. */
const SCAN_INTERVAL_MS = 500;
/** etcd's maxPendingRevokes. */
const MAX_PARALLEL_REVOKES = 16;
/** Leases taken by one scan, as etcd's 1000 per second at two scans a second. */
const MAX_LEASES_PER_SCAN = 500;

export interface LeaseExpirerOptions {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly expired: Counter;
  /** Leases whose time has passed, each again after a while. */
  readonly takeExpired: (nowMs: number, limit: number) => readonly LeaseID[];
  readonly isExpired: (id: LeaseID, nowMs: number) => boolean;
  /** Whether this member leads for sure. */
  readonly confirmLeadership: () => Promise<boolean>;
  /** Into the log of this member's own term, or not at all. */
  readonly proposeAsLeader: (field: number, body: Uint8Array) => Promise<unknown>;
  /** Other work of the lessor at each scan, such as checkpoints. */
  readonly onScan: (nowMs: number) => void;
}

export class LeaseExpirer {
  readonly #options: LeaseExpirerOptions;
  readonly #queue: LeaseID[] = [];
  /** In the queue or under way. */
  readonly #pending = new Set<LeaseID>();
  #running = 0;
  #timer: Timer | undefined;
  #stopped = false;

  constructor(options: LeaseExpirerOptions) {
    this.#options = options;
  }

  start(): void {
    this.#timer = this.#options.clock.setTimer(SCAN_INTERVAL_MS, () => {
      if (this.#stopped) return;
      const now = this.#options.clock.nowMs();
      for (const id of this.#options.takeExpired(now, MAX_LEASES_PER_SCAN)) {
        if (this.#pending.has(id)) continue;
        this.#pending.add(id);
        this.#queue.push(id);
      }
      this.#options.onScan(now);
      this.#revokeNext();
      this.start();
    });
  }

  stop(): void {
    this.#stopped = true;
    this.#timer?.cancel();
  }

  #revokeNext(): void {
    while (this.#running < MAX_PARALLEL_REVOKES && !this.#stopped) {
      const id = this.#queue.shift();
      if (id === undefined) return;
      this.#running++;
      void this.#revoke(id).finally(() => {
        this.#running--;
        this.#pending.delete(id);
        this.#revokeNext();
      });
    }
  }

  async #revoke(id: LeaseID): Promise<void> {
    const { clock, isExpired, confirmLeadership, proposeAsLeader, expired, logger } = this.#options;
    const leaseID = id.toString(16).padStart(16, "0");
    if (!(await confirmLeadership())) {
      logger.warn("Ignore the lease revoking request because current member isn't a leader", {
        "lease-id": leaseID,
      });
      return;
    }
    if (this.#stopped || !isExpired(id, clock.nowMs())) return;
    try {
      const request = LeaseRevokeRequest.create({ ID: id });
      await proposeAsLeader(RaftField.leaseRevoke, LeaseRevokeRequest.encode(request));
      expired.add();
    } catch (error) {
      if (!this.#stopped) logger.warn("failed to revoke lease", { "lease-id": leaseID, error });
    }
  }
}
