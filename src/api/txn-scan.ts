/**
 * Looks at an encoded TxnRequest without building objects. Two bytes on the wire can be an empty
 * operation, an object fifty times as large in memory; so whoever limits the number of operations
 * should count them before decoding.
 */

import {
  cursor,
  MAX_NESTING,
  nestedTooDeeply,
  readLength,
  readTag,
  skipField,
} from "../base/wire.ts";

/** Tags of TxnRequest: compare, success, failure. */
const COMPARE = 0x0a;
const SUCCESS = 0x12;
const FAILURE = 0x1a;
/** Tag of `request_txn` in RequestOp. */
const NESTED_TXN = 0x22;

/**
 * Operations of the transaction over all levels: the longest of its three lists, as etcd counts
 * it, and the same of all transactions inside one branch, whichever has more. etcd counts along
 * each path of nested transactions alone. Throws `DecodeError` on malformed input; what it does
 * not look into may still be malformed.
 */
export function countTxnOperations(
  bytes: Uint8Array,
  start = 0,
  end: number = bytes.length,
  depth = 0,
): number {
  if (depth > MAX_NESTING) throw nestedTooDeeply(start);
  let compares = 0;
  let successes = 0;
  let failures = 0;
  let insideSuccess = 0;
  let insideFailure = 0;
  let at = start;
  while (at < end) {
    const tag = readTag(bytes, at, end);
    at = cursor.at;
    if (tag !== COMPARE && tag !== SUCCESS && tag !== FAILURE) {
      at = skipField(bytes, at, end, tag);
      continue;
    }
    const length = readLength(bytes, at, end);
    at = cursor.at;
    if (tag === COMPARE) compares++;
    else {
      const inside = length > 0 ? countInOperation(bytes, at, at + length, depth) : 0;
      if (tag === SUCCESS) {
        successes++;
        insideSuccess += inside;
      } else {
        failures++;
        insideFailure += inside;
      }
    }
    at += length;
  }
  return Math.max(compares, successes, failures) + Math.max(insideSuccess, insideFailure);
}

/** Of several values of the one field the last is meant; all of them are decoded. */
function countInOperation(bytes: Uint8Array, start: number, end: number, depth: number): number {
  let count = 0;
  let at = start;
  while (at < end) {
    const tag = readTag(bytes, at, end);
    at = cursor.at;
    if (tag !== NESTED_TXN) {
      at = skipField(bytes, at, end, tag);
      continue;
    }
    const length = readLength(bytes, at, end);
    at = cursor.at;
    count += countTxnOperations(bytes, at, at + length, depth + 2);
    at += length;
  }
  return count;
}
