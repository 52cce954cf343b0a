/**
 * Strings in quotes, as Go programs print and read them. Users' scripts parse these forms, so they
 * are exact.
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

function hex(value: number, digits: number): string {
  return value.toString(16).padStart(digits, "0");
}

/** As `%q` prints a string. */
export function quote(value: string | Uint8Array): string {
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

/** The form of Go's `%q` for a list: `["a" "b"]`. */
export function quoteList(texts: readonly string[]): string {
  return `[${texts.map((text) => quote(text)).join(" ")}]`;
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
