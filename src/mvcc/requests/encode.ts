/**
 * Encodes results as response messages around the records' own bytes. `header` is always the
 * encoded ResponseHeader message, without field tag.
 *
 * Responses inside a transaction carry a header with nothing but the revision; a nested
 * transaction's header is empty.
 */

import { EMPTY_BYTES } from "../../base/bytes.ts";
import * as wire from "../../base/wire.ts";
import type { Records } from "../record-list.ts";
import type { RangeResult } from "./range.ts";
import type { OpResult, TxnResult } from "./txn.ts";
import type { DeleteRangeResult, PutResult } from "./write.ts";

const FIELD_1 = 0x0a;
const FIELD_2_VARINT = 0x10;
const FIELD_2 = 0x12;
const FIELD_3_VARINT = 0x18;
const FIELD_3 = 0x1a;
const FIELD_4_VARINT = 0x20;
const FIELD_4 = 0x22;

export function encodePutResponse(header: Uint8Array, previous?: Uint8Array): Uint8Array {
  const buffer = Buffer.allocUnsafe(
    sizeField(header) + (previous === undefined ? 0 : sizeField(previous)),
  );
  prependPut(buffer, buffer.length, header, previous);
  return buffer;
}

export function encodeDeleteRangeResponse(
  header: Uint8Array,
  result: DeleteRangeResult,
): Uint8Array {
  const buffer = Buffer.allocUnsafe(sizeDeleteRange(header, result));
  prependDeleteRange(buffer, buffer.length, header, result);
  return buffer;
}

export function encodeTxnResponse(header: Uint8Array, result: TxnResult): Uint8Array {
  const buffer = Buffer.allocUnsafe(sizeTxn(header, result));
  prependTxn(buffer, buffer.length, header, result);
  return buffer;
}

export function encodeRangeResponse(header: Uint8Array, result: RangeResult): Uint8Array {
  const buffer = Buffer.allocUnsafe(sizeRangeResponse(header, result));
  prependRange(buffer, buffer.length, header, result);
  return buffer;
}

/** The response with the one record that `result` has, which stays where it is. */
export function encodeRecordParts(
  header: Uint8Array,
  result: RangeResult,
  record: Uint8Array,
): Uint8Array[] {
  const head = Buffer.allocUnsafe(sizeField(header) + sizeField(record) - record.length);
  const recordTagAt = wire.prependVarint32(head, head.length, record.length) - 1;
  head[recordTagAt] = FIELD_2;
  prependField(head, recordTagAt, FIELD_1, header);
  const tail = Buffer.allocUnsafe(sizeRangeTail(result));
  prependRangeTail(tail, tail.length, result);
  return [head, record, tail];
}

/** Encoded length of the response. */
export function sizeRangeResponse(header: Uint8Array, result: RangeResult): number {
  const records = result.kvs.fieldBytes + (result.late?.fieldBytes ?? 0);
  return sizeField(header) + records + sizeRangeTail(result);
}

/** A record as a field of a range's response. */
function prependRecord(b: Buffer, end: number, kvs: Records, index: number): number {
  const length = kvs.lengthAt(index);
  const start = end - length;
  kvs.copy(index, b, start);
  const at = wire.prependVarint32(b, start, length) - 1;
  b[at] = FIELD_2;
  return at;
}

/** Size of a field with content of so many bytes. */
export function sizeOfField(length: number): number {
  return 1 + wire.sizeDelimited(length);
}

function sizeField(content: Uint8Array): number {
  return sizeOfField(content.length);
}

function sizeVarintField(value: number): number {
  return value === 0 ? 0 : 1 + wire.sizeNumber(value);
}

function prependField(b: Buffer, end: number, tag: number, content: Uint8Array): number {
  const at = wire.prependBytes(b, end, content);
  b[at - 1] = tag;
  return at - 1;
}

function prependVarintField(b: Buffer, end: number, tag: number, value: number): number {
  if (value === 0) return end;
  const at = wire.prependNumber(b, end, value);
  b[at - 1] = tag;
  return at - 1;
}

/** Closes a nested message that was written from `start` to `end`. */
function prependFrame(b: Buffer, start: number, end: number, tag: number): number {
  const at = wire.prependVarint32(b, start, end - start);
  b[at - 1] = tag;
  return at - 1;
}

function prependPut(
  b: Buffer,
  end: number,
  header: Uint8Array,
  previous: Uint8Array | undefined,
): number {
  const at = previous === undefined ? end : prependField(b, end, FIELD_2, previous);
  return prependField(b, at, FIELD_1, header);
}

