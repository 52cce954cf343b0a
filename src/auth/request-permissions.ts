/**
 * Which access a request of the log needs, checked when it comes in and again when it is applied,
 * since permissions may have changed between. One checker for requests and for operations inside
 * transactions, however deep: what is refused alone is refused there.
 */
import type {
  DeleteRangeRequest,
  PutRequest,
  RangeRequest,
  RequestOp,
  TxnRequest,
} from "../api/gen/rpc.ts";
import { latin1FromBytes } from "../base/bytes.ts";
import type { LeaseID } from "../base/ids.ts";
import type { AuthStore } from "./auth-store.ts";
import type { Identity } from "./identity.ts";
import { keyRange, pointRange } from "./key-ranges.ts";

/** The keys (latin1) attached to a lease; none for one that does not exist. */
export type LeaseKeys = (lease: LeaseID) => Iterable<string>;

export class RequestPermissions {
  readonly #store: AuthStore;
  readonly #leaseKeys: LeaseKeys;

  constructor(store: AuthStore, leaseKeys: LeaseKeys) {
    this.#store = store;
    this.#leaseKeys = leaseKeys;
  }

  checkAdmin(identity: Identity): void {
    this.#store.requireAdmin(identity);
  }

  checkRange(identity: Identity, { key, rangeEnd }: Pick<RangeRequest, "key" | "rangeEnd">): void {
    this.#store.requireAccess(identity, "read", keyRange(key, rangeEnd));
  }

  /** The key itself; whatever the lease holds already; and reading, if the old value is wanted. */
  checkPut(identity: Identity, { key, lease, prevKv }: PutRequest): void {
    const range = pointRange(latin1FromBytes(key));
    this.#store.requireAccess(identity, "write", range);
    if (lease !== 0n) this.checkLeaseWrite(identity, lease);
    if (prevKv) this.#store.requireAccess(identity, "read", range);
  }

  checkDeleteRange(identity: Identity, { key, rangeEnd, prevKv }: DeleteRangeRequest): void {
    const range = keyRange(key, rangeEnd);
    this.#store.requireAccess(identity, "write", range);
    if (prevKv) this.#store.requireAccess(identity, "read", range);
  }

  /** Comparisons read; operations of both branches are checked, whichever will run. */
  checkTxn(identity: Identity, { compare, success, failure }: TxnRequest): void {
    for (const each of compare) this.checkRange(identity, each);
    for (const operation of success) this.#checkOperation(identity, operation);
    for (const operation of failure) this.#checkOperation(identity, operation);
  }

  #checkOperation(identity: Identity, { request }: RequestOp): void {
    switch (request?.case) {
      case "requestRange":
        return this.checkRange(identity, request.value);
      case "requestPut":
        return this.checkPut(identity, request.value);
      case "requestDeleteRange":
        return this.checkDeleteRange(identity, request.value);
      case "requestTxn":
        return this.checkTxn(identity, request.value);
      default:
        return;
    }
  }

  /**
   * Who revokes a lease, keeps it alive or puts a key under it decides about all of its keys.
   */
  checkLeaseWrite(identity: Identity, lease: LeaseID): void {
    this.#checkLeaseKeys(identity, lease, "write");
  }

  /** The keys of a lease are told to who may read all of them. */
  checkLeaseRead(identity: Identity, lease: LeaseID): void {
    this.#checkLeaseKeys(identity, lease, "read");
  }

  #checkLeaseKeys(identity: Identity, lease: LeaseID, access: "read" | "write"): void {
    if (this.#store.isAdmin(identity)) return;
    for (const key of this.#leaseKeys(lease)) {
      this.#store.requireAccess(identity, access, pointRange(key));
    }
  }
}
