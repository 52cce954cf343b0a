/**
 * The vocabulary shared by the raft core and its callers: configuration, storage contract, ready
 * batch, results. Everything here is data; behaviour lives in raft.ts and raw-node.ts.
 */
import type { ConfState, Entry, HardState, Message, Snapshot } from "../api/gen/raft.ts";
import type { Index, MemberID, Term } from "../base/ids.ts";
import type { Random } from "../env/random.ts";

/** Stands for "nobody": no leader, no vote, no transferee. */
export const NO_MEMBER: MemberID = 0n;
/** Addressee of MsgStorageAppend when storage writes are asynchronous: whoever writes the log. */
export const APPEND_THREAD: MemberID = 0xffff_ffff_ffff_ffffn;
/** Addressee of MsgStorageApply when storage writes are asynchronous: the state machine. */
export const APPLY_THREAD: MemberID = 0xffff_ffff_ffff_fffen;

export type RoleName = "StateFollower" | "StateCandidate" | "StateLeader" | "StatePreCandidate";

export type ReadOnlyMode = "safe" | "leaseBased";

export type RaftLogLevel = "debug" | "info" | "warn" | "error";

/** Takes finished lines. Call sites on busy paths ask `enabled` before they build the text. */
export interface RaftLogger {
  enabled(level: RaftLogLevel): boolean;
  debug(text: string): void;
  info(text: string): void;
  warning(text: string): void;
  error(text: string): void;
}

/** Thrown by `RaftStorage.entries` when a part of the asked range is not there. */
export class LogError extends Error {
  readonly code: "compacted" | "unavailable" | "snapshotOutOfDate";

  constructor(code: "compacted" | "unavailable" | "snapshotOutOfDate") {
    super(LOG_ERROR_TEXTS[code]);
    this.name = "LogError";
    this.code = code;
  }
}

/** As etcd's raft library words them. */
const LOG_ERROR_TEXTS = {
  compacted: "requested index is unavailable due to compaction",
  unavailable: "requested entry at index is unavailable",
  snapshotOutOfDate: "requested index is older than the existing snapshot",
} as const;

/**
 * What the core reads back of the persisted log. Invariants the implementer keeps: indexes are
 * contiguous from `firstIndex()` to `lastIndex()`, and the term at `firstIndex() - 1` stays known
 * (it is the snapshot's) so that the first entry can be matched.
 */
export interface RaftStorage {
  /** Read once, when the node is made. */
  initialState(): { hardState: HardState; confState: ConfState };
  /**
   * Entries low..high-1, cut after `maxBytes` but never empty. The array is the caller's, the
   * entries are the very objects that were appended, until they were applied.
   * @throws LogError when `low` was compacted away or the range is not stored.
   */
  entries(low: Index, high: Index, maxBytes: number): Entry[];
  /** The term at `index`, or undefined when it was compacted away or is not stored. */
  term(index: Index): Term | undefined;
  firstIndex(): Index;
  lastIndex(): Index;
  /**
   * For a follower that is too far behind. When it is not ready, the core asks again later. It must
   * cover the last applied membership change: a member refuses a snapshot that does not name it.
   */
  snapshot(): Snapshot | "temporarilyUnavailable";
}

export interface RaftConfig {
  /** Neither 0 nor one of the storage thread addresses. */
  id: MemberID;
  /** Ticks without a leader before an election; the real timeout is random in [n, 2n-1]. */
  electionTicks: number;
  /** Ticks between a leader's heartbeats. Less than `electionTicks`. */
  heartbeatTicks: number;
  storage: RaftStorage;
  /** Last index that the state machine already holds; entries up to it are not handed out again. */
  applied?: Index | undefined;
  /** Storage work travels as messages to APPEND_THREAD and APPLY_THREAD; no `advance`. */
  asyncStorageWrites?: boolean | undefined;
  /** Entry bytes in one append message; Infinity for no limit, 0 for one entry per message. */
  maxSizePerMsgBytes: number;
  /** Entry bytes that may be applying at the same time. Default: `maxSizePerMsgBytes`. */
  maxCommittedSizePerReadyBytes?: number | undefined;
  /** Payload bytes in a leader's uncommitted tail; beyond, proposals drop. Default: no limit. */
  maxUncommittedSizeBytes?: number | undefined;
  /** Append messages under way to one follower. */
  maxInflightMsgs: number;
  /** Entry bytes under way to one follower. Default: no limit. At least `maxSizePerMsgBytes`. */
  maxInflightBytes?: number | undefined;
  /** A leader out of touch with a quorum steps down; a follower in touch refuses to vote. */
  checkQuorum?: boolean | undefined;
  /** Ask whether an election could be won before starting it (raft thesis 9.6). */
  preVote?: boolean | undefined;
  /** How linearizable reads are confirmed. "leaseBased" trusts clocks and needs `checkQuorum`. */
  readOnly?: ReadOnlyMode | undefined;
  /** Followers drop proposals instead of passing them to the leader. */
  disableProposalForwarding?: boolean | undefined;
  /** Let membership changes into the log that the present configuration says are invalid. */
  disableConfChangeValidation?: boolean | undefined;
  /** A leader that is removed or demoted becomes a follower as soon as that is applied. */
  stepDownOnRemoval?: boolean | undefined;
  random: Random;
  logger: RaftLogger;
}

export interface SoftState {
  readonly lead: MemberID;
  readonly state: RoleName;
}

/** The answer to a `readIndex`: state applied up to `index` may serve the request. */
export interface ReadState {
  readonly index: Index;
  readonly requestContext: Uint8Array;
}

/** One batch of work for the caller. The duties and their order are described in index.ts. */
export interface Ready {
  /** Set when leader or role changed. Not to be persisted. */
  softState: SoftState | undefined;
  /** Set when term, vote or commit changed. */
  hardState: HardState | undefined;
  readStates: ReadState[];
  /** To persist, replacing whatever the log holds from `entries[0].index` on. */
  entries: Entry[];
  /** To persist before `entries`, which then follow it; to restore the state machine from. */
  snapshot: Snapshot | undefined;
  /** To apply, in order. In synchronous mode the unstable ones are part of `entries` as well. */
  committedEntries: Entry[];
  messages: Message[];
  /** Whether `hardState` and `entries` must reach the disk before anything depends on them. */
  mustSync: boolean;
}

/** A refusal that the caller may meet in normal operation, with etcd's text. */
export interface RaftError {
  readonly code: "proposalDropped" | "stepLocalMessage" | "stepPeerNotFound";
  readonly message: string;
}

export type StepResult = RaftError | undefined;
export type ProposeResult = "ok" | "dropped";

export const ERR_PROPOSAL_DROPPED: RaftError = {
  code: "proposalDropped",
  message: "raft proposal dropped",
};
export const ERR_STEP_LOCAL_MESSAGE: RaftError = {
  code: "stepLocalMessage",
  message: "raft: cannot step raft local message",
};
export const ERR_STEP_PEER_NOT_FOUND: RaftError = {
  code: "stepPeerNotFound",
  message: "raft: cannot step as peer not found",
};
