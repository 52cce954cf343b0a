/**
 * Recognises the transaction of locks, elections and guarded updates, and finds its parts without
 * building the message: one compare of a key's version or revision, and in either branch at most
 * one operation, which puts, gets or deletes one key and has no options but a put's lease.
 */
import { cursor, readInt32, readInt64, readInt64Saturated, readLength } from "../base/wire.ts";
import { Compare_CompareTarget } from "./gen/rpc.ts";

/** Its places count in `bytes`, which is borrowed. */
export interface PlainTxn {
  readonly bytes: Uint8Array;
  /** The message. */
  readonly start: number;
  readonly end: number;
  readonly compare: PlainCompare;
  /** One of them at least changes something. */
  readonly success: PlainOperation | undefined;
  readonly failure: PlainOperation | undefined;
}

/** The key is not empty. */
export interface PlainCompare {
  readonly result: number;
  readonly target: number;
  readonly operand: number;
  readonly keyStart: number;
  readonly keyEnd: number;
}

/** The key is not empty; value and lease are a put's. */
export interface PlainOperation {
  readonly kind: "put" | "get" | "delete";
  readonly keyStart: number;
  readonly keyEnd: number;
  readonly valueStart: number;
  readonly valueEnd: number;
  readonly lease: bigint;
}

/** Tags of TxnRequest. */
const COMPARE = 0x0a;
const SUCCESS = 0x12;
const FAILURE = 0x1a;
/** Tags of Compare. */
const RESULT = 0x08;
const TARGET = 0x10;
const COMPARED_KEY = 0x1a;
const VERSION = 0x20;
const CREATE_REVISION = 0x28;
const MOD_REVISION = 0x30;
/** Tags of RequestOp. */
const RANGE = 0x0a;
const PUT = 0x12;
const DELETE_RANGE = 0x1a;
/** Tags of all three requests, and of PutRequest. */
const KEY = 0x0a;
const VALUE = 0x12;
const LEASE = 0x18;

/** The field that a compare of a target has its number in. */
const OPERANDS: Readonly<Record<number, number>> = {
  [Compare_CompareTarget.VERSION]: VERSION,
  [Compare_CompareTarget.CREATE]: CREATE_REVISION,
  [Compare_CompareTarget.MOD]: MOD_REVISION,
};

const NO_LEASE = 0n;

/** Undefined for anything else. Throws `DecodeError` on what no decoder takes. */
export function scanPlainTxn(bytes: Uint8Array, start: number, end: number): PlainTxn | undefined {
  let compare: PlainCompare | undefined;
  let success: PlainOperation | undefined;
  let failure: PlainOperation | undefined;
  for (let at = start; at < end; ) {
    const tag = bytes[at] as number;
    if (tag !== COMPARE && tag !== SUCCESS && tag !== FAILURE) return undefined;
    const length = readLength(bytes, at + 1, end);
    const from = cursor.at;
    at = from + length;
    if (tag === COMPARE) {
      if (compare !== undefined) return undefined;
      compare = scanCompare(bytes, from, at);
      if (compare === undefined) return undefined;
      continue;
    }
    if ((tag === SUCCESS ? success : failure) !== undefined) return undefined;
    const operation = scanOperation(bytes, from, at);
    if (operation === undefined) return undefined;
    if (tag === SUCCESS) success = operation;
    else failure = operation;
  }
  if (compare === undefined || !(changes(success) || changes(failure))) return undefined;
  return { bytes, start, end, compare, success, failure };
}

function changes(operation: PlainOperation | undefined): boolean {
  return operation !== undefined && operation.kind !== "get";
}

function scanCompare(bytes: Uint8Array, start: number, end: number): PlainCompare | undefined {
  let result = 0;
  let target = 0;
  let operand = 0;
  let operandTag = 0;
  let keyStart = 0;
  let keyEnd = 0;
  for (let at = start; at < end; at = cursor.at) {
    const tag = bytes[at++] as number;
    switch (tag) {
      case RESULT:
        result = readInt32(bytes, at, end);
        break;
      case TARGET:
        target = readInt32(bytes, at, end);
        break;
      case COMPARED_KEY: {
        const length = readLength(bytes, at, end);
        keyStart = cursor.at;
        keyEnd = keyStart + length;
        cursor.at = keyEnd;
        break;
      }
      case VERSION:
      case CREATE_REVISION:
      case MOD_REVISION:
        operandTag = tag;
        operand = readInt64Saturated(bytes, at, end);
        break;
      default:
        return undefined;
    }
  }
  if (keyStart === keyEnd || operandTag !== OPERANDS[target]) return undefined;
  return { result, target, operand, keyStart, keyEnd };
}

function scanOperation(bytes: Uint8Array, start: number, end: number): PlainOperation | undefined {
  if (start === end) return undefined;
  const tag = bytes[start] as number;
  if (tag !== PUT && tag !== RANGE && tag !== DELETE_RANGE) return undefined;
  const length = readLength(bytes, start + 1, end);
  if (cursor.at + length !== end) return undefined;
  const kind = tag === PUT ? "put" : tag === RANGE ? "get" : "delete";
  return scanRequest(bytes, cursor.at, end, kind);
}

function scanRequest(
  bytes: Uint8Array,
  start: number,
  end: number,
  kind: PlainOperation["kind"],
): PlainOperation | undefined {
  let keyStart = 0;
  let keyEnd = 0;
  let valueStart = 0;
  let valueEnd = 0;
  let lease = NO_LEASE;
  for (let at = start; at < end; at = cursor.at) {
    const tag = bytes[at++] as number;
    if (tag === KEY) {
      const length = readLength(bytes, at, end);
      keyStart = cursor.at;
      keyEnd = keyStart + length;
      cursor.at = keyEnd;
    } else if (tag === VALUE && kind === "put") {
      const length = readLength(bytes, at, end);
      valueStart = cursor.at;
      valueEnd = valueStart + length;
      cursor.at = valueEnd;
    } else if (tag === LEASE && kind === "put") lease = readInt64(bytes, at, end);
    else return undefined;
  }
  if (keyStart === keyEnd) return undefined;
  return { kind, keyStart, keyEnd, valueStart, valueEnd, lease };
}
