/**
 * The body of a request that is passed on: a small one is held, so that another member can be tried
 * with it; of a large one only the beginning, the rest goes through as it comes.
 */
import type { HttpRequest } from "../../env/http.ts";

/** v2 requests are forms of a few hundred bytes; a value may have megabytes. */
const HELD_BODY_BYTES = 65_536;

export class RequestBody {
  readonly #chunks: AsyncIterator<Uint8Array>;
  #held: Uint8Array[] = [];
  /** All of it is held. */
  isWhole = false;
  /** Something was passed on that is held no more. */
  isSpent = false;

  constructor(request: HttpRequest) {
    this.#chunks = request.bodyChunks()[Symbol.asyncIterator]();
  }

  /** Reads the beginning. Rejects when the client does not send what it has announced. */
  async begin(): Promise<void> {
    let bytes = 0;
    while (bytes <= HELD_BODY_BYTES) {
      const { done, value } = await this.#chunks.next();
      if (done === true) {
        this.isWhole = true;
        return;
      }
      // It is only borrowed.
      this.#held.push(Uint8Array.from(value));
      bytes += value.length;
    }
  }

  get heldBytes(): number {
    return this.#held.reduce((sum, { length }) => sum + length, 0);
  }

  /** From the beginning, as often as wanted while it is whole; otherwise once. */
  async *read(): AsyncGenerator<Uint8Array, void, void> {
    yield* this.#held;
    if (this.isWhole) return;
    this.isSpent = true;
    this.#held = [];
    for (;;) {
      const { done, value } = await this.#chunks.next();
      if (done === true) return;
      yield value;
    }
  }
}
