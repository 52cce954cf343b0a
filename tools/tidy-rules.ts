/** The rules of style that one file must keep by itself. */
import type { SourceText } from "./source-text.ts";
import { lineAt } from "./source-text.ts";
import { isTestFile } from "./tidy-layers.ts";

/** Longer files hide their structure. */
const MAX_FILE_LINES = 800;
const MAX_LINE_WIDTH = 100;
/** The formatter leaves comments as they are; a word may hang over. */
const MAX_COMMENT_WIDTH = 105;
/** Functions over this are listed in the report; state machines may have reasons. */
export const LONG_FUNCTION_LINES = 60;

export interface RuleProblem {
  readonly line: number;
  readonly text: string;
}

interface Pattern {
  readonly pattern: RegExp;
  readonly text: string;
  /** Where to look: the code alone, or comments and texts too. */
  readonly where: "code" | "raw";
  readonly inTests: boolean;
}

const PATTERNS: readonly Pattern[] = [
  { pattern: /\bas any\b|:\s*any\b|<any>|\bany\[\]/g, text: "`any`", where: "code", inTests: true },
  { pattern: /@ts-(?:ignore|nocheck)/g, text: "a silenced compiler", where: "raw", inTests: true },
  { pattern: /\bexport default\b/g, text: "a default export", where: "code", inTests: true },
  {
    pattern: /^\s*(?:export )?(?:const )?enum \w/gm,
    text: "an enum",
    where: "code",
    inTests: true,
  },
  { pattern: /^\s*(?:export )?namespace \w/gm, text: "a namespace", where: "code", inTests: true },
  {
    pattern: /\b(?:test|it|describe|suite)\.(?:only|skip|todo)\(/g,
    text: "a test that is left out",
    where: "code",
    inTests: true,
  },
  {
    pattern: /\b(?:TODO|FIXME|XXX)\b(?!\(#\d+\))/g,
    text: "a TODO without an issue number",
    where: "raw",
    inTests: true,
  },
  {
    pattern: /\/work\/|\/home\/\w|\/root\//g,
    text: "a path of one machine",
    where: "raw",
    inTests: false,
  },
  {
    pattern: /[\w)\]]!(?=[.,;)\]\s[])(?!\s*=)/g,
    text: "a non-null assertion",
    where: "code",
    inTests: false,
  },
  { pattern: /^\s*\/\/ ?[-=*#]{6,}/gm, text: "a decorative banner", where: "raw", inTests: true },
];

export function fileProblems(source: SourceText): RuleProblem[] {
  const isTest = isTestFile(source.path);
  const problems: RuleProblem[] = [];
  const lines = source.raw.split("\n");
  if (lines.length - 1 > MAX_FILE_LINES) {
    problems.push({ line: 1, text: `${lines.length - 1} lines, more than ${MAX_FILE_LINES}` });
  }
  const isHeaded = /^(?:#!.*\n)?\s*(?:\/\*\*|\/\/)/.test(source.raw);
  if (!isTest && !isHeaded && !isIndex(source)) {
    problems.push({ line: 1, text: "no comment at the top says what the file is" });
  }
  for (const { pattern, text, where, inTests } of PATTERNS) {
    if (isTest && !inTests) continue;
    for (const match of source[where].matchAll(pattern)) {
      problems.push({ line: lineAt(source.raw, match.index), text: `${text}: ${match[0].trim()}` });
    }
  }
  return [...problems, ...wideLines(source, lines)];
}

/** An index says what it is by where it is. */
function isIndex({ path, code }: SourceText): boolean {
  return path.endsWith("/index.ts") && !/^(?!export|import| |\}|$)/m.test(code);
}

/** A line may be wide only for the sake of one long text or link, which the formatter leaves. */
function wideLines(source: SourceText, lines: readonly string[]): RuleProblem[] {
  const code = source.code.split("\n");
  const problems: RuleProblem[] = [];
  for (const [index, line] of lines.entries()) {
    if (line.length <= MAX_LINE_WIDTH || /http|`/.test(line)) continue;
    const blanked = code[index] ?? "";
    const isComment = blanked.trim() === "" && /^\s*(?:\*|\/\/|\/\*)/.test(line);
    if (isComment && line.length <= MAX_COMMENT_WIDTH) continue;
    const withoutTexts = blanked.replace(/ {2,}/g, " ");
    if (!isComment && withoutTexts.length <= MAX_LINE_WIDTH && withoutTexts !== line) continue;
    problems.push({ line: index + 1, text: `${line.length} columns, more than ${MAX_LINE_WIDTH}` });
  }
  return problems;
}

export interface LongFunction {
  readonly path: string;
  readonly line: number;
  readonly name: string;
  readonly lines: number;
}

const FUNCTION_START =
  /^( *)(?:export )?(?:(?:async )?function\*? (\w+)|(?:(?:public|private|protected|static|override|async|get|set) )*(#?\w+)\([^\n]*\{$|(?:const|let) (\w+) = (?:async )?\([^\n]*=> \{$)/;
const NO_FUNCTIONS: ReadonlySet<string> = new Set([
  "if",
  "for",
  "while",
  "switch",
  "catch",
  "with",
]);

/** Functions and methods over the length that needs a reason, by their indentation. */
export function longFunctions({ path, code }: SourceText): LongFunction[] {
  const lines = code.split("\n");
  const found: LongFunction[] = [];
  for (const [index, line] of lines.entries()) {
    const match = FUNCTION_START.exec(line);
    const name = match?.[2] ?? match?.[3] ?? match?.[4];
    if (match === null || name === undefined || NO_FUNCTIONS.has(name)) continue;
    const close = new RegExp(`^${match[1] ?? ""}\\}`);
    const length = lines.slice(index + 1).findIndex((later) => close.test(later)) + 2;
    if (length > LONG_FUNCTION_LINES) found.push({ path, line: index + 1, name, lines: length });
  }
  return found;
}
