/**
 * Connections with output, flushed together: at the end of the current stretch of code, or, when a
 * batch of calls is due at the end of the turn anyway, together with its answers.
 */
export interface Flushable {
  flush(): void;
}

/** A connection that has had its share of this turn of the loop, and goes on in the next. */
export interface TakesTurns {
  nextTurn(): void;
}

export class FlushQueue {
  /** A flush at the end of the turn is certain; no earlier one is needed. */
  deferred = false;
  #marked: Flushable[] = [];
  #later: Flushable[] = [];
  readonly #run = (): void => this.run();
  readonly #runLater = (): void => {
    const later = this.#later;
    this.#later = [];
    for (const item of later) item.flush();
  };

  #resting: TakesTurns[] = [];
  readonly #runResting = (): void => {
    const resting = this.#resting;
    this.#resting = [];
    for (const item of resting) item.nextTurn();
  };

  mark(item: Flushable): void {
    if (this.#marked.push(item) === 1 && !this.deferred) queueMicrotask(this.#run);
  }

  /** In the next turn, after others have had theirs. */
  markLater(item: Flushable): void {
    if (this.#later.push(item) === 1) setImmediate(this.#runLater);
  }

  /** Calls `nextTurn` in the next turn, after others have had theirs. */
  rest(item: TakesTurns): void {
    if (this.#resting.push(item) === 1) setImmediate(this.#runResting);
  }

  run(): void {
    const marked = this.#marked;
    if (marked.length === 0) return;
    this.#marked = [];
    for (let i = 0; i < marked.length; i++) (marked[i] as Flushable).flush();
  }
}
