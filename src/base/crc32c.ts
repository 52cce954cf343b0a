/**
 * CRC-32C (Castagnoli, reflected polynomial 0x82f63b78), the checksum of WAL records, snapshot
 * files and HashKV. Slicing-by-8 (Kounavis and Berry, 2005): eight bytes per step, eight tables.
 * Long data is shortened first. Check value: crc32c of "123456789" is 0xe3069283.
 */

import { Crc32cFolder } from "./crc32c-fold.ts";

const POLYNOMIAL = 0x82f63b78;

/** Row k (256 entries at 256 * k) advances a byte through k further zero bytes. */
const TABLE = buildTables();

function buildTables(): Int32Array {
  const table = new Int32Array(8 * 256);
  // The row of a sum of bytes is the sum of their rows, so that only single bits are divided.
  let crc = 1;
  for (let bit = 128; bit > 0; bit >>>= 1) {
    crc = crc & 1 ? (crc >>> 1) ^ POLYNOMIAL : crc >>> 1;
    for (let byte = 0; byte < 256; byte += 2 * bit) {
      table[bit + byte] = crc ^ (table[byte] as number);
    }
  }
  for (let index = 256; index < table.length; index++) {
    const shorter = table[index - 256] as number;
    table[index] = (shorter >>> 8) ^ (table[shorter & 0xff] as number);
  }
  return table;
}

/**
 * Checksum of `data` as an unsigned 32-bit number. `previous` is the checksum of the bytes before
 * it, so that crc32c(b, crc32c(a)) equals crc32c(a followed by b).
 */
export function crc32c(data: Uint8Array, previous = 0): number {
  return crc32cRange(data, 0, data.length, previous);
}

/** From here on shortening costs less than the tables; measured. */
const FOLDED_BYTES = 8 * 1024;

/** Made with the first long data; null where it cannot be. */
let folder: Crc32cFolder | null | undefined;

/** As `crc32c`, for data[start, end) without a subarray. */
export function crc32cRange(data: Uint8Array, start: number, end: number, previous = 0): number {
  if (end - start >= FOLDED_BYTES) {
    if (folder === undefined) folder = Crc32cFolder.create() ?? null;
    if (folder !== null) {
      const short = folder.shorten(data, start, end, ~previous);
      return ~advance(0, short, 0, short.length) >>> 0;
    }
  }
  return ~advance(~previous, data, start, end) >>> 0;
}

/** The register after data[start, end). */
function advance(register: number, data: Uint8Array, start: number, end: number): number {
  const table = TABLE;
  let crc = register;
  let at = start;
  for (const lastBlock = end - 8; at <= lastBlock; at += 8) {
    crc ^=
      (data[at] as number) |
      ((data[at + 1] as number) << 8) |
      ((data[at + 2] as number) << 16) |
      ((data[at + 3] as number) << 24);
    crc =
      (table[1792 + (crc & 0xff)] as number) ^
      (table[1536 + ((crc >>> 8) & 0xff)] as number) ^
      (table[1280 + ((crc >>> 16) & 0xff)] as number) ^
      (table[1024 + (crc >>> 24)] as number) ^
      (table[768 + (data[at + 4] as number)] as number) ^
      (table[512 + (data[at + 5] as number)] as number) ^
      (table[256 + (data[at + 6] as number)] as number) ^
      (table[data[at + 7] as number] as number);
  }
  for (; at < end; at++) {
    crc = (table[(crc ^ (data[at] as number)) & 0xff] as number) ^ (crc >>> 8);
  }
  return crc;
}
