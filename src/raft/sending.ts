/** The leader's sending side: appends, heartbeats and snapshots, within flow control. */
import { MessageType } from "../api/gen/raft.ts";
import { assert } from "../base/assert.ts";
import { EMPTY_BYTES } from "../base/bytes.ts";
import { formatID } from "../base/ids.ts";
import { payloadBytes } from "./entry-size.ts";
import { formatProgress } from "./format.ts";
import { snapshotIndex, snapshotTerm } from "./log-unstable.ts";
import type { Progress } from "./progress.ts";
import type { Raft } from "./raft.ts";

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
