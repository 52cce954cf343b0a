/**
 * One lease in memory. Most leases hold one key, and there may be hundreds of thousands, so the
 * first key is held without a set.
 */

import type { DueItem } from "../base/due-queue.ts";
import type { LeaseID } from "../base/ids.ts";
import { charge, type Slice, type Steps } from "../base/slice.ts";
import { sortInSteps } from "../base/sort-in-steps.ts";

/** What other layers may see of a lease. */
export interface LeaseView {
  readonly id: LeaseID;
  /** Granted time to live in seconds. */
  readonly ttl: number;
  /** Seconds left at the last checkpoint; 0 if there was none since the last renewal. */
  readonly remainingTTL: number;
  /** Infinity while this member is not the primary. */
  readonly expiryMs: number;
  readonly keyCount: number;
  /** Attached keys as latin1 strings; a fresh array. */
  keysInAnyOrder(): string[];
  /** The same in byte order, which makes the revisions of their deletion equal on every member. */
  keys(): string[];
}

/** Keys sorted between two looks at the slice. */
const SORTED_PER_STEP = 1000;

/** Sorts keys in slices, as `keys` does at once. */
export function sortKeys(keys: string[], slice: Slice): Steps<string[]> {
  return charge(sortInSteps(keys, SORTED_PER_STEP), SORTED_PER_STEP, slice);
}

export class Lease implements LeaseView, DueItem {
  readonly id: LeaseID;
  readonly ttl: number;
  remainingTTL: number;
  expiryMs = Number.POSITIVE_INFINITY;
  /** When the expiry scan looks at the lease: its expiry, or later while it is being revoked. */
  dueMs = 0;
  heapIndex = -1;
  /** In the checkpoint queue, if checkpoints are on and the lease is long. */
  checkpoint: CheckpointItem | undefined = undefined;
  #keys: string | Set<string> | undefined = undefined;

  constructor(id: LeaseID, ttl: number, remainingTTL: number) {
    this.id = id;
    this.ttl = ttl;
    this.remainingTTL = remainingTTL;
  }

  get keyCount(): number {
    if (this.#keys === undefined) return 0;
    return typeof this.#keys === "string" ? 1 : this.#keys.size;
  }

  keys(): string[] {
    return this.keysInAnyOrder().sort();
  }

  keysInAnyOrder(): string[] {
    if (this.#keys === undefined) return [];
    return typeof this.#keys === "string" ? [this.#keys] : [...this.#keys];
  }

  addKey(key: string): void {
    if (this.#keys === undefined) this.#keys = key;
    else if (typeof this.#keys !== "string") this.#keys.add(key);
    else if (this.#keys !== key) this.#keys = new Set([this.#keys, key]);
  }

  removeKey(key: string): void {
    if (typeof this.#keys === "object") this.#keys.delete(key);
    else if (this.#keys === key) this.#keys = undefined;
  }

  /** Seconds that a new primary gives the lease. */
  get countdownSeconds(): number {
    return this.remainingTTL > 0 ? this.remainingTTL : this.ttl;
  }
}

export class CheckpointItem implements DueItem {
  readonly lease: Lease;
  dueMs = 0;
  heapIndex = -1;

  constructor(lease: Lease) {
    this.lease = lease;
  }
}
