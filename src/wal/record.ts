/**
 * The frame and record layout of etcd's write-ahead log, and its encoder.
 *
 *   frame   8 bytes, little endian: low 56 bits the record's length; when padding follows, the top
 *           byte is 0x80 | number of padding bytes
 *   record  walpb.Record: 1 type, 2 crc, 3 data
 *   padding zeros up to a multiple of 8, so that a frame never straddles a sector; etcd 2 wrote none
 *
 * `crc` is the CRC-32C over the data of all records so far, this one included; it runs across
 * segments. A record of type CRC carries the running value and no data.
 *
 * The encoder writes straight into one growing buffer, behind what stands in the file before its
 * first record since a boundary of blocks, so that it can be written in whole blocks. Invariant:
 * `crc` is the running value after the last record in the buffer.
 */
import { type Entry, type HardState, prependEntry, sizeEntry } from "../api/gen/raft.ts";
import { HardState as HardStateCodec } from "../api/gen/raft.ts";
import { Snapshot } from "../api/gen/wal.ts";
import { EMPTY_BYTES } from "../base/bytes.ts";
import { crc32cRange } from "../base/crc32c.ts";
import { sizeVarint32 } from "../base/wire.ts";
import { DIRECT_BLOCK_BYTES } from "../env/disk.ts";

export const RecordType = { metadata: 1, entry: 2, state: 3, crc: 4, snapshot: 5 } as const;
export type RecordType = (typeof RecordType)[keyof typeof RecordType];

export const FRAME_BYTES = 8;
/** A torn write leaves whole sectors of this size old or new. */
export const SECTOR_BYTES = 512;

const TAG_TYPE = 0x08;
const TAG_CRC = 0x10;
const TAG_DATA = 0x1a;
/** Frame, type, crc tag, a five-byte crc and the data tag; the data's length comes on top. */
const HEAD_BYTES = FRAME_BYTES + 2 + 1 + 5 + 1;
/** A varint of 32 bits. */
const MAX_CRC_BYTES = 5;
const PADDING_BYTES = 7;

/** Buffers that a burst has grown beyond this are given back afterwards. */
const KEEP_BUFFER_BYTES = 4 * 1024 * 1024;
const INITIAL_BUFFER_BYTES = 64 * 1024;

export class RecordEncoder {
  /** Running CRC after the last record. */
  crc: number;
  readonly #allocate: (bytes: number) => Buffer;
  #buffer: Buffer;
  /** Bytes before the first record. */
  #leadBytes = 0;
  /** End of the records in the buffer. */
  #length = 0;

  /** `allocate` gives memory as `Disk.allocate` does. */
  constructor(crc: number, allocate: (bytes: number) => Buffer = Buffer.allocUnsafeSlow) {
    this.crc = crc;
    this.#allocate = allocate;
    this.#buffer = allocate(INITIAL_BUFFER_BYTES);
  }

  get length(): number {
    return this.#length - this.#leadBytes;
  }

  get leadBytes(): number {
    return this.#leadBytes;
  }

  /** The encoded bytes from `start` on. Borrowed: valid until the encoder is used again. */
  bytes(start = 0): Uint8Array {
    return this.#buffer.subarray(this.#leadBytes + start, this.#length);
  }

