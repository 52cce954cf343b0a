/**
 * The leases that a db file records, and the keys attached to them.
 *
 * Invariant: a key is attached to at most one lease, and `byKey` agrees with the leases' key sets.
 */

import { EtcdError } from "../api/errors.ts";
import { Lease as LeaseRecord } from "../api/gen/lease.ts";
import { LEASE_BUCKET, type Reader } from "../backend/index.ts";
import { EMPTY_BYTES } from "../base/bytes.ts";
import type { LeaseID } from "../base/ids.ts";
import { hashOfLeaseID, hashOfText, WideMap } from "../base/wide-map.ts";
import { DecodeError } from "../base/wire.ts";
import type { LeaseAttachments } from "../mvcc/index.ts";
import { Lease } from "./lease.ts";

export class LeaseTable implements LeaseAttachments {
  readonly byID: WideMap<LeaseID, Lease> = new WideMap(hashOfLeaseID);
  readonly byKey: WideMap<string, Lease> = new WideMap(hashOfText);

  exists(id: LeaseID): boolean {
    return this.byID.has(id);
  }

  attach(id: LeaseID, key: string): void {
    const lease = this.byID.get(id);
    if (lease === undefined) throw new EtcdError("leaseNotFound", { id });
    const previous = this.byKey.get(key);
    if (previous === lease) return;
    previous?.removeKey(key);
    lease.addKey(key);
    this.byKey.set(key, lease);
  }

  /** Does nothing if the key is not attached to this lease. */
  detach(id: LeaseID, key: string): void {
    const lease = this.byKey.get(key);
    if (lease === undefined || lease.id !== id) return;
    lease.removeKey(key);
    this.byKey.delete(key);
  }
}

/**
 * Loads the records of `reader`, pausing after each `leasesPerStep`; no keys are attached. TTLs
 * below `minTTL` seconds are raised to it. Throws if a record is damaged.
 */
export function* loadLeases(
  reader: Reader,
  minTTL: number,
  leasesPerStep: number,
): Generator<void, LeaseTable> {
  const table = new LeaseTable();
  let next: Uint8Array | undefined = EMPTY_BYTES;
  while (next !== undefined) {
    const start: Uint8Array = next;
    let budget = leasesPerStep;
    next = undefined;
    reader.scan(LEASE_BUCKET, start, undefined, (key, value) => {
      if (budget-- <= 0) {
        next = key;
        return false;
      }
      const { ID, TTL, RemainingTTL } = decodeRecord(key, value);
      table.byID.set(ID, new Lease(ID, Math.max(TTL, minTTL), RemainingTTL));
      return true;
    });
    if (next !== undefined) yield;
  }
  return table;
}

function decodeRecord(key: Uint8Array, value: Uint8Array): LeaseRecord {
  try {
    return LeaseRecord.decode(value);
  } catch (error) {
    if (!(error instanceof DecodeError)) throw error;
    const name = Buffer.from(key).toString("hex");
    throw new Error(`the db file's record of lease ${name} is damaged: ${error.message}`);
  }
}
