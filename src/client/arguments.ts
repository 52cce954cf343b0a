/**
 * What callers give, looked at before it is encoded or waited for: types are gone at run time, and
 * what a program read from its environment may be missing. All throw `TypeError` with the name of
 * the argument and what was given.
 */
import type { CallOptions } from "./options.ts";

/** A revision, a limit, a number of seconds: 0 where none is given. */
export function wholeNumber(name: string, value: number | undefined): number {
  return value === undefined || value === null ? 0 : mustBeWhole(name, value);
}

/** The same of what must be given. */
export function mustBeWhole(name: string, value: number): number {
  if (Number.isSafeInteger(value)) return value;
  throw wrong(name, "a whole number", value);
}

/** The id of a lease or a member. */
export function mustBeID(name: string, value: bigint): bigint {
  if (typeof value === "bigint") return value;
  throw wrong(name, "a bigint", value);
}

/** What stands for a name in an option, such as "ascend". */
export function namedIn<T>(name: string, value: string, table: Readonly<Record<string, T>>): T {
  const found = Object.hasOwn(table, value) ? table[value] : undefined;
  if (found !== undefined) return found;
  throw wrong(name, `one of ${Object.keys(table).join(", ")}`, value);
}

/** A number of milliseconds. */
export function checkDuration(name: string, value: number | undefined): void {
  if (value === undefined) return;
  if (typeof value !== "number" || Number.isNaN(value)) {
    throw wrong(name, "a number of milliseconds", value);
  }
}

/** What bounds a call. */
export function checkLimits({ timeoutMs, signal, endpoint }: CallOptions): void {
  checkDuration("timeoutMs", timeoutMs);
  if (endpoint !== undefined) mustBeText("endpoint", endpoint);
  if (signal === undefined) return;
  // Not `instanceof`: a test runner may have an AbortSignal of its own.
  if (typeof signal?.addEventListener !== "function") {
    throw wrong("signal", "an AbortSignal", signal);
  }
}

export function mustBeText(name: string, value: string): string {
  if (typeof value === "string") return value;
  throw wrong(name, "text", value);
}

export function mustBeFunction(name: string, value: unknown): void {
  if (typeof value !== "function") throw wrong(name, "a function", value);
}

/** `${name} is ${expected}, not …` */
export function wrong(name: string, expected: string, value: unknown): TypeError {
  return new TypeError(`${name} is ${expected}, not ${described(value)}`);
}

function described(value: unknown): string {
  if (typeof value === "string") return JSON.stringify(value);
  if (typeof value === "function") return "a function";
  if (typeof value !== "object" || value === null) return String(value);
  return `an object (${value.constructor?.name ?? "without a prototype"})`;
}
