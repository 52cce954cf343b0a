/**
 * Looks at raftpb.Entry in its bytes, without an object and a slice for each: checking a log needs
 * three numbers of each entry.
 */
export interface EntryHead {
  type: number;
  term: number;
  index: number;
}

const TYPE_TAG = 0x08;
const TERM_TAG = 0x10;
const INDEX_TAG = 0x18;
const DATA_TAG = 0x22;

/** What the last `scanEntry` found. */
export const scanned: EntryHead = { type: 0, term: 0, index: 0 };

/**
 * Reads the entry in bytes[start, end) to `scanned`. False unless it is as every etcd writes it,
 * fields in order and of usual length: then a decoder has to say what it is.
 */
export function scanEntry(bytes: Uint8Array, start: number, end: number): boolean {
  if (end - start < 6 || bytes[start] !== TYPE_TAG || bytes[start + 2] !== TERM_TAG) return false;
  const type = bytes[start + 1] as number;
  let at = readNumber(bytes, start + 3, end);
  scanned.term = value;
  if (type > 0x7f || at < 0 || bytes[at] !== INDEX_TAG) return false;
  at = readNumber(bytes, at + 1, end);
  scanned.index = value;
  scanned.type = type;
  if (at < 0 || at === end) return at === end;
  if (bytes[at] !== DATA_TAG) return false;
  at = readNumber(bytes, at + 1, end);
  return at >= 0 && at + value === end;
}

/** Seven groups of seven bits are a safe integer still. */
const MAX_VARINT_BYTES = 7;
/** Of the last `readNumber`. */
let value = 0;

/** Returns the position behind the varint, or -1 when there is none of usual length. */
function readNumber(bytes: Uint8Array, start: number, end: number): number {
  const limit = Math.min(end, start + MAX_VARINT_BYTES);
  let scale = 1;
  value = 0;
  for (let at = start; at < limit; at++) {
    const byte = bytes[at] as number;
    value += (byte & 0x7f) * scale;
    if (byte < 0x80) return at + 1;
    scale *= 0x80;
  }
  return -1;
}
