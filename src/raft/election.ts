/**
 * Elections (paper 5.2 and 5.4.1, thesis 9.6 for pre-vote): when a member campaigns, whom it asks,
 * and whether it votes for somebody who asks.
 */
import { EntryType, type Message, MessageType } from "../api/gen/raft.ts";
import { bytesFromLatin1, equalBytes } from "../base/bytes.ts";
import { formatID } from "../base/ids.ts";
import { messageTypeName } from "./format.ts";
import { allVoters } from "./quorum/joint.ts";
import type { Raft } from "./raft.ts";
import { NO_MEMBER } from "./types.ts";

/** Marks a vote request that the leader itself asked for; it overrides the leader's lease. */
const TRANSFER_CONTEXT: Uint8Array = bytesFromLatin1("CampaignTransfer");

export function campaignWithPreVote(raft: Raft): void {
  if (!mayCampaign(raft)) return;
  if (raft.preVote) startPreElection(raft);
  else startElection(raft, false);
}

/** The leader hands over: no pre-vote, because the others still hear from it. */
export function campaignForTransfer(raft: Raft): void {
  if (mayCampaign(raft)) startElection(raft, true);
}

export function startElection(raft: Raft, transfer: boolean): void {
  raft.becomeCandidate();
  requestVotes(raft, MessageType.MsgVote, MessageType.MsgVoteResp, raft.term, transfer);
}

function startPreElection(raft: Raft): void {
  raft.becomePreCandidate();
  // Asks about the term that the election would have, without entering it.
  requestVotes(raft, MessageType.MsgPreVote, MessageType.MsgPreVoteResp, raft.term + 1, false);
}

function mayCampaign(raft: Raft): boolean {
  if (raft.state === "StateLeader") {
    raft.logger.debug(`${raft.name} ignoring MsgHup because already leader`);
    return false;
  }
  if (!raft.promotable()) {
    raft.logger.warning(`${raft.name} is unpromotable and can not campaign`);
    return false;
  }
  if (hasUnappliedConfChanges(raft)) {
    raft.logger.warning(
      `${raft.name} cannot campaign at term ${raft.term} ` +
        "since there are still pending configuration changes to apply",
    );
    return false;
  }
  raft.logger.info(`${raft.name} is starting a new election at term ${raft.term}`);
  return true;
}

/** A committed change that is not applied yet: this member would count with the wrong voters. */
function hasUnappliedConfChanges(raft: Raft): boolean {
  const { log } = raft;
  if (log.applied >= log.committed) return false;
  return log.some(log.applied + 1, log.committed + 1, (entries) =>
    entries.some((entry) => entry.type !== EntryType.EntryNormal),
  );
}

function requestVotes(
  raft: Raft,
  type: MessageType,
  responseType: MessageType,
  term: number,
  transfer: boolean,
): void {
  const last = raft.log.lastEntryID();
  for (const id of allVoters(raft.tracker.config)) {
    if (id === raft.id) {
      // Its own vote is a message too: it counts when it is on disk.
      const own = raft.message(responseType, id);
      own.term = term;
      raft.send(own);
      continue;
    }
    raft.logger.info(
      `${raft.name} [logterm: ${last.term}, index: ${last.index}] ` +
        `sent ${messageTypeName(type)} request to ${formatID(id)} at term ${raft.term}`,
    );
    const request = raft.message(type, id);
    request.term = term;
    request.index = last.index;
    request.logTerm = last.term;
    if (transfer) request.context = TRANSFER_CONTEXT;
    raft.send(request);
  }
}

/**
 * With check-quorum, a member that heard from a leader within the election timeout ignores vote
 * requests of higher terms (paper section 6, thesis 4.2.3): the leader is fine, and whoever asks
 * was removed or cut off.
 */
export function refuseDuringLease(raft: Raft, message: Message): boolean {
  const { type } = message;
  if (type !== MessageType.MsgVote && type !== MessageType.MsgPreVote) return false;
  const inLease =
    raft.checkQuorum && raft.lead !== NO_MEMBER && raft.electionElapsed < raft.electionTicks;
  if (!inLease || equalBytes(message.context, TRANSFER_CONTEXT)) return false;
  const remaining = raft.electionTicks - raft.electionElapsed;
  raft.logger.info(
    `${voteLine(raft, "ignored", message)} at term ${raft.term}: ` +
      `lease is not expired (remaining ticks: ${remaining})`,
  );
  return true;
}

export function handleVoteRequest(raft: Raft, message: Message): void {
  const isPreVote = message.type === MessageType.MsgPreVote;
  const canVote =
    // Repeating a vote is harmless,
    raft.vote === message.from ||
    // a first vote is possible while nobody is known to have won the term,
    (raft.vote === NO_MEMBER && raft.lead === NO_MEMBER) ||
    // and a pre-vote for a future term binds nobody.
    (isPreVote && message.term > raft.term);
  const granted = canVote && raft.log.isUpToDate(message.logTerm, message.index);
  // A learner answers too: it may have been made a voter without knowing it yet, and the
  // candidate knows better whose votes count.
  const action = granted ? "cast" : "rejected";
  raft.logger.info(`${voteLine(raft, action, message)} at term ${raft.term}`);
  const response = raft.message(
    isPreVote ? MessageType.MsgPreVoteResp : MessageType.MsgVoteResp,
    message.from,
  );
  if (granted) {
    // The term of a granted pre-vote is the one asked about: this member may lag behind it.
    response.term = message.term;
    raft.send(response);
    if (!isPreVote) {
      raft.electionElapsed = 0;
      raft.vote = message.from;
    }
  } else {
    response.term = raft.term;
    response.reject = true;
    raft.send(response);
  }
}

function voteLine(raft: Raft, action: "cast" | "rejected" | "ignored", message: Message): string {
  const last = raft.log.lastEntryID();
  const preposition = action === "cast" ? "for" : "from";
  return (
    `${raft.name} [logterm: ${last.term}, index: ${last.index}, vote: ${formatID(raft.vote)}] ` +
    `${action} ${messageTypeName(message.type)} ${preposition} ${formatID(message.from)} ` +
    `[logterm: ${message.logTerm}, index: ${message.index}]`
  );
}
