/**
 * Text forms of Go's standard library that etcd's users meet on the command line and in
 * errors: quoted strings, booleans, integers and durations.
 *
 * Parsers throw `TextError` with the words that Go's parsers use, because etcd passes them on.
 * Durations are numbers of milliseconds here; fractions are kept.
 */

/** A text that does not have the form asked for. The message is what etcd prints. */
export class TextError extends Error {
  constructor(message: string) {
    super(message);
    this.name = "TextError";
  }
}

/** The form of Go's `%q`: double quotes, backslash escapes, `\x` for other control bytes. */
export function quote(text: string): string {
  return JSON.stringify(text)
    .replace(/\\u00([01][0-9a-f])/g, "\\x$1")
    .replace(/\x7f/g, "\\x7f");
}

/** The form of Go's `%q` for a list: `["a" "b"]`. */
export function quoteList(texts: readonly string[]): string {
  return `[${texts.map(quote).join(" ")}]`;
}

const TRUE_WORDS: ReadonlySet<string> = new Set(["1", "t", "T", "true", "TRUE", "True"]);
const FALSE_WORDS: ReadonlySet<string> = new Set(["0", "f", "F", "false", "FALSE", "False"]);

/** The value of a boolean word, or undefined when the text is none. */
export function parseBool(text: string): boolean | undefined {
  if (TRUE_WORDS.has(text)) return true;
  return FALSE_WORDS.has(text) ? false : undefined;
}

export interface IntegerRange {
  readonly min: bigint;
  readonly max: bigint;
}

export const INT64: IntegerRange = { min: -(2n ** 63n), max: 2n ** 63n - 1n };
export const UINT64: IntegerRange = { min: 0n, max: 2n ** 64n - 1n };
export const UINT32: IntegerRange = { min: 0n, max: 2n ** 32n - 1n };

const INTEGER =
  /^([+-]?)(0[xX](?:_?[0-9a-fA-F])+|0[bB](?:_?[01])+|0[oO](?:_?[0-7])+|0(?:_?[0-7])*|[1-9](?:_?[0-9])*)$/;

export type IntegerOutcome =
  | { readonly kind: "value"; readonly value: number }
  | { readonly kind: "syntax" }
  | { readonly kind: "range" };

/**
 * An integer as Go's flags read it: decimal, 0x, 0o, 0b or a leading 0 for octal, underscores
 * between digits. An unsigned range takes no sign at all. Values over 2^53 lose their last bits.
 */
export function parseInteger(text: string, range: IntegerRange): IntegerOutcome {
  const match = INTEGER.exec(text);
  if (match === null || (range.min === 0n && match[1] !== "")) return { kind: "syntax" };
  let digits = (match[2] ?? "").replaceAll("_", "");
  if (/^0[0-7]+$/.test(digits)) digits = `0o${digits.slice(1)}`;
  const value = match[1] === "-" ? -BigInt(digits) : BigInt(digits);
  if (value < range.min || value > range.max) return { kind: "range" };
  return { kind: "value", value: Number(value) };
}

const UNIT_MS: ReadonlyMap<string, number> = new Map([
  ["ns", 1e-6],
  ["us", 1e-3],
  ["µs", 1e-3],
  ["μs", 1e-3],
  ["ms", 1],
  ["s", 1_000],
  ["m", 60_000],
  ["h", 3_600_000],
]);

/** Go counts nanoseconds in 63 bits. */
const MAX_DURATION_MS = 2 ** 63 / 1e6;

/**
 * A duration such as "1h30m" or "100ms", in milliseconds.
 * @throws TextError `time: invalid duration "x"` and its relatives.
 */
export function parseDurationMs(text: string): number {
  const invalid = (): TextError => new TextError(`time: invalid duration ${quote(text)}`);
  const sign = text.startsWith("-") ? -1 : 1;
  let rest = /^[+-]/.test(text) ? text.slice(1) : text;
  if (rest === "0") return 0;
  if (rest === "") throw invalid();
  let total = 0;
  while (rest !== "") {
    const number = /^(?:[0-9]+\.?[0-9]*|\.[0-9]+)/.exec(rest)?.[0];
    if (number === undefined) throw invalid();
    rest = rest.slice(number.length);
    const unit = /^[^.0-9]*/.exec(rest)?.[0] ?? "";
    if (unit === "") throw new TextError(`time: missing unit in duration ${quote(text)}`);
    const unitMs = UNIT_MS.get(unit);
    if (unitMs === undefined) {
      throw new TextError(`time: unknown unit ${quote(unit)} in duration ${quote(text)}`);
    }
    total += Number(number) * unitMs;
    if (total > MAX_DURATION_MS) throw invalid();
    rest = rest.slice(unit.length);
  }
  return total === 0 ? 0 : sign * total;
}

/** The form of Go's `Duration.String()`: "0s", "1.5s", "100ms", "2h0m0s". */
export function formatDuration(ms: number): string {
  const totalNs = Math.round(Math.abs(ms) * 1e6);
  const sign = ms < 0 ? "-" : "";
  if (totalNs === 0) return "0s";
  if (totalNs < 1e3) return `${sign}${totalNs}ns`;
  if (totalNs < 1e6) return `${sign}${decimal(totalNs, 3)}µs`;
  if (totalNs < 1e9) return `${sign}${decimal(totalNs, 6)}ms`;
  const minutes = Math.floor(totalNs / 60e9);
  const seconds = `${decimal(totalNs - minutes * 60e9, 9)}s`;
  if (minutes === 0) return sign + seconds;
  if (minutes < 60) return `${sign}${minutes}m${seconds}`;
  return `${sign}${Math.floor(minutes / 60)}h${minutes % 60}m${seconds}`;
}

/** `value / 10^places` without trailing zeros. */
function decimal(value: number, places: number): string {
  const digits = String(value).padStart(places + 1, "0");
  const fraction = digits.slice(-places).replace(/0+$/, "");
  const whole = digits.slice(0, -places);
  return fraction === "" ? whole : `${whole}.${fraction}`;
}

const SIZE_UNITS = ["B", "kB", "MB", "GB", "TB", "PB", "EB"];

/** A size in decimal units, as etcd's tools show it: "20 kB", "2.1 MB". */
export function humanizeBytes(bytes: number): string {
  if (bytes < 10) return `${bytes} B`;
  const exponent = Math.min(Math.floor(Math.log(bytes) / Math.log(1000)), SIZE_UNITS.length - 1);
  const value = Math.floor((bytes / 1000 ** exponent) * 10 + 0.5) / 10;
  return `${value < 10 ? value.toFixed(1) : roundHalfEven(value)} ${SIZE_UNITS[exponent]}`;
}

/** A size for the log, as etcd writes it: in bytes, and for people. */
export function sizeFields(name: string, bytes: number): Readonly<Record<string, unknown>> {
  return { [`${name}-bytes`]: bytes, [name]: humanizeBytes(bytes) };
}

function roundHalfEven(value: number): number {
  const floor = Math.floor(value);
  const rest = value - floor;
  if (rest === 0.5) return floor % 2 === 0 ? floor : floor + 1;
  return Math.round(value);
}
