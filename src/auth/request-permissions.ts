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
import type { Access, AuthStore } from "./auth-store.ts";
import type { Identity } from "./identity.ts";
import { keyRange } from "./key-ranges.ts";

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
    this.#require(identity, "read", key, rangeEnd);
  }

  /** The key itself; whatever the lease holds already; and reading, if the old value is wanted. */
  checkPut(identity: Identity, { key, lease, prevKv }: PutRequest): void {
    const name = latin1FromBytes(key);
    this.#store.requireKeyAccess(identity, "write", name);
    if (lease !== 0n) this.checkLeaseWrite(identity, lease);
    if (prevKv) this.#store.requireKeyAccess(identity, "read", name);
  }

  checkDeleteRange(identity: Identity, { key, rangeEnd, prevKv }: DeleteRangeRequest): void {
    this.#require(identity, "write", key, rangeEnd);
    if (prevKv) this.#require(identity, "read", key, rangeEnd);
  }

  #require(identity: Identity, access: Access, key: Uint8Array, rangeEnd: Uint8Array): void {
    if (rangeEnd.length === 0) {
      this.#store.requireKeyAccess(identity, access, latin1FromBytes(key));
    } else {
      this.#store.requireAccess(identity, access, keyRange(key, rangeEnd));
    }
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

  #checkLeaseKeys(identity: Identity, lease: LeaseID, access: Access): void {
    if (this.#store.isAdmin(identity)) return;
    for (const key of this.#leaseKeys(lease)) {
      this.#store.requireKeyAccess(identity, access, key);
    }
  }
}
