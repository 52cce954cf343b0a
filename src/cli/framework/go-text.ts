/**
 * Values as Go programs print and read them: quoted strings, numbers, booleans, durations, sizes.
 * Users' scripts parse these forms, so they are exact.
 */
import { bytesOfText, utf8LengthAt } from "./raw-text.ts";

const PRINTABLE = /^[\p{L}\p{M}\p{N}\p{P}\p{S} ]$/u;
const SHORT_ESCAPES: Readonly<Record<number, string>> = {
  7: "\\a",
  8: "\\b",
  9: "\\t",
  10: "\\n",
  11: "\\v",
  12: "\\f",
  13: "\\r",
  34: '\\"',
  92: "\\\\",
};

function hex(value: number | bigint, digits: number): string {
  return value.toString(16).padStart(digits, "0");
}

/** As `%q` prints a string. */
export function goQuote(value: string | Uint8Array): string {
  const bytes = typeof value === "string" ? bytesOfText(value) : value;
  let text = '"';
  for (let at = 0; at < bytes.length; ) {
    const length = utf8LengthAt(bytes, at);
    const byte = bytes[at] ?? 0;
    if (length <= 1) {
      at++;
      const plain = length === 1 && byte >= 0x20 && byte < 0x7f;
      text += SHORT_ESCAPES[byte] ?? (plain ? String.fromCharCode(byte) : `\\x${hex(byte, 2)}`);
      continue;
    }
    const char = Buffer.from(bytes.subarray(at, at + length)).toString("utf8");
    const code = char.codePointAt(0) ?? 0;
    at += length;
    if (PRINTABLE.test(char) && code !== 0xa0) text += char;
    else text += code > 0xffff ? `\\U${hex(code, 8)}` : `\\u${hex(code, 4)}`;
  }
  return `${text}"`;
}

/** A Go string literal at the start of `text`, decoded, with its length; undefined if none. */
export function readGoString(text: string): { value: string; length: number } | undefined {
  if (text.startsWith("`")) {
    const end = text.indexOf("`", 1);
    return end < 0 ? undefined : { value: text.slice(1, end), length: end + 1 };
  }
  const match = /^"((?:[^"\\\n]|\\.)*)"/s.exec(text);
  if (match === null) return undefined;
  const value = decodeEscapes(match[1] ?? "");
  return value === undefined ? undefined : { value, length: match[0].length };
}

