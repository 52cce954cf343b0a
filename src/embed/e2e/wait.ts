/** Waiting in tests: always for something that happens, with a deadline instead of a hang. */
import { PATIENCE_MS } from "../../base/testing/patience.ts";

const POLL_INTERVAL_MS = 5;

/** Rejects, naming `what`, when `promise` takes too long. */
export async function within<T>(
  promise: Promise<T>,
  what: string,
  timeoutMs: number = PATIENCE_MS,
): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(new Error(`still waiting for ${what}`)), timeoutMs);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** Resolves with the first result that is not undefined or false. */
export async function until<T>(
  condition: () => T | undefined | false | Promise<T | undefined | false>,
  what: string,
  timeoutMs: number = PATIENCE_MS,
): Promise<T> {
  const deadline = performance.now() + timeoutMs;
  for (;;) {
    const result = await condition();
    if (result !== undefined && result !== false) return result;
    if (performance.now() > deadline) throw new Error(`still waiting for ${what}`);
    await new Promise((resolve) => setTimeout(resolve, POLL_INTERVAL_MS));
  }
}

/** Messages in order of arrival, to be awaited one by one. */
export class Inbox<T> {
  readonly #name: string;
  readonly #waiting: { resolve: (item: T) => void; reject: (error: Error) => void }[] = [];
  #items: T[] = [];
  #end: Error | undefined;

  constructor(name: string) {
    this.#name = name;
  }

  get size(): number {
    return this.#items.length;
  }

  push(item: T): void {
    const waiter = this.#waiting.shift();
    if (waiter === undefined) this.#items.push(item);
    else waiter.resolve(item);
  }

  /** Nothing more will come: whoever waits is told why. */
  end(error: Error): void {
    this.#end = error;
    for (const waiter of this.#waiting.splice(0)) waiter.reject(error);
  }

  next(timeoutMs?: number): Promise<T> {
    const item = this.#items.shift();
    if (item !== undefined) return Promise.resolve(item);
    if (this.#end !== undefined) return Promise.reject(this.#end);
    const arrival = new Promise<T>((resolve, reject) => this.#waiting.push({ resolve, reject }));
    return within(arrival, `a message of ${this.#name}`, timeoutMs);
  }

  /** Everything that has arrived. */
  drain(): T[] {
    const items = this.#items;
    this.#items = [];
    return items;
  }
}
