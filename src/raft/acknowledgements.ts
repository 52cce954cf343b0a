/** What acknowledgements and rejections of appends lead to on the leader (paper 5.3 and 5.4.2). */
import type { Message } from "../api/gen/raft.ts";
import { formatID } from "../base/ids.ts";
import { formatProgress } from "./format.ts";
import type { Progress } from "./progress.ts";
import type { Raft } from "./raft.ts";
import { releaseEarlyReads } from "./reads.ts";
import { broadcastAppend, maybeSendAppend, sendAppend } from "./sending.ts";
import { sendTimeoutNow } from "./transfer.ts";

/** Commits what a quorum has on disk. Returns whether that is more than before. */
export function maybeCommit(raft: Raft): boolean {
  return raft.log.maybeCommit(raft.term, raft.tracker.committed());
}

export function handleAppendResponse(raft: Raft, message: Message, progress: Progress): void {
  progress.recentActive = true;
  if (message.reject) handleRejection(raft, message, progress);
  else handleAcknowledgement(raft, message, progress);
}

function handleRejection(raft: Raft, message: Message, progress: Progress): void {
  const { log, logger, name } = raft;
  const from = formatID(message.from);
  logger.debug(
    `${name} received MsgAppResp(rejected, hint: (index ${message.rejectHint}, ` +
      `term ${message.logTerm})) from ${from} for index ${message.index}`,
  );
  // The hint says where the member's log has terms up to `logTerm`. Entries of this log with later
  // terms cannot match there either, so a whole term is skipped at once.
  const next =
    message.logTerm > 0
      ? log.findConflictByTerm(message.rejectHint, message.logTerm).index
      : message.rejectHint;
  if (!progress.maybeDecreaseTo(message.index, next)) return;
  logger.debug(`${name} decreased progress of ${from} to [${formatProgress(progress)}]`);
  if (progress.state === "StateReplicate") progress.becomeProbe();
  sendAppend(raft, progress);
}

function handleAcknowledgement(raft: Raft, message: Message, progress: Progress): void {
  const { log } = raft;
  const { index, from } = message;
  const isNews =
    progress.maybeUpdate(index) ||
    // An answer to a probe ends probing even when it confirms only what was known.
    (progress.match === index && progress.state === "StateProbe");
  if (!isNews) return;
  resumeSending(raft, progress, index);

  if (maybeCommit(raft)) {
    releaseEarlyReads(raft);
    broadcastAppend(raft);
  } else if (from !== raft.id && progress.canBumpCommit(log.committed)) {
    sendAppend(raft, progress);
  }
  if (from === raft.id) return;
  // The window has room again: fill it, rather than waiting for the next proposal.
  while (maybeSendAppend(raft, progress, false));
  if (from === raft.leadTransferee && progress.match === log.lastIndex()) {
    raft.logger.info(
      `${raft.name} sent MsgTimeoutNow to ${formatID(from)} after received MsgAppResp`,
    );
    sendTimeoutNow(raft, from);
  }
}

/** Enters or stays in replicate state after an acknowledgement, if the log reaches back enough. */
function resumeSending(raft: Raft, progress: Progress, index: number): void {
  switch (progress.state) {
    case "StateProbe":
      progress.becomeReplicate();
      break;
    case "StateReplicate":
      progress.inflights.freeUpTo(index);
      break;
    case "StateSnapshot":
      // Any snapshot that connects to this log will do; it may have come from elsewhere.
      if (progress.match + 1 < raft.log.firstIndex()) break;
      if (raft.logger.enabled("debug")) {
        raft.logger.debug(
          `${raft.name} recovered from needing snapshot, resumed sending replication messages ` +
            `to ${formatID(progress.id)} [${formatProgress(progress)}]`,
        );
      }
      progress.becomeProbe();
      progress.becomeReplicate();
      break;
  }
}
