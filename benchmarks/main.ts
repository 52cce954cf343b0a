/**
 * Measures our server beside another etcd binary: the same load from the same generator, in
 * alternating rounds on the same machine. Ratios count; absolute numbers belong to the machine.
 */
import { spawnSync } from "node:child_process";
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { cpus, totalmem } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { findRepository } from "../tools/tidy.ts";
import { BENCHMARK_USAGE, type BenchmarkArguments, parseBenchmarkArguments } from "./arguments.ts";
import { AUTH_WORKLOADS } from "./auth-workloads.ts";
import { CLUSTER_WORKLOADS } from "./cluster-workloads.ts";
import { LARGE_WORKLOADS } from "./large-workloads.ts";
import type { LoadJob, LoadResult } from "./load/jobs.ts";
import { formatPairs, formatTable, type Sample, summarise } from "./report.ts";
import { ServerCluster } from "./server-cluster.ts";
import { dataRoot, ServerProcess, type ServerUnderTest } from "./server-process.ts";
import { ETCDCTL_ROWS, timeTools, toolsUnderTest } from "./tool-workload.ts";
import { Generator } from "./trial.ts";
import { V2_WORKLOADS } from "./v2-workloads.ts";
import {
  MEMBER_WORKLOADS,
  type Measurement,
  type RunningJob,
  type Workload,
  type WorkloadOptions,
} from "./workloads.ts";

const here = fileURLToPath(import.meta.url);
const STALL_METRIC = "nodejs_eventloop_lag_max_seconds";
const WORKLOADS: readonly Workload[] = [
  ...MEMBER_WORKLOADS,
  ...AUTH_WORKLOADS,
  ...V2_WORKLOADS,
  ...LARGE_WORKLOADS,
  ...CLUSTER_WORKLOADS,
];
const CLUSTER_SIZE = 3;

