/** The leader's sending side: appends, heartbeats and snapshots, and what their answers lead to. */
import { type Message, MessageType } from "../api/gen/raft.ts";
import { assert } from "../base/assert.ts";
import { EMPTY_BYTES } from "../base/bytes.ts";
import { formatID } from "../base/ids.ts";
import { payloadBytes } from "./entry-size.ts";
import { formatProgress } from "./format.ts";
import { snapshotIndex, snapshotTerm } from "./log-unstable.ts";
import type { Progress } from "./progress.ts";
import type { Raft } from "./raft.ts";
import { releaseEarlyReads } from "./reads.ts";
import { sendTimeoutNow } from "./transfer.ts";

export function broadcastAppend(raft: Raft): void {
  for (const progress of raft.tracker.progress) {
    if (progress.id !== raft.id) sendAppend(raft, progress);
  }
}

/** Sends what the member lacks, or at least the commit index, unless it is paused. */
export function sendAppend(raft: Raft, progress: Progress): void {
  maybeSendAppend(raft, progress, true);
}

/** As `sendAppend`; without `sendIfEmpty` only when there are entries. Returns whether it sent. */
export function maybeSendAppend(raft: Raft, progress: Progress, sendIfEmpty: boolean): boolean {
  if (progress.paused) return false;
  const { log } = raft;
  const previous = progress.next - 1;
  const previousTerm = log.term(previous);
  if (previousTerm === undefined) return maybeSendSnapshot(raft, progress);

  // A full window still lets empty messages through: if all messages in it were lost, the answer
  // to an empty one is what tells.
  const windowFull = progress.state === "StateReplicate" && progress.inflights.full;
  const entries = windowFull ? [] : log.entriesFrom(progress.next, raft.maxSizePerMsgBytes);
  if (entries === undefined) return maybeSendSnapshot(raft, progress);
  if (entries.length === 0 && !sendIfEmpty) return false;

  const message = raft.message(MessageType.MsgApp, progress.id);
  message.index = previous;
  message.logTerm = previousTerm;
  message.entries = entries;
  message.commit = log.committed;
  raft.send(message);
  progress.sentEntries(entries.length, payloadBytes(entries));
  progress.sentCommit = log.committed;
  return true;
}

/** For a member whose next entry is compacted away. Returns whether the snapshot was sent. */
function maybeSendSnapshot(raft: Raft, progress: Progress): boolean {
  const { log, logger, name } = raft;
  const to = formatID(progress.id);
  if (!progress.recentActive) {
    logger.debug(`ignore sending snapshot to ${to} since it is not recently active`);
    return false;
  }
  const snapshot = log.snapshot();
  if (snapshot === "temporarilyUnavailable") {
    logger.debug(
      `${name} failed to send snapshot to ${to} because snapshot is temporarily unavailable`,
    );
    return false;
  }
  const index = snapshotIndex(snapshot);
  assert(index !== 0, "need non-empty snapshot");
  logger.debug(
    `${name} [firstindex: ${log.firstIndex()}, commit: ${log.committed}] sent snapshot` +
      `[index: ${index}, term: ${snapshotTerm(snapshot)}] to ${to} [${formatProgress(progress)}]`,
  );
  progress.becomeSnapshot(index);
  logger.debug(
    `${name} paused sending replication messages to ${to} [${formatProgress(progress)}]`,
  );
  const message = raft.message(MessageType.MsgSnap, progress.id);
  message.snapshot = snapshot;
  raft.send(message);
  return true;
}

/** Heartbeats carry the newest waiting read, so that a lost round repeats itself. */
export function broadcastHeartbeat(raft: Raft): void {
  const context = raft.readOnly === "safe" ? raft.reads.heartbeatContext() : EMPTY_BYTES;
  for (const progress of raft.tracker.progress) {
    if (progress.id === raft.id) continue;
    const message = raft.message(MessageType.MsgHeartbeat, progress.id);
    // A member may only learn of commits within the part of its log that is known to match.
    const commit = Math.min(progress.match, raft.log.committed);
    message.commit = commit;
    message.context = context;
    raft.send(message);
    progress.sentCommit = commit;
  }
}

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

/** Enters or stays in replicate state after an acknowledgement, if the log reaches back far enough. */
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
