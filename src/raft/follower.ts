/** What a follower does with messages: append, restore, answer, and pass requests to the leader. */
import { type Message, MessageType, type Snapshot } from "../api/gen/raft.ts";
import { assert } from "../base/assert.ts";
import { formatID } from "../base/ids.ts";
import { switchToConfig } from "./conf-changes.ts";
import { confStatesEqual, restoreConfiguration } from "./confchange/restore.ts";
import { campaignForTransfer } from "./election.ts";
import { formatConfState } from "./format.ts";
import { snapshotIndex, snapshotTerm } from "./log-unstable.ts";
import type { Raft } from "./raft.ts";
import { emptyConfState } from "./storage.ts";
import { ERR_PROPOSAL_DROPPED, NO_MEMBER, type StepResult } from "./types.ts";

export function stepFollower(raft: Raft, message: Message): StepResult {
  switch (message.type) {
    case MessageType.MsgProp:
      return forwardProposal(raft, message);
    case MessageType.MsgApp:
      heardFromLeader(raft, message);
      handleAppendEntries(raft, message);
      return undefined;
    case MessageType.MsgHeartbeat:
      heardFromLeader(raft, message);
      handleHeartbeat(raft, message);
      return undefined;
    case MessageType.MsgSnap:
      heardFromLeader(raft, message);
      handleSnapshot(raft, message);
      return undefined;
    case MessageType.MsgTransferLeader:
      forwardOrDrop(raft, message, "leader transfer msg");
      return undefined;
    case MessageType.MsgForgetLeader:
      forgetLeader(raft);
      return undefined;
    case MessageType.MsgTimeoutNow:
      raft.logger.info(
        `${raft.name} [term ${raft.term}] received MsgTimeoutNow from ` +
          `${formatID(message.from)} and starts an election to get leadership.`,
      );
      campaignForTransfer(raft);
      return undefined;
    case MessageType.MsgReadIndex:
      forwardOrDrop(raft, message, "index reading msg");
      return undefined;
    case MessageType.MsgReadIndexResp:
      takeReadIndex(raft, message);
      return undefined;
    default:
      return undefined;
  }
}

/** Consistency check and append (paper 5.3). */
export function handleAppendEntries(raft: Raft, message: Message): void {
  const { log } = raft;
  const response = raft.message(MessageType.MsgAppResp, message.from);
  if (message.index < log.committed) {
    // An old message. What is committed here is committed at the leader, so it can go on there.
    response.index = log.committed;
    raft.send(response);
    return;
  }
  if (!isContiguous(message)) {
    raft.logger.error(
      `${raft.name} ignored a MsgApp from ${formatID(message.from)} ` +
        `whose entries do not follow index ${message.index} without gaps`,
    );
    return;
  }
  const previous = { term: message.logTerm, index: message.index };
  const lastNew = log.maybeAppend(previous, message.entries, message.commit);
  if (lastNew !== undefined) {
    response.index = lastNew;
    raft.send(response);
    return;
  }
  if (raft.logger.enabled("debug")) {
    raft.logger.debug(
      `${raft.name} [logterm: ${log.termOrZero(message.index)}, index: ${message.index}] ` +
        `rejected MsgApp [logterm: ${message.logTerm}, index: ${message.index}] ` +
        `from ${formatID(message.from)}`,
    );
  }
  // Tell the leader where the two logs could agree at best, so that it need not try entry by
  // entry: not behind this log's end, and not where this log has later terms than the leader's.
  const hint = log.findConflictByTerm(Math.min(message.index, log.lastIndex()), message.logTerm);
  response.index = message.index;
  response.reject = true;
  response.rejectHint = hint.index;
  response.logTerm = hint.term;
  raft.send(response);
}

export function handleHeartbeat(raft: Raft, message: Message): void {
  raft.log.commitTo(message.commit);
  const response = raft.message(MessageType.MsgHeartbeatResp, message.from);
  response.context = message.context;
  raft.send(response);
}

export function handleSnapshot(raft: Raft, message: Message): void {
  const { log, logger, name } = raft;
  const snapshot = message.snapshot;
  const restored = snapshot !== undefined && restore(raft, snapshot);
  const index = snapshot === undefined ? 0 : snapshotIndex(snapshot);
  const term = snapshot === undefined ? 0 : snapshotTerm(snapshot);
  logger.info(
    `${name} [commit: ${log.committed}] ${restored ? "restored" : "ignored"} snapshot ` +
      `[index: ${index}, term: ${term}]`,
  );
  const response = raft.message(MessageType.MsgAppResp, message.from);
  response.index = restored ? log.lastIndex() : log.committed;
  raft.send(response);
}

