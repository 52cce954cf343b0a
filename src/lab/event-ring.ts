/** The newest of what happened, in bounded memory. */
export class EventRing<T> {
  readonly #limit: number;
  #events: T[] = [];
  #missed = 0;

  constructor(limit: number) {
    this.#limit = limit;
  }

  get isEmpty(): boolean {
    return this.#events.length === 0;
  }

  push(event: T): void {
    // Removed by halves, so that most additions move nothing.
    if (this.#events.length === this.#limit) {
      const half = Math.ceil(this.#limit / 2);
      this.#events.splice(0, half);
      this.#missed += half;
    }
    this.#events.push(event);
  }

  /** All of it, oldest first, and how many were lost since the last time. */
  take(): { readonly events: readonly T[]; readonly missed: number } {
    const taken = { events: this.#events, missed: this.#missed };
    this.#events = [];
    this.#missed = 0;
    return taken;
  }
}
