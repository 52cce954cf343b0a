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
import { ENDLESS, finish, type Slice, type Steps } from "../../base/slice.ts";
import { NO_LEASE } from "../lease-hooks.ts";
import type { Store } from "../store.ts";
import { compareKey, evaluateCompare } from "./compare.ts";
import { rangeEndOf } from "./key-range.ts";
import { type RangeResult, rangeInSteps } from "./range.ts";
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

/** True if an operation or a compare has a range, on any level: `txnInSteps` runs such ones. */
export function isWideTxn(request: TxnRequest): boolean {
  return (
    request.compare.some(({ rangeEnd }) => rangeEnd.length > 0) ||
    request.success.some(isWide) ||
    request.failure.some(isWide)
  );
}

/**
 * Runs a transaction. Throws, with nothing changed: "compacted", "future revision",
 * "lease not found", "key not found".
 */
export function executeTxn(store: Store, request: TxnRequest): TxnResult {
  if (isWideTxn(request)) return finish(txnInSteps(store, request, ENDLESS));
  const plan = planNarrow(store, request);
  checkPlan(store, plan, []);
  store.beginWrite();
  const responses = runNarrowPlan(store, plan);
  return { revision: store.endWrite(), succeeded: plan.succeeded, responses };
}

/** As `executeTxn`, in slices: see `Store.writeInSteps`. Nothing else may write meanwhile. */
export function* txnInSteps(store: Store, request: TxnRequest, slice: Slice): Steps<TxnResult> {
  const plan = yield* planTxn(store, request, store.currentRevision, slice);
  checkPlan(store, plan, []);
  const running = runPlan(store, plan, undefined, slice);
  const { revision, result } = yield* store.writeInSteps(running, slice);
  return { revision, succeeded: plan.succeeded, responses: result };
}

/**
 * A transaction that only reads, in slices, all of it at the revision of its beginning; writes may
 * go on meanwhile. Throws "compacted" and "future revision", and "leader changed", which tells
 * clients to try again, if a snapshot has replaced the store's content since the start.
 */
export function* readTxnInSteps(store: Store, request: TxnRequest, slice: Slice): Steps<TxnResult> {
  const revision = store.currentRevision;
  const unpin = store.pin(revision);
  try {
    const plan = yield* sameContent(store, planTxn(store, request, revision, slice));
    checkPlan(store, plan, []);
    const responses = yield* sameContent(store, runPlan(store, plan, revision, slice));
    return { revision, succeeded: plan.succeeded, responses };
  } finally {
    unpin();
  }
}

function* sameContent<T>(store: Store, steps: Steps<T>): Steps<T> {
  const { index } = store;
  for (;;) {
    const step = steps.next();
    if (step.done === true) return step.value;
    yield;
    if (store.index !== index) throw new EtcdError("leaderChanged");
  }
}

/** The branches that the compares choose. */
interface TxnPlan {
  readonly succeeded: boolean;
  readonly ops: readonly RequestOp[];
  /** Plans of the transactions among `ops`, in order. */
  readonly nested: readonly TxnPlan[];
}

/** For a transaction that is not wide: without the generators that a pause would need. */
function planNarrow(store: Store, request: TxnRequest): TxnPlan {
  const { compare, success, failure } = request;
  const succeeded = compare.every((each) => compareKey(store, each, store.currentRevision));
  const ops = succeeded ? success : failure;
  const nested: TxnPlan[] = [];
  for (const { request: op } of ops) {
    if (op?.case === "requestTxn") nested.push(planNarrow(store, op.value));
  }
  return { succeeded, ops, nested };
}

function* planTxn(
  store: Store,
  request: TxnRequest,
  revision: Revision,
  slice: Slice,
): Steps<TxnPlan> {
  let succeeded = true;
  for (const compare of request.compare) {
    succeeded = yield* evaluateCompare(store, compare, revision, slice);
    if (!succeeded) break;
  }
  const ops = succeeded ? request.success : request.failure;
  const nested: TxnPlan[] = [];
  for (const op of ops) {
    if (op.request?.case !== "requestTxn") continue;
    nested.push(yield* planTxn(store, op.request.value, revision, slice));
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

/** The operations of a plan that is not wide, inside an open write. */
function runNarrowPlan(store: Store, plan: TxnPlan): OpResult[] {
  const responses: OpResult[] = [];
  let nested = 0;
  for (const op of plan.ops) {
    if (op.request?.case === "requestTxn") {
      const inner = plan.nested[nested++] as TxnPlan;
      responses.push(nestedResult(inner, runNarrowPlan(store, inner)));
    } else responses.push(runNarrow(store, op, store.readRevision));
  }
  return responses;
}

/** An operation that is not wide and no transaction. */
function runNarrow(store: Store, { request }: RequestOp, at: Revision): OpResult {
  switch (request?.case) {
    case "requestRange":
      return { kind: "range", result: finish(rangeInSteps(store, request.value, ENDLESS, at)) };
    case "requestPut":
      return { kind: "put", result: putInWrite(store, request.value) };
    case "requestDeleteRange": {
      const result = finish(deleteRangeInWrite(store, request.value, ENDLESS));
      return { kind: "deleteRange", result };
    }
    default:
      return { kind: "none" };
  }
}

function nestedResult({ succeeded }: TxnPlan, responses: readonly OpResult[]): OpResult {
  return { kind: "txn", result: { revision: 0, succeeded, responses } };
}

/** `at` is the revision of a transaction that only reads; undefined inside an open write. */
function* runPlan(
  store: Store,
  plan: TxnPlan,
  at: Revision | undefined,
  slice: Slice,
): Steps<OpResult[]> {
  const responses: OpResult[] = [];
  let nested = 0;
  for (const op of plan.ops) {
    const { request } = op;
    slice.left--;
    switch (request?.case) {
      case "requestRange": {
        const result = yield* rangeInSteps(store, request.value, slice, at ?? store.readRevision);
        responses.push({ kind: "range", result });
        break;
      }
      case "requestDeleteRange": {
        const result = yield* deleteRangeInWrite(store, request.value, slice);
        responses.push({ kind: "deleteRange", result });
        break;
      }
      case "requestTxn": {
        const inner = plan.nested[nested++] as TxnPlan;
        responses.push(nestedResult(inner, yield* runPlan(store, inner, at, slice)));
        break;
      }
      default:
        responses.push(runNarrow(store, op, at ?? store.readRevision));
    }
    if (slice.isUsedUp) yield;
  }
  return responses;
}

function isWide({ request }: RequestOp): boolean {
  switch (request?.case) {
    case "requestRange":
    case "requestDeleteRange":
      return request.value.rangeEnd.length > 0;
    case "requestTxn":
      return isWideTxn(request.value);
    default:
      return false;
  }
}

function isRange(op: RequestOp): boolean {
  return op.request?.case === "requestRange";
}

function isSerializable(op: RequestOp): boolean {
  return op.request?.case === "requestRange" && op.request.value.serializable;
}
