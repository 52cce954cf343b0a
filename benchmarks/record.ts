/**
 * The record of a run: machine, versions and all samples, as JSON in `benchmarks/results/`. The rows
 * stand in it for people; whatever reads a record makes them from the samples again.
 */
import { spawnSync } from "node:child_process";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { cpus, totalmem } from "node:os";
import { join } from "node:path";
import type { BenchmarkArguments } from "./arguments.ts";
import { type Failure, type Row, type Sample, summarise } from "./report.ts";
import type { ServerUnderTest } from "./server-process.ts";

/** Records of runs that could have one other server called it so. */
const UNNAMED_OTHER = "other";

export interface Run {
  readonly args: BenchmarkArguments;
  readonly servers: readonly ServerUnderTest[];
  readonly samples: readonly Sample[];
  readonly failures: readonly Failure[];
}

/** Returns the file's path. */
export function writeRecord(root: string, { args, servers, samples, failures }: Run): string {
  const folder = join(root, "benchmarks", "results");
  mkdirSync(folder, { recursive: true });
  const date = new Date().toISOString();
  const path = join(folder, `${date.replace(/[:.]/g, "-")}.json`);
  const record = {
    date,
    machine: machine(),
    versions: servers.map((server) => ({ label: server.label, version: versionOf(server) })),
    generator: process.version,
    options: { seconds: args.seconds, rounds: args.rounds, keys: args.keys },
    rows: summarise(samples, failures).map(rowOf),
    failures,
    samples,
  };
  writeFileSync(path, `${JSON.stringify(record, null, 2)}\n`);
  return path;
}

function rowOf({ name, unit, ours, others, budgetMs }: Row): object {
  return {
    name,
    unit,
    ours: ours?.value,
    others: others.map(({ server, sample, ratio, budget, isMet, isNoise }) => ({
      server,
      value: sample?.value,
      ratio,
      budget,
      isMet,
      ...(isNoise && { isNoise }),
    })),
    budgetMs,
  };
}

/** What the figures belong to. */
export function machine(): object {
  return {
    cpu: cpus()[0]?.model ?? "unknown",
    cpus: cpus().length,
    memoryBytes: totalmem(),
    kernel: spawnSync("uname", ["-sr"], { encoding: "utf8" }).stdout.trim(),
  };
}

export function versionOf({ binary, env }: ServerUnderTest): string[] {
  const { stdout } = spawnSync(binary, ["--version"], {
    encoding: "utf8",
    env: { ...process.env, ...env },
  });
  return (stdout ?? "").trim().split("\n");
}

export interface RecordedRun {
  readonly samples: Sample[];
  readonly failures: Failure[];
}

/** Reads the records of this and of earlier versions. @throws Error for other files. */
export function readRecord(path: string): RecordedRun {
  const record = JSON.parse(readFileSync(path, "utf8")) as Partial<RecordedRun> & {
    readonly versions?: readonly { readonly label: string; readonly version: readonly string[] }[];
  };
  if (!Array.isArray(record.samples)) throw new Error(`${path} is no record of a benchmark`);
  const other = record.versions?.find(({ label }) => label === UNNAMED_OTHER);
  const version = /^etcd Version: (\S+)/.exec(other?.version[0] ?? "")?.[1] ?? UNNAMED_OTHER;
  const named = <T extends { readonly server: string }>(all: readonly T[]): T[] =>
    all.map((each) => (each.server === UNNAMED_OTHER ? { ...each, server: version } : each));
  const samples = named(record.samples);
  return { samples, failures: named(record.failures ?? []) };
}
