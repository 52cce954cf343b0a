/**
 * The lessor: which leases exist, which keys they hold, and, on the primary, when they expire.
 *
 * Grants, revocations and checkpoints are applied raft entries and have the same effect on every
 * member: they never depend on the time. Expiry is the primary's (the raft leader's) business
 * alone: it counts down, asks for revocation through raft, and answers renewals; on other members
 * leases last for ever. Only the lease and its TTL are persisted; which keys it holds is rebuilt
 * from the keys themselves.
 *
 * Pure and synchronous: time comes in as `nowMs` of a monotonic clock, revocations and checkpoints
 * go out as return values.
 *
 * Invariant: the expiry queue holds all leases while primary, none otherwise.
 */

import { EtcdError } from "../api/errors.ts";
import { Lease as LeaseRecord } from "../api/gen/lease.ts";
import { LeaseCheckpoint } from "../api/gen/rpc.ts";
import { type Backend, LEASE_BUCKET, type Reader } from "../backend/index.ts";
import { DueQueue } from "../base/due-queue.ts";
import type { LeaseID } from "../base/ids.ts";
import type { Metrics } from "../env/metrics.ts";
import { type LessorMetrics, registerLessorMetrics } from "./lease-metrics.ts";
import { charge, ENDLESS, finish, type Slice, type Steps } from "../base/slice.ts";
import { type LeaseHooks, NO_LEASE } from "../mvcc/index.ts";
import { sortInSteps } from "../base/sort-in-steps.ts";
import { CheckpointItem, Lease, type LeaseView, sortKeys } from "./lease.ts";
import { LeaseTable, loadLeases } from "./lease-table.ts";

/** Longest TTL in seconds that can be granted, about 285 years; bounds expiry arithmetic. */
export const MAX_LEASE_TTL = 9_000_000_000;

/** Leases that may be revoked per second; two expiry scans a second take half of it each. */
const LEASE_REVOKES_PER_SECOND = 1000;
const MAX_EXPIRED_PER_SCAN = LEASE_REVOKES_PER_SECOND / 2;

/** After a change of leader, piled-up leases are spread to leave a quarter of the rate free. */
const SPREAD_PER_SECOND = (LEASE_REVOKES_PER_SECOND * 3) / 4;

/** Checkpoints in one raft entry. */
export const MAX_CHECKPOINTS_PER_ENTRY = 1000;

/** A lease that was handed out as expired and still exists is handed out again after this. */
const EXPIRED_RETRY_MS = 3000;

/** Leases sorted between two looks at the slice. */
const SORTED_PER_STEP = 1000;

const DEFAULT_CHECKPOINT_INTERVAL_MS = 5 * 60 * 1000;

export interface LessorOptions {
  readonly backend: Backend;
  /** Shorter TTLs are raised to this many seconds. See `minimumLeaseTTL`. */
  readonly minTTL: number;
  /**
   * Deletes the keys (latin1, in byte order) in one mvcc transaction; nothing if there are none.
   * Called inside `revoke`, before the lease record goes.
   */
  readonly deleteKeys: (keys: readonly string[]) => void;
  readonly metrics?: Metrics;
  /** Whether this member proposes checkpoints while primary. Default false, as in etcd. */
  readonly checkpoints?: boolean;
  /** Milliseconds between two checkpoints of a lease. Default 5 minutes. */
  readonly checkpointIntervalMs?: number;
  /** Whether applied checkpoints are persisted: cluster version 3.6 or newer, or the flag. */
  readonly persistCheckpoints?: () => boolean;
}

export type RenewOutcome =
  | { readonly kind: "renewed"; readonly ttl: number }
  /** This member does not lead; ask the leader. */
  | { readonly kind: "notPrimary" }
  | { readonly kind: "notFound" }
  /** Expired and about to be revoked; wait with `onSettled`, then ask again. */
  | { readonly kind: "expired" }
  /** First get a checkpoint with remaining TTL 0 applied, then ask again. */
  | { readonly kind: "clearCheckpoint" };

/** etcd's rule: one and a half election timeouts, in whole seconds. */
export function minimumLeaseTTL(electionTicks: number, tickMs: number): number {
  const ticks = Math.floor((3 * electionTicks) / 2);
  return Math.ceil((ticks * tickMs) / 1000);
}

