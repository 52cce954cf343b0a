/**
 * The backend quota. Costs are etcd's estimates: what a request adds to the db, without looking
 * at what it replaces.
 */
import type { PutRequest, RequestOp, TxnRequest } from "../../api/gen/rpc.ts";
import type { PlainOperation, PlainTxn } from "../../api/plain-txn.ts";
import type { Backend } from "../../backend/types.ts";
import { DEFAULT_QUOTA_BYTES } from "../options.ts";

/** etcd's estimate of a key's metadata. */
const KEY_OVERHEAD_BYTES = 256;
/** etcd's estimate of a stored lease. */
export const LEASE_COST_BYTES = 64;

export class Quota {
  readonly #backend: Backend;
  /** Infinity when the quota is disabled. */
  readonly limitBytes: number;

  /** `quotaBytes`: 0 means the default of 2 GiB, negative disables. */
  constructor(backend: Backend, quotaBytes: number) {
    this.#backend = backend;
    if (quotaBytes < 0) this.limitBytes = Number.POSITIVE_INFINITY;
    else this.limitBytes = quotaBytes === 0 ? DEFAULT_QUOTA_BYTES : quotaBytes;
  }

  /** Requests without a cost are always fine: they are the way out of a full quota. */
  available(costBytes: number): boolean {
    return costBytes === 0 || this.#backend.sizeBytes + costBytes < this.limitBytes;
  }
}

export function putCost(request: PutRequest): number {
  return KEY_OVERHEAD_BYTES + request.key.length + request.value.length;
}

/** The dearer of the two branches, nested transactions included. */
export function txnCost(request: TxnRequest): number {
  return Math.max(operationsCost(request.success), operationsCost(request.failure));
}

export function plainTxnCost({ success, failure }: PlainTxn): number {
  return Math.max(plainCost(success), plainCost(failure));
}

function plainCost(operation: PlainOperation | undefined): number {
  if (operation?.kind !== "put") return 0;
  const { keyStart, keyEnd, valueStart, valueEnd } = operation;
  return KEY_OVERHEAD_BYTES + keyEnd - keyStart + valueEnd - valueStart;
}

function operationsCost(operations: readonly RequestOp[]): number {
  let cost = 0;
  for (const { request } of operations) {
    if (request?.case === "requestPut") cost += putCost(request.value);
    else if (request?.case === "requestTxn") cost += txnCost(request.value);
  }
  return cost;
}
