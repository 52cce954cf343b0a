/** The raft core's log lines, under the logger name that etcd gives them. */
import type { Logger } from "../env/index.ts";
import type { RaftLogger } from "../raft/index.ts";

export function raftLogger(logger: Logger): RaftLogger {
  const target = logger.child({ name: "raft" });
  return {
    enabled: (level) => target.enabled(level),
    debug: (text) => target.debug(text),
    info: (text) => {
      // Routine here: with asynchronous storage writes, one write is often reported twice.
      if (text.endsWith("missing from unstable log; ignoring")) target.debug(text);
      else target.info(text);
    },
    warning: (text) => target.warn(text),
    error: (text) => target.error(text),
  };
}
