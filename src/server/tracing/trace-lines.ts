/** The lines `trace[…]`: a slow request, and how long its slow steps took. */
import { utf8FromBytes } from "../../base/bytes.ts";
import { formatDuration } from "../../base/go-text.ts";
import type { Clock, Logger } from "../../env/index.ts";
import { MAX_SHOWN_BYTES } from "./request-text.ts";

/** Requests that take longer are traced, as in etcd. */
export const TRACE_ABOVE_MS = 100;

export interface Trace {
  /** What was done, such as "range". */
  readonly title: string;
  readonly detail: Readonly<Record<string, unknown>>;
  /** On `Clock.nowMs`. */
  readonly startMs: number;
  readonly endMs: number;
  /** In order; each lasts from the end of the one before. */
  readonly steps: readonly { readonly name: string; readonly endMs: number }[];
  /** Tells fast steps, too. */
  readonly allSteps?: boolean;
}

export function logTrace(
  { clock, logger }: { readonly clock: Clock; readonly logger: Logger },
  { title, detail, startMs, endMs, steps, allSteps = false }: Trace,
): void {
  // Only to tell the lines of one trace from those of another.
  const number = Math.floor(endMs * 1000) % 2 ** 31;
  const stepAboveMs = allSteps ? 0 : TRACE_ABOVE_MS / (steps.length + 1);
  const told: string[] = [];
  let beganMs = startMs;
  for (const step of steps) {
    const tookMs = step.endMs - beganMs;
    beganMs = step.endMs;
    if (tookMs <= stepAboveMs) continue;
    told.push(`trace[${number}] '${step.name}'  (duration: ${formatDuration(tookMs)})`);
  }
  const wallEndMs = clock.wallMs() - (clock.nowMs() - endMs);
  logger.info(`trace[${number}] ${title}`, {
    detail: detailText(detail),
    duration: formatDuration(endMs - startMs),
    start: new Date(wallEndMs - (endMs - startMs)).toISOString(),
    end: new Date(wallEndMs).toISOString(),
    steps: told,
    step_count: told.length,
  });
}

function detailText(detail: Readonly<Record<string, unknown>>): string {
  const parts = Object.entries(detail).map(([name, value]) => `${name}:${valueText(value)}; `);
  return `{${parts.join("")}}`;
}

function valueText(value: unknown): string {
  if (!(value instanceof Uint8Array)) return String(value);
  return utf8FromBytes(value.subarray(0, MAX_SHOWN_BYTES));
}
