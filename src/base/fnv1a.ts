/**
 * FNV-1a with 64 bits (Fowler, Noll, Vo), the checksum of bbolt meta pages. The state is two
 * unsigned 32-bit halves; the prime 2^40 + 0x1b3 makes the product two small multiplications.
 */

/** An unsigned 64-bit number in halves. */
export interface Halves64 {
  readonly hi: number;
  readonly lo: number;
}

const OFFSET_BASIS_HI = 0xcbf29ce4;
const OFFSET_BASIS_LO = 0x84222325;
const PRIME_LOW = 0x1b3;

/** Hash of data[start, end). */
export function fnv1a64(data: Uint8Array, start = 0, end: number = data.length): Halves64 {
  let hi = OFFSET_BASIS_HI;
  let lo = OFFSET_BASIS_LO;
  for (let at = start; at < end; at++) {
    lo = (lo ^ (data[at] as number)) >>> 0;
    const lowProduct = lo * PRIME_LOW;
    hi = (hi * PRIME_LOW + Math.floor(lowProduct / 0x1_0000_0000) + lo * 0x100) % 0x1_0000_0000;
    lo = lowProduct >>> 0;
  }
  return { hi, lo };
}
