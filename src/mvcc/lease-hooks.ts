/** What the store asks of the lessor, which lives above it. Keys are latin1 strings. */

import type { LeaseID } from "../base/ids.ts";

export const NO_LEASE: LeaseID = 0n;

export interface LeaseHooks {
  exists(id: LeaseID): boolean;
  /** The key belongs to the lease from now on. The lease exists. */
  attach(id: LeaseID, key: string): void;
  detach(id: LeaseID, key: string): void;
  /** The lease that the key belongs to, or `NO_LEASE`. */
  leaseOf(key: string): LeaseID;
}
