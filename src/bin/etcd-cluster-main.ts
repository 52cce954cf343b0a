/**
 * The `etcd-cluster` program: gives the launcher the real world, and returns the exit code.
 */
import { randomBytes } from "node:crypto";
import { existsSync } from "node:fs";
import { dirname, extname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { SERVER_VERSION } from "../api/version.ts";
import { type Deferred, deferred } from "../base/deferred.ts";
import { clusterTable } from "../cli/cluster/command-table.ts";
import type { LauncherDeps } from "../cli/cluster/launcher-deps.ts";
import type { MemberProgram } from "../cli/cluster/plan.ts";
import type { Output } from "../cli/cluster/screen.ts";
import { processIo } from "../cli/framework/io.ts";
import { runTool } from "../cli/framework/run-tool.ts";
import { monotonicMs } from "./monotonic-time.ts";

const API_VERSION = SERVER_VERSION.split(".").slice(0, 2).join(".");
const SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP"] as const;
const isWindows = process.platform === "win32";

export function main(): Promise<number> {
  const about = { version: SERVER_VERSION, apiVersion: API_VERSION, helpLayout: "plain" } as const;
  return runTool(clusterTable(launcherDeps), about, processIo());
}

async function launcherDeps(): Promise<LauncherDeps> {
  const { SystemClock } = await import("../env/system-clock.ts");
  const commandFolder = join(installation(), "bin");
  return {
    clock: new SystemClock(),
    env: process.env,
    pid: process.pid,
    monotonicMs,
    secret: () => randomBytes(16).toString("hex"),
    userID: process.getuid?.(),
    isWindows,
    isTerminal: process.stdout.isTTY === true,
    commandFolder,
    program: memberProgram(commandFolder),
    output: standardOutput(),
    onInterrupt(listener) {
      for (const signal of SIGNALS) process.on(signal, listener);
      process.stdout.on("error", listener);
      return () => {
        for (const signal of SIGNALS) process.off(signal, listener);
        process.stdout.off("error", listener);
      };
    },
    onExit(listener) {
      process.once("exit", listener);
      return () => process.off("exit", listener);
    },
  };
}

/** The nearest folder above with the package's description: sources and compiled files differ. */
function installation(): string {
  let folder = dirname(fileURLToPath(import.meta.url));
  while (!existsSync(join(folder, "package.json")) && folder !== dirname(folder)) {
    folder = dirname(folder);
  }
  return folder;
}

/** On unless somebody has said something else: a cluster on one's own machine is there to be seen. */
function dashboardSetting(): Readonly<Record<string, string>> {
  return { ETCD_ENABLE_DASHBOARD: process.env.ETCD_ENABLE_DASHBOARD ?? "true" };
}

/** The start script, which knows how much memory to give; where no shell is, the program itself. */
function memberProgram(commandFolder: string): MemberProgram {
  const here = fileURLToPath(import.meta.url);
  const beside = join(dirname(here), `etcd${extname(here)}`);
  // A package has the programs in a bundle, and no file beside this one.
  const program = existsSync(beside) ? beside : join(commandFolder, "..", "dist", "etcd.cjs");
  const script = join(commandFolder, "etcd");
  const isCompiled = extname(here) === ".js";
  if (!isWindows && isCompiled && existsSync(script)) {
    const env = { ...dashboardSetting(), ETCD_NODE: process.execPath };
    return { file: script, args: [], env, isOwn: true };
  }
  const flags = ["--inspect-port=192.0.2.1:9229"];
  flags.push("--max-semi-space-size=32", "--heap-growing-percent=60");
  flags.push("--initial-old-space-size=96");
  return {
    file: process.execPath,
    args: [...flags, program],
    env: dashboardSetting(),
    isOwn: true,
  };
}

/** A pipe that nobody reads any more ends the launcher, by the "error" that `onInterrupt` hears. */
function standardOutput(): Output {
  const stream = process.stdout;
  let isBroken = false;
  /** Shared by all who wait; settled and forgotten at the next "drain" or "error". */
  let draining: Deferred | undefined;
  const settle = (): void => {
    draining?.resolve();
    draining = undefined;
  };
  stream.on("drain", settle);
  stream.on("error", () => {
    isBroken = true;
    settle();
  });
  return {
    write: (text) => {
      if (!isBroken) stream.write(text);
    },
    drained: () => {
      if (isBroken || !stream.writableNeedDrain) return Promise.resolve();
      draining ??= deferred();
      return draining.promise;
    },
  };
}