const ESCAPE =
  /\\(?:x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|([0-7]{3})|([abfnrtv\\"]))|\\/g;
const LETTERS: Readonly<Record<string, string>> = {
  a: "\x07",
  b: "\b",
  f: "\f",
  n: "\n",
  r: "\r",
  t: "\t",
  v: "\v",
  "\\": "\\",
  '"': '"',
};

function decodeEscapes(body: string): string | undefined {
  let bad = false;
  const value = body.replace(ESCAPE, (_all, x, u, big, octal, letter) => {
    if (letter !== undefined) return LETTERS[letter as string] ?? "";
    if (x !== undefined || octal !== undefined) {
      const byte = x === undefined ? Number.parseInt(octal, 8) : Number.parseInt(x, 16);
      if (byte > 0xff) bad = true;
      return String.fromCharCode(byte < 0x80 ? byte : 0xdc00 + byte);
    }
    const code = Number.parseInt(u ?? big ?? "", 16);
    if (!(code <= 0x10ffff) || (code >= 0xd800 && code <= 0xdfff)) {
      bad = true;
      return "";
    }
    return String.fromCodePoint(code);
  });
  return bad ? undefined : value;
}

/** The text of an error of Go's strconv. */
function numberError(fn: string, text: string, reason: string): string {
  return `strconv.${fn}: parsing ${goQuote(text)}: ${reason}`;
}

export type Parsed<T> = { readonly value: T } | { readonly error: string };

const MIN_INT64 = -(1n << 63n);
const MAX_INT64 = (1n << 63n) - 1n;
const MAX_UINT64 = (1n << 64n) - 1n;

/** As `strconv.ParseInt(text, base, 64)`; base 0 knows 0x, 0o, 0b, 0 and underscores. */
export function parseInt64(text: string, base: 0 | 10 | 16): Parsed<bigint> {
  const [sign, digits] = /^[+-]/.test(text) ? [text[0], text.slice(1)] : ["", text];
  const magnitude = parseDigits(digits, base);
  if (magnitude === undefined) return { error: numberError("ParseInt", text, "invalid syntax") };
  const value = sign === "-" ? -magnitude : magnitude;
  if (value < MIN_INT64 || value > MAX_INT64) {
    return { error: numberError("ParseInt", text, "value out of range") };
  }
  return { value };
}

/** As `strconv.ParseUint(text, base, 64)`. */
export function parseUint64(text: string, base: 0 | 10 | 16): Parsed<bigint> {
  const value = parseDigits(text, base);
  if (value === undefined) return { error: numberError("ParseUint", text, "invalid syntax") };
  if (value > MAX_UINT64) {
    return { error: numberError("ParseUint", text, "value out of range") };
  }
  return { value };
}

function parseDigits(text: string, base: 0 | 10 | 16): bigint | undefined {
  if (base === 10) return /^[0-9]+$/.test(text) ? BigInt(text) : undefined;
  if (base === 16) return /^[0-9a-fA-F]+$/.test(text) ? BigInt(`0x${text}`) : undefined;
  const plain = text.replace(/(?<=[0-9a-fA-FxXoObB])_(?=[0-9a-fA-F])/g, "");
  if (/^0[0-7]+$/.test(plain)) return BigInt(`0o${plain.slice(1)}`);
  return /^(0[xX][0-9a-fA-F]+|0[oO][0-7]+|0[bB][01]+|0|[1-9][0-9]*)$/.test(plain)
    ? BigInt(plain)
    : undefined;
}

/** As `strconv.ParseBool`. */
export function parseBool(text: string): Parsed<boolean> {
  if (/^(1|t|T|TRUE|true|True)$/.test(text)) return { value: true };
  if (/^(0|f|F|FALSE|false|False)$/.test(text)) return { value: false };
  return { error: numberError("ParseBool", text, "invalid syntax") };
}

const UNIT_NS: Readonly<Record<string, number>> = {
  ns: 1,
  us: 1e3,
  µs: 1e3,
  μs: 1e3,
  ms: 1e6,
  s: 1e9,
  m: 60e9,
  h: 3600e9,
};

/** As `time.ParseDuration`, in nanoseconds. */
export function parseDuration(text: string): Parsed<number> {
  const invalid = { error: `time: invalid duration ${goQuote(text)}` };
  const sign = text.startsWith("-") ? -1 : 1;
  let rest = text.replace(/^[+-]/, "");
  if (rest === "0") return { value: 0 };
  if (rest === "") return invalid;
  let total = 0;
  while (rest !== "") {
    const match = /^(\d+\.?\d*|\.\d+)([^\d.]*)/.exec(rest);
    if (match === null) return invalid;
    const unit = match[2] ?? "";
    if (unit === "") return { error: `time: missing unit in duration ${goQuote(text)}` };
    const scale = UNIT_NS[unit];
    if (scale === undefined) {
      return { error: `time: unknown unit ${goQuote(unit)} in duration ${goQuote(text)}` };
    }
    total += Number(match[1]) * scale;
    rest = rest.slice(match[0].length);
  }
  return total > Number(MAX_INT64) ? invalid : { value: sign * Math.trunc(total) };
}

/** As a `time.Duration` prints itself. */
export function formatDuration(nanoseconds: number): string {
  const ns = Math.abs(Math.trunc(nanoseconds));
  const sign = nanoseconds < 0 ? "-" : "";
  if (ns === 0) return "0s";
  if (ns < 1e3) return `${sign}${ns}ns`;
  if (ns < 1e6) return `${sign}${decimal(ns, 3)}µs`;
  if (ns < 1e9) return `${sign}${decimal(ns, 6)}ms`;
  const hours = Math.floor(ns / 3600e9);
  const minutes = Math.floor((ns % 3600e9) / 60e9);
  const seconds = `${decimal(ns % 60e9, 9)}s`;
  if (hours > 0) return `${sign}${hours}h${minutes}m${seconds}`;
  return minutes > 0 ? `${sign}${minutes}m${seconds}` : `${sign}${seconds}`;
}

/** `value` divided by ten to the `places`, without trailing zeros. */
function decimal(value: number, places: number): string {
  const digits = String(value).padStart(places + 1, "0");
  const fraction = digits.slice(-places).replace(/0+$/, "");
  const whole = digits.slice(0, -places);
  return fraction === "" ? whole : `${whole}.${fraction}`;
}

/** "%016x" of a lease id, which Go holds as a signed number. */
export function formatLeaseID(id: bigint): string {
  const signed = BigInt.asIntN(64, id);
  return signed < 0n ? `-${hex(-signed, 15)}` : hex(signed, 16);
}
