/**
 * Sorting of many items without holding the event loop: runs of `itemsPerStep` are sorted
 * natively, then merged pairwise, with a pause after each piece of work. The order is stable.
 */

export type Compare<T> = (a: T, b: T) => number;

/**
 * Returns the items in ascending order; strings, as without `compare`, by their code units. Uses
 * `items` as working space.
 */
export function sortInSteps(items: string[], itemsPerStep: number): Generator<void, string[]>;
export function sortInSteps<T>(
  items: T[],
  itemsPerStep: number,
  compare: Compare<T>,
): Generator<void, T[]>;
export function* sortInSteps<T>(
  items: T[],
  itemsPerStep: number,
  compare?: Compare<T>,
): Generator<void, T[]> {
  if (items.length <= itemsPerStep) return items.sort(compare);
  const isOrdered: (a: T, b: T) => boolean =
    compare === undefined ? (a, b) => a <= b : (a, b) => compare(a, b) <= 0;
  let runs: T[][] = [];
  for (let start = 0; start < items.length; start += itemsPerStep) {
    runs.push(items.slice(start, start + itemsPerStep).sort(compare));
    yield;
  }
  items.length = 0;
  while (runs.length > 1) {
    const merged: T[][] = [];
    for (let i = 0; i < runs.length; i += 2) {
      const left = runs[i] as T[];
      const right = runs[i + 1];
      const merging =
        right === undefined ? left : yield* merge(left, right, itemsPerStep, isOrdered);
      merged.push(merging);
    }
    runs = merged;
  }
  return runs[0] as T[];
}

function* merge<T>(
  left: T[],
  right: T[],
  itemsPerStep: number,
  isOrdered: (a: T, b: T) => boolean,
): Generator<void, T[]> {
  if (isOrdered(left.at(-1) as T, right[0] as T)) return left.concat(right);
  const result: T[] = [];
  let i = 0;
  let j = 0;
  while (i < left.length || j < right.length) {
    const takeLeft =
      j >= right.length || (i < left.length && isOrdered(left[i] as T, right[j] as T));
    result.push((takeLeft ? left[i++] : right[j++]) as T);
    if (result.length % itemsPerStep === 0) yield;
  }
  return result;
}
