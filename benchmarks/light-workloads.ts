/** Three members that have little to do: latencies at a small, fixed rate, alone and with neighbours. */
import { type ChildProcess, spawn } from "node:child_process";
import type { LoadJob, LoadResult } from "./load/jobs.ts";
import type { RequestKind } from "./load/requests.ts";
import type { ServerCluster } from "./server-cluster.ts";
import {
  type ClusterWorkload,
  LOADED,
  LOADED_KEYS,
  loadKeys,
  type Measurement,
  PUT,
  type WorkloadOptions,
} from "./workloads.ts";

const PUTS_PER_SECOND = 100;
const GETS_PER_SECOND = 400;
const WARM_UP_SECONDS = 5;
const NEIGHBOURS = 2;

const PARTS = ["put", "get"] as const;
const rowsOf = (row: string, part: string): string[] =>
  ["", "-p99", "-p99.9"].map((suffix) => `${row}-${part}${suffix}`);

function light(row: string, neighbours: number): ClusterWorkload {
  return {
    kind: "cluster",
    rows: [...PARTS.flatMap((part) => rowsOf(row, part)), `${row}-processor-time`],
    isLong: false,
    flags: [],
    async run(cluster, options) {
      await loadKeys(cluster.ports, LOADED_KEYS, options.runJob);
      await cluster.settled();
      const busy = Array.from({ length: neighbours }, startNeighbour);
      try {
        return await measure(row, cluster, options);
      } finally {
        for (const neighbour of busy) neighbour.kill("SIGKILL");
      }
    },
  };
}

async function measure(
  row: string,
  cluster: ServerCluster,
  { longSeconds: seconds, startJob }: WorkloadOptions,
): Promise<Measurement[]> {
  const jobOf = (request: RequestKind, perSecond: number): LoadJob => ({
    kind: "openLoop",
    ports: cluster.ports,
    requests: [request],
    perSecond,
    ...LOADED,
    warmUpSeconds: WARM_UP_SECONDS,
    limit: "stop",
  });
  const puts = startJob(jobOf(PUT, PUTS_PER_SECOND));
  const gets = startJob(jobOf({ kind: "get", isSerializable: false }, GETS_PER_SECOND));
  // The generators begin within that second; their measurement has not.
  await new Promise((done) => setTimeout(done, (WARM_UP_SECONDS + 1) * 1000));
  const cpuBefore = cluster.usage().cpuSeconds;
  const startMs = performance.now();
  await new Promise((done) => setTimeout(done, seconds * 1000));
  const cpuMs = (cluster.usage().cpuSeconds - cpuBefore) * 1000;
  const tookSeconds = (performance.now() - startMs) / 1000;
  const results = await Promise.all([puts.stop(), gets.stop()]);
  return [
    ...PARTS.flatMap((part, index) => latencies(rowsOf(row, part), results[index])),
    { row: `${row}-processor-time`, unit: "ms/s", value: cpuMs / tookSeconds },
  ];
}

function latencies(rows: readonly string[], result: LoadResult | undefined): Measurement[] {
  if (result === undefined) return [];
  const { latency } = result;
  const [p50 = "", p99 = "", p999 = ""] = rows;
  return [
    { row: p50, unit: "ms", value: latency.p50Ms, result },
    { row: p99, unit: "ms", value: latency.p99Ms },
    { row: p999, unit: "ms", value: latency.p999Ms },
  ];
}

/** A process that takes what it gets of a processor, at normal priority. */
function startNeighbour(): ChildProcess {
  return spawn(process.execPath, ["-e", "for (;;);"], { stdio: "ignore" });
}

export const LIGHT_WORKLOADS: readonly ClusterWorkload[] = [
  light("light", 0),
  light("light-neighbours", NEIGHBOURS),
];