async function main(): Promise<void> {
  const args = parseBenchmarkArguments(process.argv.slice(2));
  if (args === undefined) {
    process.stdout.write(BENCHMARK_USAGE);
    return;
  }
  const root = findRepository(dirname(here));
  const servers = serversOf(args, root);
  const folder = dataRoot(args.directory, join(root, "dist", ".bench"));
  const samples: Sample[] = [];
  try {
    for (const group of groupsOf(WORKLOADS, args.only)) {
      for (let round = 1; round <= args.rounds; round++) {
        for (const workload of group) {
          if (workload.isLong && round > 1) continue;
          for (const server of servers) {
            const measuring = measure(workload, server, round, args, folder);
            samples.push(...(await orNothing(measuring, workload.rows, server)));
          }
        }
      }
    }
    const [server] = servers;
    if (server !== undefined && ETCDCTL_ROWS.some((row) => args.only.test(row))) {
      const measuring = measureEtcdctl(server, args, root, folder);
      samples.push(...(await orNothing(measuring, ETCDCTL_ROWS, server)));
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
  const rows = summarise(samples);
  console.log(`\n${formatTable(rows)}`);
  const pairs = WORKLOADS.flatMap(({ rows: [row = ""], besides }) =>
    besides === undefined ? [] : [{ row, besides }],
  );
  const compared = formatPairs(samples, pairs);
  if (compared !== "") console.log(`\n${compared}`);
  const path = writeResults(root, { args, servers, samples, rows });
  console.log(`\nwritten to ${path}`);
}

/** The workloads that are asked for; those that are compared with each other stand together. */
function groupsOf(workloads: readonly Workload[], only: RegExp): Workload[][] {
  const groups = new Map<string, Workload[]>();
  for (const workload of workloads) {
    if (!workload.rows.some((row) => only.test(row))) continue;
    const name = workload.besides ?? workload.rows.join();
    const group = groups.get(name);
    if (group === undefined) groups.set(name, [workload]);
    else group.push(workload);
  }
  return [...groups.values()];
}

/** A workload that fails is told, and does not cost what the others have measured. */
async function orNothing(
  measuring: Promise<Sample[]>,
  rows: readonly string[],
  { label }: ServerUnderTest,
): Promise<Sample[]> {
  try {
    return await measuring;
  } catch (error) {
    console.error(`${rows.join(", ")} ${label}: ${error instanceof Error ? error.message : error}`);
    process.exitCode = 1;
    return [];
  }
}

function serversOf(args: BenchmarkArguments, root: string): ServerUnderTest[] {
  const servers: ServerUnderTest[] = [];
  if (args.hasOurs) {
    servers.push({
      label: "ours",
      binary: args.ours ?? join(root, "bin", "etcd"),
      env: { ETCD_NODE: args.node },
    });
  }
  if (args.versus !== undefined) servers.push({ label: "other", binary: args.versus, env: {} });
  return servers;
}

async function measure(
  workload: Workload,
  server: ServerUnderTest,
  round: number,
  args: BenchmarkArguments,
  folder: string,
): Promise<Sample[]> {
  if (workload.kind === "member") {
    const shape = await workload.shape?.(folder);
    const process = new ServerProcess(server, folder, shape);
    return measureOn(process, (options) => workload.run(process, options), server, round, args);
  }
  const cluster = await ServerCluster.prepare(server, folder, CLUSTER_SIZE, workload.flags);
  return measureOn(cluster, (options) => workload.run(cluster, options), server, round, args);
}

type Target = Pick<ServerProcess, "start" | "stop" | "removeData" | "usage" | "metric">;

async function measureOn(
  target: Target,
  run: (options: WorkloadOptions) => Promise<Measurement[]>,
  server: ServerUnderTest,
  round: number,
  args: BenchmarkArguments,
): Promise<Sample[]> {
  try {
    await target.start();
    let cpuSeconds = 0;
    let answered = 0;
    const runJob = async (job: LoadJob): Promise<LoadResult> => {
      const before = target.usage().cpuSeconds;
      const result = await new Generator(job).result;
      cpuSeconds = target.usage().cpuSeconds - before;
      answered = result.operations;
      return result;
    };
    await target.metric(STALL_METRIC);
    const startJob = (job: LoadJob): RunningJob => new Generator(job);
    const measured = await run({ ...args, runJob, startJob });
    const stallSeconds = await target.metric(STALL_METRIC);
    const hasCost = measured.length === 1 && answered > 0;
    const samples = measured.map(
      (measurement): Sample => ({
        ...measurement,
        server: server.label,
        round,
        ...(hasCost && { cpuMicrosPerOperation: (cpuSeconds * 1e6) / answered }),
        ...(stallSeconds !== undefined && { stallMs: stallSeconds * 1000 }),
      }),
    );
    for (const sample of samples) console.log(describe(sample));
    return samples;
  } finally {
    await target.stop();
    target.removeData();
  }
}

/** Both tools ask the same member. */
async function measureEtcdctl(
  server: ServerUnderTest,
  args: BenchmarkArguments,
  root: string,
  folder: string,
): Promise<Sample[]> {
  const ours = args.hasOurs ? join(root, "bin", "etcdctl") : undefined;
  const tools = toolsUnderTest({ ours, versus: args.versus, node: args.node }).filter(({ row }) =>
    args.only.test(row),
  );
  const member = new ServerProcess(server, folder);
  try {
    await member.start();
    const samples = timeTools(tools, member).map(
      ({ tool, medianMs, result }): Sample => ({
        row: tool.row,
        unit: "ms",
        value: medianMs,
        result,
        server: tool.label,
        round: 1,
      }),
    );
    for (const sample of samples) console.log(describe(sample));
    return samples;
  } finally {
    await member.stop();
    member.removeData();
  }
}

function describe({ row, server, round, value, unit, result }: Sample): string {
  const errors = result !== undefined && result.errors > 0 ? `, ${result.errors} errors` : "";
  const p99 = result === undefined ? "" : `, p99 ${result.latency.p99Ms.toFixed(2)} ms`;
  return `${row} ${server} #${round}: ${value.toFixed(1)} ${unit}${p99}${errors}`;
}

interface Results {
  readonly args: BenchmarkArguments;
  readonly servers: readonly ServerUnderTest[];
  readonly samples: readonly (Sample & Measurement)[];
  readonly rows: ReturnType<typeof summarise>;
}

function writeResults(root: string, { args, servers, samples, rows }: Results): string {
  const folder = join(root, "benchmarks", "results");
  mkdirSync(folder, { recursive: true });
  const date = new Date().toISOString();
  const path = join(folder, `${date.replace(/[:.]/g, "-")}.json`);
  const record = {
    date,
    machine: {
      cpu: cpus()[0]?.model ?? "unknown",
      cpus: cpus().length,
      memoryBytes: totalmem(),
      kernel: output("uname", ["-sr"]),
    },
    versions: servers.map(({ label, binary, env }) => ({
      label,
      version: output(binary, ["--version"], env).split("\n"),
    })),
    generator: process.version,
    options: { seconds: args.seconds, rounds: args.rounds, keys: args.keys },
    rows: rows.map(({ name, unit, ours, other, ratio, budget, budgetMs }) => ({
      name,
      unit,
      ours: ours?.value,
      other: other?.value,
      ratio,
      budget,
      budgetMs,
    })),
    samples,
  };
  writeFileSync(path, `${JSON.stringify(record, null, 2)}\n`);
  return path;
}

function output(
  command: string,
  args: string[],
  env: Readonly<Record<string, string>> = {},
): string {
  const { stdout } = spawnSync(command, args, {
    encoding: "utf8",
    env: { ...process.env, ...env },
  });
  return (stdout ?? "").trim();
}

try {
  await main();
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
}
