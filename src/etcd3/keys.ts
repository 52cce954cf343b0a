/** Keys and ranges of keys as callers of npm `etcd3` write them, and the prefix of a namespace. */
import { prefixEnd } from "../client/index.ts";

const ZERO_KEY = Buffer.from([0]);
const NO_KEY = Buffer.alloc(0);

/** Text as UTF-8, numbers as decimal text, bytes as they are. */
export function toBuffer(input: string | Buffer | Uint8Array | number): Buffer {
  if (Buffer.isBuffer(input)) return input;
  return typeof input === "number" ? Buffer.from(String(input)) : Buffer.from(input);
}

export type Rangable =
  | Range
  | string
  | Buffer
  | { start: string | Buffer; end: string | Buffer }
  | { prefix: string | Buffer };

/** The keys from `start` on and before `end`; an empty `end` is the one key, a zero byte no end. */
export class Range {
  readonly start: Buffer;
  readonly end: Buffer;

  constructor(start: Buffer | string, end: Buffer | string = NO_KEY) {
    this.start = toBuffer(start);
    this.end = toBuffer(end);
  }

  static prefix(prefix: string | Buffer): Range {
    if (prefix.length === 0) return new Range(ZERO_KEY, ZERO_KEY);
    return new Range(prefix, Buffer.from(prefixEnd(toBuffer(prefix))));
  }

  static from(value: Rangable): Range {
    if (value instanceof Range) return value;
    if (typeof value === "string" || Buffer.isBuffer(value)) return new Range(value);
    return "prefix" in value ? Range.prefix(value.prefix) : new Range(value.start, value.end);
  }

  includes(value: string | Buffer): boolean {
    const key = toBuffer(value);
    return comparePoints(this.start, key) <= 0 && comparePoints(this.end, key) > 0;
  }

  /** -1 when this range ends before `other` begins, 1 when it begins after its end, else 0. */
  compare(other: Range): number {
    const endsBefore = comparePoints(this.end, other.start) <= 0;
    if (endsBefore && comparePoints(this.start, other.start) < 0) return -1;
    return comparePoints(this.start, other.end) >= 0 ? 1 : 0;
  }
}

/** An empty bound is behind everything. */
function comparePoints(a: Buffer, b: Buffer): number {
  if (a.length === 0 || b.length === 0) return a.length === b.length ? 0 : a.length === 0 ? 1 : -1;
  return a.compare(b);
}

interface Keyed {
  key?: Buffer;
  range_end?: Buffer;
}

/** Puts the keys of requests below the prefix of a namespace, and takes it off again. */
export class KeyPrefix {
  readonly prefix: Buffer;

  constructor(prefix: Buffer) {
    this.prefix = prefix;
  }

  add(key: Buffer): Buffer {
    return this.prefix.length === 0 ? key : Buffer.concat([this.prefix, key]);
  }

  addTo<T extends Keyed>(request: T): T {
    const { key, range_end: end } = request;
    if (this.prefix.length === 0 || key === undefined) return request;
    const added: T = { ...request, key: this.add(key) };
    if (end !== undefined && end.length > 0) {
      added.range_end = end.equals(ZERO_KEY) ? Buffer.from(prefixEnd(this.prefix)) : this.add(end);
    }
    return added;
  }

  strip(key: Buffer): Buffer {
    return key.subarray(this.prefix.length);
  }
}

export const NO_PREFIX = new KeyPrefix(NO_KEY);
