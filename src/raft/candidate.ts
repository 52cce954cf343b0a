/** What a candidate and a pre-candidate do with messages. */
import { type Message, MessageType } from "../api/gen/raft.ts";
import { formatID } from "../base/ids.ts";
import { startElection } from "./election.ts";
import { handleAppendEntries, handleHeartbeat, handleSnapshot } from "./follower.ts";
import { messageTypeName } from "./format.ts";
import type { Raft } from "./raft.ts";
import { broadcastAppend } from "./sending.ts";
import { ERR_PROPOSAL_DROPPED, NO_MEMBER, type StepResult } from "./types.ts";

export function stepCandidate(raft: Raft, message: Message): StepResult {
  switch (message.type) {
    case MessageType.MsgProp:
      raft.logger.info(`${raft.name} no leader at term ${raft.term}; dropping proposal`);
      return ERR_PROPOSAL_DROPPED;
    // Somebody leads this term already (paper 5.2).
    case MessageType.MsgApp:
      raft.becomeFollower(message.term, message.from);
      handleAppendEntries(raft, message);
      return undefined;
    case MessageType.MsgHeartbeat:
      raft.becomeFollower(message.term, message.from);
      handleHeartbeat(raft, message);
      return undefined;
    case MessageType.MsgSnap:
      raft.becomeFollower(message.term, message.from);
      handleSnapshot(raft, message);
      return undefined;
    // Answers of the other round are leftovers: pre-votes count before the election, votes in it.
    case MessageType.MsgPreVoteResp:
      if (raft.state === "StatePreCandidate") handleVoteResponse(raft, message);
      return undefined;
    case MessageType.MsgVoteResp:
      if (raft.state === "StateCandidate") handleVoteResponse(raft, message);
      return undefined;
    case MessageType.MsgTimeoutNow:
      raft.logger.debug(
        `${raft.name} [term ${raft.term} state ${raft.state}] ` +
          `ignored MsgTimeoutNow from ${formatID(message.from)}`,
      );
      return undefined;
    default:
      return undefined;
  }
}

function handleVoteResponse(raft: Raft, message: Message): void {
  const { logger, name, tracker } = raft;
  const type = messageTypeName(message.type);
  const what = message.reject ? `${type} rejection` : type;
  logger.info(`${name} received ${what} from ${formatID(message.from)} at term ${raft.term}`);
  tracker.recordVote(message.from, !message.reject);
  const { granted, rejected, result } = tracker.tallyVotes();
  logger.info(`${name} has received ${granted} ${type} votes and ${rejected} vote rejections`);
  if (result === "VoteLost") {
    // A lost pre-vote carries the asked term, which nobody entered: the own term stays.
    raft.becomeFollower(raft.term, NO_MEMBER);
  } else if (result === "VoteWon") {
    if (raft.state === "StatePreCandidate") {
      startElection(raft, false);
    } else {
      raft.becomeLeader();
      broadcastAppend(raft);
    }
  }
}
