/**
 * Long work in slices. Whoever does the work counts it in units of about one record looked at,
 * read or written, and pauses when the slice is used up; whoever drives it decides when it goes on.
 * Units, not milliseconds, so that the same work pauses at the same places everywhere.
 */

/**
 * Work that pauses at each `yield` and ends with a result. Who drives it refills the slice before
 * it goes on.
 */
export type Steps<T> = Generator<void, T>;

/** What may be done before the next pause. May be shared by several works that run in turn. */
export class Slice {
  readonly size: number;
  /** Units left; at or below zero the work should pause. */
  left: number;

  constructor(size: number) {
    this.size = size;
    this.left = size;
  }

  get isUsedUp(): boolean {
    return this.left <= 0;
  }

  refill(): void {
    this.left = this.size;
  }
}

/** Bytes that cost as much to carry about as a record costs to find. */
const BYTES_PER_UNIT = 2048;

/** What the size of a record adds to its cost. */
export function unitsOfBytes(bytes: number): number {
  return Math.floor(bytes / BYTES_PER_UNIT);
}

/** Never used up: for work that is known to be small, or that has the loop for itself. */
export const ENDLESS: Slice = new Slice(Number.POSITIVE_INFINITY);

/** Work that pauses after each `units`, as work that pauses only when the slice is used up. */
export function* charge<T>(steps: Steps<T>, units: number, slice: Slice): Steps<T> {
  for (;;) {
    const step = steps.next();
    if (step.done === true) return step.value;
    slice.left -= units;
    if (slice.isUsedUp) yield;
  }
}

/** Runs the work to its end, without a pause. */
export function finish<T>(steps: Steps<T>): T {
  for (;;) {
    const step = steps.next();
    if (step.done === true) return step.value;
  }
}
