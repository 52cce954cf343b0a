/**
 * The caller's side of a member: takes ticks, messages and requests, and hands out Ready batches.
 * The order of the caller's duties is described in index.ts. Not reentrant.
 */
import {
  type ConfState,
  type Entry,
  type HardState,
  type Message,
  MessageType,
} from "../api/gen/raft.ts";
import { assert } from "../base/assert.ts";
import type { Index, MemberID, Term } from "../base/ids.ts";
import { applyConfChange, objectionToApplying } from "./conf-changes.ts";
import { type AnyConfChange, confChangeEntry } from "./confchange/conf-change.ts";
import { entriesBytes } from "./entry-size.ts";
import { isLocalMessage, isResponseMessage, isStorageThread, newEntry } from "./messages.ts";
import type { Progress } from "./progress.ts";
import { Raft } from "./raft.ts";
import type { TrackerConfig } from "./tracker.ts";
import {
  APPEND_THREAD,
  APPLY_THREAD,
  ERR_STEP_LOCAL_MESSAGE,
  ERR_STEP_PEER_NOT_FOUND,
  NO_MEMBER,
  type ProposeResult,
  type RaftConfig,
  type Ready,
  type RoleName,
  type SoftState,
  type StepResult,
} from "./types.ts";

export interface BasicStatus {
  readonly id: MemberID;
  readonly term: Term;
  readonly vote: MemberID;
  readonly commit: Index;
  readonly lead: MemberID;
  readonly state: RoleName;
  readonly applied: Index;
  /** NO_MEMBER unless leadership is being handed over. */
  readonly leadTransferee: MemberID;
}

export interface Status extends BasicStatus {
  readonly config: TrackerConfig;
  /** Copies, ascending by ID; empty unless this member leads. */
  readonly progress: readonly Progress[];
}

export class RawNode {
  /** The state machine behind this node, for tests and tools. Callers stay on this class. */
  readonly raft: Raft;
  readonly #async: boolean;
  #previousSoftState: SoftState;
  #previousHardState: HardState;
  /** Synchronous mode: messages to itself that become true once the Ready was handled. */
  #stepsOnAdvance: Message[] = [];

  /** @throws AssertionError on a configuration that cannot work or damaged stored state. */
  constructor(config: RaftConfig) {
    this.raft = new Raft(config);
    this.#async = config.asyncStorageWrites ?? false;
    this.#previousSoftState = this.raft.softState();
    this.#previousHardState = this.raft.hardState();
  }

  /** One unit of time has passed. */
  tick(): void {
    this.raft.tick();
  }

  /** Counts `ticks` towards the election timeout without acting on them. */
  tickQuiesced(ticks = 1): void {
    this.raft.electionElapsed += ticks;
  }

  /** Starts an election (or asks for pre-votes) now. */
  campaign(): void {
    this.raft.step(this.raft.message(MessageType.MsgHup, NO_MEMBER));
  }

  /**
   * Proposes entries, of which only type and data matter. Keeps the objects: on a leader they get
   * their term and index here and are the ones that come back in `Ready`.
   * "dropped": no leader, hand-over under way, or the uncommitted tail is full. "ok" promises
   * nothing: the entries may still be lost with the leader.
   */
  propose(entries: Entry[]): ProposeResult {
    const message = this.raft.message(MessageType.MsgProp, NO_MEMBER);
    message.entries = entries;
    return this.raft.step(message) === undefined ? "ok" : "dropped";
  }

  /** As `propose`. A change that must not be made now is committed as an empty entry instead. */
  proposeConfChange(change: AnyConfChange): ProposeResult {
    return this.propose([confChangeEntry(change)]);
  }

  /**
   * To be called for every committed membership change that the caller applies, in order.
   * Returns the configuration that is active from now on, for the next snapshot.
   *
   * A caller that applies while it steps messages must give the entry's `index`: a change that a
   * snapshot has overtaken since it was handed out is part of that snapshot, and is skipped.
   */
  applyConfChange(change: AnyConfChange, index?: Index): ConfState {
    const { raft } = this;
    if (index !== undefined && index <= raft.restoredIndex) return raft.tracker.confState();
    return applyConfChange(raft, change);
  }

