/**
 * One log entry to one line, in the JSON or the console shape of zap as etcd configures it. Keys
 * come in the order level, ts, logger, caller, msg, fields, stacktrace. A field whose name says
 * that it is a secret never shows its value, whoever logged it.
 */

import type { LogFields, LogLevel } from "../env/logger.ts";

export type LogFormat = "json" | "console";

export interface LogEntry {
  readonly level: LogLevel;
  /** Milliseconds since the Unix epoch; the fraction gives the microseconds. */
  readonly wallMs: number;
  readonly name: string | undefined;
  /** "folder/file.ts:12" */
  readonly caller: string | undefined;
  readonly message: string;
  readonly fields: LogFields | undefined;
  readonly stack: string | undefined;
}

/** What stands in the place of a secret. */
export const REDACTED = "<redacted>";

/** Compared without case, "-" and "_". "auth-token" is a setting that names no secret. */
const SECRET_FIELDS = new Set(["password", "hashedpassword", "token", "authorization", "secret"]);
/** Deeper values are cut; a log line is not the place for them. */
const MAX_DEPTH = 8;

export function encodeEntry(entry: LogEntry, format: LogFormat): string {
  return format === "json" ? encodeJson(entry) : encodeConsole(entry);
}

function encodeJson(entry: LogEntry): string {
  let line = `{"level":"${entry.level}","ts":"${formatTimestamp(entry.wallMs)}"`;
  if (entry.name !== undefined) line += `,"logger":${quoteJson(entry.name)}`;
  if (entry.caller !== undefined) line += `,"caller":${quoteJson(entry.caller)}`;
  line += `,"msg":${quoteJson(entry.message)}`;
  if (entry.fields !== undefined) {
    const fields = encodeFields(entry.fields, "", 0);
    if (fields !== "") line += `,${fields}`;
  }
  if (entry.stack !== undefined) line += `,"stacktrace":${quoteJson(entry.stack)}`;
  return `${line}}\n`;
}

function encodeConsole(entry: LogEntry): string {
  const columns = [formatTimestamp(entry.wallMs), entry.level];
  if (entry.name !== undefined) columns.push(entry.name);
  if (entry.caller !== undefined) columns.push(entry.caller);
  columns.push(entry.message);
  if (entry.fields !== undefined) {
    const fields = encodeFields(entry.fields, " ", 0);
    if (fields !== "") columns.push(`{${fields}}`);
  }
  const line = columns.join("\t");
  return entry.stack === undefined ? `${line}\n` : `${line}\n${entry.stack}\n`;
}

/** `space` is put behind colons and commas: "" for JSON lines, " " on the console. */
function encodeFields(fields: LogFields, space: string, depth: number): string {
  let text = "";
  for (const key of Object.keys(fields)) {
    const value = fields[key];
    if (value === undefined) continue;
    if (text !== "") text += `,${space}`;
    const shown = isSecret(key) ? `"${REDACTED}"` : encodeValue(value, space, depth);
    text += `${quoteJson(key)}:${space}${shown}`;
  }
  return text;
}

function isSecret(key: string): boolean {
  return SECRET_FIELDS.has(key.toLowerCase().replaceAll("-", "").replaceAll("_", ""));
}

function encodeValue(value: unknown, space: string, depth: number): string {
  switch (typeof value) {
    case "string":
      return quoteJson(value);
    case "number":
      return Number.isFinite(value) ? plainNumber(value) : `"${nonFinite(value)}"`;
    case "boolean":
      return value ? "true" : "false";
    case "bigint":
      return `"${value}"`;
    case "object":
      return value === null ? "null" : encodeObject(value, space, depth);
    default:
      return quoteJson(String(value));
  }
}

function encodeObject(value: object, space: string, depth: number): string {
  if (value instanceof Error) return quoteJson(value.message);
  if (value instanceof Date) {
    const time = value.getTime();
    return Number.isFinite(time) ? `"${formatTimestamp(time)}"` : '"invalid"';
  }
  if (value instanceof Uint8Array) return `"${Buffer.from(value).toString("base64")}"`;
  if (depth >= MAX_DEPTH) return '"..."';
  if (value instanceof Map) return encodeObject(Object.fromEntries(value), space, depth + 1);
  if (Array.isArray(value) || value instanceof Set) {
    const items = [...value].map((item) => encodeValue(item ?? null, space, depth + 1));
    return `[${items.join(`,${space}`)}]`;
  }
  return `{${encodeFields(value as LogFields, space, depth + 1)}}`;
}

/** zap writes floats without exponents. */
function plainNumber(value: number): string {
  const text = String(value);
  if (!text.includes("e")) return text;
  return Math.abs(value) >= 1 ? String(BigInt(value)) : value.toFixed(20).replace(/0+$/, "");
}

function nonFinite(value: number): string {
  return Number.isNaN(value) ? "NaN" : value > 0 ? "+Inf" : "-Inf";
}

// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what must be escaped.
const NEEDS_ESCAPE = /[\u0000-\u001f"\\\ud800-\udfff]/;
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what must be escaped.
const RARE_ESCAPES = /[\u0008\u000c]/g;
const LONE_SURROGATES = /[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/g;

/** A JSON string as zap writes it: no short forms for backspace and form feed, U+FFFD for junk. */
export function quoteJson(text: string): string {
  if (!NEEDS_ESCAPE.test(text)) return `"${text}"`;
  const cleaned = text.replace(LONE_SURROGATES, "\ufffd");
  if (!RARE_ESCAPES.test(cleaned)) return JSON.stringify(cleaned);
  // A placeholder from the private use area cannot be told from text, so work piece by piece.
  return `"${cleaned
    .split(/([\b\f])/)
    .map((piece) =>
      piece === "\b" ? "\\u0008" : piece === "\f" ? "\\u000c" : JSON.stringify(piece).slice(1, -1),
    )
    .join("")}"`;
}

let offsetKnownForMinute = -1;
let offsetMinutes = 0;

/** Local time in microseconds with the zone, `2006-01-02T15:04:05.000000Z0700` in Go's notation. */
export function formatTimestamp(wallMs: number): string {
  const minute = Math.floor(wallMs / 60_000);
  if (minute !== offsetKnownForMinute) {
    offsetKnownForMinute = minute;
    offsetMinutes = -new Date(wallMs).getTimezoneOffset();
  }
  const wholeMs = Math.floor(wallMs);
  const micros = Math.floor((wallMs - wholeMs) * 1000);
  const local = new Date(wholeMs + offsetMinutes * 60_000).toISOString();
  const fraction = micros === 0 ? "000" : String(micros).padStart(3, "0");
  return `${local.slice(0, -1)}${fraction}${formatZone(offsetMinutes)}`;
}

function formatZone(minutes: number): string {
  if (minutes === 0) return "Z";
  const magnitude = Math.abs(minutes);
  const hours = String(Math.floor(magnitude / 60)).padStart(2, "0");
  return `${minutes < 0 ? "-" : "+"}${hours}${String(magnitude % 60).padStart(2, "0")}`;
}
