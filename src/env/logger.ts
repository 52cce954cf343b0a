/** Structured logging in the shape of etcd's zap lines. */

export type LogLevel = "debug" | "info" | "warn" | "error" | "fatal";

/** Values are printed as JSON; a bigint prints as a decimal string, an Error as its message. */
export type LogFields = Readonly<Record<string, unknown>>;

export interface Logger {
  /** Guards work that only prepares a log line. */
  enabled(level: LogLevel): boolean;
  debug(message: string, fields?: LogFields): void;
  info(message: string, fields?: LogFields): void;
  warn(message: string, fields?: LogFields): void;
  error(message: string, fields?: LogFields): void;
  /** Logs at level "fatal". Ending the process is the caller's business. */
  fatal(message: string, fields?: LogFields): void;
  /** A logger whose lines carry `"logger":name` (etcd: "raft") or `"caller":caller`. */
  child(options: { readonly name?: string; readonly caller?: string }): Logger;
}
