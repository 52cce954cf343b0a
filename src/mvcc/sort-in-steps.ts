/**
 * Sorting of many strings without holding the event loop: runs of `itemsPerStep` are sorted
 * natively, then merged pairwise, with a pause after each piece of work.
 */

/** Returns the strings in ascending order. Uses `items` as working space. */
export function* sortInSteps(items: string[], itemsPerStep: number): Generator<void, string[]> {
  if (items.length <= itemsPerStep) return items.sort();
  let runs: string[][] = [];
  for (let start = 0; start < items.length; start += itemsPerStep) {
    runs.push(items.slice(start, start + itemsPerStep).sort());
    yield;
  }
  items.length = 0;
  while (runs.length > 1) {
    const merged: string[][] = [];
    for (let i = 0; i < runs.length; i += 2) {
      const left = runs[i] as string[];
      const right = runs[i + 1];
      merged.push(right === undefined ? left : yield* merge(left, right, itemsPerStep));
    }
    runs = merged;
  }
  return runs[0] as string[];
}

function* merge(left: string[], right: string[], itemsPerStep: number): Generator<void, string[]> {
  if ((left.at(-1) as string) <= (right[0] as string)) return left.concat(right);
  const result: string[] = [];
  let i = 0;
  let j = 0;
  while (i < left.length || j < right.length) {
    const takeLeft =
      j >= right.length || (i < left.length && (left[i] as string) <= (right[j] as string));
    result.push((takeLeft ? left[i++] : right[j++]) as string);
    if (result.length % itemsPerStep === 0) yield;
  }
  return result;
}
