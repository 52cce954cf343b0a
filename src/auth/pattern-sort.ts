/**
 * Sorts in place exactly as Go's `sort.Sort` does since Go 1.19, down to the order in which equal
 * items come to lie: a pattern-defeating quicksort (Orson Peters, 2021) with Go's constants.
 *
 * It is not stable, and etcd stores what comes out: the permissions of a role, of which several may
 * begin with the same key, would lie in other bytes, and the next grant would find another one.
 */

/** Up to so many items, insertion is all. */
const MAX_INSERTION_ITEMS = 12;
/** Less is not sampled. */
const MIN_SAMPLED_ITEMS = 8;
/** From here on, a pivot is a median of three medians, and few misplaced items are just moved. */
const MIN_LARGE_ITEMS = 50;
const MAX_MOVED_ITEMS = 5;
/** All comparisons of nine samples. */
const ALL_SWAPPED = 12;

export function sortAsGo<T>(items: T[], isLess: (one: T, other: T) => boolean): void {
  new PatternSort(items, isLess).sort(0, items.length, bitLength(items.length));
}

interface Pivot {
  readonly at: number;
  readonly hint: "increasing" | "decreasing" | "unknown";
}

class PatternSort<T> {
  readonly #items: T[];
  readonly #isLess: (one: T, other: T) => boolean;

  constructor(items: T[], isLess: (one: T, other: T) => boolean) {
    this.#items = items;
    this.#isLess = isLess;
  }

  /** Sorts [begin, end). Bad partitions are counted down from `patience`. */
  sort(begin: number, end: number, patience: number): void {
    let wasBalanced = true;
    let wasPartitioned = true;
    while (end - begin > MAX_INSERTION_ITEMS) {
      if (patience === 0) return this.#heapSort(begin, end);
      if (!wasBalanced) {
        this.#breakPatterns(begin, end);
        patience--;
      }
      let { at, hint } = this.#choosePivot(begin, end);
      if (hint === "decreasing") {
        this.#reverse(begin, end);
        at = end - 1 - (at - begin);
        hint = "increasing";
      }
      const looksSorted = wasBalanced && wasPartitioned && hint === "increasing";
      if (looksSorted && this.#moveFew(begin, end)) return;
      // Nothing is below the pivot: what equals it is in its place.
      if (begin > 0 && !this.#less(begin - 1, at)) {
        begin = this.#partitionEqual(begin, end, at);
        continue;
      }
      const { middle, wasDone } = this.#partition(begin, end, at);
      wasPartitioned = wasDone;
      const [left, right] = [middle - begin, end - middle];
      wasBalanced = Math.min(left, right) >= Math.floor((end - begin) / 8);
      if (left < right) {
        this.sort(begin, middle, patience);
        begin = middle + 1;
      } else {
        this.sort(middle + 1, end, patience);
        end = middle;
      }
    }
    for (let at = begin + 1; at < end; at++) this.#sink(at, begin);
  }

  #less(one: number, other: number): boolean {
    return this.#isLess(this.#items[one] as T, this.#items[other] as T);
  }

