/** What commands on files are given of the real world. Loaded only by commands that touch files. */
import type { UtilityDeps } from "../cli/etcdutl/deps.ts";
import type { Io } from "../cli/framework/io.ts";
import { ProgressBar } from "../cli/framework/progress-bar.ts";
import { SystemClock } from "../env/system-clock.ts";
import {
  type LogFormat,
  type LogSink,
  NodeDisk,
  NodeHostNames,
  createLogger,
} from "../platform/index.ts";

export function utilityDeps(io: Io, format: LogFormat): UtilityDeps {
  const clock = new SystemClock();
  const bar = new ProgressBar(io, () => clock.nowMs());
  const logger = createLogger({ format, sinks: [standardError(io)] });
  return {
    disk: new NodeDisk(),
    clock,
    naming: {
      hostNames: new NodeHostNames(),
      clock: new SystemClock({ holdsProcess: true }),
      logger,
    },
    logger,
    progress: bar.report,
    tell: (line) => io.err(`${line}\n`),
  };
}

/** Log lines go the way of all output: they end the progress bar and keep their place. */
function standardError(io: Io): LogSink {
  return { write: (line) => io.err(line), flushSync: () => undefined, close: () => undefined };
}
