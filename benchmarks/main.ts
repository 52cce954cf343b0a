/**
 * Measures our server beside another etcd binary: the same load from the same generator, in
 * alternating rounds on the same machine. Ratios count; absolute numbers belong to the machine.
 */
import { fork, spawnSync } from "node:child_process";
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { cpus, totalmem } from "node:os";
import { dirname, extname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { findRepository } from "../tools/tidy.ts";
import { BENCHMARK_USAGE, type BenchmarkArguments, parseBenchmarkArguments } from "./arguments.ts";
import type { GeneratorReply, LoadJob, LoadResult } from "./load/jobs.ts";
import { formatTable, type Sample, summarise } from "./report.ts";
import { dataRoot, ServerProcess, type ServerUnderTest } from "./server-process.ts";
import { type Measurement, WORKLOADS, type Workload } from "./workloads.ts";

const here = fileURLToPath(import.meta.url);
const STALL_METRIC = "nodejs_eventloop_lag_max_seconds";

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
    for (const workload of WORKLOADS) {
      if (!workload.rows.some((row) => args.only.test(row))) continue;
      const rounds = workload.isLong ? 1 : args.rounds;
      for (let round = 1; round <= rounds; round++) {
        for (const server of servers) {
          samples.push(...(await measure(workload, server, round, args, folder)));
        }
      }
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
  const rows = summarise(samples);
  console.log(`\n${formatTable(rows)}`);
  const path = writeResults(root, { args, servers, samples, rows });
  console.log(`\nwritten to ${path}`);
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
  const process = new ServerProcess(server, folder);
  try {
    await process.start();
    let cpuSeconds = 0;
    let answered = 0;
    const runJob = async (job: LoadJob): Promise<LoadResult> => {
      const before = process.usage().cpuSeconds;
      const result = await runGenerator(job);
      cpuSeconds = process.usage().cpuSeconds - before;
      answered = result.operations;
      return result;
    };
    await process.metric(STALL_METRIC);
    const measured = await workload.run(process, { ...args, runJob });
    const stallSeconds = await process.metric(STALL_METRIC);
    const isSingle = measured.length === 1;
    const samples = measured.map(
      (measurement): Sample => ({
        ...measurement,
        server: server.label,
        round,
        ...(isSingle && { cpuMicrosPerOperation: (cpuSeconds * 1e6) / answered }),
        ...(stallSeconds !== undefined && { stallMs: stallSeconds * 1000 }),
      }),
    );
    for (const sample of samples) console.log(describe(sample));
    return samples;
  } finally {
    await process.stop();
    process.removeData();
  }
}

function describe({ row, server, round, value, unit, result }: Sample): string {
  const errors = result !== undefined && result.errors > 0 ? `, ${result.errors} errors` : "";
  const p99 = result === undefined ? "" : `, p99 ${result.latency.p99Ms.toFixed(2)} ms`;
  return `${row} ${server} #${round}: ${value.toFixed(1)} ${unit}${p99}${errors}`;
}

/** A process of its own, so that the load's work never delays another's measurement. */
function runGenerator(job: LoadJob): Promise<LoadResult> {
  const child = fork(join(dirname(here), "load", `generator${extname(here)}`), [], {
    execArgv: [],
  });
  return new Promise((resolve, reject) => {
    child.once("message", (reply: GeneratorReply) => {
      if (reply.kind === "done") resolve(reply.result);
      else reject(new Error(`the load generator failed: ${reply.message}`));
    });
    child.once("exit", (code) => reject(new Error(`the load generator ended with ${code}`)));
    child.send(job);
  });
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
    rows: rows.map(({ name, unit, ours, other, ratio, budget }) => ({
      name,
      unit,
      ours: ours?.value,
      other: other?.value,
      ratio,
      budget,
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
