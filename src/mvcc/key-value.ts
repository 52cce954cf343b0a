/**
 * mvccpb.KeyValue as bytes: the records of the "key" bucket. They travel from the file to the
 * client without being decoded; this file makes them, and finds fields inside them.
 *
 * Encoding is proto3's: fields ascending, zero values omitted; the bytes equal gogo-proto's, since
 * hashes are computed over them. Readers accept any field order and unknown fields.
 */

import { EMPTY_BYTES, viewAsBuffer } from "../base/bytes.ts";
import type { LeaseID, Revision } from "../base/ids.ts";
import * as wire from "../base/wire.ts";

const KEY_TAG = 0x0a;
const CREATE_REVISION_TAG = 0x10;
const MOD_REVISION_TAG = 0x18;
const VERSION_TAG = 0x20;
const VALUE_TAG = 0x2a;
const LEASE_TAG = 0x30;

/** Length of the record of a put. `key` is latin1. */
export function sizeKeyValue(
  key: string,
  createRevision: Revision,
  modRevision: Revision,
  version: number,
  value: Uint8Array,
  lease: LeaseID,
): number {
  let size = sizeField(key.length) + 3;
  size += wire.sizeNumber(createRevision) + wire.sizeNumber(modRevision) + wire.sizeNumber(version);
  if (value.length > 0) size += sizeField(value.length);
  return lease === 0n ? size : size + 1 + wire.sizeBigInt(lease);
}

/** Writes that record up to `end`. */
export function writeKeyValue(
  record: Uint8Array,
  end: number,
  key: string,
  createRevision: Revision,
  modRevision: Revision,
  version: number,
  value: Uint8Array,
  lease: LeaseID,
): void {
  let at = end;
  if (lease !== 0n) {
    at = wire.prependBigInt(record, at, lease);
    record[--at] = LEASE_TAG;
  }
  if (value.length > 0) {
    at = wire.prependBytes(record, at, value);
    record[--at] = VALUE_TAG;
  }
  at = wire.prependNumber(record, at, version);
  record[--at] = VERSION_TAG;
  at = wire.prependNumber(record, at, modRevision);
  record[--at] = MOD_REVISION_TAG;
  at = wire.prependNumber(record, at, createRevision);
  record[--at] = CREATE_REVISION_TAG;
  writeTombstone(record, at, key);
}

/** Length of the record of a deletion. */
export function sizeTombstone(key: string): number {
  return sizeField(key.length);
}

/** Writes that record up to `end`: nothing but the key. */
export function writeTombstone(record: Uint8Array, end: number, key: string): void {
  const start = end - key.length;
  if (key.length <= 32) {
    for (let i = 0; i < key.length; i++) record[start + i] = key.charCodeAt(i);
  } else {
    viewAsBuffer(record).latin1Write(key, start, key.length);
  }
  const at = wire.prependVarint32(record, start, key.length);
  record[at - 1] = KEY_TAG;
}

/** What a watcher sees of a deletion: key and mod_revision. */
export function encodeDeletedKeyValue(key: string, modRevision: Revision): Uint8Array {
  const size = sizeField(key.length) + 1 + wire.sizeNumber(modRevision);
  const record = Buffer.allocUnsafe(size);
  let at = wire.prependNumber(record, size, modRevision);
  record[--at] = MOD_REVISION_TAG;
  writeTombstone(record, at, key);
  return record;
}

/** Parsed view of one record at a time; `load` replaces the content. Borrows the record. */
export class KeyValueView {
  keyStart = 0;
  keyEnd = 0;
  createRevision: Revision = 0;
  modRevision: Revision = 0;
  version = 0;
  lease: LeaseID = 0n;
  valueStart = 0;
  valueEnd = 0;
  /** Where the value's field starts, tag included; equals `valueEnd` without a value. */
  valueFieldStart = 0;
  #record: Uint8Array = EMPTY_BYTES;

  /** Another string each time. */
  get key(): string {
    return latin1(this.#record, this.keyStart, this.keyEnd);
  }

  get value(): Uint8Array {
    return this.#record.subarray(this.valueStart, this.valueEnd);
  }

  /** Throws `DecodeError` on a malformed record, which is `record` from `start` to `end`. */
  load(record: Uint8Array, start = 0, end = record.length): this {
    this.#record = record;
    this.keyStart = this.keyEnd = 0;
    this.createRevision = 0;
    this.modRevision = 0;
    this.version = 0;
    this.lease = 0n;
    this.valueStart = this.valueEnd = this.valueFieldStart = 0;
    let at = start;
    while (at < end) at = this.#readField(record, at, end);
    return this;
  }

  #readField(record: Uint8Array, start: number, end: number): number {
    const tag = wire.readTag(record, start, end);
    const at = wire.cursor.at;
    switch (tag) {
      case KEY_TAG: {
        const length = wire.readLength(record, at, end);
        this.keyStart = wire.cursor.at;
        this.keyEnd = this.keyStart + length;
        return this.keyEnd;
      }
      case CREATE_REVISION_TAG:
        this.createRevision = wire.readInt64AsNumber(record, at, end);
        return wire.cursor.at;
      case MOD_REVISION_TAG:
        this.modRevision = wire.readInt64AsNumber(record, at, end);
        return wire.cursor.at;
      case VERSION_TAG:
        this.version = wire.readInt64AsNumber(record, at, end);
        return wire.cursor.at;
      case VALUE_TAG: {
        const length = wire.readLength(record, at, end);
        this.valueFieldStart = start;
        this.valueStart = wire.cursor.at;
        this.valueEnd = this.valueStart + length;
        return this.valueEnd;
      }
      case LEASE_TAG:
        this.lease = wire.readInt64(record, at, end);
        return wire.cursor.at;
      default:
        return wire.skipField(record, at, end, tag);
    }
  }
}

/** The key of the record in `record[begin, end)`, without looking at the rest when the key comes first, as it does. */
export function keyOf(record: Uint8Array, begin = 0, end: number = record.length): string {
  if (begin === end || record[begin] !== KEY_TAG) {
    return new KeyValueView().load(record, begin, end).key;
  }
  const length = wire.readLength(record, begin + 1, end);
  const start = wire.cursor.at;
  return latin1(record, start, start + length);
}

/** A record without its value. Shares memory with `record` where nothing has to be cut out. */
export function withoutValue(record: Uint8Array, view: KeyValueView): Uint8Array {
  view.load(record);
  if (view.valueEnd === view.valueFieldStart) return record;
  const head = record.subarray(0, view.valueFieldStart);
  if (view.valueEnd === record.length) return head;
  return Buffer.concat([head, record.subarray(view.valueEnd)]);
}

function sizeField(length: number): number {
  return 1 + wire.sizeDelimited(length);
}

function latin1(record: Uint8Array, start: number, end: number): string {
  return viewAsBuffer(record).latin1Slice(start, end);
}
