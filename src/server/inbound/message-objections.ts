/**
 * The one stage between the peer port and raft: what a member may say, and what cannot be true. The
 * raft core trusts what it is given, as the paper does, and stops a member whose log contradicts a
 * leader; a message that was made up or damaged must not get that far.
 *
 * Cheap where thousands of entries pass: numbers are compared, and entries are decoded here instead
 * of where they are applied. What raft ignores anyway (an append of what is committed) is not
 * looked into.
 */
import { errorMessage } from "../../base/error-message.ts";
import { type Message, MessageType, type Snapshot } from "../../api/gen/raft.ts";
import type { MemberID, Term } from "../../base/ids.ts";
import { isReservedID, type RawNode } from "../../raft/index.ts";
import { membershipOfSnapshot } from "../../v2store/index.ts";
import { type EntryRules, objectionToEntry } from "./entry-objections.ts";

/**
 * How far a message's term may be ahead of this member's own: an election every millisecond for
 * seven weeks. One message cannot take the last term, after which nobody could be elected.
 */
const MAX_TERM_STEP = 4_294_967_296;

/** For a member that knows no term yet, which takes the cluster's: leaves 1024 such steps to 2^53. */
const MAX_FIRST_TERM = 9_002_801_208_229_887;

/** An entry in a proposal of another member; far above any `--max-request-bytes` that works. */
const MAX_FORWARDED_ENTRY_BYTES = 134_217_728;

/** What identifies a read; members use 8 bytes. */
const MAX_READ_CONTEXT_BYTES = 64;

/** Why raft must not see a message of a peer; undefined when it may. Its entries are decoded then. */
export function objectionTo(
  message: Message,
  node: RawNode,
  rules: EntryRules,
): string | undefined {
  const { type, from } = message;
  if (isReservedID(from)) return "a message of no member";
  switch (type) {
    case MessageType.MsgProp:
      return objectionToProposal(message, rules);
    case MessageType.MsgReadIndex:
      return objectionToRead(message);
    // Says who shall lead, which may be its receiver.
    case MessageType.MsgTransferLeader:
      return objectionToTerm(message.term, node);
  }
  const { raft } = node;
  if (from === raft.id) return "a message of this member itself";
  const objection = objectionToTerm(message.term, node);
  if (objection !== undefined) return objection;
  switch (type) {
    case MessageType.MsgApp:
      return objectionToAppend(message, node, rules);
    case MessageType.MsgHeartbeat:
      if (message.term < raft.term || message.commit <= raft.log.lastIndex()) return undefined;
      return "the commit index is behind the end of the log; was the log truncated or lost?";
    case MessageType.MsgAppResp:
      return objectionToAcknowledgement(message, node);
    case MessageType.MsgSnap:
      return message.snapshot === undefined
        ? "no snapshot in it"
        : objectionToSnapshot(message.snapshot, message.term);
    case MessageType.MsgReadIndexResp:
      return objectionToContext(message);
    case MessageType.MsgVote:
    case MessageType.MsgVoteResp:
    case MessageType.MsgPreVote:
    case MessageType.MsgPreVoteResp:
    case MessageType.MsgHeartbeatResp:
    case MessageType.MsgTimeoutNow:
      return undefined;
    default:
      return "not a type that members send";
  }
}

function objectionToTerm(term: Term, { raft }: RawNode): string | undefined {
  if (term === 0) return "no term";
  const limit = raft.term === 0 ? MAX_FIRST_TERM : raft.term + MAX_TERM_STEP;
  return term > limit ? `term ${term} is too far ahead of term ${raft.term}` : undefined;
}

/** A follower passes it on, so that it is checked here and at the leader. */
function objectionToProposal({ term, entries }: Message, rules: EntryRules): string | undefined {
  if (term !== 0) return "a proposal with a term";
  if (entries.length === 0) return "a proposal without entries";
  for (const entry of entries) {
    // A leader's own sign, with which its term begins.
    if (entry.data.length === 0) return "a proposal of nothing";
    if (entry.data.length > MAX_FORWARDED_ENTRY_BYTES) return "the proposal is too large";
    const objection = objectionToEntry(entry, rules);
    if (objection !== undefined) return objection;
  }
  return undefined;
}

function objectionToRead(message: Message): string | undefined {
  return message.term === 0 ? objectionToContext(message) : "a read with a term";
}

function objectionToContext({ entries }: Message): string | undefined {
  const [entry] = entries;
  if (entry === undefined || entries.length !== 1) return "a read has one context";
  return entry.data.length <= MAX_READ_CONTEXT_BYTES ? undefined : "the context is too long";
}

function objectionToAppend(
  message: Message,
  { raft }: RawNode,
  rules: EntryRules,
): string | undefined {
  const { index, logTerm, term, entries } = message;
  if (term < raft.term || index < raft.log.committed) return undefined;
  if (logTerm > term || (logTerm === 0) !== (index === 0)) return "impossible term of the log";
  // Does not fit, and raft says so.
  if (index > raft.log.lastIndex()) return undefined;
  let expected = index;
  let lastTerm = logTerm;
  for (const entry of entries) {
    if (entry.index !== ++expected) return `the entries do not follow index ${index} without gaps`;
    if (entry.term < lastTerm || entry.term > term) return "the entries' terms do not ascend";
    lastTerm = entry.term;
    const objection = objectionToEntry(entry, rules);
    if (objection !== undefined) return `entry ${entry.index}: ${objection}`;
  }
  return undefined;
}

/** Nobody can have what its leader has not. */
function objectionToAcknowledgement(message: Message, { raft }: RawNode): string | undefined {
  if (message.term !== raft.term || raft.state !== "StateLeader") return undefined;
  if (message.index <= raft.log.lastIndex()) return undefined;
  return "it acknowledges entries behind the end of the log";
}

function objectionToSnapshot(snapshot: Snapshot, messageTerm: Term): string | undefined {
  const { index, term, confState } = snapshot.metadata;
  if (index === 0 || term === 0 || term > messageTerm) return "impossible place of the snapshot";
  const { voters, learners, votersOutgoing, learnersNext } = confState;
  if (votersOutgoing.length > 0 || learnersNext.length > 0 || confState.autoLeave) {
    return "joint configurations are not used between members";
  }
  const ids = new Set<MemberID>([...voters, ...learners]);
  if (voters.length === 0) return "a configuration without voters";
  if (ids.size !== voters.length + learners.length) return "a member twice in the configuration";
  for (const id of ids) if (isReservedID(id)) return "no member in the configuration";
  try {
    membershipOfSnapshot(snapshot);
    return undefined;
  } catch (error) {
    return errorMessage(error);
  }
}
