/** A member's log lines as part of the trace, kept only while the trace keeps lines. */
import type { LogFields, Logger, LogLevel } from "../../env/index.ts";
import type { Scheduler } from "./scheduler.ts";
import type { Trace } from "./trace.ts";

export class SimLogger implements Logger {
  readonly #member: string;
  readonly #scheduler: Scheduler;
  readonly #trace: Trace;

  constructor(member: string, scheduler: Scheduler, trace: Trace) {
    this.#member = member;
    this.#scheduler = scheduler;
    this.#trace = trace;
  }

  enabled(level: LogLevel): boolean {
    return level !== "debug" && this.#trace.lines !== undefined;
  }

  debug(): void {}

  info(message: string, fields?: LogFields): void {
    this.#log("info", message, fields);
  }

  warn(message: string, fields?: LogFields): void {
    this.#log("warn", message, fields);
  }

  error(message: string, fields?: LogFields): void {
    this.#log("error", message, fields);
  }

  fatal(message: string, fields?: LogFields): void {
    this.#log("fatal", message, fields);
  }

  child(): Logger {
    return this;
  }

  #log(level: LogLevel, message: string, fields: LogFields = {}): void {
    this.#trace.line(() => {
      const words = Object.entries(fields).map(([key, value]) => `${key}=${format(value)}`);
      const at = this.#scheduler.nowMs.toFixed(4);
      return `${at} ${this.#member} [${level}] ${message} ${words.join(" ")}`;
    });
  }
}

function format(value: unknown): string {
  if (value instanceof Error) return `"${value.message}"`;
  if (typeof value === "bigint") return value.toString(16);
  return typeof value === "object" ? String(JSON.stringify(value)) : String(value);
}
