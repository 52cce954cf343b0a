/** What commands on files are given of the real world. Loaded only by commands that touch files. */
import type { UtilityDeps } from "../cli/etcdutl/deps.ts";
import { ProgressBar } from "../cli/etcdutl/progress-bar.ts";
import type { Io } from "../cli/framework/io.ts";
import { SystemClock } from "../env/system-clock.ts";
import { NodeDisk, NodeHostNames } from "../platform/index.ts";
import { createLogger } from "../platform/logger.ts";
import type { LogFormat } from "../platform/logger-encoder.ts";

export function utilityDeps(io: Io, format: LogFormat): UtilityDeps {
  const clock = new SystemClock();
  const bar = new ProgressBar(io, clock);
  const isWatched = process.stderr.isTTY === true;
  if (isWatched) process.once("exit", () => bar.clear());
  const logger = createLogger({ format });
  return {
    disk: new NodeDisk(),
    clock,
    naming: {
      hostNames: new NodeHostNames(),
      clock: new SystemClock({ holdsProcess: true }),
      logger,
    },
    logger,
    progress: isWatched ? bar.report : () => undefined,
    tell: (line) => io.err(`${line}\n`),
  };
}
