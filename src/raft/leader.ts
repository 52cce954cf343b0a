/** What a leader does with messages: proposals, acknowledgements, reads, and handing over. */
import { type Entry, type Message, MessageType } from "../api/gen/raft.ts";
import { formatID } from "../base/ids.ts";
import { handleAppendResponse } from "./acknowledgements.ts";
import { checkConfChanges } from "./conf-changes.ts";
import { formatProgress } from "./format.ts";
import type { Progress } from "./progress.ts";
import type { Raft } from "./raft.ts";
import { answerConfirmedReads, handleReadIndex } from "./reads.ts";
import { broadcastAppend, broadcastHeartbeat, sendAppend } from "./sending.ts";
import { handleTransferRequest } from "./transfer.ts";
import { ERR_PROPOSAL_DROPPED, NO_MEMBER, type StepResult } from "./types.ts";
import { payloadBytes } from "./entry-size.ts";

export function stepLeader(raft: Raft, message: Message): StepResult {
  switch (message.type) {
    case MessageType.MsgBeat:
      broadcastHeartbeat(raft);
      return undefined;
    case MessageType.MsgCheckQuorum:
      checkQuorum(raft);
      return undefined;
    case MessageType.MsgProp:
      return propose(raft, message.entries);
    case MessageType.MsgReadIndex:
      handleReadIndex(raft, message);
      return undefined;
    case MessageType.MsgForgetLeader:
      return undefined;
  }
  const progress = raft.tracker.find(message.from);
  if (progress === undefined) {
    raft.logger.debug(`${raft.name} no progress available for ${formatID(message.from)}`);
    return undefined;
  }
  switch (message.type) {
    case MessageType.MsgAppResp:
      handleAppendResponse(raft, message, progress);
      return undefined;
    case MessageType.MsgHeartbeatResp:
      handleHeartbeatResponse(raft, message, progress);
      return undefined;
    case MessageType.MsgSnapStatus:
      handleSnapshotStatus(raft, message, progress);
      return undefined;
    case MessageType.MsgUnreachable:
      handleUnreachable(raft, message, progress);
      return undefined;
    case MessageType.MsgTransferLeader:
      handleTransferRequest(raft, message.from, progress);
      return undefined;
    default:
      return undefined;
  }
}

/**
 * Gives `entries` their place in the log, keeping the objects. They count towards commitment when
 * this member's acknowledgement to itself comes back from the disk. False, with nothing changed,
 * when the uncommitted tail has no room for them.
 */
export function appendEntries(raft: Raft, entries: readonly Entry[]): boolean {
  const bytes = payloadBytes(entries);
  // An empty tail takes anything, so that one proposal over the limit cannot block for ever.
  // Entries without payload (a new leader's first, leaving a joint configuration) always fit.
  if (
    raft.uncommittedBytes > 0 &&
    bytes > 0 &&
    raft.uncommittedBytes + bytes > raft.maxUncommittedBytes
  ) {
    raft.logger.warning(
      `${raft.name} appending new entries to log would exceed uncommitted entry size limit; ` +
        "dropping proposal",
    );
    return false;
  }
  raft.uncommittedBytes += bytes;
  const { log, term } = raft;
  let index = log.lastIndex();
  for (const entry of entries) {
    entry.term = term;
    entry.index = ++index;
  }
  log.append(entries);
  const own = raft.message(MessageType.MsgAppResp, raft.id);
  own.index = index;
  raft.send(own);
  return true;
}

function propose(raft: Raft, entries: readonly Entry[]): StepResult {
  // Nothing to do, or removed from the group while leading.
  if (entries.length === 0 || raft.tracker.find(raft.id) === undefined) {
    return ERR_PROPOSAL_DROPPED;
  }
  if (raft.leadTransferee !== NO_MEMBER) {
    raft.logger.debug(
      `${raft.name} [term ${raft.term}] transfer leadership to ` +
        `${formatID(raft.leadTransferee)} is in progress; dropping proposal`,
    );
    return ERR_PROPOSAL_DROPPED;
  }
  checkConfChanges(raft, entries);
  if (!appendEntries(raft, entries)) return ERR_PROPOSAL_DROPPED;
  broadcastAppend(raft);
  return undefined;
}

/** Steps down when no quorum was heard from for an election timeout (thesis 6.2). */
function checkQuorum(raft: Raft): void {
  if (!raft.tracker.quorumActive()) {
    raft.logger.warning(`${raft.name} stepped down to follower since quorum is not active`);
    raft.becomeFollower(raft.term, NO_MEMBER);
  }
  for (const progress of raft.tracker.progress) {
    if (progress.id !== raft.id) progress.recentActive = false;
  }
}

function handleHeartbeatResponse(raft: Raft, message: Message, progress: Progress): void {
  progress.recentActive = true;
  progress.appendPaused = false;
  // Appends to this member may have been lost; with a full window an empty one still goes out,
  // and its rejection or acknowledgement gets things moving again.
  if (progress.match < raft.log.lastIndex() || progress.state === "StateProbe") {
    sendAppend(raft, progress);
  }
  if (raft.readOnly !== "safe" || message.context.length === 0) return;
  raft.reads.acknowledge(message.from, message.context);
  answerConfirmedReads(raft);
}

function handleSnapshotStatus(raft: Raft, message: Message, progress: Progress): void {
  if (progress.state !== "StateSnapshot") return;
  if (message.reject) progress.pendingSnapshot = 0;
  progress.becomeProbe();
  if (raft.logger.enabled("debug")) {
    raft.logger.debug(
      `${raft.name} snapshot ${message.reject ? "failed" : "succeeded"}, resumed sending ` +
        `replication messages to ${formatID(message.from)} [${formatProgress(progress)}]`,
    );
  }
  // Success: wait for the acknowledgement of the snapshot. Failure: wait for a heartbeat round.
  progress.appendPaused = true;
}

function handleUnreachable(raft: Raft, message: Message, progress: Progress): void {
  // Pipelined appends were probably lost: find out what arrived.
  if (progress.state === "StateReplicate") progress.becomeProbe();
  if (raft.logger.enabled("debug")) {
    raft.logger.debug(
      `${raft.name} failed to send message to ${formatID(message.from)} ` +
        `because it is unreachable [${formatProgress(progress)}]`,
    );
  }
}
