/** Raft's log lines, under the logger name that etcd gives them. */
import { formatID, type MemberID, type Term } from "../../base/ids.ts";
import type { Logger } from "../../env/index.ts";
import { NO_MEMBER, type RaftLogger } from "../../raft/index.ts";

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

/** What operators look for first: who leads, and since which term. */
export function logLeaderChange(
  logger: Logger,
  memberID: MemberID,
  change: { readonly from: MemberID; readonly to: MemberID; readonly term: Term },
): void {
  const from = formatID(change.from);
  const to = formatID(change.to);
  let what = `changed leader from ${from} to ${to}`;
  if (change.to === NO_MEMBER) what = `lost leader ${from}`;
  else if (change.from === NO_MEMBER) what = `elected leader ${to}`;
  logger
    .child({ name: "raft" })
    .info(`raft.node: ${formatID(memberID)} ${what} at term ${change.term}`);
}
