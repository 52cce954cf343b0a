/** What the store asks of the lessor, which lives above it. Keys are latin1 strings. */

import type { LeaseID } from "../base/ids.ts";

export const NO_LEASE: LeaseID = 0n;

/** Leases that keys can be attached to. */
export interface LeaseAttachments {
  exists(id: LeaseID): boolean;
  /** The key belongs to the lease from now on. The lease exists. */
  attach(id: LeaseID, key: string): void;
}

export interface LeaseHooks extends LeaseAttachments {
  detach(id: LeaseID, key: string): void;
  /** The lease that the key belongs to, or `NO_LEASE`. */
  leaseOf(key: string): LeaseID;
}
