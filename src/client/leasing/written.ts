/** Which keys a transaction may change, whichever branch is taken. */
import type { RequestOp, TxnRequest } from "../../api/gen/rpc.ts";
import { compareBytes, latin1FromBytes } from "../../base/bytes.ts";
import type { KeyRange } from "../bytes.ts";

/** A range as latin1 text; an empty `end` is none. */
export interface WrittenRange extends KeyRange {
  readonly begin: string;
  readonly end: string;
}

export interface Written {
  /** Single keys, by their names. */
  readonly points: ReadonlyMap<string, Uint8Array>;
  readonly ranges: readonly WrittenRange[];
}

export function writtenBy(operations: readonly RequestOp[]): Written {
  const points = new Map<string, Uint8Array>();
  const ranges: WrittenRange[] = [];
  const visit = ({ request }: RequestOp): void => {
    switch (request?.case) {
      case "requestPut":
        points.set(latin1FromBytes(request.value.key), request.value.key);
        break;
      case "requestDeleteRange": {
        const { key, rangeEnd } = request.value;
        if (rangeEnd.length === 0) points.set(latin1FromBytes(key), key);
        else if (!isEmpty(request.value)) ranges.push(toWrittenRange({ key, rangeEnd }));
        break;
      }
      case "requestTxn":
        for (const each of operationsOf(request.value)) visit(each);
        break;
      case "requestRange":
      case undefined:
        break;
    }
  };
  for (const each of operations) visit(each);
  return { points, ranges };
}

export function isInside({ begin, end }: WrittenRange, name: string): boolean {
  return name >= begin && (end === "" || name < end);
}

function operationsOf({ success, failure }: TxnRequest): readonly RequestOp[] {
  return [...success, ...failure];
}

/** The server deletes nothing there. */
function isEmpty({ key, rangeEnd }: KeyRange): boolean {
  return !isOpen(rangeEnd) && compareBytes(rangeEnd, key) <= 0;
}

function isOpen(rangeEnd: Uint8Array): boolean {
  return rangeEnd.length === 1 && rangeEnd[0] === 0;
}

function toWrittenRange({ key, rangeEnd }: KeyRange): WrittenRange {
  const end = isOpen(rangeEnd) ? "" : latin1FromBytes(rangeEnd);
  return { key, rangeEnd, begin: latin1FromBytes(key), end };
}
