/**
 * Deadlines of many calls on one timer. Calls whose deadlines fall into the same few milliseconds
 * share a bucket, an intrusive list, so that adding and removing a call costs a few assignments.
 */
import type { Clock, Timer } from "../../env/clock.ts";

/** Width of a bucket: a deadline fires at most this late. */
const BUCKET_MS = 8;

export interface DeadlineEntry {
  readonly deadlineMs: number;
  /** Owned by `Deadlines`. */
  deadlineBucket: DeadlineBucket | undefined;
  deadlinePrevious: DeadlineEntry | undefined;
  deadlineNext: DeadlineEntry | undefined;
  onDeadline(): void;
}

export interface DeadlineBucket {
  readonly key: number;
  first: DeadlineEntry | undefined;
}

export class Deadlines {
  readonly #clock: Clock;
  readonly #buckets = new Map<number, DeadlineBucket>();
  /** Binary min-heap of the keys of `#buckets`. */
  readonly #heap: number[] = [];
  #last: DeadlineBucket | undefined;
  #timer: Timer | undefined;
  #timerKey = Number.POSITIVE_INFINITY;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Watches an entry with a finite deadline; a passed one fires soon, never from inside. */
  add(entry: DeadlineEntry): void {
    const key = Math.ceil(entry.deadlineMs / BUCKET_MS);
    const bucket = this.#last?.key === key ? this.#last : this.#bucket(key);
    entry.deadlineBucket = bucket;
    entry.deadlineNext = bucket.first;
    if (bucket.first !== undefined) bucket.first.deadlinePrevious = entry;
    bucket.first = entry;
  }

  /** Harmless when the entry was not added or has fired. */
  remove(entry: DeadlineEntry): void {
    const bucket = entry.deadlineBucket;
    if (bucket === undefined) return;
    const { deadlinePrevious: previous, deadlineNext: next } = entry;
    if (previous === undefined) bucket.first = next;
    else previous.deadlineNext = next;
    if (next !== undefined) next.deadlinePrevious = previous;
    entry.deadlineBucket = undefined;
    entry.deadlinePrevious = undefined;
    entry.deadlineNext = undefined;
  }

  stop(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    this.#timerKey = Number.POSITIVE_INFINITY;
  }

  #bucket(key: number): DeadlineBucket {
    let bucket = this.#buckets.get(key);
    if (bucket === undefined) {
      bucket = { key, first: undefined };
      this.#buckets.set(key, bucket);
      this.#push(key);
      if (key < this.#timerKey) this.#arm(key);
    }
    this.#last = bucket;
    return bucket;
  }

  #arm(key: number): void {
    this.#timer?.cancel();
    this.#timerKey = key;
    const delayMs = Math.max(0, key * BUCKET_MS - this.#clock.nowMs());
    this.#timer = this.#clock.setTimer(delayMs, () => this.#fire());
  }

  #fire(): void {
    this.#timer = undefined;
    this.#timerKey = Number.POSITIVE_INFINITY;
    const now = Math.floor(this.#clock.nowMs() / BUCKET_MS);
    for (let key = this.#heap[0]; key !== undefined && key <= now; key = this.#heap[0]) {
      this.#pop();
      const bucket = this.#buckets.get(key);
      this.#buckets.delete(key);
      if (this.#last === bucket) this.#last = undefined;
      for (let entry = bucket?.first; entry !== undefined; entry = bucket?.first) {
        this.remove(entry);
        entry.onDeadline();
      }
    }
    const next = this.#heap[0];
    if (next !== undefined && next < this.#timerKey) this.#arm(next);
  }

  #push(key: number): void {
    const heap = this.#heap;
    let i = heap.length;
    heap.push(key);
    while (i > 0) {
      const parent = (i - 1) >> 1;
      if ((heap[parent] as number) <= key) break;
      heap[i] = heap[parent] as number;
      i = parent;
    }
    heap[i] = key;
  }

  #pop(): void {
    const heap = this.#heap;
    const key = heap.pop();
    if (key === undefined || heap.length === 0) return;
    let i = 0;
    for (;;) {
      let child = 2 * i + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && (heap[child + 1] as number) < (heap[child] as number)) child++;
      if ((heap[child] as number) >= key) break;
      heap[i] = heap[child] as number;
      i = child;
    }
    heap[i] = key;
  }
}
