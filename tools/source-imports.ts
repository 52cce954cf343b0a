/**
 * What a source takes from other modules and what it passes on, read from its import and export
 * clauses. Good for our own code, as `source-text.ts` is.
 */
import { lineAt, type SourceText } from "./source-text.ts";

/** One module that a file refers to, by any form of import or re-export. */
export interface ImportOf {
  readonly specifier: string;
  readonly line: number;
  /** Whether the names go on to whoever imports this file. */
  readonly isReExport: boolean;
  /**
   * The names taken, as the other module calls them, each with the name it has here; "all" for
   * `*`, for an import without names, and for one that is loaded late.
   */
  readonly names: readonly NamePair[] | "all";
}

export interface NamePair {
  readonly theirs: string;
  readonly ours: string;
  readonly isType: boolean;
}

const CLAUSE = /\b(import|export)\b([^;"'`()=]*?)\bfrom\s*(["'])/g;
const WITHOUT_NAMES = /\bimport\s*\(?\s*(["'])/g;

/** Every static, dynamic and type-only import of a source, in its order. */
export function importsOf({ raw, code }: SourceText): ImportOf[] {
  const found: ImportOf[] = [];
  const specifierAt = (start: number, mark: string): { specifier: string; line: number } => {
    const end = code.indexOf(mark, start);
    return { specifier: raw.slice(start, end), line: lineAt(raw, start) };
  };
  for (const match of code.matchAll(CLAUSE)) {
    const [whole, word, clause = "", mark = '"'] = match;
    found.push({
      ...specifierAt(match.index + whole.length, mark),
      isReExport: word === "export",
      names: namesOf(clause),
    });
  }
  for (const match of code.matchAll(WITHOUT_NAMES)) {
    const at = specifierAt(match.index + match[0].length, match[1] ?? '"');
    found.push({ ...at, isReExport: false, names: "all" });
  }
  return found.sort((a, b) => a.line - b.line);
}

/** `import type X from` and `import X, { y } from` do not occur: nothing has a default export. */
function namesOf(clause: string): readonly NamePair[] | "all" {
  const braces = /^\s*(type\s)?\s*\{([^}]*)\}/.exec(clause);
  if (braces === null) return "all";
  const names = listedNames(braces[2] ?? "");
  return braces[1] === undefined ? names : names.map((pair) => ({ ...pair, isType: true }));
}

/** The names of a list between braces: `a, type b, c as d`. */
export function listedNames(list: string): NamePair[] {
  return list
    .split(",")
    .map((item) => item.trim())
    .filter((item) => item !== "")
    .map((item) => {
      const plain = item.replace(/^type\s+/, "");
      const [theirs = "", ours = theirs] = plain.split(/\s+as\s+/);
      return { theirs, ours, isType: plain !== item };
    });
}
