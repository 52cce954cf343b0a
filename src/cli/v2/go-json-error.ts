/** Parses JSON; what is none is told as Go tells it, since the words reach the user. */
import { ClientError } from "./errors.ts";

/** @throws ClientError when `text` is no JSON object. */
export function parseGoJson(text: string): Readonly<Record<string, unknown>> {
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value === "object" && value !== null) return value as Record<string, unknown>;
  } catch {
    throw new ClientError(syntaxProblem(text));
  }
  throw new ClientError("json: cannot unmarshal value into an object");
}

/** Pages of other servers begin with a word, a number or a tag. */
function syntaxProblem(text: string): string {
  const rest = text.trimStart();
  if (rest === "") return "unexpected end of JSON input";
  const number = /^-?(?:0|[1-9]\d*)(?:\.\d+)?\s*/.exec(rest);
  if (number !== null && number[0].length < rest.length) {
    return `invalid character '${rest[number[0].length]}' after top-level value`;
  }
  const [first = ""] = rest;
  return /["{[tfn]/.test(first)
    ? "unexpected end of JSON input"
    : `invalid character '${first}' looking for beginning of value`;
}
