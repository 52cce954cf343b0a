/** Somebody who puts and gets at a small, fixed rate while a member does something large. */
import type { LoadResult } from "./load/jobs.ts";
import { type ServerProcess, STALL_METRIC } from "./server-process.ts";
import { type Measurement, PUT, type RunningJob, type WorkloadOptions } from "./workloads.ts";

const REQUESTS_PER_SECOND = 200;
/** A key that no load touches. */
const KEY = 999_999_999_999;
/** Before it counts, and before the large thing begins. */
const WARM_UP_SECONDS = 1;

/**
 * Resolves when the victim is at work. Stop it when the large thing has ended. What stood still
 * before that does not count.
 */
export async function startVictim(
  server: ServerProcess,
  { startJob }: Pick<WorkloadOptions, "startJob">,
): Promise<RunningJob> {
  const job = startJob({
    kind: "openLoop",
    ports: [server.port],
    requests: [PUT, { kind: "get", isSerializable: false }],
    perSecond: REQUESTS_PER_SECOND,
    firstKey: KEY,
    keyCount: 1,
    keyOrder: "same",
    warmUpSeconds: WARM_UP_SECONDS,
    limit: "stop",
  });
  await new Promise((done) => setTimeout(done, 2 * WARM_UP_SECONDS * 1000));
  await server.metric(STALL_METRIC);
  return job;
}

export const victimRows = (row: string): string[] => [`${row}-victim-p99`, `${row}-victim-longest`];

/** What it felt. */
export function victimMeasurements(row: string, result: LoadResult): Measurement[] {
  const [p99 = "", longest = ""] = victimRows(row);
  return [
    { row: p99, unit: "ms", value: result.latency.p99Ms, result },
    { row: longest, unit: "ms", value: result.latency.maxMs },
  ];
}
