/** What etcdutl is given of the real world. Loaded only by commands that touch files. */
import type { UtilityDeps } from "../cli/etcdutl/deps.ts";
import { ProgressBar } from "../cli/etcdutl/progress-bar.ts";
import type { Io } from "../cli/framework/io.ts";
import { NodeClock, NodeDisk } from "../platform/index.ts";
import { createLogger } from "../platform/logger.ts";

export function utilityDeps(io: Io): UtilityDeps {
  const clock = new NodeClock();
  const bar = new ProgressBar(io, clock);
  if (process.stderr.isTTY === true) process.once("exit", () => bar.clear());
  return {
    disk: new NodeDisk(),
    clock,
    logger: createLogger({ format: "console" }),
    progress: process.stderr.isTTY === true ? bar.report : () => undefined,
    tell: (line) => io.err(`${line}\n`),
  };
}