  #swap(one: number, other: number): void {
    const kept = this.#items[one] as T;
    this.#items[one] = this.#items[other] as T;
    this.#items[other] = kept;
  }

  /** Moves the item down to its place. */
  #sink(at: number, begin: number): void {
    for (; at > begin && this.#less(at, at - 1); at--) this.#swap(at, at - 1);
  }

  #choosePivot(begin: number, end: number): Pivot {
    const count = end - begin;
    const quarter = Math.floor(count / 4);
    const [low, middle, high] = [begin + quarter, begin + quarter * 2, begin + quarter * 3];
    if (count < MIN_SAMPLED_ITEMS) return { at: middle, hint: "increasing" };
    let swaps = 0;
    const ordered = (one: number, other: number): [number, number] => {
      if (!this.#less(other, one)) return [one, other];
      swaps++;
      return [other, one];
    };
    const median = (one: number, two: number, three: number): number => {
      [one, two] = ordered(one, two);
      [two, three] = ordered(two, three);
      [one, two] = ordered(one, two);
      return two;
    };
    const around = (at: number) => median(at - 1, at, at + 1);
    const at =
      count < MIN_LARGE_ITEMS
        ? median(low, middle, high)
        : median(around(low), around(middle), around(high));
    if (swaps === 0) return { at, hint: "increasing" };
    return { at, hint: swaps === ALL_SWAPPED ? "decreasing" : "unknown" };
  }

  /** True if a few moves have sorted it. */
  #moveFew(begin: number, end: number): boolean {
    let at = begin + 1;
    for (let moves = 0; moves < MAX_MOVED_ITEMS; moves++) {
      while (at < end && !this.#less(at, at - 1)) at++;
      if (at === end) return true;
      if (end - begin < MIN_LARGE_ITEMS) return false;
      this.#swap(at, at - 1);
      if (at - begin >= 2) this.#sink(at - 1, 0);
      for (let next = at + 1; next < end && this.#less(next, next - 1); next++) {
        this.#swap(next, next - 1);
      }
    }
    return false;
  }

  /** What is below the pivot goes to its left. */
  #partition(
    begin: number,
    end: number,
    pivot: number,
  ): { readonly middle: number; readonly wasDone: boolean } {
    this.#swap(begin, pivot);
    let [left, right] = [begin + 1, end - 1];
    for (let swaps = 0; ; swaps++) {
      while (left <= right && this.#less(left, begin)) left++;
      while (left <= right && !this.#less(right, begin)) right--;
      if (left > right) {
        this.#swap(right, begin);
        return { middle: right, wasDone: swaps === 0 };
      }
      this.#swap(left++, right--);
    }
  }

  /** What equals the pivot goes to the left; nothing is below it. Answers where the rest begins. */
  #partitionEqual(begin: number, end: number, pivot: number): number {
    this.#swap(begin, pivot);
    let [left, right] = [begin + 1, end - 1];
    for (;;) {
      while (left <= right && !this.#less(begin, left)) left++;
      while (left <= right && this.#less(begin, right)) right--;
      if (left > right) return left;
      this.#swap(left++, right--);
    }
  }

  /** Scatters three items about the middle, by a generator whose seed is the number of items. */
  #breakPatterns(begin: number, end: number): void {
    const count = end - begin;
    let random = BigInt(count);
    const next = (): bigint => {
      random ^= BigInt.asUintN(64, random << 13n);
      random ^= random >> 7n;
      random ^= BigInt.asUintN(64, random << 17n);
      return random;
    };
    const mask = (1n << BigInt(bitLength(count))) - 1n;
    const middle = begin + Math.floor(count / 4) * 2;
    for (let i = 0; i < 3; i++) {
      const drawn = Number(next() & mask);
      this.#swap(middle - 1 + i, begin + (drawn >= count ? drawn - count : drawn));
    }
  }

  #reverse(begin: number, end: number): void {
    for (let low = begin, high = end - 1; low < high; low++, high--) this.#swap(low, high);
  }

  #heapSort(begin: number, end: number): void {
    const count = end - begin;
    for (let root = Math.floor((count - 1) / 2); root >= 0; root--) this.#sift(root, count, begin);
    for (let last = count - 1; last >= 0; last--) {
      this.#swap(begin, begin + last);
      this.#sift(0, last, begin);
    }
  }

  #sift(root: number, count: number, begin: number): void {
    for (;;) {
      let child = 2 * root + 1;
      if (child >= count) return;
      if (child + 1 < count && this.#less(begin + child, begin + child + 1)) child++;
      if (!this.#less(begin + root, begin + child)) return;
      this.#swap(begin + root, begin + child);
      root = child;
    }
  }
}

/** How many binary digits a count has. */
function bitLength(count: number): number {
  return 32 - Math.clz32(count);
}
