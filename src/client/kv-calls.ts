/** The calls of the key-value service, so that a namespace can stand before them. */
import type * as rpc from "../api/gen/rpc.ts";
import { optionNames } from "../base/known-options.ts";
import type { Caller } from "./caller.ts";
import { METHODS, type RepeatRule } from "./methods.ts";
import { CALL_OPTIONS, type CallOptions } from "./options.ts";

export interface CompactOptions extends CallOptions {
  /** Answers only when the history is gone from the disk. Default false. */
  readonly physical?: boolean | undefined;
}

const COMPACT_OPTIONS = optionNames<CompactOptions>({ ...CALL_OPTIONS, physical: true });

/** Requests may be used again by the caller: they are read, never changed. Answers are fresh. */
export interface KVCalls {
  range(request: rpc.RangeRequest, options: CallOptions): Promise<rpc.RangeResponse>;
  put(request: rpc.PutRequest, options: CallOptions): Promise<rpc.PutResponse>;
  deleteRange(
    request: rpc.DeleteRangeRequest,
    options: CallOptions,
  ): Promise<rpc.DeleteRangeResponse>;
  txn(request: rpc.TxnRequest, options: CallOptions, repeat: RepeatRule): Promise<rpc.TxnResponse>;
  compact(request: rpc.CompactionRequest, options: CallOptions): Promise<rpc.CompactionResponse>;
}

export function kvCallsOf(caller: Caller): KVCalls {
  return {
    range: (request, options) => caller.exchange(METHODS.range, request, options),
    put: (request, options) => caller.exchange(METHODS.put, request, options),
    deleteRange: (request, options) => caller.exchange(METHODS.deleteRange, request, options),
    txn: (request, options, repeat) => caller.exchange(METHODS.txn, request, options, repeat),
    compact: (request, options) =>
      caller.unary(METHODS.compact, request, options, METHODS.compact.repeat, COMPACT_OPTIONS),
  };
}
