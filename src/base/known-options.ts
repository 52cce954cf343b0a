/**
 * Options are objects, and a misspelt one would be dropped in silence where nothing checks types:
 * `{ datadir: "/data" }` would start a member in the default directory.
 */

/** The names of an options type; the compiler finds one that is missing or too many. */
export function optionNames<T>(names: Readonly<Record<keyof T, true>>): ReadonlySet<string> {
  return new Set(Object.keys(names));
}

/** Names that differ in so many letters are taken for the same, misspelt. */
const MAX_MISSPELT_LETTERS = 2;

/**
 * What is wrong with the names of `options`, with a hint at the right one; undefined if all are
 * known. `where` begins the sentence.
 */
export function unknownOption(
  where: string,
  options: object,
  known: ReadonlySet<string>,
): string | undefined {
  // Without a list of names: the options of each call are looked at.
  for (const name in options) if (!known.has(name)) return describe(where, name, known);
  return undefined;
}

function describe(where: string, unknown: string, known: ReadonlySet<string>): string {
  const meant = closestName(unknown, known);
  const hint = meant === undefined ? "" : `; did you mean ${JSON.stringify(meant)}?`;
  return `${where} has no option ${JSON.stringify(unknown)}${hint}`;
}

/** The one of `known` that was probably meant. */
export function closestName(name: string, known: Iterable<string>): string | undefined {
  let best: string | undefined;
  let bestDistance = MAX_MISSPELT_LETTERS + 1;
  for (const candidate of known) {
    const distance = lettersBetween(bare(name), bare(candidate));
    if (distance < bestDistance) {
      best = candidate;
      bestDistance = distance;
    }
  }
  return best;
}

/** `--data-dir`, `data_dir` and `dataDir` are one name. */
function bare(name: string): string {
  return name.replace(/[-_ ]/g, "").toLowerCase();
}

/** Letters to add, drop or change to make one of the other (Levenshtein's distance). */
function lettersBetween(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 0; i < a.length; i++) {
    const next = [i + 1];
    for (let j = 0; j < b.length; j++) {
      const changed = (row[j] ?? 0) + (a[i] === b[j] ? 0 : 1);
      next.push(Math.min(changed, (row[j + 1] ?? 0) + 1, (next[j] ?? 0) + 1));
    }
    row = next;
  }
  return row[b.length] ?? 0;
}
