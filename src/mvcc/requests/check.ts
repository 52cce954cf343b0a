/**
 * What can be said about a KV request without looking at the store. A member checks its clients'
 * requests here before it proposes them; the order of checks is etcd's, since clients see which
 * error comes first. Throws `EtcdError`.
 */

import { EtcdError } from "../../api/errors.ts";
import {
  type DeleteRangeRequest,
  type PutRequest,
  type RangeRequest,
  RangeRequest_SortOrder,
  RangeRequest_SortTarget,
  type RequestOp,
  type TxnRequest,
} from "../../api/gen/rpc.ts";
import { latin1FromBytes } from "../../base/bytes.ts";
import { IntervalTree } from "../../base/interval-tree.ts";

export interface RequestLimits {
  /** `--max-txn-ops`: most operations, over all levels; 128 by default. */
  readonly maxTxnOps: number;
}

/** Transactions inside transactions; bounds the stack whatever `maxTxnOps` is. */
const MAX_TXN_DEPTH = 500;

export function checkRange(request: RangeRequest): void {
  if (request.key.length === 0) throw new EtcdError("emptyKey");
  const { sortOrder, sortTarget } = request;
  if (sortOrder < 0 || sortOrder > RangeRequest_SortOrder.DESCEND) {
    throw new EtcdError("invalidSortOption");
  }
  if (sortTarget < 0 || sortTarget > RangeRequest_SortTarget.VALUE) {
    throw new EtcdError("invalidSortOption");
  }
}

export function checkPut(request: PutRequest): void {
  if (request.key.length === 0) throw new EtcdError("emptyKey");
  if (request.ignoreValue && request.value.length > 0) throw new EtcdError("valueProvided");
  if (request.ignoreLease && request.lease !== 0n) throw new EtcdError("leaseProvided");
}

export function checkDeleteRange(request: DeleteRangeRequest): void {
  if (request.key.length === 0) throw new EtcdError("emptyKey");
}

export function checkTxn(request: TxnRequest, limits: RequestLimits): void {
  if (countOperations(request, MAX_TXN_DEPTH) > limits.maxTxnOps) throw new EtcdError("tooManyOps");
  checkTxnOps(request);
  if (mayCollide(request.success)) collectWrites(request.success);
  if (mayCollide(request.failure)) collectWrites(request.failure);
}

/**
 * Operations over all levels, as `countTxnOperations` counts them in bytes. etcd lets each of many
 * transactions side by side have what their parent leaves over, which makes tens of thousands of
 * operations of one request.
 */
function countOperations(request: TxnRequest, maxDepth: number): number {
  if (maxDepth === 0) throw new EtcdError("tooManyOps");
  const { compare, success, failure } = request;
  const longest = Math.max(compare.length, success.length, failure.length);
  const inSuccess = countNested(success, maxDepth - 1);
  return longest + Math.max(inSuccess, countNested(failure, maxDepth - 1));
}

function countNested(ops: readonly RequestOp[], maxDepth: number): number {
  let count = 0;
  for (const { request } of ops) {
    if (request?.case === "requestTxn") count += countOperations(request.value, maxDepth);
  }
  return count;
}

function checkTxnOps({ compare, success, failure }: TxnRequest): void {
  for (const { key } of compare) if (key.length === 0) throw new EtcdError("emptyKey");
  for (const op of success) checkOp(op);
  for (const op of failure) checkOp(op);
}

function checkOp(op: RequestOp): void {
  switch (op.request?.case) {
    case "requestRange":
      checkRange(op.request.value);
      break;
    case "requestPut":
      checkPut(op.request.value);
      break;
    case "requestDeleteRange":
      checkDeleteRange(op.request.value);
      break;
    case "requestTxn":
      checkTxnOps(op.request.value);
      break;
    case undefined:
      throw new EtcdError("keyNotFound");
  }
}

/** One operation that is no transaction touches nothing twice. */
function mayCollide(ops: readonly RequestOp[]): boolean {
  return ops.length > 1 || ops[0]?.request?.case === "requestTxn";
}

interface Writes {
  readonly puts: Set<string>;
  readonly deletes: IntervalTree<true>;
}

/**
 * Refuses lists of operations that touch a key twice: put twice, or put and deleted, at this level
 * or inside its transactions. Two deletions may overlap, and so may the two branches of one
 * transaction. Returns what the list writes, for the level above.
 */
function collectWrites(ops: readonly RequestOp[]): Writes {
  const writes: Writes = { puts: new Set(), deletes: new IntervalTree() };
  for (const { request } of ops) {
    if (request?.case === "requestDeleteRange") addDelete(writes.deletes, request.value);
  }
  for (const { request } of ops) {
    if (request?.case !== "requestTxn") continue;
    const success = collectWrites(request.value.success);
    const failure = collectWrites(request.value.failure);
    for (const key of success.puts) addPut(writes, key, undefined);
    for (const key of failure.puts) addPut(writes, key, success.puts);
    for (const [begin, end] of success.deletes.entries()) writes.deletes.set(begin, end, true);
    for (const [begin, end] of failure.deletes.entries()) writes.deletes.set(begin, end, true);
  }
  for (const { request } of ops) {
    if (request?.case !== "requestPut") continue;
    addPut(writes, latin1FromBytes(request.value.key), undefined);
  }
  return writes;
}

function addPut(writes: Writes, key: string, allowed: ReadonlySet<string> | undefined): void {
  const duplicate = writes.puts.has(key) && allowed?.has(key) !== true;
  if (duplicate || writes.deletes.covers(key)) throw new EtcdError("duplicateKey");
  writes.puts.add(key);
}

/** As etcd compares them, a range_end not above the key, "\0" included, collides with nothing. */
function addDelete(deletes: IntervalTree<true>, request: DeleteRangeRequest): void {
  const begin = latin1FromBytes(request.key);
  const end = request.rangeEnd.length === 0 ? `${begin}\0` : latin1FromBytes(request.rangeEnd);
  if (begin < end) deletes.set(begin, end, true);
}
