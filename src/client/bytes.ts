/** Keys, values and key ranges as users write them, turned into what the wire carries. */
import { bytesFromUtf8, EMPTY_BYTES } from "../base/bytes.ts";
import { wrong } from "./arguments.ts";
import type { Bytes } from "./options.ts";

/** A single zero byte: as `rangeEnd` it means "without end". */
const ZERO_BYTE: Uint8Array = Uint8Array.of(0);

/** @throws TypeError, with `name`, for what is neither. */
export function toBytes(value: Bytes, name: string): Uint8Array {
  if (typeof value === "string") return bytesFromUtf8(value);
  if (value instanceof Uint8Array || isForeignBytes(value)) return value;
  throw wrong(name, "text or bytes", value);
}

/** Bytes of another realm: test runners have globals of their own. */
function isForeignBytes(value: unknown): boolean {
  return Object.prototype.toString.call(value) === "[object Uint8Array]";
}

/** Which keys are meant besides `key` itself. At most one of the three may be given. */
export interface RangeOptions {
  /** All keys that begin with `key`; an empty key means all keys. */
  readonly prefix?: boolean | undefined;
  /** All keys from `key` on. */
  readonly fromKey?: boolean | undefined;
  /** All keys from `key` on and before this one. */
  readonly rangeEnd?: Bytes | undefined;
}

/** Names of `RangeOptions`, for the types that add options of their own. */
export const RANGE_OPTIONS = {
  prefix: true,
  fromKey: true,
  rangeEnd: true,
} as const satisfies Readonly<Record<keyof RangeOptions, true>>;

export interface KeyRange {
  readonly key: Uint8Array;
  /** Empty: the one key. */
  readonly rangeEnd: Uint8Array;
}

/** Throws `TypeError` when more than one kind of range is asked for. */
export function toKeyRange(key: Bytes, options: RangeOptions): KeyRange {
  const { prefix = false, fromKey = false, rangeEnd } = options;
  if (Number(prefix) + Number(fromKey) + Number(rangeEnd !== undefined) > 1) {
    throw new TypeError("prefix, fromKey and rangeEnd exclude each other");
  }
  const start = toBytes(key, "key");
  if (prefix) {
    return start.length === 0
      ? { key: ZERO_BYTE, rangeEnd: ZERO_BYTE }
      : { key: start, rangeEnd: prefixEnd(start) };
  }
  if (fromKey) return { key: start.length === 0 ? ZERO_BYTE : start, rangeEnd: ZERO_BYTE };
  return {
    key: start,
    rangeEnd: rangeEnd === undefined ? EMPTY_BYTES : toBytes(rangeEnd, "rangeEnd"),
  };
}

/**
 * The end of the range of all keys that begin with `prefix`: its last byte that is not 0xff
 * incremented, the rest cut off. Without such a byte the range has no end (a single zero byte).
 */
export function prefixEnd(prefix: Bytes): Uint8Array {
  const bytes = toBytes(prefix, "prefix");
  for (let i = bytes.length - 1; i >= 0; i--) {
    const byte = bytes[i] ?? 0xff;
    if (byte === 0xff) continue;
    // Not `slice`: that of a Buffer shares its memory.
    const end = Uint8Array.from(bytes.subarray(0, i + 1));
    end[i] = byte + 1;
    return end;
  }
  return ZERO_BYTE;
}

/** The smallest key after `key`. */
export function nextKey(key: Uint8Array): Uint8Array {
  const next = new Uint8Array(key.length + 1);
  next.set(key);
  return next;
}
