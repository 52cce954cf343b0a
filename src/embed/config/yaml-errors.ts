/**
 * What is wrong with a YAML file, in the words of the library that etcd reads it with: the same
 * mistake is found at the same line under the text that people know.
 */
import { errorMessage } from "../../base/error-message.ts";

/** A mistake as our own library reports it; `pos` are offsets into the text. */
export interface YamlMistake {
  readonly code: string;
  readonly message: string;
  readonly pos: readonly [number, number];
}

// biome-ignore lint/suspicious/noControlCharactersInRegex: YAML forbids them.
const CONTROL_CHARACTER = /[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f]/;

/** A character that no YAML file may contain; our own library lets it pass. */
export function hasControlCharacter(content: string): boolean {
  return CONTROL_CHARACTER.test(content);
}

export const CONTROL_CHARACTERS = "control characters are not allowed";

/** @param mistakes at least one, in the order in which they were found. */
export function yamlProblem(content: string, mistakes: readonly YamlMistake[]): string {
  const [first] = mistakes;
  if (first === undefined) return "";
  const lineOf = (offset: number): number => content.slice(0, offset).split("\n").length;
  const line = lineOf(first.pos[0]);
  switch (first.code) {
    case "TAB_AS_INDENT":
      return at(line, tabProblem(content, first.pos[0]));
    case "BAD_SCALAR_START":
      return at(line, "found character that cannot start any token");
    case "BAD_DQ_ESCAPE":
      return at(line, "found unknown escape character");
    case "BLOCK_AS_IMPLICIT_KEY":
    case "MULTILINE_IMPLICIT_KEY": {
      const long = mistakes.find(({ code }) => code === "MULTILINE_IMPLICIT_KEY");
      const end = long === undefined ? line : lineOf(long.pos[1]);
      return at(end, "mapping values are not allowed in this context");
    }
    case "BAD_INDENT":
    case "MISSING_CHAR":
      return missingProblem(content, first, lineOf);
    case "UNEXPECTED_TOKEN":
      if (/Unexpected flow-(map|seq)-end/.test(first.message)) {
        return at(line, "did not find expected node content");
      }
      return at(line, first.message);
    default:
      return at(line, first.message);
  }
}

/** Names are given to anchors; one that nobody gave is met when the values are made. */
export function aliasProblem(error: unknown): string {
  const text = errorMessage(error);
  const name = /Unresolved alias.*: (.*)$/.exec(text)?.[1];
  return name === undefined ? text : `unknown anchor '${name}' referenced`;
}

/** The scanner counts from 0 and names no line of that number. */
function at(line: number, what: string): string {
  return line === 1 ? what : `line ${line}: ${what}`;
}

function tabProblem(content: string, offset: number): string {
  const before = content.slice(0, offset).trimEnd();
  return before === "" || before.endsWith(":")
    ? "found character that cannot start any token"
    : "found a tab character that violates indentation";
}

function missingProblem(
  content: string,
  { message, pos }: YamlMistake,
  lineOf: (offset: number) => number,
): string {
  const flow = /Flow (sequence|map)/.exec(message)?.[1];
  if (flow !== undefined) {
    const [open, close] = flow === "map" ? (["{", "}"] as const) : (["[", "]"] as const);
    // The parser names the line where the collection began, the first one too.
    const start = lineOf(content.lastIndexOf(open, pos[0]));
    return `line ${start}: did not find expected ',' or '${close}'`;
  }
  if (/Missing closing .quote/.test(message)) {
    return at(lineOf(pos[0]), "found unexpected end of stream");
  }
  return at(lineOf(pos[0]) + 1, "could not find expected ':'");
}
