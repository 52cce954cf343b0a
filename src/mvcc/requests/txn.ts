/**
 * Executes transactions: first all compares, nested ones included, against the state before; then
 * a check of every operation that will run; then the writes, which cannot fail any more. So either
 * all of a transaction happens or nothing, on every member alike.
 */

import { EtcdError } from "../../api/errors.ts";
import type {
  DeleteRangeRequest,
  PutRequest,
  RangeRequest,
  RequestOp,
  TxnRequest,
} from "../../api/gen/rpc.ts";
import { latin1FromBytes } from "../../base/bytes.ts";
import type { Revision } from "../../base/ids.ts";
import { NO_LEASE } from "../lease-hooks.ts";
import type { Store } from "../store.ts";
import { evaluateCompare } from "./compare.ts";
import { rangeEndOf } from "./key-range.ts";
import { executeRange, type RangeResult } from "./range.ts";
import { type DeleteRangeResult, deleteRangeInWrite, type PutResult, putInWrite } from "./write.ts";

export interface TxnResult {
  /** For the header of the outermost transaction; nested ones show none. */
  readonly revision: Revision;
  readonly succeeded: boolean;
  readonly responses: readonly OpResult[];
}

export type OpResult =
  | { readonly kind: "range"; readonly result: RangeResult }
  | { readonly kind: "put"; readonly result: PutResult }
  | { readonly kind: "deleteRange"; readonly result: DeleteRangeResult }
  | { readonly kind: "txn"; readonly result: TxnResult }
  | { readonly kind: "none" };

/** True if every operation is a range: such a transaction needs no raft entry. */
export function isTxnReadonly(request: TxnRequest): boolean {
  return request.success.every(isRange) && request.failure.every(isRange);
}

/** True if every operation is a serializable range: no agreement with the leader is needed. */
export function isTxnSerializable(request: TxnRequest): boolean {
  return request.success.every(isSerializable) && request.failure.every(isSerializable);
}

/**
 * Runs a transaction. Throws, with nothing changed: "compacted", "future revision",
 * "lease not found", "key not found".
 */
export function executeTxn(store: Store, request: TxnRequest): TxnResult {
  const plan = planTxn(store, request);
  checkPlan(store, plan, []);
  store.beginWrite();
  const responses = runPlan(store, plan);
  return { revision: store.endWrite(), succeeded: plan.succeeded, responses };
}

/** The branches that the compares choose. */
interface TxnPlan {
  readonly succeeded: boolean;
  readonly ops: readonly RequestOp[];
  /** Plans of the transactions among `ops`, in order. */
  readonly nested: readonly TxnPlan[];
}

function planTxn(store: Store, request: TxnRequest): TxnPlan {
  const succeeded = request.compare.every((compare) => evaluateCompare(store, compare));
  const ops = succeeded ? request.success : request.failure;
  const nested: TxnPlan[] = [];
  for (const op of ops) {
    if (op.request?.case === "requestTxn") nested.push(planTxn(store, op.request.value));
  }
  return { succeeded, ops, nested };
}

/** `deleted` collects the deletions that run before the operation being checked. */
function checkPlan(store: Store, plan: TxnPlan, deleted: DeleteRangeRequest[]): void {
  let nested = 0;
  for (const { request } of plan.ops) {
    switch (request?.case) {
      case "requestRange":
        checkRangeRevision(store, request.value);
        break;
      case "requestPut":
        checkPutState(store, request.value, deleted);
        break;
      case "requestDeleteRange":
        deleted.push(request.value);
        break;
      case "requestTxn":
        checkPlan(store, plan.nested[nested++] as TxnPlan, deleted);
        break;
      case undefined:
        break;
    }
  }
}

function checkRangeRevision(store: Store, request: RangeRequest): void {
  if (request.revision === 0) return;
  if (request.revision > store.currentRevision) throw new EtcdError("futureRevision");
  if (request.revision < store.compactRevision) throw new EtcdError("compacted");
}

function checkPutState(
  store: Store,
  request: PutRequest,
  deleted: readonly DeleteRangeRequest[],
): void {
  if (request.ignoreValue || request.ignoreLease) {
    const key = latin1FromBytes(request.key);
    if (!store.index.findLatest(key)) throw new EtcdError("keyNotFound");
    // The request check lets a deletion up to "\0" pass; it takes the key away all the same.
    if (deleted.some((range) => deletes(range, key))) throw new EtcdError("keyNotFound");
  }
  if (request.lease !== NO_LEASE && !store.leases.exists(request.lease)) {
    throw new EtcdError("leaseNotFound");
  }
}

function deletes(request: DeleteRangeRequest, key: string): boolean {
  const begin = latin1FromBytes(request.key);
  const end = rangeEndOf(request.rangeEnd);
  return end === undefined ? key === begin : key >= begin && (end === "" || key < end);
}

function runPlan(store: Store, plan: TxnPlan): OpResult[] {
  const responses: OpResult[] = [];
  let nested = 0;
  for (const { request } of plan.ops) {
    switch (request?.case) {
      case "requestRange":
        responses.push({ kind: "range", result: executeRange(store, request.value) });
        break;
      case "requestPut":
        responses.push({ kind: "put", result: putInWrite(store, request.value) });
        break;
      case "requestDeleteRange":
        responses.push({ kind: "deleteRange", result: deleteRangeInWrite(store, request.value) });
        break;
      case "requestTxn": {
        const inner = plan.nested[nested++] as TxnPlan;
        const result = {
          revision: 0,
          succeeded: inner.succeeded,
          responses: runPlan(store, inner),
        };
        responses.push({ kind: "txn", result });
        break;
      }
      case undefined:
        responses.push({ kind: "none" });
        break;
    }
  }
  return responses;
}

function isRange(op: RequestOp): boolean {
  return op.request?.case === "requestRange";
}

function isSerializable(op: RequestOp): boolean {
  return op.request?.case === "requestRange" && op.request.value.serializable;
}
