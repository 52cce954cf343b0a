/**
 * How long `etcdctl get` takes from start to exit, with a member that answers at once. Ours runs on
 * each of the Node.js versions that are found; the other is the etcdctl beside the other etcd.
 */
import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { basename, delimiter, dirname, join } from "node:path";
import { Histogram } from "./load/histogram.ts";
import type { LoadResult } from "./load/jobs.ts";
import type { ServerProcess, ServerUnderTest } from "./server-process.ts";
import { OURS } from "./servers.ts";

const RUNS = 41;
const COMMAND_TIMEOUT_MS = 30_000;
/** Majors with a budget, and the names that their binaries usually have. */
const NODE_MAJORS = [24, 20] as const;

export const ETCDCTL_ROWS: readonly string[] = NODE_MAJORS.map(rowOf);

function rowOf(major: number): string {
  return `etcdctl-get-node${major}`;
}

export interface ToolUnderTest {
  /** Of the server that it belongs to. */
  readonly label: string;
  readonly row: string;
  readonly binary: string;
  readonly env: Readonly<Record<string, string>>;
}

export interface ToolChoice {
  /** Our start script. */
  readonly ours: string | undefined;
  /** The other etcds; the etcdctl of each has the same name with "ctl" behind "etcd". */
  readonly versus: readonly ServerUnderTest[];
  /** The node that was asked for; another one of its major is not looked for. */
  readonly node: string;
}

/** One entry for each row and label. */
export function toolsUnderTest({ ours, versus, node }: ToolChoice): ToolUnderTest[] {
  const tools: ToolUnderTest[] = [];
  for (const major of NODE_MAJORS) {
    const found = [node, process.execPath, ...onPath([`node${major}`, "node"])].find(
      (binary) => majorOf(binary) === major,
    );
    const row = rowOf(major);
    if (found === undefined) console.warn(`${row}: no Node.js ${major} was found`);
    if (ours !== undefined && found !== undefined) {
      tools.push({ label: OURS, row, binary: ours, env: { ETCD_NODE: found } });
    }
    for (const { label, binary, env } of versus) {
      const tool = etcdctlBeside(binary);
      if (tool !== undefined) tools.push({ label, row, binary: tool, env });
    }
  }
  return tools;
}

/** Undefined when there is none. */
export function etcdctlBeside(etcd: string): string | undefined {
  const path = join(dirname(etcd), basename(etcd).replace(/^etcd/, "etcdctl"));
  return existsSync(path) && path !== etcd ? path : undefined;
}

function onPath(names: readonly string[]): string[] {
  const folders = (process.env["PATH"] ?? "").split(delimiter);
  return names.flatMap((name) => folders.map((folder) => join(folder, name))).filter(existsSync);
}

function majorOf(node: string): number | undefined {
  const { stdout } = spawnSync(node, ["--version"], {
    encoding: "utf8",
    timeout: COMMAND_TIMEOUT_MS,
  });
  const major = /^v(\d+)\./.exec(stdout ?? "")?.[1];
  return major === undefined ? undefined : Number(major);
}

export interface ToolTiming {
  readonly tool: ToolUnderTest;
  readonly medianMs: number;
  readonly result: LoadResult;
}

/** All tools in turn, so that each meets the same moments of the machine. The first run is left out. */
export function timeTools(tools: readonly ToolUnderTest[], server: ServerProcess): ToolTiming[] {
  const times = tools.map((): number[] => []);
  for (let run = 0; run <= RUNS; run++) {
    for (const [index, tool] of tools.entries()) {
      const ms = timeOnce(tool, server.port);
      if (run > 0) times[index]?.push(ms);
    }
  }
  return tools.map((tool, index) => timingOf(tool, times[index] ?? []));
}

/** @throws Error when the command fails: a failure is not a fast success. */
function timeOnce({ binary, env }: ToolUnderTest, port: number): number {
  const startMs = performance.now();
  const run = spawnSync(binary, ["--endpoints", `127.0.0.1:${port}`, "get", "k"], {
    env: { ...process.env, ETCDCTL_API: "3", ...env },
    encoding: "utf8",
    timeout: COMMAND_TIMEOUT_MS,
  });
  const ms = performance.now() - startMs;
  if (run.status !== 0) throw new Error(`${binary} get failed: ${run.stderr || run.error}`);
  return ms;
}

function timingOf(tool: ToolUnderTest, times: readonly number[]): ToolTiming {
  const histogram = new Histogram();
  for (const ms of times) histogram.record(ms);
  const sorted = [...times].sort((a, b) => a - b);
  const seconds = times.reduce((sum, ms) => sum + ms, 0) / 1000;
  return {
    tool,
    medianMs: sorted[Math.floor(sorted.length / 2)] ?? 0,
    result: { operations: times.length, errors: 0, seconds, latency: histogram.summary() },
  };
}
