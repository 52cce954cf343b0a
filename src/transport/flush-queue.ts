/**
 * Connections with output, flushed together: at the end of the current stretch of code, or, when a
 * batch of calls is due at the end of the turn anyway, together with its answers.
 */
export interface Flushable {
  flush(): void;
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

  mark(item: Flushable): void {
    if (this.#marked.push(item) === 1 && !this.deferred) queueMicrotask(this.#run);
  }

  /** In the next turn, after others have had theirs. */
  markLater(item: Flushable): void {
    if (this.#later.push(item) === 1) setImmediate(this.#runLater);
  }

  run(): void {
    const marked = this.#marked;
    if (marked.length === 0) return;
    this.#marked = [];
    for (let i = 0; i < marked.length; i++) (marked[i] as Flushable).flush();
  }
}
