/** Parts of transactions, and what their answers hold. */
import type { KeyValue } from "../../api/gen/kv.ts";
import {
  Compare,
  Compare_CompareResult,
  Compare_CompareTarget,
  DeleteRangeRequest,
  PutRequest,
  RangeRequest,
  type RequestOp,
  type TxnResponse,
} from "../../api/gen/rpc.ts";

export function rangeOf(key: Uint8Array): RequestOp {
  return { request: { case: "requestRange", value: RangeRequest.create({ key }) } };
}

export function putOf(key: Uint8Array, value: Uint8Array, prevKv = false): RequestOp {
  return { request: { case: "requestPut", value: PutRequest.create({ key, value, prevKv }) } };
}

export function deletionOf(request: Partial<DeleteRangeRequest>): RequestOp {
  return { request: { case: "requestDeleteRange", value: DeleteRangeRequest.create(request) } };
}

const { EQUAL, GREATER } = Compare_CompareResult;
const { VERSION, MOD, VALUE } = Compare_CompareTarget;

export function exists(key: Uint8Array): Compare {
  const targetUnion = { case: "version", value: 0 } as const;
  return Compare.create({ key, result: GREATER, target: VERSION, targetUnion });
}

/** With `rangeEnd` of all keys up to there. */
export function isMissing(key: Uint8Array, rangeEnd?: Uint8Array): Compare {
  const targetUnion = { case: "version", value: 0 } as const;
  const span = rangeEnd === undefined ? { key } : { key, rangeEnd };
  return Compare.create({ ...span, result: EQUAL, target: VERSION, targetUnion });
}

/** 0: the key is missing. */
export function wasModifiedAt(key: Uint8Array, revision: number): Compare {
  const targetUnion = { case: "modRevision", value: revision } as const;
  return Compare.create({ key, result: EQUAL, target: MOD, targetUnion });
}

export function hasValue(key: Uint8Array, value: Uint8Array): Compare {
  const targetUnion = { case: "value", value } as const;
  return Compare.create({ key, result: EQUAL, target: VALUE, targetUnion });
}

/** The key that the range of a transaction found, or that its put or delete replaced. */
export function keyOf(response: TxnResponse, place: number): KeyValue | undefined {
  const answer = response.responses[place]?.response;
  switch (answer?.case) {
    case "responseRange":
      return answer.value.kvs[0];
    case "responsePut":
      return answer.value.prevKv;
    case "responseDeleteRange":
      return answer.value.prevKvs[0];
    default:
      return undefined;
  }
}
