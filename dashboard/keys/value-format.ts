/** A value as text in the form that a person chose, and back to bytes. */
import { latin1, textOf, utf8 } from "../api/bytes.ts";

export type Format = "json" | "yaml" | "text" | "hex";

export const FORMATS: readonly Format[] = ["text", "json", "yaml", "hex"];

/** Values above are not looked through to guess their form. */
const MAX_GUESSED_BYTES = 256 * 1024;
/** A line of hex. */
const HEX_COLUMNS = 16;

/** The form in which a value is best read. */
export function guessFormat(value: Uint8Array): Format {
  const text = textOf(value);
  if (text === undefined || text.includes("\0")) return "hex";
  if (value.length > MAX_GUESSED_BYTES) return "text";
  if (/^\s*[[{]/.test(text) && problemOf("json", text) === undefined) return "json";
  return looksLikeYaml(text) ? "yaml" : "text";
}

/** At least two lines, most of them a name with a colon, an item, a comment, or deeper than one. */
function looksLikeYaml(text: string): boolean {
  const lines = text.split("\n").filter((line) => line.trim() !== "");
  const names = lines.filter((line) => /^\s*(- )?[\w."'/-]+:(\s|$)/.test(line)).length;
  const fits = lines.filter((line) =>
    /^(\s*(- |#|[\w."'/-]+:(\s|$))|\s{2,}|---|\.\.\.)/.test(line),
  );
  return lines.length >= 2 && names >= 1 && fits.length === lines.length;
}

/** Undefined where the value has no such form: text of bytes that are no UTF-8. */
export function formatted(value: Uint8Array, format: Format): string | undefined {
  return format === "hex" ? hexOf(value) : textOf(value);
}

/** "48 65 6c …" in lines of 16. */
function hexOf(bytes: Uint8Array): string {
  const lines: string[] = [];
  for (let at = 0; at < bytes.length; at += HEX_COLUMNS) {
    const line = bytes.subarray(at, at + HEX_COLUMNS);
    lines.push(Array.from(line, (byte) => byte.toString(16).padStart(2, "0")).join(" "));
  }
  return lines.join("\n");
}

/** Beside the lines of `hexOf`: the characters that are printable, dots for the others. */
export function hexCharacters(bytes: Uint8Array): string {
  const text = latin1(bytes).replace(/[^\x20-\x7e]/g, ".");
  return (text.match(new RegExp(`.{1,${HEX_COLUMNS}}`, "g")) ?? []).join("\n");
}

/** Why the text is none of that form; undefined where it is. YAML is not checked. */
export function problemOf(format: Format, text: string): string | undefined {
  if (format === "json") {
    try {
      JSON.parse(text);
      return undefined;
    } catch (error) {
      return error instanceof Error ? error.message : String(error);
    }
  }
  if (format !== "hex") return undefined;
  const digits = text.replace(/\s/g, "");
  if (/[^0-9a-fA-F]/.test(digits)) return "Hex has digits 0 to 9 and a to f alone.";
  return digits.length % 2 === 0 ? undefined : "A byte has two digits; the last one has one.";
}

/** The bytes of a text that has no problem. */
export function bytesOf(format: Format, text: string): Uint8Array {
  if (format !== "hex") return utf8(text);
  const digits = text.replace(/\s/g, "");
  const bytes = new Uint8Array(digits.length / 2);
  for (let i = 0; i < bytes.length; i++) {
    bytes[i] = Number.parseInt(digits.slice(2 * i, 2 * i + 2), 16);
  }
  return bytes;
}

/**
 * JSON with a line for each member. Works on the text, so that numbers beyond JavaScript's, repeated
 * names and escapes stay as they are. The text must be JSON.
 */
export function indentedJson(text: string): string {
  let depth = 0;
  let out = "";
  const tokens = text.match(/"(?:[^"\\]|\\.)*"|[{}[\],:]|[^\s{}[\],:"]+/g) ?? [];
  for (const [i, token] of tokens.entries()) {
    const isEmpty = /^[[{]$/.test(token) && /^[\]}]$/.test(tokens[i + 1] ?? "");
    const closesEmpty = /^[\]}]$/.test(token) && /^[[{]$/.test(tokens[i - 1] ?? "");
    if (/^[\]}]$/.test(token) && !closesEmpty) out += `\n${"  ".repeat(--depth)}`;
    out += token === ":" ? ": " : token;
    if (/^[[{]$/.test(token) && !isEmpty) out += `\n${"  ".repeat(++depth)}`;
    if (token === ",") out += `\n${"  ".repeat(depth)}`;
  }
  return out;
}

/** "1.5 MB", "17 bytes". */
export function sizeText(bytes: number): string {
  if (bytes < 1000) return `${bytes} byte${bytes === 1 ? "" : "s"}`;
  const units = ["kB", "MB", "GB", "TB"];
  let value = bytes;
  let unit = -1;
  do {
    value /= 1000;
    unit++;
  } while (value >= 999.5 && unit < units.length - 1);
  return `${value < 10 ? value.toFixed(1) : Math.round(value)} ${units[unit]}`;
}
