/** Loggers for tests: one that keeps its lines, one that drops them. */
import type { LogFields, Logger, LogLevel } from "../logger.ts";

export interface LogLine {
  readonly level: LogLevel;
  readonly message: string;
  readonly fields: LogFields;
  readonly name: string | undefined;
}

const NO_FIELDS: LogFields = {};

abstract class LevelLogger implements Logger {
  protected abstract log(level: LogLevel, message: string, fields: LogFields): void;
  abstract enabled(level: LogLevel): boolean;
  abstract child(options: { readonly name?: string; readonly caller?: string }): Logger;

  debug(message: string, fields: LogFields = NO_FIELDS): void {
    this.log("debug", message, fields);
  }
  info(message: string, fields: LogFields = NO_FIELDS): void {
    this.log("info", message, fields);
  }
  warn(message: string, fields: LogFields = NO_FIELDS): void {
    this.log("warn", message, fields);
  }
  error(message: string, fields: LogFields = NO_FIELDS): void {
    this.log("error", message, fields);
  }
  fatal(message: string, fields: LogFields = NO_FIELDS): void {
    this.log("fatal", message, fields);
  }
}

/** Keeps every line. Children write into the same list. */
export class MemoryLogger extends LevelLogger {
  readonly lines: LogLine[];
  readonly #name: string | undefined;

  constructor(lines: LogLine[] = [], name?: string) {
    super();
    this.lines = lines;
    this.#name = name;
  }

  enabled(): boolean {
    return true;
  }

  child(options: { readonly name?: string; readonly caller?: string }): Logger {
    return new MemoryLogger(this.lines, options.name ?? this.#name);
  }

  /** The messages, of one level when given. */
  messages(level?: LogLevel): string[] {
    const wanted = level === undefined ? this.lines : this.lines.filter((l) => l.level === level);
    return wanted.map((line) => line.message);
  }

  protected log(level: LogLevel, message: string, fields: LogFields): void {
    this.lines.push({ level, message, fields, name: this.#name });
  }
}

export class NullLogger extends LevelLogger {
  enabled(): boolean {
    return false;
  }
  child(): Logger {
    return this;
  }
  protected log(): void {}
}
