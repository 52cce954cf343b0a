/** Ids of new traces and spans, from a pool of random bytes, and the choice of traces by their id. */
import type { Random } from "../env/random.ts";

const TRACE_ID_BYTES = 16;
const SPAN_ID_BYTES = 8;
const POOL_BYTES = 4096;
const MILLION = 1_000_000;
const TWO_31 = 2 ** 31;

export class SpanIDs {
  readonly #random: Random;
  readonly #pool = Buffer.alloc(POOL_BYTES);
  #at = POOL_BYTES;

  constructor(random: Random) {
    this.#random = random;
  }

  /**
   * Whether the trace that `newTraceID` would begin is one of so many in a million. Drawn anew each
   * time. By etcd's rule: the lower 63 bits but the last of the id, as a share; the upper 31 of them
   * are enough.
   */
  isNextTraceChosen(samplesPerMillion: number): boolean {
    this.#provide(TRACE_ID_BYTES);
    const share = this.#pool.readUInt32BE(this.#at + SPAN_ID_BYTES) >>> 1;
    const isChosen = share < (samplesPerMillion / MILLION) * TWO_31;
    if (!isChosen) this.#at += TRACE_ID_BYTES;
    return isChosen;
  }

  newTraceID(): Uint8Array {
    return this.#take(TRACE_ID_BYTES);
  }

  newSpanID(): Uint8Array {
    return this.#take(SPAN_ID_BYTES);
  }

  #take(bytes: number): Uint8Array {
    this.#provide(bytes);
    const at = this.#at;
    this.#at += bytes;
    return Uint8Array.prototype.slice.call(this.#pool, at, this.#at);
  }

  #provide(bytes: number): void {
    if (this.#at + bytes <= POOL_BYTES) return;
    this.#random.fill(this.#pool);
    this.#at = 0;
  }
}
