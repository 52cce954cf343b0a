/** Evaluates the compares of a transaction against the latest state. */

import { type Compare, Compare_CompareResult, Compare_CompareTarget } from "../../api/gen/rpc.ts";
import { compareBytes, EMPTY_BYTES, latin1FromBytes } from "../../base/bytes.ts";
import { KeyValueView } from "../key-value.ts";
import type { Store } from "../store.ts";
import { rangeEndOf } from "./key-range.ts";

const view = new KeyValueView();

/**
 * True if every key in the compare's range satisfies it. A missing key, or an empty range, counts
 * as one key with all numbers zero, except that its value equals nothing.
 */
export function evaluateCompare(store: Store, compare: Compare): boolean {
  const index = store.index;
  const begin = latin1FromBytes(compare.key);
  const end = rangeEndOf(compare.rangeEnd);
  if (end === undefined) {
    return index.findLatest(begin) ? compareFound(store, compare) : compareMissing(compare);
  }
  let found = false;
  for (const cursor = index.seek(begin); cursor.valid; cursor.next()) {
    if (end !== "" && cursor.key >= end) break;
    if (!index.cursorLatest(cursor)) continue;
    found = true;
    if (!compareFound(store, compare)) return false;
  }
  return found || compareMissing(compare);
}

/** Compares the key that the index has just found. */
function compareFound(store: Store, compare: Compare): boolean {
  const index = store.index;
  const union = compare.targetUnion;
  switch (compare.target) {
    case Compare_CompareTarget.VERSION:
      return holds(compare, index.version - (union?.case === "version" ? union.value : 0));
    case Compare_CompareTarget.CREATE: {
      const other = union?.case === "createRevision" ? union.value : 0;
      return holds(compare, index.createRevision - other);
    }
    case Compare_CompareTarget.MOD:
      return holds(compare, index.main - (union?.case === "modRevision" ? union.value : 0));
    case Compare_CompareTarget.VALUE: {
      const other = union?.case === "value" ? union.value : EMPTY_BYTES;
      view.load(store.readRecord(index.main, index.sub));
      return holds(compare, compareBytes(view.value, other));
    }
    case Compare_CompareTarget.LEASE: {
      view.load(store.readRecord(index.main, index.sub));
      return holds(compare, compareLease(view.lease, compare));
    }
    default:
      return holds(compare, 0);
  }
}

function compareMissing(compare: Compare): boolean {
  const union = compare.targetUnion;
  switch (compare.target) {
    case Compare_CompareTarget.VERSION:
      return holds(compare, -(union?.case === "version" ? union.value : 0));
    case Compare_CompareTarget.CREATE:
      return holds(compare, -(union?.case === "createRevision" ? union.value : 0));
    case Compare_CompareTarget.MOD:
      return holds(compare, -(union?.case === "modRevision" ? union.value : 0));
    case Compare_CompareTarget.VALUE:
      return false;
    case Compare_CompareTarget.LEASE:
      return holds(compare, compareLease(0n, compare));
    default:
      return holds(compare, 0);
  }
}

function compareLease(lease: bigint, compare: Compare): number {
  const other = compare.targetUnion?.case === "lease" ? compare.targetUnion.value : 0n;
  return lease < other ? -1 : lease > other ? 1 : 0;
}

/** `difference` is the key's side minus the compare's side. */
function holds(compare: Compare, difference: number): boolean {
  switch (compare.result) {
    case Compare_CompareResult.EQUAL:
      return difference === 0;
    case Compare_CompareResult.NOT_EQUAL:
      return difference !== 0;
    case Compare_CompareResult.GREATER:
      return difference > 0;
    case Compare_CompareResult.LESS:
      return difference < 0;
    default:
      // etcd lets results that it does not know pass.
      return true;
  }
}
