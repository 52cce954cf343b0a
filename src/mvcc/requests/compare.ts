/** Evaluates the compares of a transaction. */

import { type Compare, Compare_CompareResult, Compare_CompareTarget } from "../../api/gen/rpc.ts";
import { compareBytes, EMPTY_BYTES, latin1FromBytes } from "../../base/bytes.ts";
import type { Revision } from "../../base/ids.ts";
import type { Slice, Steps } from "../../base/slice.ts";
import type { KeyIndex } from "../key-index.ts";
import { KeyValueView } from "../key-value.ts";
import type { Store } from "../store.ts";
import { rangeEndOf, UNBOUNDED } from "./key-range.ts";

const view = new KeyValueView();

/**
 * True if the one key of a compare without a range satisfies it at `revision`. A missing key counts
 * as one with all numbers zero, except that its value equals nothing.
 */
export function compareKey(store: Store, compare: Compare, revision: Revision): boolean {
  const key = latin1FromBytes(compare.key);
  return store.findAt(key, revision) ? compareFound(store, compare) : compareMissing(compare);
}

/** What a compare of one of a key's numbers says. */
export interface NumberCompare {
  readonly result: number;
  /** VERSION, CREATE or MOD. */
  readonly target: number;
  readonly operand: number;
}

/** As `compareKey` for the latest revision. */
export function compareNumber(store: Store, key: string, compare: NumberCompare): boolean {
  const isThere = store.findAt(key, store.currentRevision);
  const own = isThere ? numberOf(store.index, compare.target) : 0;
  return holds(compare, own - compare.operand);
}

function numberOf(index: KeyIndex, target: number): number {
  switch (target) {
    case Compare_CompareTarget.VERSION:
      return index.version;
    case Compare_CompareTarget.CREATE:
      return index.createRevision;
    default:
      return index.main;
  }
}

/**
 * True if every key in the compare's range satisfies it at `revision`. An empty range counts as a
 * missing key.
 */
export function* evaluateCompare(
  store: Store,
  compare: Compare,
  revision: Revision,
  slice: Slice,
): Steps<boolean> {
  const end = rangeEndOf(compare.rangeEnd);
  slice.left--;
  if (end === undefined) return compareKey(store, compare, revision);
  const walk: Walk = { next: latin1FromBytes(compare.key), found: false, holds: true };
  while (walk.next !== undefined) {
    compareSome(store, compare, revision, end, slice, walk);
    if (walk.next !== undefined) yield;
  }
  return walk.found ? walk.holds : compareMissing(compare);
}

interface Walk {
  /** Where to go on; undefined when the answer is known. */
  next: string | undefined;
  found: boolean;
  holds: boolean;
}

/** Compares keys until the slice is used up. */
function compareSome(
  store: Store,
  compare: Compare,
  revision: Revision,
  end: string,
  slice: Slice,
  walk: Walk,
): void {
  const cursor = store.index.seek(walk.next ?? "");
  walk.next = undefined;
  for (; cursor.valid; cursor.next()) {
    if (end !== UNBOUNDED && cursor.key >= end) return;
    if (slice.left-- <= 0) {
      walk.next = cursor.key;
      return;
    }
    if (!store.cursorAt(cursor, revision)) continue;
    walk.found = true;
    walk.holds = compareFound(store, compare);
    if (!walk.holds) return;
  }
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
function holds(compare: { readonly result: number }, difference: number): boolean {
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
