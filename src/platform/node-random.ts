/** `Random` on the system's generator; fit for tokens. */
import { randomFillSync } from "node:crypto";
import { assert } from "../base/assert.ts";
import type { Random } from "../env/random.ts";

/** `Random` promises bounds up to this. */
const MAX_BOUND = 2 ** 31;
/** Random words are drawn in blocks: one call of the generator costs about a microsecond. */
const BLOCK_WORDS = 256;

export class NodeRandom implements Random {
  readonly #block = new Uint32Array(BLOCK_WORDS);
  #used = BLOCK_WORDS;

  below(bound: number): number {
    assert(Number.isInteger(bound) && bound >= 1 && bound <= MAX_BOUND, `random bound ${bound}`);
    // Words in the last, incomplete run of `bound` are drawn again: the result stays uniform.
    const limit = 2 ** 32 - (2 ** 32 % bound);
    for (;;) {
      const word = this.#word();
      if (word < limit) return word % bound;
    }
  }

  fill(target: Uint8Array): Uint8Array {
    randomFillSync(target);
    return target;
  }

  #word(): number {
    if (this.#used === BLOCK_WORDS) {
      randomFillSync(this.#block);
      this.#used = 0;
    }
    return this.#block[this.#used++] ?? 0;
  }
}