  /**
   * Why the committed `change` at `index` cannot be made, though it is in the log: leaders do not
   * propose such a change. Undefined when `applyConfChange` will do it.
   */
  confChangeObjection(change: AnyConfChange, index: Index): string | undefined {
    return index <= this.raft.restoredIndex ? undefined : objectionToApplying(this.raft, change);
  }

  /** Takes a message from the network or, in asynchronous mode, a response of a storage thread. */
  step(message: Message): StepResult {
    if (!isStorageThread(message.from)) {
      if (isLocalMessage(message.type)) return ERR_STEP_LOCAL_MESSAGE;
      if (isResponseMessage(message.type) && this.raft.tracker.find(message.from) === undefined) {
        return ERR_STEP_PEER_NOT_FOUND;
      }
    }
    return this.raft.step(message);
  }

  /**
   * Asks from which index on the state machine may serve a linearizable read. The answer comes as
   * a ReadState with the same `context`, or never: leaders change and messages get lost, so the
   * caller retries, each time with a context that was never used before.
   */
  readIndex(context: Uint8Array): void {
    const message = this.raft.message(MessageType.MsgReadIndex, NO_MEMBER);
    message.from = NO_MEMBER;
    message.entries = [newEntry(0, context)];
    this.raft.step(message);
  }

  /** Asks the leader to hand over to `to`. Success shows as a change of leader. */
  transferLeader(to: MemberID): void {
    const message = this.raft.message(MessageType.MsgTransferLeader, NO_MEMBER);
    message.from = to;
    this.raft.step(message);
  }

  /** Makes a follower free to vote for others at once, although its leader was just heard from. */
  forgetLeader(): void {
    this.raft.step(this.raft.message(MessageType.MsgForgetLeader, NO_MEMBER));
  }

  /** The last message to `id` was probably lost. */
  reportUnreachable(id: MemberID): void {
    const message = this.raft.message(MessageType.MsgUnreachable, NO_MEMBER);
    message.from = id;
    this.raft.step(message);
  }

  /** Must follow every MsgSnap: whether it was delivered. Until then nothing is sent to `id`. */
  reportSnapshot(id: MemberID, ok: boolean): void {
    const message = this.raft.message(MessageType.MsgSnapStatus, NO_MEMBER);
    message.from = id;
    message.reject = !ok;
    this.raft.step(message);
  }