function sizePut(header: Uint8Array, result: PutResult): number {
  return sizeField(header) + (result.previous === undefined ? 0 : sizeField(result.previous));
}

/** Of what comes behind the records. */
export function sizeRangeTail(result: RangeResult): number {
  return (result.more ? 2 : 0) + sizeVarintField(result.count);
}

export function prependRangeTail(b: Buffer, end: number, result: RangeResult): number {
  const at = prependVarintField(b, end, FIELD_4_VARINT, result.count);
  return prependVarintField(b, at, FIELD_3_VARINT, result.more ? 1 : 0);
}

function prependRange(b: Buffer, end: number, header: Uint8Array, result: RangeResult): number {
  let at = prependRangeTail(b, end, result);
  for (let i = result.kvs.length - 1; i >= 0; i--) {
    at = prependRecord(b, at, result.kvs, i);
  }
  return prependField(b, at, FIELD_1, header);
}

function sizeDeleteRange(header: Uint8Array, result: DeleteRangeResult): number {
  let size = sizeField(header) + sizeVarintField(result.deleted);
  for (const kv of result.previous) size += sizeField(kv);
  return size;
}

function prependDeleteRange(
  b: Buffer,
  end: number,
  header: Uint8Array,
  result: DeleteRangeResult,
): number {
  let at = end;
  for (let i = result.previous.length - 1; i >= 0; i--) {
    at = prependField(b, at, FIELD_3, result.previous[i] as Uint8Array);
  }
  at = prependVarintField(b, at, FIELD_2_VARINT, result.deleted);
  return prependField(b, at, FIELD_1, header);
}

function sizeTxn(header: Uint8Array, result: TxnResult): number {
  let size = sizeField(header) + (result.succeeded ? 2 : 0);
  for (const response of result.responses) size += 1 + wire.sizeDelimited(sizeOp(response));
  return size;
}

function prependTxn(b: Buffer, end: number, header: Uint8Array, result: TxnResult): number {
  let at = end;
  for (let i = result.responses.length - 1; i >= 0; i--) {
    at = prependFrame(b, prependOp(b, at, result.responses[i] as OpResult), at, FIELD_3);
  }
  at = prependVarintField(b, at, FIELD_2_VARINT, result.succeeded ? 1 : 0);
  return prependField(b, at, FIELD_1, header);
}

/** Size of a ResponseOp's content: one field of its oneof. */
function sizeOp(op: OpResult): number {
  return op.kind === "none" ? 0 : 1 + wire.sizeDelimited(sizeOpBody(op));
}

function sizeOpBody(op: OpResult): number {
  switch (op.kind) {
    case "range":
      return sizeRangeResponse(innerHeader(op.result.revision), op.result);
    case "put":
      return sizePut(innerHeader(op.result.revision), op.result);
    case "deleteRange":
      return sizeDeleteRange(innerHeader(op.result.revision), op.result);
    case "txn":
      return sizeTxn(EMPTY_BYTES, op.result);
    case "none":
      return 0;
  }
}

function prependOp(b: Buffer, end: number, op: OpResult): number {
  switch (op.kind) {
    case "range": {
      const start = prependRange(b, end, innerHeader(op.result.revision), op.result);
      return prependFrame(b, start, end, FIELD_1);
    }
    case "put": {
      const header = innerHeader(op.result.revision);
      return prependFrame(b, prependPut(b, end, header, op.result.previous), end, FIELD_2);
    }
    case "deleteRange": {
      const start = prependDeleteRange(b, end, innerHeader(op.result.revision), op.result);
      return prependFrame(b, start, end, FIELD_3);
    }
    case "txn":
      return prependFrame(b, prependTxn(b, end, EMPTY_BYTES, op.result), end, FIELD_4);
    case "none":
      return end;
  }
}

/** A field with the largest number. */
const MAX_INNER_HEADER_BYTES = 11;
const innerRoom = Buffer.alloc(MAX_INNER_HEADER_BYTES);
let innerRevision = -1;
let innerBytes: Uint8Array = EMPTY_BYTES;

/**
 * ResponseHeader{revision}, valid until the next call. All operations of a transaction share one or
 * two revisions.
 */
function innerHeader(revision: number): Uint8Array {
  if (revision !== innerRevision) {
    const start = prependVarintField(innerRoom, innerRoom.length, FIELD_3_VARINT, revision);
    if (innerBytes.length !== innerRoom.length - start) innerBytes = innerRoom.subarray(start);
    innerRevision = revision;
  }
  return innerBytes;
}
