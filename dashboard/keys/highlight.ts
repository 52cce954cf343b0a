/**
 * Colours for JSON and YAML: a text cut into pieces with a kind, by one look at each line. It is for
 * reading; it does not know whether the text is right.
 */
import type { Format } from "./value-format.ts";

export interface Piece {
  readonly text: string;
  readonly kind: "plain" | "name" | "text" | "number" | "word" | "comment" | "mark";
}

/** Longer texts are shown without colours: each piece is an element. */
export const MAX_HIGHLIGHTED_CHARACTERS = 100_000;

type Rule = readonly [RegExp, Piece["kind"]];

const JSON_RULES: readonly Rule[] = [
  [/"(?:[^"\\\n]|\\.)*"(?=\s*:)/y, "name"],
  [/"(?:[^"\\\n]|\\.)*"?/y, "text"],
  [/-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?/y, "number"],
  [/\b(?:true|false|null)\b/y, "word"],
  [/[{}[\],:]/y, "mark"],
];

const YAML_RULES: readonly Rule[] = [
  [/(?<=^|\s)#.*/my, "comment"],
  [/(?:"(?:[^"\\\n]|\\.)*"|'[^'\n]*'|[^\s#:{}[\],&*!|>'"%@`-][^\n:#]*?)(?=\s*:(?:\s|$))/my, "name"],
  [/"(?:[^"\\\n]|\\.)*"?|'(?:[^'\n]|'')*'?/y, "text"],
  [/(?<=[\s[,:])-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?(?=$|[\s,\]}])/my, "number"],
  [/(?<=[\s[,:])(?:true|false|null|yes|no|~)(?=$|[\s,\]}])/my, "word"],
  [/(?<=^|\s)[&*!][\w.!-]+|^---$|^\.\.\.$|[{}[\],:|>-]/my, "mark"],
  [/[^\s"'#{}[\],:|>&*!-][^\s"'{}[\],:]*/y, "plain"],
];

export function highlight(format: Format, text: string): readonly Piece[] {
  if (format === "text" || format === "hex" || text.length > MAX_HIGHLIGHTED_CHARACTERS) {
    return [{ text, kind: "plain" }];
  }
  const rules = format === "json" ? JSON_RULES : YAML_RULES;
  const pieces: Piece[] = [];
  let plainFrom = 0;
  for (let at = 0; at < text.length; ) {
    const found = pieceAt(rules, text, at);
    if (found === undefined) {
      at++;
      continue;
    }
    if (plainFrom < at) pieces.push({ text: text.slice(plainFrom, at), kind: "plain" });
    pieces.push(found);
    at += found.text.length;
    plainFrom = at;
  }
  if (plainFrom < text.length) pieces.push({ text: text.slice(plainFrom), kind: "plain" });
  return pieces;
}

function pieceAt(rules: readonly Rule[], text: string, at: number): Piece | undefined {
  for (const [pattern, kind] of rules) {
    pattern.lastIndex = at;
    const [match] = pattern.exec(text) ?? [];
    if (match !== undefined && match !== "") return { text: match, kind };
  }
  return undefined;
}