  /** Whole blocks: the lead, the records, and zeros. Borrowed as `bytes`. */
  blocks(): Uint8Array {
    const end = wholeBlocks(this.#length);
    this.#buffer.fill(0, this.#length, end);
    return this.#buffer.subarray(0, end);
  }

  /** The last `count` bytes, the lead included; none when there are fewer. Borrowed as `bytes`. */
  last(count: number): Uint8Array {
    if (count > this.#length) return EMPTY_BYTES;
    return this.#buffer.subarray(this.#length - count, this.#length);
  }

  /** Forgets the bytes and goes on from this running CRC, behind `lead` (less than a block). */
  reset(crc: number, lead: Uint8Array = EMPTY_BYTES): void {
    this.crc = crc;
    if (this.#buffer.length > KEEP_BUFFER_BYTES) {
      this.#buffer = this.#allocate(INITIAL_BUFFER_BYTES);
    }
    this.#buffer.set(lead, 0);
    this.#leadBytes = lead.length;
    this.#length = lead.length;
  }

  entry(entry: Entry): void {
    const size = sizeEntry(entry);
    const dataAt = this.#reserve(size);
    prependEntry(this.#buffer, dataAt + size, entry);
    this.#finish(RecordType.entry, dataAt, size);
  }

  state(state: HardState): void {
    const size = HardStateCodec.size(state);
    const dataAt = this.#reserve(size);
    HardStateCodec.write(state, this.#buffer, dataAt);
    this.#finish(RecordType.state, dataAt, size);
  }

  snapshot(snapshot: Snapshot): void {
    const size = Snapshot.size(snapshot);
    const dataAt = this.#reserve(size);
    Snapshot.write(snapshot, this.#buffer, dataAt);
    this.#finish(RecordType.snapshot, dataAt, size);
  }

  metadata(metadata: Uint8Array): void {
    const dataAt = this.#reserve(metadata.length);
    this.#buffer.set(metadata, dataAt);
    this.#finish(RecordType.metadata, dataAt, metadata.length);
  }

  /** A record of the running CRC itself. */
  checksum(): void {
    const at = this.#length;
    this.#reserve(0);
    const end = this.#writeHead(at + FRAME_BYTES, RecordType.crc);
    this.#writeFrame(at, end);
  }

  /** Room for a record with `size` bytes of data; returns where the data goes. */
  #reserve(size: number): number {
    const dataAt = this.#length + HEAD_BYTES + sizeVarint32(size);
    const needed = dataAt + size + PADDING_BYTES;
    if (needed > this.#buffer.length) {
      const grown = this.#allocate(wholeBlocks(Math.max(needed, this.#buffer.length * 2)));
      this.#buffer.copy(grown, 0, 0, this.#length);
      this.#buffer = grown;
    }
    return dataAt;
  }

  #finish(type: RecordType, dataAt: number, size: number): void {
    const buffer = this.#buffer;
    const at = this.#length;
    this.crc = crc32cRange(buffer, dataAt, dataAt + size, this.crc);
    // One in sixteen checksums is shorter than its reserved five bytes: the data moves up.
    const surplus = MAX_CRC_BYTES - sizeVarint32(this.crc);
    if (surplus > 0) buffer.copyWithin(dataAt - surplus, dataAt, dataAt + size);
    const lengthAt = this.#writeHead(at + FRAME_BYTES, type);
    buffer[lengthAt] = TAG_DATA;
    const dataEnd = writeVarint32(buffer, lengthAt + 1, size) + size;
    this.#writeFrame(at, dataEnd);
  }

  #writeHead(at: number, type: RecordType): number {
    const buffer = this.#buffer;
    buffer[at] = TAG_TYPE;
    buffer[at + 1] = type;
    buffer[at + 2] = TAG_CRC;
    return writeVarint32(buffer, at + 3, this.crc);
  }

  #writeFrame(at: number, recordEnd: number): void {
    const buffer = this.#buffer;
    const size = recordEnd - at - FRAME_BYTES;
    const padding = -size & 7;
    for (let i = 0; i < padding; i++) buffer[recordEnd + i] = 0;
    buffer[at] = size & 0xff;
    buffer[at + 1] = (size >>> 8) & 0xff;
    buffer[at + 2] = (size >>> 16) & 0xff;
    buffer[at + 3] = size >>> 24;
    buffer[at + 4] = 0;
    buffer[at + 5] = 0;
    buffer[at + 6] = 0;
    buffer[at + 7] = padding === 0 ? 0 : 0x80 | padding;
    this.#length = recordEnd + padding;
  }
}

function wholeBlocks(bytes: number): number {
  return Math.ceil(bytes / DIRECT_BLOCK_BYTES) * DIRECT_BLOCK_BYTES;
}

function writeVarint32(buffer: Buffer, at: number, value: number): number {
  let rest = value;
  let next = at;
  while (rest > 0x7f) {
    buffer[next++] = (rest & 0x7f) | 0x80;
    rest >>>= 7;
  }
  buffer[next++] = rest;
  return next;
}

/** A record's parts as positions in the buffer that was parsed. */
export class RecordView {
  type = 0;
  crc = 0;
  dataStart = 0;
  dataEnd = 0;
}

/**
 * The record length that a frame states; NaN when no etcd writes such a frame. `mayLackPadding`:
 * whether a frame of etcd 2 counts.
 */
export function frameRecordBytes(bytes: Uint8Array, at: number, mayLackPadding = false): number {
  const byte = (i: number): number => bytes[at + i] ?? 0;
  const low = (byte(0) | (byte(1) << 8) | (byte(2) << 16) | (byte(3) << 24)) >>> 0;
  const size = low + (byte(4) | (byte(5) << 8) | (byte(6) << 16)) * 2 ** 32;
  const padding = paddingOf(size);
  if (byte(7) === 0 && mayLackPadding) return size;
  return byte(7) === (padding === 0 ? 0 : 0x80 | padding) ? size : Number.NaN;
}

export function isPadded(bytes: Uint8Array, at: number): boolean {
  return bytes[at + FRAME_BYTES - 1] !== 0;
}

export function paddingOf(recordBytes: number): number {
  return (8 - (recordBytes % 8)) % 8;
}

/**
 * Parses the record in bytes[start, end) into `view`; returns what is wrong with it, or undefined.
 * Stricter than protobuf: exactly the three fields in order, as every etcd writes them. The type is
 * not covered by the checksum, so a flipped bit there must not turn one kind into another unseen.
 */
export function parseRecord(
  bytes: Uint8Array,
  start: number,
  end: number,
  view: RecordView,
): string | undefined {
  if (end - start < 4 || bytes[start] !== TAG_TYPE || bytes[start + 2] !== TAG_CRC) {
    return "wal: malformed record";
  }
  const type = bytes[start + 1] as number;
  let at = readVarint32(bytes, start + 3, end);
  if (at < 0) return "wal: malformed record";
  view.type = type;
  view.crc = varintValue;
  view.dataStart = end;
  view.dataEnd = end;
  if (at < end) {
    if (bytes[at] !== TAG_DATA) return "wal: malformed record";
    at = readVarint32(bytes, at + 1, end);
    if (at < 0 || varintValue !== end - at) return "wal: malformed record";
    view.dataStart = at;
    if (type === RecordType.crc) return "wal: malformed record";
  } else if (type !== RecordType.crc && type !== RecordType.metadata) {
    return type >= 1 && type <= 5 ? "wal: malformed record" : `unexpected block type ${type}`;
  }
  if (type < 1 || type > 5) return `unexpected block type ${type}`;
  return undefined;
}

/** Value of the last `readVarint32`. */
let varintValue = 0;

/** Returns the position behind the varint, or -1 when there is none of at most 32 bits. */
function readVarint32(bytes: Uint8Array, start: number, end: number): number {
  let value = 0;
  let at = start;
  for (let shift = 0; shift < 35 && at < end; shift += 7) {
    const byte = bytes[at++] as number;
    if (shift === 28 && byte > 0x0f) return -1;
    value |= (byte & 0x7f) << shift;
    if (byte < 0x80) {
      varintValue = value >>> 0;
      return at;
    }
  }
  return -1;
}

/** True when bytes[start, end) are all zero. */
export function isZero(bytes: Uint8Array, start: number, end: number): boolean {
  for (let at = start; at < end; at++) if (bytes[at] !== 0) return false;
  return true;
}
