/**
 * Making and classifying messages. Every message is built here with all fields in the order of the
 * generated codec, so that decoded and local messages share one hidden class.
 */
import { type Entry, type Message, MessageType } from "../api/gen/raft.ts";
import { EMPTY_BYTES } from "../base/bytes.ts";
import type { MemberID } from "../base/ids.ts";
import { APPEND_THREAD, APPLY_THREAD, NO_MEMBER } from "./types.ts";

/** Shared by all messages without entries or responses; frozen, because nobody may add to it. */
const NO_ENTRIES: Entry[] = Object.freeze([]) as unknown as Entry[];
const NO_RESPONSES: Message[] = Object.freeze([]) as unknown as Message[];

export function newMessage(type: MessageType, to: MemberID, from: MemberID): Message {
  return {
    type,
    to,
    from,
    term: 0,
    logTerm: 0,
    index: 0,
    entries: NO_ENTRIES,
    commit: 0,
    snapshot: undefined,
    reject: false,
    rejectHint: 0,
    context: EMPTY_BYTES,
    vote: 0n,
    responses: NO_RESPONSES,
  };
}

export function newEntry(type: number, data: Uint8Array): Entry {
  return { type, term: 0, index: 0, data };
}

/** Kinds that never travel over the network: the node's own timers, reports and storage work. */
export function isLocalMessage(type: MessageType): boolean {
  switch (type) {
    case MessageType.MsgHup:
    case MessageType.MsgBeat:
    case MessageType.MsgUnreachable:
    case MessageType.MsgSnapStatus:
    case MessageType.MsgCheckQuorum:
    case MessageType.MsgStorageAppend:
    case MessageType.MsgStorageAppendResp:
    case MessageType.MsgStorageApply:
    case MessageType.MsgStorageApplyResp:
      return true;
    default:
      return false;
  }
}

/** Kinds that make sense only from a member that this node knows. */
export function isResponseMessage(type: MessageType): boolean {
  switch (type) {
    case MessageType.MsgAppResp:
    case MessageType.MsgVoteResp:
    case MessageType.MsgHeartbeatResp:
    case MessageType.MsgUnreachable:
    case MessageType.MsgReadIndexResp:
    case MessageType.MsgPreVoteResp:
    case MessageType.MsgStorageAppendResp:
    case MessageType.MsgStorageApplyResp:
      return true;
    default:
      return false;
  }
}

/**
 * Kinds that promise something to their receiver (a vote, an appended entry). They may leave only
 * after the state that they rest on is on disk (raft thesis 3.8). Rejections are held back too:
 * they may rest on a vote or entry that is not yet stable.
 */
export function mustFollowPersistence(type: MessageType): boolean {
  return (
    type === MessageType.MsgAppResp ||
    type === MessageType.MsgVoteResp ||
    type === MessageType.MsgPreVoteResp
  );
}

/** Kinds whose term is chosen by the election code instead of being the sender's own. */
export function isVoteMessage(type: MessageType): boolean {
  return (
    type === MessageType.MsgVote ||
    type === MessageType.MsgVoteResp ||
    type === MessageType.MsgPreVote ||
    type === MessageType.MsgPreVoteResp
  );
}

/** No member has such an id: "nobody", and the addresses of the storage threads. */
export function isReservedID(id: MemberID): boolean {
  return id === NO_MEMBER || isStorageThread(id);
}

export function isStorageThread(id: MemberID): boolean {
  return id === APPEND_THREAD || id === APPLY_THREAD;
}
