/**
 * Flags as the tools of etcd read them (the rules of Go's pflag): `--name value`, `--name=value`,
 * `-n value`, `-nvalue`, `-n=value`; boolean flags take a value only behind "="; flags and
 * arguments mix freely; everything behind "--" is an argument.
 */
import { parseBool, parseInt64, parseUint32, parseUint64 } from "../../base/go-number.ts";
import { formatDuration, parseDuration } from "../../base/go-text.ts";
import { quote } from "../../base/go-quote.ts";

export type FlagKind = "string" | "bool" | "int" | "uint" | "uint32" | "duration" | "strings";

export interface FlagSpec {
  readonly name: string;
  readonly short?: string;
  readonly kind: FlagKind;
  /** As the help prints it; "[a,b]" for "strings", "5s" for "duration". */
  readonly default: string;
  readonly usage: string;
  /** Values that the shell may offer. */
  readonly values?: readonly string[];
  /** The value is the path of a directory; the shell offers those. */
  readonly isDirectory?: boolean;
  /** The command does not run without it. */
  readonly required?: boolean;
}

type Value = string | boolean | bigint | number | readonly string[];

/** A flag with its value. */
class Flag {
  readonly spec: FlagSpec;
  value: Value;
  /** Given on the command line or by the environment. */
  changed = false;

  constructor(spec: FlagSpec) {
    this.spec = spec;
    this.value = defaultOf(spec);
  }

  /** Returns what is wrong with `text`, or undefined. */
  set(text: string): string | undefined {
    const parsed = parseValue(this.spec.kind, text);
    if ("error" in parsed) return parsed.error;
    const { value } = parsed;
    this.value =
      Array.isArray(value) && this.changed ? [...(this.value as string[]), ...value] : value;
    this.changed = true;
    return undefined;
  }

  /** As Go prints the value. */
  get text(): string {
    const { value } = this;
    if (typeof value === "number") return formatDuration(value);
    return Array.isArray(value) ? `[${value.join(",")}]` : String(value);
  }
}

function defaultOf(spec: FlagSpec): Value {
  if (spec.kind === "strings") {
    const inner = spec.default.slice(1, -1);
    return inner === "" ? [] : inner.split(",");
  }
  const parsed = parseValue(spec.kind, spec.default);
  if ("error" in parsed) throw new TypeError(`default of --${spec.name}: ${parsed.error}`);
  return parsed.value;
}

function parseValue(kind: FlagKind, text: string): { value: Value } | { error: string } {
  switch (kind) {
    case "string":
      return { value: text };
    case "bool":
      return parseBool(text);
    case "int":
      return parseInt64(text, 0);
    case "uint":
      return parseUint64(text, 0);
    case "uint32":
      return parseUint32(text, 0);
    case "duration":
      return parseDuration(text);
    case "strings":
      return parseList(text);
  }
}

/** One line of comma-separated values (RFC 4180, section 2). */
function parseList(text: string): { value: readonly string[] } | { error: string } {
  if (text === "") return { value: [] };
  if (!text.includes('"')) return { value: (text.split("\n")[0] ?? "").split(",") };
  const value: string[] = [];
  for (let at = 0; ; ) {
    const quoted = /^"((?:[^"]|"")*)"(?=,|$)/.exec(text.slice(at));
    const plain = quoted ?? /^[^,"]*(?=,|$)/.exec(text.slice(at));
    if (plain === null) return { error: `parse error on line 1, ${listProblem(text, at)}` };
    value.push(quoted === null ? plain[0] : (quoted[1] ?? "").replaceAll('""', '"'));
    at += plain[0].length;
    if (at >= text.length) return { value };
    at++;
  }
}

function listProblem(text: string, at: number): string {
  if (text[at] !== '"') {
    return `column ${text.indexOf('"', at) + 1}: bare " in non-quoted-field`;
  }
  const close = /^"(?:[^"]|"")*"/.exec(text.slice(at))?.[0].length ?? text.length - at + 1;
  return `column ${at + close}: extraneous or missing " in quoted-field`;
}

/** The flags that one command knows, its own and inherited ones. */
export class FlagSet {
  readonly #byName = new Map<string, Flag>();
  readonly #byShort = new Map<string, Flag>();
  /** Arguments that are no flags. */
  args: string[] = [];
  /** How many of `args` stood before "--"; undefined without "--". */
  argsBeforeDash: number | undefined = undefined;

