/**
 * Reads arguments by the rules of Go's `flag` package: one or two dashes, the value after "=" or
 * in the next argument, booleans without one, `--` ends the flags, the first other word too.
 */
import { FLAGS, type GivenSettings, isBoolFlag } from "./flags.ts";
import { quote } from "../../base/go-quote.ts";
import { TextError } from "../../base/go-text.ts";

export type ArgumentsOutcome =
  | { readonly kind: "read"; readonly rest: readonly string[] }
  | { readonly kind: "help" }
  /** The message names the flag as Go does, with one dash. */
  | { readonly kind: "bad"; readonly message: string };

/** Sets what `args` (without the program's name) says; stops at the first mistake. */
export function readArguments(args: readonly string[], into: GivenSettings): ArgumentsOutcome {
  let at = 0;
  while (at < args.length) {
    const word = args[at] ?? "";
    if (word.length < 2 || !word.startsWith("-")) break;
    at++;
    if (word === "--") break;
    const body = word.slice(word.startsWith("--") ? 2 : 1);
    if (body === "" || body.startsWith("-") || body.startsWith("=")) {
      return { kind: "bad", message: `bad flag syntax: ${word}` };
    }
    const equals = body.indexOf("=");
    const flag = equals < 0 ? body : body.slice(0, equals);
    const entry = FLAGS.get(flag);
    if (entry === undefined) {
      if (flag === "help" || flag === "h") return { kind: "help" };
      return { kind: "bad", message: `flag provided but not defined: -${flag}` };
    }
    const isBool = isBoolFlag(entry);
    let value = equals < 0 ? undefined : body.slice(equals + 1);
    if (value === undefined && isBool) value = "true";
    if (value === undefined) {
      value = args[at];
      at++;
    }
    if (value === undefined) return { kind: "bad", message: `flag needs an argument: -${flag}` };
    try {
      into.set(entry, value);
    } catch (error) {
      if (!(error instanceof TextError)) throw error;
      const head = isBool
        ? `invalid boolean value ${quote(value)} for -${flag}`
        : `invalid value ${quote(value)} for flag -${flag}`;
      return { kind: "bad", message: `${head}: ${error.message}` };
    }
  }
  return { kind: "read", rest: args.slice(at) };
}
