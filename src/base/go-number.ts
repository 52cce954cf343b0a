/** Numbers and booleans as Go's flags and `strconv` read them, with the words of its refusals. */
import { quote } from "./go-quote.ts";

/** A value, or what Go says of a text that is none. */
export type Parsed<T> = { readonly value: T } | { readonly error: string };

export interface IntegerRange {
  readonly min: bigint;
  readonly max: bigint;
}

export const INT64: IntegerRange = { min: -(2n ** 63n), max: 2n ** 63n - 1n };
export const UINT64: IntegerRange = { min: 0n, max: 2n ** 64n - 1n };
export const UINT32: IntegerRange = { min: 0n, max: 2n ** 32n - 1n };

const INTEGERS = {
  0: /^([+-]?)(0[xX](?:_?[0-9a-fA-F])+|0[bB](?:_?[01])+|0[oO](?:_?[0-7])+|0(?:_?[0-7])*|[1-9](?:_?[0-9])*)$/,
  10: /^([+-]?)([0-9]+)$/,
  16: /^([+-]?)([0-9a-fA-F]+)$/,
} as const;

export type IntegerOutcome =
  | { readonly kind: "value"; readonly value: bigint }
  | { readonly kind: "syntax" }
  | { readonly kind: "range" };

/**
 * An integer as Go's flags read it. Base 0 knows 0x, 0o, 0b, a leading 0 for octal, and underscores
 * between digits. An unsigned range takes no sign at all.
 */
export function parseInteger(
  text: string,
  range: IntegerRange,
  base: 0 | 10 | 16 = 0,
): IntegerOutcome {
  const match = INTEGERS[base].exec(text);
  if (match === null || (range.min === 0n && match[1] !== "")) return { kind: "syntax" };
  let digits = (match[2] ?? "").replaceAll("_", "");
  if (base === 16) digits = `0x${digits}`;
  else if (base === 0 && /^0[0-7]+$/.test(digits)) digits = `0o${digits.slice(1)}`;
  const value = match[1] === "-" ? -BigInt(digits) : BigInt(digits);
  if (value < range.min || value > range.max) return { kind: "range" };
  return { kind: "value", value };
}

/** As `strconv.ParseInt(text, base, 64)`. */
export function parseInt64(text: string, base: 0 | 10 | 16): Parsed<bigint> {
  return told("ParseInt", text, parseInteger(text, INT64, base));
}

/** As `strconv.ParseUint(text, base, 64)`. */
export function parseUint64(text: string, base: 0 | 10 | 16): Parsed<bigint> {
  return told("ParseUint", text, parseInteger(text, UINT64, base));
}

/** As `strconv.ParseUint(text, base, 32)`. */
export function parseUint32(text: string, base: 0 | 10 | 16): Parsed<bigint> {
  return told("ParseUint", text, parseInteger(text, UINT32, base));
}

function told(name: string, text: string, outcome: IntegerOutcome): Parsed<bigint> {
  switch (outcome.kind) {
    case "value":
      return { value: outcome.value };
    case "syntax":
      return { error: numberError(name, text, "invalid syntax") };
    case "range":
      return { error: numberError(name, text, "value out of range") };
  }
}

/** The text of an error of Go's strconv. */
function numberError(name: string, text: string, reason: string): string {
  return `strconv.${name}: parsing ${quote(text)}: ${reason}`;
}

/** As `strconv.ParseBool`. */
export function parseBool(text: string): Parsed<boolean> {
  if (/^(?:1|t|T|TRUE|true|True)$/.test(text)) return { value: true };
  if (/^(?:0|f|F|FALSE|false|False)$/.test(text)) return { value: false };
  return { error: numberError("ParseBool", text, "invalid syntax") };
}

/** "%016x" of a lease id, which Go holds as a signed number. */
export function formatLeaseID(id: bigint): string {
  const signed = BigInt.asIntN(64, id);
  const hex = (value: bigint, digits: number): string => value.toString(16).padStart(digits, "0");
  return signed < 0n ? `-${hex(-signed, 15)}` : hex(signed, 16);
}
