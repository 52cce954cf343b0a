/**
 * Recognises the most frequent request, an encoded RangeRequest for the latest state of one key and
 * without options, and reads it without building the message.
 */

import { viewAsBuffer } from "../base/bytes.ts";

export interface PlainGet {
  /** As latin1; not empty. */
  readonly key: string;
  readonly isSerializable: boolean;
}

/** Tags of RangeRequest: key, serializable. */
const KEY = 0x0a;
const SERIALIZABLE = 0x38;
const TRUE = 1;
/** From here on a length takes more bytes than one. */
const LONG = 0x80;

/** Undefined for anything else, be it well-formed or not. */
export function scanPlainGet(bytes: Uint8Array): PlainGet | undefined {
  const length = bytes[1] ?? 0;
  if (bytes[0] !== KEY || length === 0 || length >= LONG) return undefined;
  const end = 2 + length;
  const isBare = end === bytes.length;
  const isSerializable =
    end + 2 === bytes.length && bytes[end] === SERIALIZABLE && bytes[end + 1] === TRUE;
  if (!isBare && !isSerializable) return undefined;
  return { key: viewAsBuffer(bytes).latin1Slice(2, end), isSerializable };
}
