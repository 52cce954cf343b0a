/**
 * Puts many strings in order without holding the event loop, and tells where each one was: short
 * runs by insertion, then merged pairwise, with a pause after each piece of work. What is in order
 * already costs one comparison per string and run.
 */

/** Sorted by insertion; longer runs compare more than merging does. */
const RUN = 16;

/**
 * The indexes of `keys`, in ascending order of their keys by code units; equal ones stay in their
 * order. Pauses after about each `itemsPerStep`. `keys` must not change meanwhile.
 */
export function* orderInSteps(
  keys: readonly string[],
  itemsPerStep: number,
): Generator<void, Uint32Array> {
  const count = keys.length;
  let from: Uint32Array = new Uint32Array(count);
  let to: Uint32Array = new Uint32Array(count);
  let budget = itemsPerStep;
  for (let start = 0; start < count; start += RUN) {
    sortRun(keys, from, start, Math.min(count, start + RUN));
    budget -= RUN;
    if (budget > 0) continue;
    budget = itemsPerStep;
    yield;
  }
  for (let width = RUN; width < count; width *= 2) {
    for (let start = 0; start < count; start += 2 * width) {
      const merge = new Merge(keys, from, to, start, width);
      while (!merge.step(budget)) {
        budget = itemsPerStep;
        yield;
      }
      budget = Math.max(1, budget - 2 * width);
    }
    const merged = to;
    to = from;
    from = merged;
  }
  return from;
}

/** Fills order[start, end) with its own positions, then sorts it. */
function sortRun(keys: readonly string[], order: Uint32Array, start: number, end: number): void {
  for (let i = start; i < end; i++) {
    const key = keys[i] as string;
    let at = i;
    while (at > start && key < (keys[order[at - 1] as number] as string)) {
      order[at] = order[at - 1] as number;
      at--;
    }
    order[at] = i;
  }
}

/** Merges two neighbouring runs of `from` into the same place of `to`. */
class Merge {
  readonly #keys: readonly string[];
  readonly #from: Uint32Array;
  readonly #to: Uint32Array;
  readonly #middle: number;
  readonly #end: number;
  #left: number;
  #right: number;
  #at: number;

  constructor(
    keys: readonly string[],
    from: Uint32Array,
    to: Uint32Array,
    start: number,
    width: number,
  ) {
    this.#keys = keys;
    this.#from = from;
    this.#to = to;
    this.#middle = Math.min(from.length, start + width);
    this.#end = Math.min(from.length, start + 2 * width);
    this.#left = start;
    this.#right = this.#middle;
    this.#at = start;
  }

  /** Takes up to `count` items over by comparing; true when all are there. */
  step(count: number): boolean {
    if (this.#left === this.#middle || this.#right === this.#end || this.#isOrdered()) {
      this.#takeRest();
      return true;
    }
    const keys = this.#keys;
    const from = this.#from;
    const to = this.#to;
    let left = this.#left;
    let right = this.#right;
    let at = this.#at;
    const stop = Math.min(this.#end, at + count);
    let leftKey = keys[from[left] as number] as string;
    let rightKey = keys[from[right] as number] as string;
    while (at < stop) {
      if (leftKey <= rightKey) {
        to[at++] = from[left++] as number;
        if (left === this.#middle) break;
        leftKey = keys[from[left] as number] as string;
      } else {
        to[at++] = from[right++] as number;
        if (right === this.#end) break;
        rightKey = keys[from[right] as number] as string;
      }
    }
    this.#left = left;
    this.#right = right;
    this.#at = at;
    if (left < this.#middle && right < this.#end) return false;
    this.#takeRest();
    return true;
  }

  /** All that is left of the first run comes before what is left of the second. */
  #isOrdered(): boolean {
    const last = this.#keys[this.#from[this.#middle - 1] as number] as string;
    return last <= (this.#keys[this.#from[this.#right] as number] as string);
  }

  #takeRest(): void {
    const rest = this.#middle - this.#left;
    this.#to.set(this.#from.subarray(this.#left, this.#middle), this.#at);
    this.#to.set(this.#from.subarray(this.#right, this.#end), this.#at + rest);
    this.#left = this.#middle;
    this.#right = this.#end;
    this.#at = this.#end;
  }
}
