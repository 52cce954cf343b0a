/**
 * The language of transcripts: a text file of commands, each followed by `----` and the output that
 * it must give. Parsing and rewriting only; what commands mean is the interpreter's business.
 *
 *     # a comment
 *     command arg key=value key=(a, b)
 *     optional input lines
 *     ----
 *     expected output, up to a blank line
 */

export interface CommandArgument {
  readonly key: string;
  /** Empty for an argument without `=`. */
  readonly values: readonly string[];
}

export interface TranscriptCommand {
  readonly name: string;
  readonly args: readonly CommandArgument[];
  /** Lines between command and `----`, trimmed. */
  readonly input: string;
  /** Expected output; empty or ending in a newline. */
  readonly expected: string;
  /** Line of the command in the file, from 1. */
  readonly line: number;
  /** Lines `outputStart`..`outputEnd - 1`, from 0, hold the expected output. */
  readonly outputStart: number;
  readonly outputEnd: number;
}

/** Interprets the commands of one file, in order. */
export interface Interpreter {
  run(command: TranscriptCommand): string;
}

export interface Mismatch {
  readonly command: TranscriptCommand;
  readonly actual: string;
}

/** A transcript that is not written as it should be. */
export class TranscriptError extends Error {
  constructor(line: number, message: string) {
    super(`line ${line}: ${message}`);
    this.name = "TranscriptError";
  }
}

const SEPARATOR = "----";

export function parseTranscript(text: string): TranscriptCommand[] {
  const lines = text.split("\n");
  const commands: TranscriptCommand[] = [];
  for (let at = 0; at < lines.length; ) {
    const start = at;
    let directive = (lines[at++] as string).trim();
    if (directive === "" || directive.startsWith("#")) continue;
    while (directive.endsWith("\\") && at < lines.length) {
      directive = `${directive.slice(0, -1).trim()} ${(lines[at++] as string).trim()}`;
    }
    const input: string[] = [];
    while (at < lines.length && lines[at] !== SEPARATOR) input.push(lines[at++] as string);
    if (at === lines.length) throw new TranscriptError(start + 1, `no ${SEPARATOR} after command`);
    const outputStart = ++at;
    while (at < lines.length && (lines[at] as string).trim() !== "") at++;
    const [name, ...args] = splitArguments(directive, start + 1);
    commands.push({
      name: name as string,
      args: args.map((arg) => parseArgument(arg)),
      input: input.join("\n").trim(),
      expected: withNewline(lines.slice(outputStart, at).join("\n")),
      line: start + 1,
      outputStart,
      outputEnd: at,
    });
  }
  return commands;
}

/** Runs all commands; stops at the first that answers differently. */
export function checkTranscript(
  commands: readonly TranscriptCommand[],
  interpreter: Interpreter,
): Mismatch | undefined {
  for (const command of commands) {
    const actual = withNewline(interpreter.run(command));
    if (actual !== command.expected) return { command, actual };
  }
  return undefined;
}

/** The file with every expected output replaced by what the commands answer now. */
export function rewriteTranscript(text: string, interpreter: Interpreter): string {
  const lines = text.split("\n");
  const rewritten: string[] = [];
  let copied = 0;
  for (const command of parseTranscript(text)) {
    rewritten.push(...lines.slice(copied, command.outputStart));
    const actual = withNewline(interpreter.run(command));
    if (actual !== "") rewritten.push(...actual.slice(0, -1).split("\n"));
    copied = command.outputEnd;
  }
  rewritten.push(...lines.slice(copied));
  return rewritten.join("\n");
}

/** The two outputs side by side as a unified listing, without the lines that agree at both ends. */
export function formatMismatch({ command, actual }: Mismatch): string {
  const expected = linesOf(command.expected);
  const found = linesOf(actual);
  let head = 0;
  while (head < expected.length && head < found.length && expected[head] === found[head]) head++;
  let tail = 0;
  const shorter = Math.min(expected.length, found.length) - head;
  while (tail < shorter && expected.at(-1 - tail) === found.at(-1 - tail)) tail++;
  const context = expected.slice(Math.max(0, head - 3), head).map((line) => `    ${line}`);
  return [
    `  line ${command.line}: ${command.name}`,
    ...context,
    ...expected.slice(head, expected.length - tail).map((line) => `  - ${line}`),
    ...found.slice(head, found.length - tail).map((line) => `  + ${line}`),
  ].join("\n");
}

function linesOf(text: string): string[] {
  return text === "" ? [] : text.slice(0, -1).split("\n");
}

function withNewline(text: string): string {
  return text === "" || text.endsWith("\n") ? text : `${text}\n`;
}

/** Splits at spaces outside of parentheses. */
function splitArguments(directive: string, line: number): string[] {
  const parts: string[] = [];
  let depth = 0;
  let part = "";
  for (const char of directive) {
    if (char === "(") depth++;
    if (char === ")") depth--;
    if (depth < 0) throw new TranscriptError(line, "unbalanced parenthesis");
    if (char === " " && depth === 0) {
      if (part !== "") parts.push(part);
      part = "";
    } else {
      part += char;
    }
  }
  if (depth !== 0) throw new TranscriptError(line, "unbalanced parenthesis");
  if (part !== "") parts.push(part);
  return parts;
}

function parseArgument(text: string): CommandArgument {
  const equals = text.indexOf("=");
  if (equals < 0) return { key: text, values: [] };
  const key = text.slice(0, equals);
  const value = text.slice(equals + 1);
  if (!value.startsWith("(")) return { key, values: [value] };
  const inner = value.slice(1, -1).trim();
  return { key, values: inner === "" ? [] : inner.split(",").map((item) => item.trim()) };
}
