/**
 * What changed between two texts, line by line: the shortest script of lines taken out and put in
 * (Myers, "An O(ND) difference algorithm and its variations", 1986).
 */

export interface DiffLine {
  readonly kind: "same" | "removed" | "added";
  readonly text: string;
}

/** Texts that differ in more lines are one taken out and one put in: the search would take long. */
const MAX_CHANGED_LINES = 2000;

export function lineDiff(before: string, after: string): readonly DiffLine[] {
  const a = linesOf(before);
  const b = linesOf(after);
  const head = commonHead(a, b);
  const tail = commonTail(a.slice(head), b.slice(head));
  return [
    ...a.slice(0, head).map(same),
    ...middle(a.slice(head, a.length - tail), b.slice(head, b.length - tail)),
    ...a.slice(a.length - tail).map(same),
  ];
}

function linesOf(text: string): string[] {
  return text === "" ? [] : text.split("\n");
}

function same(text: string): DiffLine {
  return { kind: "same", text };
}

function commonHead(a: readonly string[], b: readonly string[]): number {
  let count = 0;
  while (count < a.length && count < b.length && a[count] === b[count]) count++;
  return count;
}

function commonTail(a: readonly string[], b: readonly string[]): number {
  return commonHead(a.toReversed(), b.toReversed());
}

function middle(a: readonly string[], b: readonly string[]): DiffLine[] {
  const steps = shortestPath(a, b);
  if (steps !== undefined) return linesOnPath(a, b, steps);
  return [
    ...a.map((text): DiffLine => ({ kind: "removed", text })),
    ...b.map((text): DiffLine => ({ kind: "added", text })),
  ];
}

/**
 * For each number of changed lines, how far each diagonal has come (in lines of `a`), until both
 * ends are reached. Undefined when that takes too many.
 */
function shortestPath(a: readonly string[], b: readonly string[]): Int32Array[] | undefined {
  const most = Math.min(a.length + b.length, MAX_CHANGED_LINES);
  const reached = new Int32Array(2 * most + 3);
  const middleAt = most + 1;
  const steps: Int32Array[] = [];
  for (let changes = 0; changes <= most; changes++) {
    steps.push(reached.slice(middleAt - changes - 1, middleAt + changes + 2));
    for (let k = -changes; k <= changes; k += 2) {
      let x = nextX(reached, middleAt, k, changes);
      while (x < a.length && x - k < b.length && a[x] === b[x - k]) x++;
      reached[middleAt + k] = x;
      if (x >= a.length && x - k >= b.length) return steps;
    }
  }
  return undefined;
}

/** From the neighbour that is further: down (a line of `b` is put in) or right (one of `a` is taken). */
function nextX(reached: Int32Array, middleAt: number, k: number, changes: number): number {
  const below = reached[middleAt + k - 1] ?? 0;
  const above = reached[middleAt + k + 1] ?? 0;
  return comesFromAbove(k, changes, below, above) ? above : below + 1;
}

function comesFromAbove(k: number, changes: number, below: number, above: number): boolean {
  return k === -changes || (k !== changes && below < above);
}

function linesOnPath(a: readonly string[], b: readonly string[], steps: Int32Array[]): DiffLine[] {
  const lines: DiffLine[] = [];
  let x = a.length;
  let y = b.length;
  for (let changes = steps.length - 1; changes >= 0; changes--) {
    const reached = steps[changes] as Int32Array;
    const k = x - y;
    const at = (diagonal: number): number => reached[diagonal + changes + 1] ?? 0;
    const isDown = comesFromAbove(k, changes, at(k - 1), at(k + 1));
    const fromK = isDown ? k + 1 : k - 1;
    const fromX = changes === 0 ? 0 : at(fromK);
    const fromY = changes === 0 ? 0 : fromX - fromK;
    while (x > fromX && y > fromY) {
      lines.push(same(a[--x] ?? ""));
      y--;
    }
    if (changes === 0) break;
    if (isDown) lines.push({ kind: "added", text: b[--y] ?? "" });
    else lines.push({ kind: "removed", text: a[--x] ?? "" });
  }
  return lines.reverse();
}

/** Only changed lines with `around` lines beside them; a number stands for lines that are left out. */
export function shortened(lines: readonly DiffLine[], around: number): (DiffLine | number)[] {
  const near = new Uint8Array(lines.length);
  for (const [i, { kind }] of lines.entries()) {
    if (kind === "same") continue;
    near.fill(1, Math.max(0, i - around), Math.min(lines.length, i + around + 1));
  }
  const out: (DiffLine | number)[] = [];
  for (const [i, line] of lines.entries()) {
    const last = out.at(-1);
    if (near[i] === 1) out.push(line);
    else if (typeof last === "number") out[out.length - 1] = last + 1;
    else out.push(1);
  }
  return out;
}
