/** Splits a line of input into words: quoted with " as in Go, with ' as they are, or bare. */
import { ExitCode, exitWithError } from "../framework/exit.ts";
import { readGoString } from "../../base/go-quote.ts";

const WORD = /"(?:[^"\\]|\\.)*"|'[^']*'|[^'"\s]\S*[^'"\s]?/g;

export function splitWords(line: string): string[] {
  return (line.match(WORD) ?? []).map((word) => {
    if (word.startsWith("'")) return word.slice(1, -1);
    if (!word.startsWith('"')) return word;
    const read = readGoString(word);
    return read?.value ?? exitWithError(ExitCode.INVALID_INPUT, "invalid syntax");
  });
}
