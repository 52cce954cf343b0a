/**
 * What the other terminals say to a running launcher: one line of JSON there, one back, then the
 * connection ends. Both sides check what they get.
 */
import type { ProcessReport } from "./supervisor.ts";

/** Names of all processes fit many times; bounds what a peer can make the launcher hold. */
export const MAX_REQUEST_BYTES = 64 * 1024;
export const MAX_REPLY_BYTES = 1024 * 1024;
/** Terminals at the same time. */
export const MAX_CONTROL_CONNECTIONS = 16;
/** For a request to arrive whole; it is written at once. */
export const REQUEST_TIMEOUT_MS = 5000;

const COMMANDS = [
  ...(["report", "start", "stop", "restart", "shutdown"] as const),
  ...(["pause", "resume", "kill", "partition", "heal", "slow", "logs", "timeline"] as const),
  ...(["load"] as const),
] as const;
export type ControlCommand = (typeof COMMANDS)[number];

export interface ControlRequest {
  readonly command: ControlCommand;
  /** Empty: all. */
  readonly processes: readonly string[];
  /** For `slow`; 0 ends it. */
  readonly delayMs?: number | undefined;
  /** For `load`; missing: only tell how it goes. */
  readonly load?: LoadMode | undefined;
}

const LOAD_MODES = ["on", "stale", "off"] as const;
/** "on": linearizable reads; "stale": reads that may be old. */
export type LoadMode = (typeof LOAD_MODES)[number];

/** Undefined for a word that is none. */
export function loadModeOf(word: unknown): LoadMode | undefined {
  return LOAD_MODES.find((each) => each === word);
}

export type ControlReply =
  | {
      readonly kind: "done";
      readonly pid: number;
      readonly processes: readonly ProcessReport[];
      /** What was asked for, ready to be shown: `logs` and `timeline`. */
      readonly text?: string | undefined;
    }
  | { readonly kind: "refused"; readonly reason: string };

/** Undefined for anything that is no request. */
export function parseRequest(line: string): ControlRequest | undefined {
  const value = parseObject(line);
  const command = COMMANDS.find((each) => each === value?.["command"]);
  const processes = value?.["processes"];
  const delayMs = value?.["delayMs"];
  if (command === undefined || !Array.isArray(processes)) return undefined;
  if (!processes.every((each) => typeof each === "string")) return undefined;
  const load = loadModeOf(value?.["load"]);
  if (load === undefined && value?.["load"] !== undefined) return undefined;
  if (delayMs === undefined) return { command, processes, ...(load && { load }) };
  return Number.isSafeInteger(delayMs) && (delayMs as number) >= 0
    ? { command, processes, delayMs: delayMs as number }
    : undefined;
}

/** Undefined for anything that is no reply. The launcher's own user has written it. */
export function parseReply(line: string): ControlReply | undefined {
  const value = parseObject(line);
  const isReply =
    (value?.["kind"] === "done" && Array.isArray(value["processes"])) ||
    (value?.["kind"] === "refused" && typeof value["reason"] === "string");
  return isReply ? (value as unknown as ControlReply) : undefined;
}

function parseObject(line: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(line);
    return typeof value === "object" && value !== null
      ? (value as Record<string, unknown>)
      : undefined;
  } catch {
    return undefined;
  }
}
