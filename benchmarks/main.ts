/**
 * Measures our server beside other etcd binaries: the same load from the same generator, in
 * alternating rounds on the same machine. Ratios count; absolute numbers belong to the machine.
 */
import { rmSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { findRepository } from "../tools/tidy.ts";
import { BENCHMARK_USAGE, type BenchmarkArguments, parseBenchmarkArguments } from "./arguments.ts";
import { AUTH_WORKLOADS } from "./auth-workloads.ts";
import { CLUSTER_WORKLOADS } from "./cluster-workloads.ts";
import { growth } from "./growth/main.ts";
import { JobCosts } from "./job-costs.ts";
import { LARGE_WORKLOADS } from "./large-workloads.ts";
import { LIGHT_WORKLOADS } from "./light-workloads.ts";
import { readRecord, writeRecord } from "./record.ts";
import { type Failure, formatPairs, formatTable, type Sample, summarise } from "./report.ts";
import { ServerCluster } from "./server-cluster.ts";
import { dataRoot, ServerProcess, type ServerUnderTest } from "./server-process.ts";
import { OURS, rotated, usable } from "./servers.ts";
import { STANDING_WORKLOADS } from "./standing-workloads.ts";
import { SWEEP_WORKLOADS } from "./sweep-workloads.ts";
import { ETCDCTL_ROWS, timeTools, toolsUnderTest } from "./tool-workload.ts";
import { Generator } from "./trial.ts";
import { V2_WORKLOADS } from "./v2-workloads.ts";
import {
  MEMBER_WORKLOADS,
  type Measurement,
  type Workload,
  type WorkloadOptions,
} from "./workloads.ts";

const here = fileURLToPath(import.meta.url);
const WORKLOADS: readonly Workload[] = [
  ...MEMBER_WORKLOADS,
  ...AUTH_WORKLOADS,
  ...V2_WORKLOADS,
  ...STANDING_WORKLOADS,
  ...LARGE_WORKLOADS,
  ...SWEEP_WORKLOADS,
  ...CLUSTER_WORKLOADS,
  ...LIGHT_WORKLOADS,
];
const CLUSTER_SIZE = 3;

async function main(): Promise<void> {
  const given = process.argv.slice(2);
  if (given[0] === "growth") return growth(given.slice(1), findRepository(dirname(here)));
  const args = parseBenchmarkArguments(given);
  if (args === undefined) {
    process.stdout.write(BENCHMARK_USAGE);
    return;
  }
  if (args.shown !== undefined) {
    const { samples, failures } = readRecord(args.shown);
    print(samples, failures);
    return;
  }
  const root = findRepository(dirname(here));
  const servers = serversOf(args, root);
  if (servers.length === 0) throw new Error("there is nothing to measure");
  const folder = dataRoot(args.directory, join(root, "dist", ".bench"));
  const run = { args, root, folder, servers, samples: [], failures: [] };
  try {
    await measureAll(run);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
  print(run.samples, run.failures);
  console.log(`\nwritten to ${writeRecord(root, run)}`);
}

interface Run {
  readonly args: BenchmarkArguments;
  readonly root: string;
  readonly folder: string;
  readonly servers: readonly ServerUnderTest[];
  readonly samples: Sample[];
  readonly failures: Failure[];
}

async function measureAll(run: Run): Promise<void> {
  const { args, servers } = run;
  for (const group of groupsOf(WORKLOADS, args.only)) {
    for (let round = 1; round <= args.rounds; round++) {
      for (const workload of group) {
        if (workload.isLong && round > 1) continue;
        for (const server of rotated(servers, round)) {
          await keep(run, workload.rows, server.label, () =>
            measure(workload, server, round, args, run.folder),
          );
        }
      }
    }
  }
  const [server] = servers;
  if (server !== undefined && ETCDCTL_ROWS.some((row) => args.only.test(row))) {
    await keep(run, ETCDCTL_ROWS, server.label, () => measureEtcdctl(run, server));
  }
}

/** A workload that fails is told, and does not cost what the others have measured. */
async function keep(
  { samples, failures }: Run,
  rows: readonly string[],
  server: string,
  measuring: () => Promise<Sample[]>,
): Promise<void> {
  try {
    samples.push(...(await measuring()));
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    console.error(`${rows.join(", ")} ${server}: ${message}`);
    failures.push(...rows.map((row) => ({ row, server, message })));
    process.exitCode = 1;
  }
}

function print(samples: readonly Sample[], failures: readonly Failure[]): void {
  console.log(`\n${formatTable(summarise(samples, failures))}`);
  const pairs = WORKLOADS.flatMap(({ rows: [row = ""], besides }) =>
    besides === undefined ? [] : [{ row, besides }],
  );
  const compared = formatPairs(samples, pairs);
  if (compared !== "") console.log(`\n${compared}`);
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

/** Ours, and the others that can be measured; the run goes on without the rest. */
function serversOf(args: BenchmarkArguments, root: string): ServerUnderTest[] {
  const others = usable(args.versus, args.node, ({ binary, reason }) => {
    console.error(`${binary} is left out: ${reason}`);
    process.exitCode = 1;
  });
  if (!args.hasOurs) return others;
  const binary = args.ours ?? join(root, "bin", "etcd");
  return [{ label: OURS, binary, env: { ETCD_NODE: args.node } }, ...others];
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
    const costs = new JobCosts(target, (job) => new Generator(job).result);
    await costs.begin();
    const measured = await run({
      ...args,
      runJob: (job) => costs.run(job),
      startJob: (job) => new Generator(job),
    });
    const told = await costs.tell(measured);
    const samples = told.map((one): Sample => ({ ...one, server: server.label, round }));
    for (const sample of samples) console.log(describe(sample));
    return samples;
  } finally {
    await target.stop();
    target.removeData();
  }
}

/** All tools ask the same member. */
async function measureEtcdctl(
  { args, root, folder, servers }: Run,
  server: ServerUnderTest,
): Promise<Sample[]> {
  const ours = args.hasOurs ? join(root, "bin", "etcdctl") : undefined;
  const versus = servers.filter(({ label }) => label !== OURS);
  const tools = toolsUnderTest({ ours, versus, node: args.node }).filter(({ row }) =>
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

try {
  await main();
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
}