/** Replaces log and configuration by the snapshot's. False when it brings nothing new. */
function restore(raft: Raft, snapshot: Snapshot): boolean {
  const { log, logger, name } = raft;
  const index = snapshotIndex(snapshot);
  const term = snapshotTerm(snapshot);
  if (index <= log.committed) return false;
  assert(raft.state === "StateFollower", "only a follower restores a snapshot");

  const confState = snapshot.metadata?.confState ?? emptyConfState();
  const { voters, learners, votersOutgoing } = confState;
  if (![voters, learners, votersOutgoing].some((ids) => ids.includes(raft.id))) {
    logger.warning(
      `${name} attempted to restore snapshot but it is not in the ConfState ` +
        `${formatConfState(confState)}; should never happen`,
    );
    return false;
  }

  const last = log.lastEntryID();
  const marks = `lastindex: ${last.index}, lastterm: ${last.term}`;
  if (log.matchTerm(term, index)) {
    // This log has all of it (paper 5.3, log matching): only the commit index is news.
    logger.info(
      `${name} [commit: ${log.committed}, ${marks}] ` +
        `fast-forwarded commit to snapshot [index: ${index}, term: ${term}]`,
    );
    log.commitTo(index);
    return false;
  }

  log.restore(snapshot);
  raft.restoredIndex = index;
  const restored = restoreConfiguration(raft.tracker, log.lastIndex(), confState);
  const active = switchToConfig(raft, restored);
  assert(confStatesEqual(confState, active), "the snapshot's configuration was not restored");
  const now = log.lastEntryID();
  logger.info(
    `${name} [commit: ${log.committed}, lastindex: ${now.index}, lastterm: ${now.term}] ` +
      `restored snapshot [index: ${index}, term: ${term}]`,
  );
  return true;
}

/** Guards the log against a damaged message; indexes and count must agree at both ends. */
function isContiguous({ entries, index }: Message): boolean {
  const first = entries[0];
  const last = entries[entries.length - 1];
  if (first === undefined || last === undefined) return true;
  return first.index === index + 1 && last.index === index + entries.length;
}

function heardFromLeader(raft: Raft, message: Message): void {
  raft.electionElapsed = 0;
  raft.lead = message.from;
}

function forwardProposal(raft: Raft, message: Message): StepResult {
  const { logger, name, term } = raft;
  if (raft.lead === NO_MEMBER) {
    logger.info(`${name} no leader at term ${term}; dropping proposal`);
    return ERR_PROPOSAL_DROPPED;
  }
  if (raft.disableProposalForwarding) {
    logger.info(
      `${name} not forwarding to leader ${formatID(raft.lead)} at term ${term}; dropping proposal`,
    );
    return ERR_PROPOSAL_DROPPED;
  }
  forward(raft, message);
  return undefined;
}

function forwardOrDrop(raft: Raft, message: Message, what: string): void {
  if (raft.lead === NO_MEMBER) {
    raft.logger.info(`${raft.name} no leader at term ${raft.term}; dropping ${what}`);
    return;
  }
  forward(raft, message);
}

/** Keeps who asked first, so that the answer finds its way; the term is stamped anew. */
function forward(raft: Raft, message: Message): void {
  const copy = raft.message(message.type, raft.lead);
  if (message.from !== NO_MEMBER) copy.from = message.from;
  copy.entries = message.entries;
  copy.context = message.context;
  raft.send(copy);
}

function forgetLeader(raft: Raft): void {
  if (raft.readOnly === "leaseBased") {
    // The lease rests on followers refusing other candidates while they have a leader.
    raft.logger.error("ignoring MsgForgetLeader due to ReadOnlyLeaseBased");
    return;
  }
  if (raft.lead === NO_MEMBER) return;
  raft.logger.info(`${raft.name} forgetting leader ${formatID(raft.lead)} at term ${raft.term}`);
  raft.lead = NO_MEMBER;
}

function takeReadIndex(raft: Raft, message: Message): void {
  const [entry] = message.entries;
  if (entry === undefined || message.entries.length !== 1) {
    raft.logger.error(
      `${raft.name} invalid format of MsgReadIndexResp from ${formatID(message.from)}, ` +
        `entries count: ${message.entries.length}`,
    );
    return;
  }
  raft.readStates.push({ index: message.index, requestContext: entry.data });
}
