/**
 * Durations and sizes as Go programs print and read them; users meet them on the command line, in
 * logs and in errors. Durations are numbers of milliseconds here; fractions are kept.
 */
import type { Parsed } from "./go-number.ts";
import { quote } from "./go-quote.ts";

/** A text that does not have the form asked for. The message is what etcd prints. */
export class TextError extends Error {
  constructor(message: string) {
    super(message);
    this.name = "TextError";
  }
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

/** Go counts nanoseconds in 63 bits. */
const MAX_DURATION_NS = 2 ** 63;

/**
 * A duration such as "1h30m" or "100ms", in milliseconds; refusals are `time: invalid duration "x"`
 * and its relatives.
 */
export function parseDuration(text: string): Parsed<number> {
  const invalid = { error: `time: invalid duration ${quote(text)}` };
  const sign = text.startsWith("-") ? -1 : 1;
  let rest = text.replace(/^[+-]/, "");
  if (rest === "0") return { value: 0 };
  if (rest === "") return invalid;
  let totalNs = 0;
  while (rest !== "") {
    const match = /^(\d+\.?\d*|\.\d+)([^\d.]*)/.exec(rest);
    if (match === null) return invalid;
    const unit = match[2] ?? "";
    if (unit === "") return { error: `time: missing unit in duration ${quote(text)}` };
    const scale = UNIT_NS[unit];
    if (scale === undefined) {
      return { error: `time: unknown unit ${quote(unit)} in duration ${quote(text)}` };
    }
    totalNs += Math.round(Number(match[1]) * scale);
    if (totalNs > MAX_DURATION_NS) return invalid;
    rest = rest.slice(match[0].length);
  }
  return { value: totalNs === 0 ? 0 : (sign * totalNs) / 1e6 };
}

/** As `parseDuration`. @throws TextError with its refusal. */
export function parseDurationMs(text: string): number {
  const parsed = parseDuration(text);
  if ("error" in parsed) throw new TextError(parsed.error);
  return parsed.value;
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
