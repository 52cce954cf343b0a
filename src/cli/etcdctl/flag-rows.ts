/** Rows of flag tables, in short. */
import type { FlagSpec } from "../framework/flags.ts";

export function bool(name: string, usage: string, value = false): FlagSpec {
  return { name, kind: "bool", default: String(value), usage };
}

export function int(name: string, usage: string, value = 0): FlagSpec {
  return { name, kind: "int", default: String(value), usage };
}

export function string(
  name: string,
  value: string,
  usage: string,
  values: readonly string[] = [],
): FlagSpec {
  return { name, kind: "string", default: value, usage, values };
}

export function duration(name: string, value: string, usage: string): FlagSpec {
  return { name, kind: "duration", default: value, usage };
}
