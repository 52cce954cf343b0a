/** Lengths of time as tests write them. */
import { parseDuration } from "../base/go-text.ts";

/** Milliseconds, or a text such as "500ms", "30s" or "1h30m". */
export type Duration = number | string;

/** In milliseconds. @throws TypeError for what is no duration, RangeError for a negative one. */
export function durationMs(where: string, duration: Duration): number {
  const ms = typeof duration === "string" ? parsed(where, duration) : duration;
  if (typeof ms !== "number" || !(Math.abs(ms) <= Number.MAX_SAFE_INTEGER))
    throw new TypeError(`${where}: ${duration} is no duration`);
  if (ms < 0) throw new RangeError(`${where}: time does not go back (${duration})`);
  return ms;
}

function parsed(where: string, text: string): number {
  const result = parseDuration(text);
  if ("error" in result) throw new TypeError(`${where}: ${result.error}`);
  return result.value;
}
