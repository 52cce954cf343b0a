/**
 * Reads the records of one segment in order, checking frame, layout, padding and the checksum
 * chain. It judges nothing: `torn-tail.ts` decides what a failure means.
 *
 * The data of a record is borrowed from a chunk. Where entries are kept a chunk is never
 * overwritten, and small, so that a kept entry holds little else alive. Who only checks them lets
 * all chunks be read to the same bytes, which stay in the processor's cache.
 */
import { crc32cRange } from "../base/crc32c.ts";
import type { DiskFile } from "../env/disk.ts";
import { CRC_MISMATCH } from "./errors.ts";
import {
  FRAME_BYTES,
  frameRecordBytes,
  isPadded,
  isZero,
  paddingOf,
  parseRecord,
  RecordType,
  RecordView,
} from "./record.ts";

const CHUNK_BYTES = 1024 * 1024;
const BORROWED_CHUNK_BYTES = 256 * 1024;
/** Far above what a member accepts as a request; a larger frame is damage, not a record. */
const MAX_RECORD_BYTES = 1024 * 1024 * 1024;

export type ReadResult =
  /** A record is in `record`, its data in `chunk`. */
  | "record"
  /** A zero frame or the end of the file at `offset`. */
  | "end"
  /** The record at `offset` cannot be trusted; `problem` says why. */
  | "damaged";

export class SegmentReader {
  readonly file: DiskFile;
  readonly fileBytes: number;
  /** File offset behind the last good record. */
  offset = 0;
  /** File offset of the record in `record`. */
  recordOffset = 0;
  readonly record = new RecordView();
  chunk: Buffer = Buffer.alloc(0);
  /** Running CRC after the last good record. */
  crc: number;
  problem = "";
  /** Position in `chunk` of file offset `offset`. */
  #at = 0;
  #filled = 0;

  /**
   * True until a padded record was read: etcd 2 wrote without, later releases go on in its segment.
   * A later frame without padding is damage.
   */
  #mayLackPadding = true;

  /** False while the running CRC is whatever the first record says. */
  #crcKnown: boolean;

  /** Set when the bytes of a record are valid until the next one only. */
  readonly #isBorrowed: boolean;

  /** `crc`: running CRC at the end of the segment before; undefined when that is not read. */
  constructor(file: DiskFile, crc: number | undefined, data: "kept" | "borrowed" = "kept") {
    this.file = file;
    this.#isBorrowed = data === "borrowed";
    this.fileBytes = file.size();
    this.crc = crc ?? 0;
    this.#crcKnown = crc !== undefined;
  }

  next(): ReadResult {
    if (!this.#fill(FRAME_BYTES)) {
      if (isZero(this.chunk, this.#at, this.#filled)) return "end";
      return this.#damaged("unexpected EOF");
    }
    const at = this.#at;
    if (isZero(this.chunk, at, at + FRAME_BYTES)) return "end";
    const recordBytes = frameRecordBytes(this.chunk, at, this.#mayLackPadding);
    if (Number.isNaN(recordBytes)) return this.#damaged("wal: malformed frame");
    if (recordBytes > MAX_RECORD_BYTES) return this.#damaged("wal: record too large");
    const padding = isPadded(this.chunk, at) ? paddingOf(recordBytes) : 0;
    const total = FRAME_BYTES + recordBytes + padding;
    if (total > this.fileBytes - this.offset) return this.#damaged("unexpected EOF");
    if (!this.#fill(total)) return this.#damaged("unexpected EOF");
    return this.#parse(recordBytes, total);
  }

  #parse(recordBytes: number, total: number): ReadResult {
    const { chunk, record } = this;
    const start = this.#at + FRAME_BYTES;
    const end = start + recordBytes;
    const problem = parseRecord(chunk, start, end, record);
    if (problem !== undefined) return this.#damaged(problem);
    if (record.type === RecordType.crc) {
      if (this.#crcKnown && record.crc !== this.crc) return this.#damaged(CRC_MISMATCH);
      this.#crcKnown = true;
    } else {
      const crc = crc32cRange(chunk, record.dataStart, record.dataEnd, this.crc);
      if (crc !== record.crc) {
        const expected = `expected: ${record.crc.toString(16)} computed: ${crc.toString(16)}`;
        return this.#damaged(`${CRC_MISMATCH}: ${expected}`);
      }
    }
    if (!isZero(chunk, end, this.#at + total)) return this.#damaged("wal: non-zero padding");
    if (total > FRAME_BYTES + recordBytes) this.#mayLackPadding = false;
    this.crc = record.crc;
    this.recordOffset = this.offset;
    this.#at += total;
    this.offset += total;
    return "record";
  }

  #damaged(problem: string): "damaged" {
    this.problem = problem;
    return "damaged";
  }

  /** Makes `count` bytes from `#at` on available in `chunk`; false at the end of the file. */
  #fill(count: number): boolean {
    if (this.#filled - this.#at >= count) return true;
    const left = this.#filled - this.#at;
    const chunkBytes = this.#isBorrowed ? BORROWED_CHUNK_BYTES : CHUNK_BYTES;
    const bytes = Math.min(Math.max(count, chunkBytes), this.fileBytes - this.offset);
    const isReused = this.#isBorrowed && this.chunk.length >= bytes;
    const target = isReused ? this.chunk : Buffer.allocUnsafeSlow(bytes);
    this.chunk.copy(target, 0, this.#at, this.#filled);
    const got = this.file.readSync(target.subarray(left, bytes), this.offset + left);
    this.chunk = target;
    this.#at = 0;
    this.#filled = left + got;
    return this.#filled >= count;
  }
}
