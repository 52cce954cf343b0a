/**
 * The body of a request, under watch: it fails when it does not move for a while, and when its
 * handler is stopped. One timer per body, not per chunk, so the wait is one to two periods.
 */
import type { Clock, Timer } from "../../env/clock.ts";
import { HttpBodyTooLarge } from "../../env/http.ts";

export class GuardedBody implements AsyncIterableIterator<Uint8Array> {
  readonly #chunks: AsyncIterator<Uint8Array>;
  readonly #clock: Clock;
  readonly #stallMs: number;
  #timer: Timer | undefined;
  #error: Error | undefined;
  /** Of the `next` that waits. */
  #reject: ((error: Error) => void) | undefined;
  /** Whether that `next` has waited since the timer was set. */
  #waitedWhole = false;
  #bytes = 0;

  constructor(chunks: AsyncIterable<Uint8Array>, clock: Clock, stallMs: number) {
    this.#chunks = chunks[Symbol.asyncIterator]();
    this.#clock = clock;
    this.#stallMs = stallMs;
    this.#arm();
  }

  /** Bytes handed out so far. */
  get bytes(): number {
    return this.#bytes;
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  next(): Promise<IteratorResult<Uint8Array>> {
    if (this.#error !== undefined) return Promise.reject(this.#error);
    return new Promise((resolve, reject) => {
      this.#reject = reject;
      this.#waitedWhole = false;
      this.#chunks.next().then(
        (result) => {
          this.#reject = undefined;
          if (result.done === true) this.#end();
          else this.#bytes += result.value.length;
          resolve(result);
        },
        (error: Error) => {
          this.fail(error);
        },
      );
    });
  }

  /** The reader wants no more. */
  async return(): Promise<IteratorResult<Uint8Array>> {
    this.#end();
    return { done: true, value: undefined };
  }

  /** Ends the body with an error, for the `next` that waits and all later ones. */
  fail(error: Error): void {
    this.#end();
    this.#error ??= error;
    const reject = this.#reject;
    this.#reject = undefined;
    reject?.(this.#error);
  }

  /** Rejects with `HttpBodyTooLarge` before more than the limit is held. */
  async readAll(limitBytes: number): Promise<Buffer> {
    const parts: Uint8Array[] = [];
    for await (const chunk of this) {
      if (this.#bytes > limitBytes) throw new HttpBodyTooLarge(limitBytes);
      parts.push(chunk);
    }
    return Buffer.concat(parts);
  }

  #arm(): void {
    this.#timer = this.#clock.setTimer(this.#stallMs, () => {
      if (this.#reject !== undefined && this.#waitedWhole) {
        this.fail(new Error("read: i/o timeout"));
        return;
      }
      this.#waitedWhole = true;
      this.#arm();
    });
  }

  #end(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
  }
}
