/**
 * Request ids in etcd's layout: the high 16 bits are the low 16 bits of the member id, the low 48
 * bits start as 40 bits of Unix milliseconds followed by an 8-bit counter and are incremented as
 * one number. Ids of one member do not repeat over restarts as long as it makes fewer than 256
 * per millisecond on average, and the wall clock does not jump back.
 *
 * The halves are plain numbers, since one id is made per write.
 */
import type { MemberID } from "./ids.ts";

export interface RequestID {
  /** The low 48 bits. Unique within a member. */
  readonly low48: number;
  /** The high 16 bits. */
  readonly high16: number;
}

const TWO_48 = 2 ** 48;

export class RequestIDGenerator {
  /** The high 16 bits of every id of this generator. */
  readonly high16: number;
  #low48: number;

  constructor(memberID: MemberID, wallMs: number) {
    this.high16 = Number(memberID & 0xffffn);
    this.#low48 = (Math.floor(wallMs) % 2 ** 40) * 256;
  }

  next(): RequestID {
    this.#low48 = (this.#low48 + 1) % TWO_48;
    return { low48: this.#low48, high16: this.high16 };
  }
}

/** The whole 64-bit id. */
export function requestIDToBigInt(id: RequestID): bigint {
  return (BigInt(id.high16) << 48n) | BigInt(id.low48);
}

export function requestIDFromBigInt(id: bigint): RequestID {
  return { low48: Number(id & 0xffff_ffff_ffffn), high16: Number(id >> 48n) };
}

/** A lease id made from a request id: the same number as a positive int64. */
export function leaseIDFromRequestID(id: RequestID): bigint {
  return requestIDToBigInt(id) & 0x7fff_ffff_ffff_ffffn;
}
