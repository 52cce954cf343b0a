/** The key-value calls of a namespace: requests get the prefix, answers lose it. */
import type { KeyValue } from "../../api/gen/kv.ts";
import type * as rpc from "../../api/gen/rpc.ts";
import type { KVCalls } from "../kv-calls.ts";
import type { KeyPrefix } from "./key-prefix.ts";

export function prefixedCalls(calls: KVCalls, prefix: KeyPrefix): KVCalls {
  return {
    range: async (request, options) => {
      const answer = await calls.range({ ...request, ...prefix.addToRange(request) }, options);
      return strippedRange(answer, prefix);
    },
    put: async (request, options) => {
      const answer = await calls.put({ ...request, key: prefix.add(request.key) }, options);
      return strippedPut(answer, prefix);
    },
    deleteRange: async (request, options) => {
      const inside = { ...request, ...prefix.addToRange(request) };
      return strippedDelete(await calls.deleteRange(inside, options), prefix);
    },
    txn: async (request, options, repeat) => {
      const answer = await calls.txn(prefixedTxn(request, prefix), options, repeat);
      return strippedTxn(answer, prefix);
    },
    compact: (request, options) => calls.compact(request, options),
  };
}

function prefixedTxn(request: rpc.TxnRequest, prefix: KeyPrefix): rpc.TxnRequest {
  return {
    compare: request.compare.map((each) => ({ ...each, ...prefix.addToRange(each) })),
    success: request.success.map((each) => prefixedOp(each, prefix)),
    failure: request.failure.map((each) => prefixedOp(each, prefix)),
  };
}

function prefixedOp({ request }: rpc.RequestOp, prefix: KeyPrefix): rpc.RequestOp {
  switch (request?.case) {
    case "requestRange": {
      const value = { ...request.value, ...prefix.addToRange(request.value) };
      return { request: { case: request.case, value } };
    }
    case "requestPut": {
      const value = { ...request.value, key: prefix.add(request.value.key) };
      return { request: { case: request.case, value } };
    }
    case "requestDeleteRange": {
      const value = { ...request.value, ...prefix.addToRange(request.value) };
      return { request: { case: request.case, value } };
    }
    case "requestTxn":
      return { request: { case: request.case, value: prefixedTxn(request.value, prefix) } };
    case undefined:
      return { request };
  }
}

/** Changes the message, which nobody else holds yet. */
export function strip(kv: KeyValue | undefined, prefix: KeyPrefix): void {
  if (kv !== undefined) kv.key = prefix.strip(kv.key);
}

function strippedRange(answer: rpc.RangeResponse, prefix: KeyPrefix): rpc.RangeResponse {
  for (const kv of answer.kvs) strip(kv, prefix);
  return answer;
}

function strippedPut(answer: rpc.PutResponse, prefix: KeyPrefix): rpc.PutResponse {
  strip(answer.prevKv, prefix);
  return answer;
}

function strippedDelete(
  answer: rpc.DeleteRangeResponse,
  prefix: KeyPrefix,
): rpc.DeleteRangeResponse {
  for (const kv of answer.prevKvs) strip(kv, prefix);
  return answer;
}

function strippedTxn(answer: rpc.TxnResponse, prefix: KeyPrefix): rpc.TxnResponse {
  for (const { response } of answer.responses) {
    switch (response?.case) {
      case "responseRange":
        strippedRange(response.value, prefix);
        break;
      case "responsePut":
        strippedPut(response.value, prefix);
        break;
      case "responseDeleteRange":
        strippedDelete(response.value, prefix);
        break;
      case "responseTxn":
        strippedTxn(response.value, prefix);
        break;
      case undefined:
        break;
    }
  }
  return answer;
}
