/**
 * Reads flags as Go's flag package and the command layer above it do: `-x`, `--x`, `--x=v`, `--x v`,
 * up to the first argument that is none. Behind a command, its own flags may stand anywhere before
 * `--`; what looks like a flag but is not one of the command's stays an argument.
 */
import { parseBool, parseInt64 } from "../../base/go-number.ts";
import { quote } from "../../base/go-quote.ts";
import { parseDuration } from "../../base/go-text.ts";
import type { FlagKind, FlagRow } from "./command-table.ts";

type Value = string | boolean | bigint | number | readonly string[];

const ZERO: Readonly<Record<FlagKind, Value>> = {
  bool: false,
  int: 0n,
  string: "",
  duration: 0,
  list: [],
};

/** The flags of one level and the arguments behind them. */
export class FlagValues {
  readonly #rows: readonly FlagRow[];
  readonly #values = new Map<FlagRow, Value>();
  readonly #given = new Map<FlagRow, string>();
  #clash: string | undefined;
  args: readonly string[] = [];

  constructor(rows: readonly FlagRow[]) {
    this.#rows = rows;
  }

  /** What is wrong with the arguments, in Go's words; undefined if nothing is. */
  parse(args: readonly string[]): string | undefined {
    for (let at = 0; ; at++) {
      const arg = args[at];
      if (arg === undefined || arg.length < 2 || !arg.startsWith("-")) {
        this.args = args.slice(at);
        return undefined;
      }
      if (arg === "--") {
        this.args = args.slice(at + 1);
        return undefined;
      }
      const [, body = "", , inline] = /^--?(([^=]*)(?:=(.*))?)$/s.exec(arg) ?? [];
      if (body === "" || /^[-=]/.test(body)) return `bad flag syntax: ${arg}`;
      const name = body.split("=", 1)[0] ?? "";
      const row = this.#find(name);
      if (row === undefined) return `flag provided but not defined: -${name}`;
      const takesNext = inline === undefined && row.kind !== "bool";
      if (takesNext && at + 1 === args.length) return `flag needs an argument: -${name}`;
      const problem = this.#set(row, name, takesNext ? args[++at] : inline);
      if (problem !== undefined) return problem;
    }
  }

  bool(name: string): boolean {
    return this.#value(name) === true;
  }

  int(name: string): bigint {
    return this.#value(name) as bigint;
  }

  /** `absent` when the flag is not given; one that is given may be empty. */
  string(name: string, absent = ""): string {
    const row = this.#find(name);
    return ((row === undefined ? undefined : this.#values.get(row)) ?? absent) as string;
  }

  /** Set when a flag is given by both of its names. */
  get clash(): string | undefined {
    return this.#clash;
  }

  list(name: string): readonly string[] {
    return this.#value(name) as readonly string[];
  }

  /** Milliseconds; `absent` when the flag is not given. */
  milliseconds(name: string, absent: number): number {
    const row = this.#find(name);
    const value = row === undefined ? undefined : this.#values.get(row);
    return value === undefined ? absent : (value as number);
  }

  #find(name: string): FlagRow | undefined {
    return this.#rows.find((row) => row.names.includes(name));
  }

  #value(name: string): Value {
    const row = this.#find(name);
    if (row === undefined) throw new Error(`no flag ${name}`);
    return this.#values.get(row) ?? ZERO[row.kind];
  }

  #set(row: FlagRow, name: string, given: string | undefined): string | undefined {
    const other = this.#given.get(row);
    if (other !== undefined && other !== name) {
      const names = [...row.names].reverse();
      this.#clash ??= `Cannot use two forms of the same flag: ${names.join(" ")}`;
    }
    const parsed = this.#parseValue(row, given);
    if ("error" in parsed) {
      const isRange = parsed.error.includes("out of range");
      const reason = isRange ? "value out of range" : "parse error";
      const what = row.kind === "bool" ? "invalid boolean value" : "invalid value";
      const preposition = row.kind === "bool" ? "for" : "for flag";
      return `${what} ${quote(given ?? "")} ${preposition} -${name}: ${reason}`;
    }
    this.#given.set(row, name);
    this.#values.set(row, parsed.value);
    return undefined;
  }

  #parseValue(
    row: FlagRow,
    given: string | undefined,
  ): { readonly value: Value } | { readonly error: string } {
    switch (row.kind) {
      case "bool":
        return parseBool(given ?? "true");
      case "int":
        return parseInt64(given ?? "", 0);
      case "duration":
        return parseDuration(given ?? "");
      case "list":
        return { value: [...((this.#values.get(row) as string[] | undefined) ?? []), given ?? ""] };
      case "string":
        return { value: given ?? "" };
    }
  }
}

/** Moves a command's own flags, with what may be their values, before its other arguments. */
export function flagsFirst(rows: readonly FlagRow[], args: readonly string[]): string[] {
  const flags: string[] = [];
  let rest: string[] = [];
  let mayBeValue = false;
  for (const [at, arg] of args.entries()) {
    if (mayBeValue && !isFlagOf(rows, arg)) {
      mayBeValue = false;
      flags.push(arg);
    } else if (arg === "--") {
      rest = ["--", ...rest, ...args.slice(at + 1)];
      break;
    } else if (isFlagOf(rows, arg)) {
      flags.push(arg);
      mayBeValue = !arg.includes("=");
    } else {
      rest.push(arg);
    }
  }
  return [...flags, ...rest];
}

function isFlagOf(rows: readonly FlagRow[], arg: string): boolean {
  if (arg === "-" || arg === "--" || !arg.startsWith("-")) return false;
  const name = arg.replace(/^--?/, "").split("=", 1)[0] ?? "";
  return rows.some((row) => row.names.includes(name));
}