  hasReady(): boolean {
    const { raft } = this;
    return (
      raft.messages.length > 0 ||
      raft.messagesAfterAppend.length > 0 ||
      raft.log.unstable.hasPendingEntries ||
      raft.log.hasNextCommitted(!this.#async) ||
      raft.readStates.length > 0 ||
      this.#softStateChanged() ||
      this.#hardStateChanged() ||
      raft.log.unstable.pendingSnapshot() !== undefined
    );
  }

  /**
   * Takes all work that is due. In synchronous mode `advance` must follow before the next call;
   * in asynchronous mode the storage messages' responses take its place.
   */
  ready(): Ready {
    const { raft } = this;
    assert(this.#stepsOnAdvance.length === 0, "two accepted Ready structs without call to Advance");
    const hardState = raft.hardState();
    const previous = this.#previousHardState;
    const entries = raft.log.unstable.pendingEntries();
    const ready: Ready = {
      softState: this.#softStateChanged() ? raft.softState() : undefined,
      hardState: this.#hardStateChanged() ? hardState : undefined,
      readStates: raft.readStates,
      entries,
      snapshot: raft.log.unstable.pendingSnapshot(),
      committedEntries: raft.log.nextCommitted(!this.#async),
      messages: raft.messages,
      mustSync:
        entries.length > 0 || hardState.vote !== previous.vote || hardState.term !== previous.term,
    };
    if (this.#async) this.#addStorageMessages(ready);
    else this.#prepareAdvance(ready);
    this.#accept(ready);
    return ready;
  }

  /** Synchronous mode: everything in the last Ready is persisted, sent and applied. */
  advance(): void {
    assert(!this.#async, "Advance must not be called when using AsyncStorageWrites");
    const steps = this.#stepsOnAdvance;
    this.#stepsOnAdvance = [];
    for (const message of steps) this.raft.step(message);
  }

  basicStatus(): BasicStatus {
    const { raft } = this;
    return {
      id: raft.id,
      term: raft.term,
      vote: raft.vote,
      commit: raft.log.committed,
      lead: raft.lead,
      state: raft.state,
      applied: raft.log.applied,
      leadTransferee: raft.leadTransferee,
    };
  }

  status(): Status {
    const { state, tracker } = this.raft;
    const progress = state === "StateLeader" ? tracker.progress.map((one) => one.clone()) : [];
    return { ...this.basicStatus(), config: tracker.config, progress };
  }

  #softStateChanged(): boolean {
    const { lead, state } = this.#previousSoftState;
    return this.raft.lead !== lead || this.raft.state !== state;
  }

  #hardStateChanged(): boolean {
    const { term, vote, commit } = this.#previousHardState;
    return this.raft.log.committed !== commit || this.raft.term !== term || this.raft.vote !== vote;
  }

  /** Forgets what `ready` hands out. */
  #accept(ready: Ready): void {
    const { raft } = this;
    if (ready.softState !== undefined) this.#previousSoftState = ready.softState;
    if (ready.hardState !== undefined) this.#previousHardState = ready.hardState;
    raft.readStates = [];
    raft.messages = [];
    raft.messagesAfterAppend = [];
    raft.log.unstable.acceptInProgress();
    const { committedEntries } = ready;
    const last = committedEntries[committedEntries.length - 1];
    if (last !== undefined) {
      raft.log.acceptApplying(last.index, entriesBytes(committedEntries), !this.#async);
    }
  }

  /** Synchronous mode: what waits for the disk goes out last, or comes back in `advance`. */
  #prepareAdvance(ready: Ready): void {
    const { raft } = this;
    for (const message of raft.messagesAfterAppend) {
      if (message.to === raft.id) this.#stepsOnAdvance.push(message);
      else ready.messages.push(message);
    }
    const appended = this.#appendResponse(ready);
    if (appended !== undefined) this.#stepsOnAdvance.push(appended);
    if (ready.committedEntries.length > 0) this.#stepsOnAdvance.push(this.#applyResponse(ready));
  }

  /** Asynchronous mode: the storage work as messages, each with what becomes true through it. */
  #addStorageMessages(ready: Ready): void {
    const { raft } = this;
    const { entries, hardState, snapshot } = ready;
    if (
      entries.length > 0 ||
      hardState !== undefined ||
      snapshot !== undefined ||
      raft.messagesAfterAppend.length > 0
    ) {
      const append = raft.message(MessageType.MsgStorageAppend, APPEND_THREAD);
      append.entries = entries;
      append.snapshot = snapshot;
      if (hardState !== undefined) {
        append.term = hardState.term;
        append.vote = hardState.vote;
        append.commit = hardState.commit;
      }
      append.responses = raft.messagesAfterAppend;
      const appended = this.#appendResponse(ready);
      if (appended !== undefined) append.responses.push(appended);
      ready.messages.push(append);
    }
    if (ready.committedEntries.length > 0) {
      const apply = raft.message(MessageType.MsgStorageApply, APPLY_THREAD);
      apply.entries = ready.committedEntries;
      apply.responses = [this.#applyResponse(ready)];
      ready.messages.push(apply);
    }
  }

  /**
   * The report that everything unstable up to now is on disk. It carries the present term: when it
   * arrives in a later one, entries may have been replaced to and fro, and it is ignored. It also
   * goes out while earlier writes are running, since those of a lost term are never confirmed.
   */
  #appendResponse(ready: Ready): Message | undefined {
    const { raft } = this;
    const hasEntries = raft.log.unstable.entries.length > 0;
    if (!hasEntries && ready.snapshot === undefined) return undefined;
    const response = raft.message(MessageType.MsgStorageAppendResp, raft.id);
    response.from = APPEND_THREAD;
    response.term = raft.term;
    if (hasEntries) {
      const last = raft.log.lastEntryID();
      response.index = last.index;
      response.logTerm = last.term;
    }
    response.snapshot = ready.snapshot;
    return response;
  }

  /** Without a term: committed entries belong to every later term. */
  #applyResponse(ready: Ready): Message {
    const response = this.raft.message(MessageType.MsgStorageApplyResp, this.raft.id);
    response.from = APPLY_THREAD;
    response.entries = ready.committedEntries;
    return response;
  }
}
