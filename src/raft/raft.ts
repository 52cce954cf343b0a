/**
 * The state of one member and the doors through which it changes: `step`, the ticks, and the
 * become functions. What a role does with a message is in leader.ts, candidate.ts and follower.ts.
 *
 * Pure: no I/O, clock or own randomness. Everything it wants done collects in `messages`,
 * `messagesAfterAppend`, `readStates` and the log, from where RawNode builds a Ready.
 */
import { type Entry, type HardState, type Message, MessageType } from "../api/gen/raft.ts";
import { assert } from "../base/assert.ts";
import { formatID, type Index, type MemberID, type Term } from "../base/ids.ts";
import type { Random } from "../env/random.ts";
import { stepCandidate } from "./candidate.ts";
import { leaveJointIfApplied, switchToConfig } from "./conf-changes.ts";
import { confStatesEqual, restoreConfiguration } from "./confchange/restore.ts";
import { campaignWithPreVote, handleVoteRequest, refuseDuringLease } from "./election.ts";
import { entriesBytes, payloadBytes } from "./entry-size.ts";
import { stepFollower } from "./follower.ts";
import { messageTypeName } from "./format.ts";
import { appendEntries, stepLeader } from "./leader.ts";
import { RaftLog } from "./log.ts";
import { snapshotIndex } from "./log-unstable.ts";
import { isVoteMessage, mustFollowPersistence, newEntry, newMessage } from "./messages.ts";
import { checkConfig } from "./check-config.ts";
import { ReadOnlyQueue } from "./read-only.ts";
import { ProgressTracker } from "./tracker.ts";
import {
  NO_MEMBER,
  type RaftConfig,
  type RaftLogger,
  type ReadOnlyMode,
  type ReadState,
  type RoleName,
  type SoftState,
  type StepResult,
} from "./types.ts";
import { EMPTY_BYTES } from "../base/bytes.ts";

export class Raft {
  readonly id: MemberID;
  /** The ID as log lines print it. */
  readonly name: string;
  readonly logger: RaftLogger;
  readonly log: RaftLog;
  readonly tracker: ProgressTracker;

  /** Latest term seen. Never decreases. */
  term: Term = 0;
  /** Whom this member voted for in `term`. */
  vote: MemberID = NO_MEMBER;
  /** The leader of `term` as far as known. */
  lead: MemberID = NO_MEMBER;
  state: RoleName = "StateFollower";
  /** This member is a learner in the active configuration. */
  isLearner = false;

  /** To send at once. Never addressed to this member. */
  messages: Message[] = [];
  /**
   * To send after everything unstable at this moment is on disk (raft thesis 3.8). May be
   * addressed to this member: its own vote and its own append count only when they are durable.
   */
  messagesAfterAppend: Message[] = [];
  readStates: ReadState[] = [];

  /** The member that a leader is handing its leadership to (raft thesis 3.10). */
  leadTransferee: MemberID = NO_MEMBER;
  /**
   * Index at or behind the last membership change in the log. A leader proposes another only when
   * it has applied up to here. Conservatively the last index when leadership begins.
   */
  pendingConfIndex: Index = 0;
  /** Index of the last snapshot that this member took over while running; 0 for none. */
  restoredIndex: Index = 0;
  /** Payload bytes that this leader appended and has not seen applied; an estimate. */
  uncommittedBytes = 0;

  reads = new ReadOnlyQueue();
  /** Reads that arrived before this leader committed an entry of its own term. */
  readsBeforeFirstCommit: Message[] = [];

  /**
   * Ticks since the last election began, or since the leader (or its own election) was last heard
   * of. On a leader: since the last check of the quorum.
   */
  electionElapsed = 0;
  /** On a leader: ticks since the last heartbeat. */
  heartbeatElapsed = 0;
  /** In [electionTicks, 2 * electionTicks - 1]; drawn anew at each change of role or term. */
  randomizedElectionTimeout = 0;

  readonly electionTicks: number;
  readonly heartbeatTicks: number;
  readonly maxSizePerMsgBytes: number;
  readonly maxUncommittedBytes: number;
  readonly checkQuorum: boolean;
  readonly preVote: boolean;
  readonly readOnly: ReadOnlyMode;
  readonly disableProposalForwarding: boolean;
  readonly disableConfChangeValidation: boolean;
  readonly stepDownOnRemoval: boolean;
  readonly #random: Random;

