/** What the curves share: a member for as long as it is measured, and what a load costs it. */
import type { LoadJob, LoadResult } from "../load/jobs.ts";
import { ServerProcess, shapeOfOne } from "../server-process.ts";
import { Generator } from "../trial.ts";
import { MEGABYTE } from "../workloads.ts";
import type { Subject } from "./curves.ts";

/** Of each load that is measured, and of the same before it. */
export const SECONDS = 2;
export const WARM_UP_SECONDS = 1;
/** Puts of one transaction that fills a member; etcd's limit is 128. */
export const FILL_PUTS = 100;

export async function onMember<T>(
  { server, folder }: Subject,
  use: (member: ServerProcess) => Promise<T>,
): Promise<T> {
  const member = new ServerProcess(server, folder, await shapeOfOne());
  try {
    await member.start();
    return await use(member);
  } finally {
    await member.stop();
    member.removeData();
  }
}

/** What can be asked for its use of the processors. */
type Measured = Pick<ServerProcess, "usage">;

export interface Cost {
  /** Microseconds of processor time of the servers for an operation. */
  readonly micros: number;
  readonly result: LoadResult;
}

/** @throws Error when nothing was answered. */
export async function costOf(target: Measured, job: LoadJob): Promise<Cost> {
  const before = target.usage().cpuSeconds;
  const result = await new Generator(job).result;
  const micros = ((target.usage().cpuSeconds - before) * 1e6) / result.operations;
  if (result.operations === 0) throw new Error("no operation was answered");
  return { micros, result };
}

export function heldMegabytes(target: Measured): number {
  return target.usage().anonymousBytes / MEGABYTE;
}

/** Puts `requests` transactions of FILL_PUTS puts each over `keys` keys, again from the first on. */
export async function fill(port: number, keys: number, requests: number): Promise<void> {
  await new Generator({
    kind: "closedLoop",
    ports: [port],
    connections: 8,
    streams: 2,
    request: { kind: "puts", puts: FILL_PUTS, valueBytes: 256 },
    firstKey: 0,
    keyCount: keys,
    keyOrder: "sequential",
    stride: FILL_PUTS,
    warmUpSeconds: 0,
    limit: { requests },
  }).result;
}
