/** A largest size or count is named once, and a comment gives its reason. */
import { limitsOf } from "./limits-page.ts";
import type { SourceText } from "./source-text.ts";
import { isTestFile } from "./tidy-layers.ts";

const LARGEST = /^(?:DEFAULT_)?MAX_/;

/** Names of different limits that have one value by chance. Must stay exact. */
const SAME_BY_CHANCE: ReadonlySet<string> = new Set(["MAX_ANSWER_BYTES", "MAX_SHOWN_BYTES"]);

export interface LimitProblem {
  readonly path: string;
  readonly line: number;
  readonly text: string;
}

export function limitProblems(
  sources: readonly SourceText[],
  sameByChance: ReadonlySet<string> = SAME_BY_CHANCE,
): LimitProblem[] {
  const problems: LimitProblem[] = [];
  const firstPath = new Map<string, string>();
  const met = new Set<string>();
  for (const { path, raw } of sources) {
    if (!path.startsWith("src/") || isTestFile(path)) continue;
    for (const { name, value, meaning } of limitsOf(raw)) {
      if (!LARGEST.test(name)) continue;
      const report = (text: string) => {
        const line = raw.split("\n").findIndex((row) => row.includes(`const ${name}`)) + 1;
        problems.push({ path, line, text });
      };
      if (meaning === "") report(`${name} has no comment with its reason`);
      const first = firstPath.get(`${name} ${value}`);
      if (first === undefined) firstPath.set(`${name} ${value}`, path);
      else if (sameByChance.has(name)) met.add(name);
      else report(`${name} stands in ${first} too, with the same value`);
    }
  }
  for (const name of sameByChance) {
    if (met.has(name)) continue;
    const text = `${name} stands in one file only: take it from SAME_BY_CHANCE`;
    problems.push({ path: "tools/tidy-limits.ts", line: 1, text });
  }
  return problems;
}
