/**
 * What a comment names between backticks exists: the name stands in the code or in a text of some
 * source. Left alone are names of others (`time.Duration` of a Go package, and what follows "Go's",
 * "Node's" or "etcd's"), settings (`data_dir`) and patterns (`readX`).
 */
import { lineAt, type SourceText } from "./source-text.ts";

const COMMENT = /\/\*[\s\S]*?\*\/|\/\/[^\n]*/g;
const NAMED = /(\S+\s+)?`(#?[A-Za-z]\w*(?:[.#]\w+)*)(?:\([^`]*\))?`/g;
const GO_NAME = /^[a-z0-9]+\.[A-Z]/;
const SETTING = /^[a-z]+(?:_[a-z]+)+$/;

export interface CommentProblem {
  readonly path: string;
  readonly line: number;
  readonly text: string;
}

export function unknownNames(sources: readonly SourceText[]): CommentProblem[] {
  const comments = sources.map(commentsOf);
  const words = new Set<string>();
  for (const [i, { raw }] of sources.entries()) {
    for (const word of wordsOutside(raw, comments[i] ?? [])) words.add(word);
  }
  return sources.flatMap(({ path, raw }, i) => {
    if (!path.startsWith("src/")) return [];
    return (comments[i] ?? []).flatMap(({ start, text }) =>
      [...text.matchAll(NAMED)].flatMap((match) => {
        const [whole, before = "", name = ""] = match;
        if (/^(?:Go|Node|etcd)'s\s/.test(before) || isOthers(name)) return [];
        if (name.split(/[.#]/).every((part) => part === "" || words.has(part))) return [];
        const line = lineAt(raw, start + match.index + whole.length);
        return [{ path, line, text: `the comment names ${name}, which does not exist` }];
      }),
    );
  });
}

function isOthers(name: string): boolean {
  return GO_NAME.test(name) || SETTING.test(name) || /[a-z]X\b|X[A-Z]/.test(name);
}

interface Comment {
  readonly start: number;
  readonly text: string;
}

/** Where the code is blank, it is a comment or the inside of a literal. */
function commentsOf({ raw, code }: SourceText): Comment[] {
  return [...raw.matchAll(COMMENT)]
    .filter(({ index }) => code.startsWith("  ", index))
    .filter(({ index }) => !isInsideText(code, index))
    .map((match) => ({ start: match.index, text: match[0] }));
}

/** A quote stands at the nearest code before the blanks of a text, on the same line. */
function isInsideText(code: string, index: number): boolean {
  const before = code.slice(code.lastIndexOf("\n", index - 1) + 1, index);
  return (before.split(/["'`]/).length - 1) % 2 === 1;
}

function wordsOutside(raw: string, comments: readonly Comment[]): string[] {
  let text = "";
  let at = 0;
  for (const { start, text: comment } of comments) {
    text += raw.slice(at, start);
    at = start + comment.length;
  }
  return [...(text + raw.slice(at)).matchAll(/[A-Za-z_]\w*/g)].map(([word]) => word);
}
