/**
 * What one connection may have done for it before others get a turn. Input beyond that waits here;
 * the owner of the connection then reads no more, and comes back in the next turn of the loop.
 */
export class InputTurn {
  readonly #limit: number;
  #cost = 0;
  readonly #held: Buffer[] = [];

  constructor(limit: number) {
    this.#limit = limit;
  }

  charge(cost: number): void {
    this.#cost += cost;
  }

  get spent(): boolean {
    return this.#cost >= this.#limit;
  }

  /** Something waits. */
  get holds(): boolean {
    return this.#held.length > 0;
  }

  hold(chunk: Buffer): void {
    this.#held.push(chunk);
  }

  /** Begins the next turn; the chunks that waited, in order. */
  next(): Buffer[] {
    this.#cost = 0;
    return this.#held.splice(0);
  }
}
