/**
 * What front ends on threads give and cost: the same loads against a member that serves its client
 * port by 0, 1 and 2 of them, in turns. For each load: operations per second, latencies, and the
 * processor time of an operation by kind of thread.
 *
 *   node dist/benchmarks/front-ends/measure.js [--workers 0,1,2] [--seconds 3] [--rounds 2]
 *     [--only REGEX] [--dir DIRECTORY]
 */
import { chmodSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { findRepository } from "../../tools/tidy.ts";
import type { LoadJob, LoadResult } from "../load/jobs.ts";
import { dataRoot, ServerProcess } from "../server-process.ts";
import { rotated } from "../servers.ts";
import { between, threadTimes } from "../thread-times.ts";
import { Generator, TRIAL_OPTIONS } from "../trial.ts";
import { GET_RANDOM_KEY, LOADED_KEYS, loadKeys, PUT_ONE_KEY, VALUE_BYTES } from "../workloads.ts";

const here = dirname(fileURLToPath(import.meta.url));
const root = findRepository(here);
/** As the start scripts set them. */
const HEAP_FLAGS =
  "--max-semi-space-size=32 --heap-growing-percent=60 --initial-old-space-size=128";
const WARM_UP_SECONDS = 1.5;

const ALONE = { connections: 1, streams: 1 } as const;

/** The loads by the names of the benchmark's rows. */
const LOADS: Readonly<Record<string, (port: number, seconds: number) => LoadJob>> = {
  "put-same-key": (port, seconds) => closedLoop(port, seconds, PUT_ONE_KEY),
  "get-linearizable": (port, seconds) => closedLoop(port, seconds, GET_RANDOM_KEY),
  "put-one-by-one": (port, seconds) => closedLoop(port, seconds, { ...PUT_ONE_KEY, ...ALONE }),
  "get-one-by-one": (port, seconds) => closedLoop(port, seconds, { ...GET_RANDOM_KEY, ...ALONE }),
  "watch-fan-out": (port, seconds) => {
    const load = { connections: 10, watchers: 1_000, valueBytes: VALUE_BYTES };
    return { kind: "watch", port, seconds, ...load };
  },
};

function closedLoop(port: number, seconds: number, loop: typeof PUT_ONE_KEY): LoadJob {
  return { kind: "closedLoop", ports: [port], warmUpSeconds: 0, limit: { seconds }, ...loop };
}

/** A start script that takes etcd's flags. */
function startScript(folder: string, workers: number): string {
  const script = join(folder, `front-ends-${workers}`);
  const program = `"${process.execPath}" ${HEAP_FLAGS} "${join(here, "main.js")}"`;
  writeFileSync(script, `#!/bin/sh\nexec ${program} --workers ${workers} "$@"\n`);
  chmodSync(script, 0o755);
  return script;
}

function report(row: string, workers: number, result: LoadResult, columns: string[]): void {
  const { operations, seconds, latency, errors } = result;
  const all = [
    row.padEnd(17),
    `${workers} workers`,
    `${(operations / seconds).toFixed(0).padStart(8)} op/s`,
    `p50 ${latency.p50Ms.toFixed(3)}, p99 ${latency.p99Ms.toFixed(3)} ms`.padEnd(26),
    ...columns,
    ...(errors > 0 ? [`${errors} errors`] : []),
  ];
  console.log(all.join("  "));
}

async function measure(
  folder: string,
  workers: number,
  { only, seconds }: { readonly only: RegExp; readonly seconds: number },
): Promise<void> {
  const binary = startScript(folder, workers);
  const member = new ServerProcess({ label: `front-ends-${workers}`, binary, env: {} }, folder);
  await member.start();
  try {
    const run = (job: LoadJob): Promise<LoadResult> => new Generator(job).result;
    await loadKeys([member.port], LOADED_KEYS, run);
    for (const [row, jobOf] of Object.entries(LOADS)) {
      if (!only.test(row)) continue;
      await run(jobOf(member.port, WARM_UP_SECONDS));
      const before = threadTimes(member.pid);
      const result = await run(jobOf(member.port, seconds));
      const times = [...between(before, threadTimes(member.pid)).values()];
      const sum = times.reduce((total, { user, system }) => total + user + system, 0);
      const each = (micros: number): string => (micros / result.operations).toFixed(2);
      const columns = times
        .filter(({ user, system }) => user + system > 0.005 * sum)
        .map(({ name, user, system }) => `${name} ${each(user)}+${each(system)}`);
      report(row, workers, result, [`${each(sum)} µs:`, columns.join(", ")]);
    }
  } finally {
    await member.stop();
    member.removeData();
  }
}

const { values } = parseArgs({
  options: {
    workers: { type: "string", default: "0,1,2" },
    seconds: { type: "string", default: "3" },
    rounds: { type: "string", default: "2" },
    only: { type: "string", default: "" },
    dir: TRIAL_OPTIONS.dir,
  },
});
const folder = dataRoot(values.dir, join(root, "dist", ".bench"));
const options = { only: new RegExp(values.only), seconds: Number(values.seconds) };
const counts = values.workers.split(",").map(Number);
try {
  for (let round = 1; round <= Number(values.rounds); round++) {
    for (const workers of rotated(counts, round)) await measure(folder, workers, options);
  }
} finally {
  rmSync(folder, { recursive: true, force: true });
}