export class Lessor implements LeaseHooks {
  readonly #options: LessorOptions;
  #table = new LeaseTable();
  readonly #expiries = new DueQueue<Lease>();
  readonly #checkpoints = new DueQueue<CheckpointItem>();
  readonly #waiting = new Map<LeaseID, (() => void)[]>();
  readonly #metrics: LessorMetrics | undefined;
  #primary = false;
  /** The promotion under way. */
  #promotion: object | undefined;

  /** Reads the persisted leases. Throws if a record is damaged. */
  constructor(options: LessorOptions) {
    this.#options = options;
    this.#metrics =
      options.metrics === undefined ? undefined : registerLessorMetrics(options.metrics);
    this.restore();
  }

  get isPrimary(): boolean {
    return this.#primary;
  }

  get size(): number {
    return this.#table.byID.size;
  }

  get attachedKeys(): number {
    return this.#table.byKey.size;
  }

  /** Forgets everything and reads the backend again, not primary and without attached keys. */
  restore(): void {
    const steps = this.loadSteps(this.#options.backend, Number.POSITIVE_INFINITY);
    for (;;) {
      const step = steps.next();
      if (step.done !== true) continue;
      this.adopt(step.value);
      return;
    }
  }

  /**
   * The leases of another db file, loaded aside; `attach` their keys, then `adopt` them. Throws if a
   * record is damaged.
   */
  loadSteps(reader: Reader, leasesPerStep: number): Generator<void, LeaseTable> {
    return loadLeases(reader, this.#options.minTTL, leasesPerStep);
  }

  /**
   * These leases and keys are the ones from now on, and none of them expires here: not primary.
   * Renewals that wait are called back first.
   */
  adopt(table: LeaseTable): void {
    this.demote();
    this.#table = table;
  }

  exists(id: LeaseID): boolean {
    return this.#table.byID.has(id);
  }

  attach(id: LeaseID, key: string): void {
    this.#table.attach(id, key);
  }

  /** Does nothing if the key is not attached to this lease. */
  detach(id: LeaseID, key: string): void {
    this.#table.detach(id, key);
  }

  leaseOf(key: string): LeaseID {
    return this.#table.byKey.get(key)?.id ?? NO_LEASE;
  }

  attachments(): Map<string, LeaseID> {
    const found = new Map<string, LeaseID>();
    for (const [key, { id }] of this.#table.byKey.entries()) found.set(key, id);
    return found;
  }

  lookup(id: LeaseID): LeaseView | undefined {
    return this.#table.byID.get(id);
  }

  /** All leases, the next to expire first; by ID where no expiry is known. */
  leases(): LeaseView[] {
    return this.#table.byID.values().sort(byExpiry);
  }

  /** The same in slices, as they were when it began. */
  *leasesInSteps(slice: Slice): Steps<readonly LeaseView[]> {
    const leases: LeaseView[] = this.#table.byID.values();
    return yield* charge(sortInSteps(leases, SORTED_PER_STEP, byExpiry), SORTED_PER_STEP, slice);
  }

  /**
   * Whole seconds until the lease expires, cut towards zero as etcd does; negative when it is
   * overdue. Infinity when this member is not the primary.
   */
  remainingSeconds(lease: LeaseView, nowMs: number): number {
    return Math.trunc((lease.expiryMs - nowMs) / 1000);
  }

  /**
   * Applies a grant. Throws `leaseExists`, `leaseTTLTooLarge`, or `leaseNotFound` for ID 0; then
   * nothing has changed.
   */
  grant(id: LeaseID, ttl: number, nowMs: number): LeaseView {
    if (id === NO_LEASE) throw new EtcdError("leaseNotFound", { id });
    if (ttl > MAX_LEASE_TTL) throw new EtcdError("leaseTTLTooLarge", { ttl });
    if (this.#table.byID.has(id)) throw new EtcdError("leaseExists", { id });
    const lease = new Lease(id, Math.max(ttl, this.#options.minTTL), 0);
    this.#table.byID.set(id, lease);
    this.#persist(lease);
    if (this.#primary) {
      this.#setExpiry(lease, nowMs + lease.ttl * 1000);
      this.#scheduleCheckpoint(lease, nowMs);
    }
    this.#metrics?.granted.add();
    this.#metrics?.ttl.observe(lease.ttl);
    return lease;
  }

  /**
   * Applies a revocation: deletes the attached keys and the record in one batch of the backend.
   * Throws `leaseNotFound`.
   */
  revoke(id: LeaseID): void {
    const lease = this.#mustFind(id);
    const keys = lease.keys();
    if (keys.length > 0) this.#options.deleteKeys(keys);
    this.#revoked(lease);
  }

  /**
   * The same in slices, for leases with many keys. `deleteKeys` deletes them, and the lease goes in
   * the stretch in which that ends.
   */
  *revokeInSteps(
    id: LeaseID,
    slice: Slice,
    deleteKeys: (keys: readonly string[]) => Steps<void>,
  ): Steps<void> {
    const lease = this.#mustFind(id);
    yield* deleteKeys(yield* sortKeys(lease.keysInAnyOrder(), slice));
    this.#revoked(lease);
  }

  #mustFind(id: LeaseID): Lease {
    const lease = this.#table.byID.get(id);
    if (lease === undefined) throw new EtcdError("leaseNotFound", { id });
    return lease;
  }

  #revoked(lease: Lease): void {
    const { id } = lease;
    for (const key of lease.keysInAnyOrder()) this.detach(id, key);
    this.#table.byID.delete(id);
    this.#expiries.remove(lease);
    if (lease.checkpoint !== undefined) this.#checkpoints.remove(lease.checkpoint);
    this.#options.backend.delete(LEASE_BUCKET, recordKey(id));
    this.#metrics?.revoked.add();
    this.#settle(id);
  }

  /** Applies a checkpoint; 0 clears it. Unknown leases are ignored: they were revoked meanwhile. */
  checkpoint(id: LeaseID, remainingTTL: number, nowMs: number): void {
    const lease = this.#table.byID.get(id);
    if (lease === undefined) return;
    lease.remainingTTL = remainingTTL;
    if (this.#options.persistCheckpoints?.() === true) this.#persist(lease);
    if (this.#primary) this.#scheduleCheckpoint(lease, nowMs);
  }

  /** Starts the lease's time anew. Only the primary can. */
  renew(id: LeaseID, nowMs: number): RenewOutcome {
    if (!this.#primary) return { kind: "notPrimary" };
    const lease = this.#table.byID.get(id);
    if (lease === undefined) return { kind: "notFound" };
    if (lease.expiryMs <= nowMs) return { kind: "expired" };
    if (this.#options.checkpoints === true && lease.remainingTTL > 0) {
      return { kind: "clearCheckpoint" };
    }
    this.#setExpiry(lease, nowMs + lease.ttl * 1000);
    this.#metrics?.renewed.add();
    return { kind: "renewed", ttl: lease.ttl };
  }

  /**
   * Calls back once when the lease is revoked or this member stops being primary. At once if
   * either is already so. For renewals that met an expired lease.
   */
  onSettled(id: LeaseID, callback: () => void): void {
    if (!this.#primary || !this.#table.byID.has(id)) {
      callback();
      return;
    }
    const waiting = this.#waiting.get(id);
    if (waiting === undefined) this.#waiting.set(id, [callback]);
    else waiting.push(callback);
  }

  /**
   * This member leads now. Every lease gets its remaining time plus `extendMs`, since clients
   * could not renew while there was no leader. If there are a thousand or more, expiries are
   * spread so that no second sees more than 750 of them.
   */
  promote(nowMs: number, extendMs: number): void {
    finish(this.promoteInSteps(() => nowMs, extendMs, ENDLESS));
  }

  /**
   * The same in slices, for hundreds of thousands of leases. This member is the primary once it has
   * ended; until then nothing else may be applied. `demote` in between ends it without effect.
   */
  *promoteInSteps(nowMs: () => number, extendMs: number, slice: Slice): Steps<void> {
    const promotion = {};
    this.#promotion = promotion;
    const leases = this.#table.byID.values();
    for (const lease of leases) {
      if (slice.left-- <= 0) yield;
      if (this.#promotion !== promotion) return;
      lease.expiryMs = nowMs() + extendMs + lease.countdownSeconds * 1000;
    }
    const sorting = sortInSteps(leases, SORTED_PER_STEP, (a, b) => a.expiryMs - b.expiryMs);
    const sorted = yield* charge(sorting, SORTED_PER_STEP, slice);
    if (sorted.length >= LEASE_REVOKES_PER_SECOND) spread(sorted);
    for (const lease of sorted) {
      if (slice.left-- <= 0) yield;
      if (this.#promotion !== promotion) return;
      lease.dueMs = lease.expiryMs;
      this.#scheduleCheckpoint(lease, nowMs());
    }
    if (this.#promotion !== promotion) return;
    this.#promotion = undefined;
    this.#primary = true;
    this.#expiries.fill(sorted);
  }

  /** This member does not lead any more: no lease expires here. */
  demote(): void {
    this.#primary = false;
    this.#promotion = undefined;
    this.#expiries.clear();
    this.#checkpoints.clear();
    for (const lease of this.#table.byID.values()) lease.expiryMs = Number.POSITIVE_INFINITY;
    for (const id of [...this.#waiting.keys()]) this.#settle(id);
  }

  /**
   * Leases to revoke now, at most `limit`. Each is handed out again after three seconds if it
   * still exists, because a revocation can fail.
   */
  takeExpired(nowMs: number, limit: number = MAX_EXPIRED_PER_SCAN): LeaseID[] {
    const expired: LeaseID[] = [];
    while (expired.length < limit) {
      const lease = this.#expiries.peek();
      if (lease === undefined || lease.dueMs > nowMs) break;
      this.#expiries.set(lease, nowMs + EXPIRED_RETRY_MS);
      expired.push(lease.id);
    }
    return expired;
  }

  /** True on the primary once the lease's time has passed. */
  isExpired(id: LeaseID, nowMs: number): boolean {
    const lease = this.#table.byID.get(id);
    return lease !== undefined && lease.expiryMs <= nowMs;
  }

  /** When `takeExpired` has something next; Infinity if never. */
  get nextExpiryMs(): number {
    return this.#expiries.peek()?.dueMs ?? Number.POSITIVE_INFINITY;
  }

  /**
   * Checkpoints to propose now, one entry's worth; call again while it returns a full entry.
   * Each comes once: applying it schedules the next.
   */
  takeDueCheckpoints(nowMs: number): LeaseCheckpoint[] {
    const due: LeaseCheckpoint[] = [];
    while (due.length < MAX_CHECKPOINTS_PER_ENTRY) {
      const item = this.#checkpoints.peek();
      if (item === undefined || item.dueMs > nowMs) break;
      this.#checkpoints.remove(item);
      const { lease } = item;
      const remaining = Math.ceil((lease.expiryMs - nowMs) / 1000);
      if (remaining <= 0) continue;
      if (remaining < lease.ttl) {
        due.push(LeaseCheckpoint.create({ ID: lease.id, remainingTTL: remaining }));
      } else {
        // Just renewed: nothing to record yet.
        this.#scheduleCheckpoint(lease, nowMs);
      }
    }
    return due;
  }

  #setExpiry(lease: Lease, expiryMs: number): void {
    lease.expiryMs = expiryMs;
    this.#expiries.set(lease, expiryMs);
  }

  /** Short leases need no checkpoint: after a change of leader they are renewed soon anyway. */
  #scheduleCheckpoint(lease: Lease, nowMs: number): void {
    if (this.#options.checkpoints !== true) return;
    const intervalMs = this.#options.checkpointIntervalMs ?? DEFAULT_CHECKPOINT_INTERVAL_MS;
    if (lease.countdownSeconds * 1000 <= intervalMs) return;
    lease.checkpoint ??= new CheckpointItem(lease);
    if (lease.checkpoint.heapIndex < 0) this.#checkpoints.set(lease.checkpoint, nowMs + intervalMs);
  }

  #persist(lease: Lease): void {
    const { id: ID, ttl: TTL, remainingTTL: RemainingTTL } = lease;
    const record = LeaseRecord.encode({ ID, TTL, RemainingTTL });
    this.#options.backend.put(LEASE_BUCKET, recordKey(ID), record);
  }

  #settle(id: LeaseID): void {
    const waiting = this.#waiting.get(id);
    if (waiting === undefined) return;
    this.#waiting.delete(id);
    for (const callback of waiting) callback();
  }
}

/** Moves expiries of sorted leases back where more than the allowed number share a second. */
function spread(leases: readonly Lease[]): void {
  for (let i = SPREAD_PER_SECOND; i < leases.length; i++) {
    const lease = leases[i] as Lease;
    const earliest = (leases[i - SPREAD_PER_SECOND] as Lease).expiryMs + 1000;
    if (lease.expiryMs < earliest) lease.expiryMs = earliest;
  }
}

function byExpiry(a: LeaseView, b: LeaseView): number {
  if (a.expiryMs !== b.expiryMs) return a.expiryMs < b.expiryMs ? -1 : 1;
  return a.id < b.id ? -1 : 1;
}

function recordKey(id: LeaseID): Uint8Array {
  const key = Buffer.allocUnsafe(8);
  key.writeBigInt64BE(id, 0);
  return key;
}
