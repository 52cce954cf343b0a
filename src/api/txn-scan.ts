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
 * Length of the longest list (compares, success or failure operations) in the transaction and the
 * transactions inside it. Throws `DecodeError` on malformed input; what it does not look into may
 * still be malformed.
 */
export function longestTxnList(
  bytes: Uint8Array,
  start = 0,
  end: number = bytes.length,
  depth = 0,
): number {
  if (depth > MAX_NESTING) throw nestedTooDeeply(start);
  let compares = 0;
  let successes = 0;
  let failures = 0;
  let nested = 0;
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
      if (tag === SUCCESS) successes++;
      else failures++;
      if (length > 0) nested = Math.max(nested, longestInOperation(bytes, at, at + length, depth));
    }
    at += length;
  }
  return Math.max(compares, successes, failures, nested);
}

function longestInOperation(bytes: Uint8Array, start: number, end: number, depth: number): number {
  let longest = 0;
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
    longest = Math.max(longest, longestTxnList(bytes, at, at + length, depth + 2));
    at += length;
  }
  return longest;
}
