/** The JSON lines that etcd's tools log to standard error. */
import type { Clock } from "../../env/clock.ts";
import type { Io } from "../framework/io.ts";

export type LogFields = Readonly<Record<string, string | number | undefined>>;

export function logLine(
  io: Io,
  level: "info" | "warn" | "error" | "fatal",
  message: string,
  fields: LogFields = {},
): void {
  const { logger, ...others } = fields;
  const line = { level, ts: timestamp(io.clock), logger, msg: message, ...others };
  io.err(`${JSON.stringify(line)}\n`);
}

/** RFC 3339 with microseconds, as etcd logs it. */
function timestamp(clock: Clock): string {
  return new Date(clock.wallMs()).toISOString().replace("Z", "000Z");
}
