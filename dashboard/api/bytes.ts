/**
 * Keys and values are any bytes. The JSON API carries them as base64; people read them as text, and
 * what is no text, or would hide in it, as escapes.
 */

const ENCODER = new TextEncoder();
const STRICT = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
/** Arguments of one call of `String.fromCharCode`; engines limit them. */
const CHUNK = 0x8000;

export const NO_BYTES: Uint8Array = new Uint8Array(0);

export function toBase64(bytes: Uint8Array): string {
  return btoa(latin1(bytes));
}

/** `undefined` is what the API leaves out: no bytes. */
export function fromBase64(text: string | undefined): Uint8Array {
  if (text === undefined || text === "") return NO_BYTES;
  const binary = atob(text);
  const bytes = new Uint8Array(binary.length);
  for (let i = 0; i < binary.length; i++) bytes[i] = binary.charCodeAt(i);
  return bytes;
}

/** One character for each byte: equal bytes are equal strings, and sort as the server sorts. */
export function latin1(bytes: Uint8Array): string {
  let text = "";
  for (let at = 0; at < bytes.length; at += CHUNK) {
    text += String.fromCharCode(...bytes.subarray(at, at + CHUNK));
  }
  return text;
}

export function utf8(text: string): Uint8Array {
  return ENCODER.encode(text);
}

/** The text, or `undefined` where the bytes are not UTF-8. */
export function textOf(bytes: Uint8Array): string | undefined {
  try {
    return STRICT.decode(bytes);
  } catch {
    return undefined;
  }
}

export function equalBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, i) => byte === b[i]);
}

export function concatBytes(...parts: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

export function startsWith(bytes: Uint8Array, prefix: Uint8Array): boolean {
  return prefix.length <= bytes.length && prefix.every((byte, i) => byte === bytes[i]);
}

/** The end of all keys, as the API writes it. */
export const END_OF_KEYS: Uint8Array = new Uint8Array(1);

/** The first key behind all that begin with `prefix`; `END_OF_KEYS` where there is none. */
export function prefixEnd(prefix: Uint8Array): Uint8Array {
  let length = prefix.length;
  while (length > 0 && prefix[length - 1] === 0xff) length--;
  if (length === 0) return END_OF_KEYS;
  const end = prefix.slice(0, length);
  end[length - 1] = (end[length - 1] ?? 0) + 1;
  return end;
}

/** The first key behind `key`. */
export function keyAfter(key: Uint8Array): Uint8Array {
  return concatBytes(key, END_OF_KEYS);
}

/** Control characters, and those that change how the text around them is shown (bidi, invisible). */
const HIDDEN =
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what is escaped.
  /[\u0000-\u001f\u007f-\u009f\u00ad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\\]/g;

const SHORT: Readonly<Record<string, string>> = {
  "\n": "\\n",
  "\r": "\\r",
  "\t": "\\t",
  "\\": "\\\\",
};

/**
 * The bytes on one line, and exactly: two different keys never look the same. Read back by
 * `parseShown`.
 */
export function shownText(bytes: Uint8Array): string {
  const text = textOf(bytes);
  if (text !== undefined) return text.replace(HIDDEN, escapeOf);
  return latin1(bytes).replace(/[^\x20-\x5b\x5d-\x7e]/g, byteEscape);
}

function escapeOf(character: string): string {
  const short = SHORT[character];
  if (short !== undefined) return short;
  return character.charCodeAt(0) < 0x80 ? byteEscape(character) : unicodeEscape(character);
}

function byteEscape(character: string): string {
  return `\\x${character.charCodeAt(0).toString(16).padStart(2, "0")}`;
}

function unicodeEscape(character: string): string {
  return `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`;
}

/** The bytes that `shownText` shows so; a backslash before anything else stands for itself. */
export function parseShown(text: string): Uint8Array {
  const parts = text.split(/(\\x[0-9a-fA-F]{2}|\\u[0-9a-fA-F]{4}|\\[nrt\\])/);
  return concatBytes(...parts.map((part, i) => (i % 2 === 0 ? utf8(part) : escaped(part))));
}

function escaped(text: string): Uint8Array {
  const code = Number.parseInt(text.slice(2), 16);
  switch (text[1]) {
    case "x":
      return Uint8Array.of(code);
    case "u":
      return utf8(String.fromCharCode(code));
    case "n":
      return utf8("\n");
    case "r":
      return utf8("\r");
    case "t":
      return utf8("\t");
    default:
      return utf8("\\");
  }
}
