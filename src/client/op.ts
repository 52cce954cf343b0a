/**
 * Operations on keys: their options and their requests, alone (`kv.get`) and inside transactions
 * (`op.get`).
 */
import {
  DeleteRangeRequest,
  PutRequest,
  RangeRequest,
  RangeRequest_SortOrder,
  RangeRequest_SortTarget,
  type RequestOp,
} from "../api/gen/rpc.ts";
import { EMPTY_BYTES } from "../base/bytes.ts";
import type { LeaseID, Revision } from "../base/ids.ts";
import { optionNames } from "../base/known-options.ts";
import { mustBeID, namedIn, wholeNumber } from "./arguments.ts";
import { RANGE_OPTIONS, type RangeOptions, toBytes, toKeyRange } from "./bytes.ts";
import { type Bytes, CALL_OPTIONS, type CallOptions, checkOptions } from "./options.ts";
import type { Txn } from "./txn.ts";

const SORT_TARGETS = {
  key: RangeRequest_SortTarget.KEY,
  version: RangeRequest_SortTarget.VERSION,
  createRevision: RangeRequest_SortTarget.CREATE,
  modRevision: RangeRequest_SortTarget.MOD,
  value: RangeRequest_SortTarget.VALUE,
} as const;

const SORT_ORDERS = {
  ascend: RangeRequest_SortOrder.ASCEND,
  descend: RangeRequest_SortOrder.DESCEND,
} as const;

export interface GetOptions extends RangeOptions {
  /** Largest number of keys; 0, the default, is no limit. */
  readonly limit?: number | undefined;
  /** State of this revision; 0, the default, is the newest. */
  readonly revision?: Revision | undefined;
  /** Default: ascending by key, or ascending when only `sortTarget` is given. */
  readonly sortOrder?: keyof typeof SORT_ORDERS | undefined;
  readonly sortTarget?: keyof typeof SORT_TARGETS | undefined;
  /** Answered by any member from what it has, which may be old. Default false. */
  readonly serializable?: boolean | undefined;
  /** Without values. */
  readonly keysOnly?: boolean | undefined;
  /** Only `count`. */
  readonly countOnly?: boolean | undefined;
  readonly minModRevision?: Revision | undefined;
  readonly maxModRevision?: Revision | undefined;
  readonly minCreateRevision?: Revision | undefined;
  readonly maxCreateRevision?: Revision | undefined;
}

export interface PutOptions {
  /** Attaches the key to this lease; without, the key is detached from its lease. */
  readonly lease?: LeaseID | undefined;
  /** Answers with the value before. */
  readonly prevKV?: boolean | undefined;
  /** Keeps the value, which must be given empty; the key must exist. */
  readonly ignoreValue?: boolean | undefined;
  /** Keeps the lease; the key must exist. */
  readonly ignoreLease?: boolean | undefined;
}

export interface DeleteOptions extends RangeOptions {
  /** Answers with the values before. */
  readonly prevKV?: boolean | undefined;
}

const GET_OPTIONS = optionNames<GetOptions & CallOptions>({
  ...RANGE_OPTIONS,
  ...CALL_OPTIONS,
  limit: true,
  revision: true,
  sortOrder: true,
  sortTarget: true,
  serializable: true,
  keysOnly: true,
  countOnly: true,
  minModRevision: true,
  maxModRevision: true,
  minCreateRevision: true,
  maxCreateRevision: true,
});

const PUT_OPTIONS = optionNames<PutOptions & CallOptions>({
  ...CALL_OPTIONS,
  lease: true,
  prevKV: true,
  ignoreValue: true,
  ignoreLease: true,
});

const DELETE_OPTIONS = optionNames<DeleteOptions & CallOptions>({
  ...RANGE_OPTIONS,
  ...CALL_OPTIONS,
  prevKV: true,
});

export function rangeRequest(key: Bytes, options: GetOptions): RangeRequest {
  checkOptions("get", options, GET_OPTIONS);
  const { sortTarget, sortOrder } = options;
  const range = toKeyRange(key, options);
  const target = namedIn("sortTarget", sortTarget ?? "key", SORT_TARGETS);
  let order: number = RangeRequest_SortOrder.NONE;
  if (sortOrder !== undefined) order = namedIn("sortOrder", sortOrder, SORT_ORDERS);
  // Ascending by key is the order anyway; asking for it would cost the server a sort.
  const isNatural = order === RangeRequest_SortOrder.ASCEND && target === SORT_TARGETS.key;
  return RangeRequest.create({
    key: range.key,
    rangeEnd: range.rangeEnd,
    limit: wholeNumber("limit", options.limit),
    revision: wholeNumber("revision", options.revision),
    sortOrder: isNatural ? RangeRequest_SortOrder.NONE : order,
    sortTarget: target,
    serializable: options.serializable ?? false,
    keysOnly: options.keysOnly ?? false,
    countOnly: options.countOnly ?? false,
    minModRevision: wholeNumber("minModRevision", options.minModRevision),
    maxModRevision: wholeNumber("maxModRevision", options.maxModRevision),
    minCreateRevision: wholeNumber("minCreateRevision", options.minCreateRevision),
    maxCreateRevision: wholeNumber("maxCreateRevision", options.maxCreateRevision),
  });
}

export function putRequest(key: Bytes, value: Bytes, options: PutOptions): PutRequest {
  checkOptions("put", options, PUT_OPTIONS);
  const bytes = toBytes(value, "value");
  return PutRequest.create({
    key: toBytes(key, "key"),
    value: bytes.length === 0 ? EMPTY_BYTES : bytes,
    lease: mustBeID("lease", options.lease ?? 0n),
    prevKv: options.prevKV ?? false,
    ignoreValue: options.ignoreValue ?? false,
    ignoreLease: options.ignoreLease ?? false,
  });
}

export function deleteRequest(key: Bytes, options: DeleteOptions): DeleteRangeRequest {
  checkOptions("delete", options, DELETE_OPTIONS);
  const range = toKeyRange(key, options);
  return DeleteRangeRequest.create({
    key: range.key,
    rangeEnd: range.rangeEnd,
    prevKv: options.prevKV ?? false,
  });
}

/** One operation of a transaction; made by `op`. */
export interface Op {
  readonly request: NonNullable<RequestOp["request"]>;
}

/** Makes the operations of a transaction. */
export const op = {
  get: (key: Bytes, options: GetOptions = {}): Op => ({
    request: { case: "requestRange", value: rangeRequest(key, options) },
  }),
  put: (key: Bytes, value: Bytes, options: PutOptions = {}): Op => ({
    request: { case: "requestPut", value: putRequest(key, value, options) },
  }),
  delete: (key: Bytes, options: DeleteOptions = {}): Op => ({
    request: { case: "requestDeleteRange", value: deleteRequest(key, options) },
  }),
  /** A transaction inside a transaction; what it answers is a `TxnResponse`. */
  txn: (txn: Txn): Op => ({ request: { case: "requestTxn", value: txn.toRequest() } }),
} as const;
