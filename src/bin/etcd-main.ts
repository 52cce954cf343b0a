/**
 * The server program: reads the command line, does what it says, and ends with the exit code that
 * etcd would have. What runs a member is loaded when one is to run.
 *
 * Exit codes: 0 after help, version and when the others removed this member; 1 for settings and
 * starts that fail and for fatal errors; 2 for a mistake on the command line; by the signal itself
 * after SIGINT and SIGTERM (0 as process 1, which no default action can end).
 */
import { readFileSync } from "node:fs";
import { networkInterfaces } from "node:os";
import { SERVER_VERSION } from "../api/version.ts";
import { type ParseDeps, parseCommandLine } from "../embed/config/index.ts";
import { goArchitecture, goOperatingSystem } from "../base/go-names.ts";
import { findDefaultHost } from "./default-host.ts";

/** `argv` as in `process.argv`: runtime, program, arguments. */
export async function main(argv: readonly string[]): Promise<void> {
  const args = argv.slice(2);
  const [command] = args;
  if (command === "gateway" || command === "grpc-proxy") {
    const { main: runProxy } = await import("./proxy-main.ts");
    process.exitCode = await runProxy();
    return;
  }
  if (command === "join") {
    const { joinMain } = await import("./join-main.ts");
    const { runServer } = await import("./run-server.ts");
    await joinMain(args.slice(1), parseDeps(), (config, records, onReady) =>
      runServer(config, records, gitSha(), onReady),
    );
    return;
  }
  const outcome = await parseCommandLine(["etcd", ...args], parseDeps());
  switch (outcome.kind) {
    case "print":
      process.stdout.write(outcome.stdout);
      process.stderr.write(outcome.stderr);
      process.exitCode = outcome.exitCode;
      return;
    case "refuse": {
      const { logRefusal } = await import("./run-server.ts");
      logRefusal(outcome.records);
      process.exitCode = 1;
      return;
    }
    case "run": {
      const { runServer } = await import("./run-server.ts");
      await runServer(outcome.config, outcome.records, gitSha());
    }
  }
}

function parseDeps(): ParseDeps {
  return {
    env: process.env,
    readFile: (path) => readFileSync(path, "utf8"),
    findHost: () => findDefaultHost(readOr("/proc/net/route", ""), networkInterfaces()),
    version: {
      version: SERVER_VERSION,
      gitSha: gitSha(),
      runtime: `node ${process.version}`,
      os: goOperatingSystem(process.platform),
      arch: goArchitecture(process.arch),
    },
  };
}

/** The commit that the build was made from; the build leaves it beside the compiled program. */
function gitSha(): string {
  return readOr(new URL("../../git-sha", import.meta.url), "").trim() || "unknown";
}

function readOr(path: string | URL, otherwise: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return otherwise;
  }
}
