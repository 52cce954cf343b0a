/** The `etcdutl` program: gives the offline commands the real world, and returns the exit code. */
import { SERVER_VERSION } from "../api/version.ts";
import { etcdutlTable } from "../cli/etcdutl/command-table.ts";
import type { UtilityDeps } from "../cli/etcdutl/deps.ts";
import { ProgressBar } from "../cli/etcdutl/progress-bar.ts";
import { type Io, processIo } from "../cli/framework/io.ts";
import { runTool } from "../cli/framework/run-tool.ts";

const API_VERSION = SERVER_VERSION.split(".").slice(0, 2).join(".");

export function main(): Promise<number> {
  const table = etcdutlTable(({ io }) => utilityDeps(io));
  const about = { version: SERVER_VERSION, apiVersion: API_VERSION, helpLayout: "plain" } as const;
  return runTool(table, about, processIo());
}

async function utilityDeps(io: Io): Promise<UtilityDeps> {
  // Loaded only by commands that touch files.
  const { NodeClock, NodeDisk } = await import("../platform/index.ts");
  const { createLogger } = await import("../platform/logger.ts");
  const clock = new NodeClock();
  const bar = new ProgressBar(io, clock);
  const isWatched = process.stderr.isTTY === true;
  if (isWatched) process.once("exit", () => bar.clear());
  return {
    disk: new NodeDisk(),
    clock,
    logger: createLogger({ format: "console" }),
    progress: isWatched ? bar.report : () => undefined,
    tell: (line) => io.err(`${line}\n`),
  };
}