  constructor(specs: Iterable<FlagSpec>) {
    for (const spec of specs) {
      if (this.#byName.has(spec.name)) continue;
      const flag = new Flag(spec);
      this.#byName.set(spec.name, flag);
      if (spec.short !== undefined) this.#byShort.set(spec.short, flag);
    }
  }

  /** Reads the command line. Returns what is wrong with it, "help" if help is asked for. */
  parse(args: readonly string[]): string | undefined {
    this.args = [];
    for (let at = 0; at < args.length; ) {
      const arg = args[at++] ?? "";
      if (!arg.startsWith("-") || arg === "-") {
        this.args.push(arg);
        continue;
      }
      if (arg === "--") {
        this.argsBeforeDash = this.args.length;
        this.args.push(...args.slice(at));
        break;
      }
      const step = arg.startsWith("--")
        ? this.#parseLong(arg, args[at])
        : this.#parseShort(arg.slice(1), args[at]);
      if (typeof step === "string") return step;
      at += step;
    }
    return undefined;
  }

  /** Returns how many of the following arguments were used, or what is wrong. */
  #parseLong(arg: string, next: string | undefined): number | string {
    const equals = arg.indexOf("=");
    const name = arg.slice(2, equals < 0 ? undefined : equals);
    if (name === "" || name.startsWith("-")) return `bad flag syntax: ${arg}`;
    const flag = this.#byName.get(name);
    if (flag === undefined) return `unknown flag: --${name}`;
    if (equals >= 0) return this.#assign(flag, arg.slice(equals + 1)) ?? 0;
    if (flag.spec.kind === "bool") return this.#assign(flag, "true") ?? 0;
    if (next === undefined) return `flag needs an argument: ${arg}`;
    return this.#assign(flag, next) ?? 1;
  }

  /** A group of one-letter flags: "ab" is -a -b. */
  #parseShort(group: string, next: string | undefined): number | string {
    for (let at = 0; at < group.length; at++) {
      const letter = group[at] ?? "";
      const flag = this.#byShort.get(letter);
      if (flag === undefined) return `unknown shorthand flag: '${letter}' in -${group.slice(at)}`;
      const rest = group.slice(at + 1);
      if (rest.length > 1 && rest.startsWith("=")) return this.#assign(flag, rest.slice(1)) ?? 0;
      if (flag.spec.kind === "bool") {
        const problem = this.#assign(flag, "true");
        if (problem !== undefined) return problem;
        continue;
      }
      if (rest !== "") return this.#assign(flag, rest) ?? 0;
      if (next === undefined) return `flag needs an argument: '${letter}' in -${group.slice(at)}`;
      return this.#assign(flag, next) ?? 1;
    }
    return 0;
  }

  #assign(flag: Flag, text: string): string | undefined {
    const problem = flag.set(text);
    if (problem === undefined) return undefined;
    const { name, short } = flag.spec;
    const shown = short === undefined ? `--${name}` : `-${short}, --${name}`;
    return `invalid argument ${quote(text)} for ${quote(shown)} flag: ${problem}`;
  }

  /** Sets a flag from elsewhere; returns what is wrong with the text. */
  set(name: string, text: string): string | undefined {
    return this.#flag(name).set(text);
  }

  has(name: string): boolean {
    return this.#byName.has(name);
  }

  isChanged(name: string): boolean {
    return this.#flag(name).changed;
  }

  string(name: string): string {
    return String(this.#flag(name).value);
  }

  bool(name: string): boolean {
    return this.#flag(name).value === true;
  }

  int(name: string): bigint {
    const { value } = this.#flag(name);
    return typeof value === "bigint" ? value : 0n;
  }

  /** An "int" or "uint" as a number; larger ones become the largest safe integer. */
  number(name: string): number {
    const value = this.int(name);
    const limit = BigInt(Number.MAX_SAFE_INTEGER);
    return Number(value > limit ? limit : value < -limit ? -limit : value);
  }

  /** A "duration" in milliseconds. */
  durationMs(name: string): number {
    const { value } = this.#flag(name);
    return typeof value === "number" ? value : 0;
  }

  strings(name: string): readonly string[] {
    const { value } = this.#flag(name);
    return Array.isArray(value) ? value : [];
  }

  /** Required flags that were not given, by name; as a complaint, or undefined. */
  missing(): string | undefined {
    const names = [...this.#byName.values()]
      .filter(({ spec, changed }) => spec.required === true && !changed)
      .map(({ spec }) => spec.name)
      .sort();
    if (names.length === 0) return undefined;
    return `required flag(s) ${names.map((name) => `"${name}"`).join(", ")} not set`;
  }

  /** The value as Go prints it. */
  text(name: string): string {
    return this.#flag(name).text;
  }

  #flag(name: string): Flag {
    const flag = this.#byName.get(name);
    if (flag === undefined) throw new TypeError(`the command has no flag --${name}`);
    return flag;
  }
}
