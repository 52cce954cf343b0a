/**
 * Tells a torn tail, which a crash leaves and which is cut off, from damage at rest, which must
 * never be: cutting there would drop records that were acknowledged.
 *
 * What a crash can leave: our writer has at most one batch unsynced, at the end of the last segment.
 * Each sector of it is either written or still as it was before, which is zero. So a tail is torn
 * only if, from the first bad record on,
 *   - a whole sector that the record covers is zero, or
 *   - the record ends in zeros and nothing follows (the write stopped inside a sector), or
 *   - the file ends inside the record;
 * and nothing proves that the bad record had been synced. The proof is a checksum record further on:
 * the writer begins a batch with one when, and only when, all before it is on the platter. (To every
 * etcd such a record is a no-op.) Good records behind a missing sector prove nothing: sectors of one
 * batch reach the platter in any order.
 *
 * Remaining doubt, inherent in the format: damage inside the very last batch that looks exactly like
 * a missing sector is taken for one; and segments written by Go etcd have no marks, so that for them
 * etcd's own rule (a zero sector means torn) holds.
 */
import { crc32cRange } from "../base/crc32c.ts";
import {
  FRAME_BYTES,
  frameRecordBytes,
  isZero,
  paddingOf,
  parseRecord,
  RecordType,
  RecordView,
  SECTOR_BYTES,
} from "./record.ts";

/**
 * `tail` is the last segment from sector-aligned file offset `tailOffset` to its end, `bad` the file
 * offset of the first bad record (or of a zero frame with other bytes behind it).
 */
export function isTornTail(tail: Uint8Array, tailOffset: number, bad: number): boolean {
  const at = bad - tailOffset;
  return looksTorn(tail, at) && !hasLaterSyncMark(tail, at);
}

/** Largest sector boundary at or before `offset`. */
export function sectorStart(offset: number): number {
  return offset - (offset % SECTOR_BYTES);
}

function looksTorn(tail: Uint8Array, at: number): boolean {
  if (tail.length - at < FRAME_BYTES) return true;
  const end = lastNonZero(tail, at);
  const bodyAt = at + FRAME_BYTES;
  if (isZero(tail, at, bodyAt)) return isZeroSector(tail, at, sectorStart(at) + SECTOR_BYTES);
  const recordBytes = frameRecordBytes(tail, at);
  const head = parseHead(tail, bodyAt);
  // The write stopped inside the frame or the head: nothing else is there.
  if (end <= (head?.headEnd ?? bodyAt)) return true;
  if (Number.isNaN(recordBytes)) return false;
  // Frame and head disagree about the length although both are there: one of them has rotted.
  if (head !== undefined && head.recordBytes !== recordBytes) return false;
  const recordEnd = bodyAt + recordBytes;
  if (recordEnd + paddingOf(recordBytes) > tail.length) return true;
  if (end < recordEnd) return true;
  const firstWhole = Math.ceil(bodyAt / SECTOR_BYTES) * SECTOR_BYTES;
  for (let sector = firstWhole; sector < recordEnd; sector += SECTOR_BYTES) {
    if (isZeroSector(tail, sector, sector + SECTOR_BYTES)) return true;
  }
  return false;
}

function isZeroSector(tail: Uint8Array, start: number, end: number): boolean {
  return isZero(tail, start, Math.min(end, tail.length));
}

function lastNonZero(tail: Uint8Array, from: number): number {
  let end = tail.length;
  while (end > from && tail[end - 1] === 0) end--;
  return end;
}

/** What a record's head says; undefined when it is not all there or malformed. */
function parseHead(
  tail: Uint8Array,
  start: number,
): { readonly headEnd: number; readonly recordBytes: number } | undefined {
  if (tail[start] !== 0x08 || tail[start + 2] !== 0x10) return undefined;
  let at = start + 3;
  while ((tail[at] ?? 0) > 0x7f && at < start + 8) at++;
  at++;
  if (tail[start + 1] === RecordType.crc) return { headEnd: at, recordBytes: at - start };
  if (tail[at] !== 0x1a) return undefined;
  let size = 0;
  for (let shift = 0; shift < 35; shift += 7) {
    at++;
    const byte = tail[at];
    if (byte === undefined) return undefined;
    size += (byte & 0x7f) * 2 ** shift;
    if (byte < 0x80) return { headEnd: at + 1, recordBytes: at + 1 + size - start };
  }
  return undefined;
}

/**
 * Looks behind the bad record for a checksum record that belongs to the log. A candidate must be
 * tied to a neighbour by the chain, so that bytes of a value that merely look like one do not count.
 */
function hasLaterSyncMark(tail: Uint8Array, bad: number): boolean {
  const end = lastNonZero(tail, bad);
  const view = new RecordView();
  let chain = storedCrc(tail, bad + FRAME_BYTES);
  let at = scanStart(tail, bad);
  while (at < end) {
    const next = recordAt(tail, at, view);
    if (next < 0) {
      at += FRAME_BYTES;
      continue;
    }
    const { type, crc, dataStart, dataEnd } = view;
    const computed = chain === undefined ? undefined : crc32cRange(tail, dataStart, dataEnd, chain);
    if (computed === crc || isFollowed(tail, next, crc)) {
      if (type === RecordType.crc) return true;
      chain = crc;
      at = next;
    } else {
      at += FRAME_BYTES;
    }
  }
  return false;
}

/** Behind the bad record when frame and head agree where it ends, else right behind its frame. */
function scanStart(tail: Uint8Array, bad: number): number {
  const recordBytes = frameRecordBytes(tail, bad);
  const bodyAt = bad + FRAME_BYTES;
  if (parseHead(tail, bodyAt)?.recordBytes !== recordBytes) return bodyAt;
  return bodyAt + recordBytes + paddingOf(recordBytes);
}

/** Whether the record at `at` continues a chain whose running value is `crc`. */
function isFollowed(tail: Uint8Array, at: number, crc: number): boolean {
  const view = new RecordView();
  if (recordAt(tail, at, view) < 0) return false;
  return crc32cRange(tail, view.dataStart, view.dataEnd, crc) === view.crc;
}

/** Parses a well-formed record at `at`; returns where the next one begins, or -1. */
function recordAt(tail: Uint8Array, at: number, view: RecordView): number {
  if (tail.length - at < FRAME_BYTES + 4 || tail[at + FRAME_BYTES] !== 0x08) return -1;
  const recordBytes = frameRecordBytes(tail, at);
  if (Number.isNaN(recordBytes) || recordBytes === 0) return -1;
  const end = at + FRAME_BYTES + recordBytes;
  const next = end + paddingOf(recordBytes);
  if (next > tail.length) return -1;
  return parseRecord(tail, at + FRAME_BYTES, end, view) === undefined ? next : -1;
}

/** The checksum in a record's head, wherever the record ends. */
function storedCrc(tail: Uint8Array, start: number): number | undefined {
  if (tail[start] !== 0x08 || tail[start + 2] !== 0x10) return undefined;
  let value = 0;
  for (let i = 0; i < 5; i++) {
    const byte = tail[start + 3 + i];
    if (byte === undefined) return undefined;
    value += (byte & 0x7f) * 2 ** (7 * i);
    if (byte < 0x80) return value;
  }
  return undefined;
}