  constructor(config: RaftConfig) {
    checkConfig(config);
    const maxInflightBytes = config.maxInflightBytes ?? Number.POSITIVE_INFINITY;
    this.id = config.id;
    this.name = formatID(config.id);
    this.logger = config.logger;
    this.log = new RaftLog(
      config.storage,
      config.logger,
      config.maxCommittedSizePerReadyBytes || config.maxSizePerMsgBytes,
    );
    this.tracker = new ProgressTracker(config.maxInflightMsgs, maxInflightBytes);
    this.electionTicks = config.electionTicks;
    this.heartbeatTicks = config.heartbeatTicks;
    this.maxSizePerMsgBytes = config.maxSizePerMsgBytes;
    this.maxUncommittedBytes = config.maxUncommittedSizeBytes || Number.POSITIVE_INFINITY;
    this.checkQuorum = config.checkQuorum ?? false;
    this.preVote = config.preVote ?? false;
    this.readOnly = config.readOnly ?? "safe";
    this.disableProposalForwarding = config.disableProposalForwarding ?? false;
    this.disableConfChangeValidation = config.disableConfChangeValidation ?? false;
    this.stepDownOnRemoval = config.stepDownOnRemoval ?? false;
    this.#random = config.random;
    this.#start(config);
  }

  #start(config: RaftConfig): void {
    const { hardState, confState } = config.storage.initialState();
    const last = this.log.lastEntryID();
    const restored = restoreConfiguration(this.tracker, last.index, confState);
    const active = switchToConfig(this, restored);
    assert(confStatesEqual(confState, active), "the stored configuration was not restored");
    if (hardState.term !== 0 || hardState.vote !== NO_MEMBER || hardState.commit !== 0) {
      this.#loadHardState(hardState);
    }
    if (config.applied !== undefined && config.applied > 0) this.log.appliedTo(config.applied, 0);
    this.becomeFollower(this.term, NO_MEMBER);
    const peers = [...new Set([...active.voters, ...active.votersOutgoing])]
      .sort((a, b) => (a < b ? -1 : 1))
      .map(formatID);
    this.logger.info(
      `newRaft ${this.name} [peers: [${peers.join(",")}], term: ${this.term}, ` +
        `commit: ${this.log.committed}, applied: ${this.log.applied}, ` +
        `lastindex: ${last.index}, lastterm: ${last.term}]`,
    );
  }

  #loadHardState(state: HardState): void {
    const lastIndex = this.log.lastIndex();
    assert(
      state.commit >= this.log.committed && state.commit <= lastIndex,
      `${this.name} state.commit ${state.commit} is out of range ` +
        `[${this.log.committed}, ${lastIndex}]`,
    );
    this.log.committed = state.commit;
    this.term = state.term;
    this.vote = state.vote;
  }

  softState(): SoftState {
    return { lead: this.lead, state: this.state };
  }

  hardState(): HardState {
    return { term: this.term, vote: this.vote, commit: this.log.committed };
  }

  /** A learner, a removed member, and one that waits for a snapshot do not campaign. */
  promotable(): boolean {
    const progress = this.tracker.find(this.id);
    return (
      progress !== undefined && !progress.isLearner && this.log.unstable.snapshot === undefined
    );
  }

  /** A message of `type` from this member; not sent yet. */
  message(type: MessageType, to: MemberID): Message {
    return newMessage(type, to, this.id);
  }

  /** Queues `message` for sending, and stamps it with the term unless it has to do without. */
  send(message: Message): void {
    const { type } = message;
    if (isVoteMessage(type)) {
      assert(message.term !== 0, `term should be set when sending ${messageTypeName(type)}`);
    } else {
      assert(message.term === 0, `term should not be set when sending ${messageTypeName(type)}`);
      // Forwarded requests are valid whatever the receiver's term is.
      if (type !== MessageType.MsgProp && type !== MessageType.MsgReadIndex) {
        message.term = this.term;
      }
    }
    if (mustFollowPersistence(type)) {
      this.messagesAfterAppend.push(message);
      return;
    }
    assert(
      message.to !== this.id,
      `message should not be self-addressed when sending ${messageTypeName(type)}`,
    );
    this.messages.push(message);
  }

  becomeFollower(term: Term, lead: MemberID): void {
    this.#reset(term);
    this.lead = lead;
    this.state = "StateFollower";
    this.logger.info(`${this.name} became follower at term ${this.term}`);
  }

  becomeCandidate(): void {
    assert(this.state !== "StateLeader", "invalid transition [leader -> candidate]");
    this.#reset(this.term + 1);
    this.vote = this.id;
    this.state = "StateCandidate";
    this.logger.info(`${this.name} became candidate at term ${this.term}`);
  }

  /** Asking around changes neither term nor vote. */
  becomePreCandidate(): void {
    assert(this.state !== "StateLeader", "invalid transition [leader -> pre-candidate]");
    this.tracker.votes.clear();
    this.lead = NO_MEMBER;
    this.state = "StatePreCandidate";
    this.logger.info(`${this.name} became pre-candidate at term ${this.term}`);
  }

  becomeLeader(): void {
    assert(this.state !== "StateFollower", "invalid transition [follower -> leader]");
    this.#reset(this.term);
    this.lead = this.id;
    this.state = "StateLeader";
    const own = this.tracker.find(this.id);
    assert(own !== undefined, "a leader is a member of its configuration");
    // Its own log always matches; the acknowledgements that it sends itself need no probing.
    own.becomeReplicate();
    own.recentActive = true;
    // There may be a membership change anywhere in the uncommitted tail. Looking would cost more
    // than waiting for the tail to be applied.
    this.pendingConfIndex = this.log.lastIndex();
    // Committing an entry of the new term commits what earlier leaders left behind (paper 5.4.2).
    const accepted = appendEntries(this, [newEntry(0, EMPTY_BYTES)]);
    assert(accepted, "empty entry was dropped");
    this.logger.info(`${this.name} became leader at term ${this.term}`);
  }

  abortLeaderTransfer(): void {
    this.leadTransferee = NO_MEMBER;
  }

  tick(): void {
    if (this.state === "StateLeader") this.#tickLeader();
    else this.#tickElection();
  }

  /** Takes a message from a peer, from the storage threads, or from this member's own timers. */
  step(message: Message): StepResult {
    if (message.term !== 0 && message.term !== this.term) {
      if (message.term < this.term) {
        this.#answerLowerTerm(message);
        return undefined;
      }
      if (refuseDuringLease(this, message)) return undefined;
      this.#followHigherTerm(message);
    }
    switch (message.type) {
      case MessageType.MsgHup:
        campaignWithPreVote(this);
        return undefined;
      case MessageType.MsgStorageAppendResp:
        if (message.index !== 0) this.log.unstable.stableTo(message.logTerm, message.index);
        this.#appliedSnapshot(message);
        return undefined;
      case MessageType.MsgStorageApplyResp:
        this.#appliedEntries(message.entries);
        return undefined;
      case MessageType.MsgVote:
      case MessageType.MsgPreVote:
        handleVoteRequest(this, message);
        return undefined;
    }
    switch (this.state) {
      case "StateLeader":
        return stepLeader(this, message);
      case "StateFollower":
        return stepFollower(this, message);
      default:
        return stepCandidate(this, message);
    }
  }

  /** The state machine holds everything up to `index`; `bytes` of it were handed out for that. */
  appliedTo(index: Index, bytes: number): void {
    this.log.appliedTo(Math.max(index, this.log.applied), bytes);
    leaveJointIfApplied(this);
  }

  #appliedEntries(entries: readonly Entry[]): void {
    const last = entries[entries.length - 1];
    if (last === undefined) return;
    this.appliedTo(last.index, entriesBytes(entries));
    this.uncommittedBytes = Math.max(0, this.uncommittedBytes - payloadBytes(entries));
  }

  #appliedSnapshot(message: Message): void {
    if (message.snapshot === undefined) return;
    const index = snapshotIndex(message.snapshot);
    this.log.unstable.stableSnapshotTo(index);
    this.appliedTo(index, 0);
  }

  #followHigherTerm(message: Message): void {
    const { type } = message;
    // A pre-vote request asks about a future term, and a granted one echoes it: nobody is in it.
    if (type === MessageType.MsgPreVote) return;
    if (type === MessageType.MsgPreVoteResp && !message.reject) return;
    this.logger.info(
      `${this.name} [term: ${this.term}] received a ${messageTypeName(type)} message ` +
        `with higher term from ${formatID(message.from)} [term: ${message.term}]`,
    );
    const fromLeader =
      type === MessageType.MsgApp ||
      type === MessageType.MsgHeartbeat ||
      type === MessageType.MsgSnap;
    this.becomeFollower(message.term, fromLeader ? message.from : NO_MEMBER);
  }

  #answerLowerTerm(message: Message): void {
    const { type, from } = message;
    if (
      (this.checkQuorum || this.preVote) &&
      (type === MessageType.MsgHeartbeat || type === MessageType.MsgApp)
    ) {
      // A member that was cut off has a higher term than the leader, yet cannot win an election
      // while the others refuse it. Answering the leader with the higher term makes the leader
      // step down, so that the group settles on one term and the member is not stuck.
      this.send(this.message(MessageType.MsgAppResp, from));
    } else if (type === MessageType.MsgPreVote) {
      // Ignoring it could leave a pre-candidate with an old term waiting for ever.
      const last = this.log.lastEntryID();
      this.logger.info(
        `${this.name} [logterm: ${last.term}, index: ${last.index}, ` +
          `vote: ${formatID(this.vote)}] rejected MsgPreVote from ${formatID(from)} ` +
          `[logterm: ${message.logTerm}, index: ${message.index}] at term ${this.term}`,
      );
      const refusal = this.message(MessageType.MsgPreVoteResp, from);
      refusal.term = this.term;
      refusal.reject = true;
      this.send(refusal);
    } else if (type === MessageType.MsgStorageAppendResp) {
      // The write belongs to an earlier term. Its entries may have been replaced since and be
      // replaced back by equal ones that are still being written (ABA), so it proves nothing.
      // A snapshot is only ever superseded by a newer one, so its report holds.
      if (message.index !== 0) {
        this.logger.info(
          `${this.name} [term: ${this.term}] ignored entry appends from a ` +
            `MsgStorageAppendResp message with lower term [term: ${message.term}]`,
        );
      }
      this.#appliedSnapshot(message);
    } else {
      this.logger.info(
        `${this.name} [term: ${this.term}] ignored a ${messageTypeName(type)} message ` +
          `with lower term from ${formatID(from)} [term: ${message.term}]`,
      );
    }
  }

  #tickElection(): void {
    this.electionElapsed++;
    if (this.electionElapsed >= this.randomizedElectionTimeout && this.promotable()) {
      this.electionElapsed = 0;
      this.step(this.message(MessageType.MsgHup, NO_MEMBER));
    }
  }

  #tickLeader(): void {
    this.heartbeatElapsed++;
    this.electionElapsed++;
    if (this.electionElapsed >= this.electionTicks) {
      this.electionElapsed = 0;
      if (this.checkQuorum) this.step(this.message(MessageType.MsgCheckQuorum, NO_MEMBER));
      // A transfer that takes longer than an election would has failed.
      if (this.state === "StateLeader") this.abortLeaderTransfer();
    }
    if (this.state === "StateLeader" && this.heartbeatElapsed >= this.heartbeatTicks) {
      this.heartbeatElapsed = 0;
      this.step(this.message(MessageType.MsgBeat, NO_MEMBER));
    }
  }

  #reset(term: Term): void {
    if (this.term !== term) {
      this.term = term;
      this.vote = NO_MEMBER;
    }
    this.lead = NO_MEMBER;
    this.electionElapsed = 0;
    this.heartbeatElapsed = 0;
    this.randomizedElectionTimeout = this.electionTicks + this.#random.below(this.electionTicks);
    this.abortLeaderTransfer();
    this.tracker.votes.clear();
    const lastIndex = this.log.lastIndex();
    for (const progress of this.tracker.progress) {
      progress.reset(progress.id === this.id ? lastIndex : 0, lastIndex + 1);
    }
    this.pendingConfIndex = 0;
    this.uncommittedBytes = 0;
    this.reads = new ReadOnlyQueue();
    this.readsBeforeFirstCommit = [];
  }
}
