/** What the owner of keys answers by himself, as the server would. */
import type { KeyValue } from "../../api/gen/kv.ts";
import {
  type Compare,
  Compare_CompareResult,
  type RangeRequest,
  RangeResponse,
  type RequestOp,
  type ResponseHeader,
  type ResponseOp,
  type TxnRequest,
  TxnResponse,
} from "../../api/gen/rpc.ts";
import { compareBytes, EMPTY_BYTES, latin1FromBytes } from "../../base/bytes.ts";
import type { OwnedKey } from "./owned-keys.ts";

/** The one key as it is now: what an owner can answer. */
export function asksForOneKey({ key, rangeEnd, revision }: RangeRequest): boolean {
  return key.length > 0 && rangeEnd.length === 0 && revision === 0;
}

export function localRange(
  request: RangeRequest,
  { header, kv }: Pick<OwnedKey, "header" | "kv">,
): RangeResponse {
  const kvs = kv !== undefined && isWanted(request, kv) ? [shown(request, kv)] : [];
  return RangeResponse.create({ header: { ...header }, kvs, count: kv === undefined ? 0 : 1 });
}

function isWanted(request: RangeRequest, kv: KeyValue): boolean {
  if (request.countOnly) return false;
  const { minModRevision, maxModRevision, minCreateRevision, maxCreateRevision } = request;
  return (
    isBetween(kv.modRevision, minModRevision, maxModRevision) &&
    isBetween(kv.createRevision, minCreateRevision, maxCreateRevision)
  );
}

/** 0 is no bound. */
function isBetween(value: number, min: number, max: number): boolean {
  return value >= min && (max === 0 || value <= max);
}

function shown({ keysOnly }: RangeRequest, kv: KeyValue): KeyValue {
  return keysOnly ? { ...kv, value: EMPTY_BYTES } : { ...kv };
}

/** Names of the keys that decide and are read; undefined when the server has to be asked. */
export function readNames({ compare, success, failure }: TxnRequest): string[] | undefined {
  const names: string[] = [];
  for (const { key, rangeEnd, targetUnion } of compare) {
    if (rangeEnd.length > 0 || targetUnion === undefined) return undefined;
    names.push(latin1FromBytes(key));
  }
  for (const { request } of [...success, ...failure]) {
    if (request?.case !== "requestRange" || !asksForOneKey(request.value)) return undefined;
    names.push(latin1FromBytes(request.value.key));
  }
  return names;
}

/** `find` knows each of `readNames`. */
export function localTxn(
  { compare, success, failure }: TxnRequest,
  header: ResponseHeader,
  find: (name: string) => KeyValue | undefined,
): TxnResponse {
  const succeeded = compare.every((each) => holds(each, find(latin1FromBytes(each.key))));
  const responses = (succeeded ? success : failure).map((each) =>
    localOperation(each, header, find),
  );
  return TxnResponse.create({ header: { ...header }, succeeded, responses });
}

function localOperation(
  { request }: RequestOp,
  header: ResponseHeader,
  find: (name: string) => KeyValue | undefined,
): ResponseOp {
  if (request?.case !== "requestRange") throw new TypeError("only reads are answered here");
  const kv = find(latin1FromBytes(request.value.key));
  const value = localRange(request.value, { header, kv });
  return { response: { case: "responseRange", value } };
}

/** A missing key has zeros for everything but its value, of which nothing is true. */
function holds({ result, targetUnion }: Compare, kv: KeyValue | undefined): boolean {
  if (targetUnion === undefined) throw new TypeError("a condition without what to compare with");
  if (targetUnion.case !== "value") {
    const value = kv?.[targetUnion.case] ?? 0;
    return isRelated(result, Number(value > targetUnion.value) - Number(value < targetUnion.value));
  }
  return kv !== undefined && isRelated(result, compareBytes(kv.value, targetUnion.value));
}

function isRelated(result: Compare_CompareResult, order: number): boolean {
  switch (result) {
    case Compare_CompareResult.EQUAL:
      return order === 0;
    case Compare_CompareResult.NOT_EQUAL:
      return order !== 0;
    case Compare_CompareResult.GREATER:
      return order > 0;
    case Compare_CompareResult.LESS:
      return order < 0;
    default:
      return false;
  }
}
