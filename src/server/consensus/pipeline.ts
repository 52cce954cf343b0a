/**
 * The way of a request through consensus: proposed, into the log, committed, applied, answered. One
 * object owns the raft core with its loop, what waits for it (proposals and linearizable reads), the
 * applier of its entries, how far the backend has them, and who leads.
 *
 * A put goes down through `submit` and `flush` to raft and the log, and comes back through the loop's
 * `apply` to who waits. What hangs on it without being part of it (services, background work, whole
 * databases between members) is told through `PipelineEvents`.
 */
import { EtcdError } from "../../api/errors.ts";
import type { Request } from "../../api/gen/etcdserver.ts";
import {
  type ConfChange,
  type ConfState,
  EntryType,
  type Message,
  MessageType,
  type Snapshot,
} from "../../api/gen/raft.ts";
import { type Identity, NOBODY } from "../../auth/index.ts";
import { Snapshot as WalSnapshot } from "../../api/gen/wal.ts";
import { assert } from "../../base/assert.ts";
import { formatDuration } from "../../base/go-text.ts";
import { formatID, type Index, type MemberID, type Term } from "../../base/ids.ts";
import type { Slice, Steps } from "../../base/slice.ts";
import type { CallSpan, Random, Timer, Tracer } from "../../env/index.ts";
import type { Member } from "../../membership/index.ts";
import { type MemoryStorage, NO_MEMBER, RawNode, type SoftState } from "../../raft/index.ts";
import type { SnapshotFiles } from "../../snap/index.ts";
import { type StoreEvent, V2Error, type V2Store } from "../../v2store/index.ts";
import type { Wal } from "../../wal/index.ts";
import { Applier, type ApplierNeeds } from "../apply/applier.ts";
import { ConfChangeApplier, type MembershipEvents } from "../apply/conf-change-applier.ts";
import { ConsistentIndex } from "../apply/consistent-index.ts";
import { EntryApplier, type EntryApplierNeeds } from "../apply/entry-applier.ts";
import { TracedWrites } from "../apply/traced-writes.ts";
import type { Counted, ServerContext } from "../context.ts";
import { serverLimits } from "../limits.ts";
import { type Outcome, Proposals } from "../log/proposals.ts";
import { RaftField } from "../log/raft-request.ts";
import { decodeRequestBody } from "../log/log-requests.ts";
import { translateV2Request } from "../log/v2-entries.ts";
import { type RaftObserver, requestTimeoutMs } from "../options.ts";
import { AcknowledgementFilter } from "./acknowledgement-filter.ts";
import { CommitNotices } from "./commit-notices.ts";
import type { ConsensusCounters } from "./consensus-metrics.ts";
import { ForwardedProposals } from "./forwarded-proposals.ts";
import { HeartbeatMeter } from "./heartbeat-meter.ts";
import { Leadership } from "./leadership.ts";
import { LinearizableReads, readLinearizably } from "./linearizable-reads.ts";
import { RaftLoop } from "./raft-loop.ts";
import { logLeaderChange, raftLogger } from "./raft-logger.ts";

/** etcd's limit on committed entries that are not applied yet. */
const MAX_COMMIT_APPLY_GAP = 5000;
/** Requests that wait for the disk or a quorum; beyond it new writes are refused, not queued. */
const MAX_WAITING_PROPOSAL_BYTES = 256 * 1024 * 1024;
/** Entries in one append message, and handed to the applier at a time. */
const MAX_SIZE_PER_MESSAGE_BYTES = 1024 * 1024;
/** An acknowledgement is not repeated within this share of the interval of heartbeats. */
const REPEATED_ACKNOWLEDGEMENT_SHARE = 0.25;
/** Append messages under way to one follower, as in etcd. */
const MAX_INFLIGHT_MESSAGES = 512;

/** What recovery found: the log, and where its part in memory begins. */
export interface RecoveredLog {
  readonly wal: Wal;
  readonly storage: MemoryStorage;
  readonly snapshotFiles: SnapshotFiles;
  readonly snapshotIndex: Index;
  readonly snapshotTerm: Term;
  readonly v2store: V2Store;
}

/** What happens in the pipeline that others act on. */
export interface PipelineEvents {
  readonly membership: MembershipEvents;
  /** Entries were applied, in one stretch. */
  applied(): void;
  /** Everything up to here is applied, and more than the backend had when the member started. */
  advanced(index: Index, term: Term, confState: ConfState): void;
  /** This member's first entry as the leader of a new term is applied. */
  termBegun(): void;
  compactionScheduled(): void;
  clusterVersionChanged(): void;
  /** A follower is so far behind that it needs the whole database. */
  sendSnapshot(message: Message): void;
  /** The leader's database, durable by now, is to take the place of this member's state. */
  installSnapshot(snapshot: Snapshot): Promise<void>;
  removedSelf(): void;
  /** The member cannot go on. */
  failed(error: Error): void;
}

type Needs = ApplierNeeds &
  Counted<ConsensusCounters> &
  EntryApplierNeeds &
  Pick<ServerContext, "backend" | "defer" | "ids" | "network">;

export interface PipelineOptions {
  readonly server: Needs;
  readonly log: RecoveredLog;
  readonly random: Random;
  readonly events: PipelineEvents;
  /** Absent without distributed tracing. */
  readonly tracer: Tracer | undefined;
  readonly observeRaft: RaftObserver | undefined;
}

export class Pipeline {
  readonly raft: RaftLoop;
  readonly proposals: Proposals;
  readonly reads: LinearizableReads;
  readonly leadership: Leadership;
  readonly consistentIndex: ConsistentIndex;
  readonly #server: Needs;
  readonly #log: RecoveredLog;
  readonly #events: PipelineEvents;
  readonly #entries: EntryApplier;
  readonly #acknowledgements: AcknowledgementFilter;
  readonly #heartbeats: HeartbeatMeter;
  readonly #notices: CommitNotices;
  readonly #traced: TracedWrites | undefined;
  readonly #forwarded: ForwardedProposals;
  #ticker: Timer | undefined;
  #leader: MemberID = NO_MEMBER;
  /** Set for good once the member stops or cannot go on. */
  #ended: EtcdError | undefined;
  #waitingForBackend = false;
  #flushIsDue = false;
  /** Who wants the applied state to stay as it is. */
  #holds = 0;
  #storageFull = false;
  #campaignWhenApplied = false;
  /** Where the backend stood when the member started. */
  readonly #recoveredIndex: Index;

  constructor({ server, log, random, events, tracer, observeRaft }: PipelineOptions) {
    this.#server = server;
    this.#log = log;
    this.#events = events;
    const { clock, logger, options, counters } = server;
    const { heartbeatIntervalMs } = options;
    this.consistentIndex = new ConsistentIndex(server.backend);
    this.#recoveredIndex = this.consistentIndex.index;
    this.#acknowledgements = new AcknowledgementFilter(
      () => clock.nowMs(),
      heartbeatIntervalMs * REPEATED_ACKNOWLEDGEMENT_SHARE,
    );
    const late = counters.heartbeatsLate;
    this.#heartbeats = new HeartbeatMeter({ clock, logger, heartbeatIntervalMs, late });
    this.#notices = new CommitNotices({
      clock,
      defer: server.defer,
      send: (messages) => server.network.send(messages),
    });
    this.proposals = new Proposals({
      clock,
      ids: server.ids,
      timeoutMs: requestTimeoutMs(options),
      timeoutError: (startMs) => this.#timeoutError(startMs),
    });
    if (tracer !== undefined) {
      const { proposals } = this;
      this.#traced = new TracedWrites({ tracer, clock, proposals, backend: server.backend });
    }
    this.raft = this.#makeRaftLoop(random, observeRaft);
    const timeoutMs = requestTimeoutMs(options);
    this.#forwarded = new ForwardedProposals({ node: this.raft.node, clock, timeoutMs });
    this.leadership = this.#makeLeadership();
    this.reads = this.#makeReads();
    this.#entries = this.#makeEntryApplier();
    server.backend.onBeforeCommit = () => this.#beforeCommit();
  }

  get term(): Term {
    return this.raft.node.raft.term;
  }

  /** `NO_MEMBER` when there is none. */
  get leader(): MemberID {
    return this.#leader;
  }

  get committedIndex(): Index {
    return this.raft.node.raft.log.committed;
  }

  get appliedIndex(): Index {
    return this.#entries.appliedIndex;
  }

  get appliedTerm(): Term {
    return this.#entries.appliedTerm;
  }

  get confState(): ConfState {
    return this.#entries.confState;
  }

  /** Why no write can be accepted now: the disk is full, too much waits, the member stops. */
  get refusal(): EtcdError | undefined {
    if (this.#ended !== undefined) return this.#ended;
    if (this.#storageFull) return new EtcdError("noSpace");
    if (
      this.proposals.waitingBytes > MAX_WAITING_PROPOSAL_BYTES ||
      this.committedIndex - this.appliedIndex > MAX_COMMIT_APPLY_GAP
    ) {
      return new EtcdError("tooManyRequests");
    }
    return undefined;
  }

  /** Raft runs from now on. The network must have been started. */
  start(): void {
    this.raft.process();
    this.#advanceElection();
    this.#tick();
  }

  /** Nothing is proposed, ticked or applied any more; what waits is told that the member stops. */
  stop(): void {
    // The backend can be closed only with all of an entry in it, or nothing.
    if (this.#ended === undefined && this.#server.store.isFlushing) this.raft.finishApply();
    this.#ended = new EtcdError("stopped");
    this.#ticker?.cancel();
    this.leadership.stop();
    this.raft.stop();
    this.#notices.reset();
    this.proposals.failAll(this.#ended);
    this.reads.failAll(this.#ended);
  }

  /** The member cannot go on: new requests are refused, and raft stands still. */
  halt(): void {
    this.#ended = new EtcdError("stopped");
    this.raft.stop();
    this.#notices.reset();
  }

  /** Hands what was queued to raft: proposals of this turn, and the question of its reads. */
  flush(): void {
    if (this.#ended !== undefined) return;
    this.#proposeBatch();
    this.reads.flush();
    this.raft.process();
  }

  /** Resolves with the encoded response of a request that went through raft. */
  propose(
    field: number,
    body: Uint8Array,
    identity: Identity = NOBODY,
    span?: CallSpan,
  ): Promise<readonly Uint8Array[]> {
    return new Promise((resolve, reject) => {
      if (this.#ended !== undefined) {
        reject(this.#ended);
        return;
      }
      const built = this.proposals.build(field, body, identity);
      const { data, start, end } = built;
      const meant =
        field === RaftField.v2
          ? translateV2Request(data.subarray(start, end))
          : { field, request: decodeRequestBody(field, data, start, end) };
      const settle = (outcome: Outcome): void => {
        if (outcome.error !== undefined) reject(outcome.error);
        else resolve(outcome.reply);
      };
      this.proposals.submit({ ...built, field: meant.field }, meant.request, settle, span);
      this.flush();
    });
  }

  /** See `ServerContext.proposeV2`. */
  proposeV2(request: Request): Promise<StoreEvent | undefined> {
    return new Promise((resolve, reject) => {
      const refusal = this.refusal;
      if (refusal !== undefined) {
        reject(refusal);
        return;
      }
      this.proposals.submitV2(request, ({ error, v2 }) => {
        if (error !== undefined) reject(error);
        else if (v2 instanceof V2Error) reject(v2);
        else resolve(v2);
      });
      this.#flushAfterTurn();
    });
  }

  /** Together with what other requests of this turn of the loop propose. */
  #flushAfterTurn(): void {
    if (this.#flushIsDue) return;
    this.#flushIsDue = true;
    this.#server.defer(() => {
      this.#flushIsDue = false;
      this.flush();
    });
  }

  /** See `ServerContext.changeMembership`. */
  changeMembership(change: ConfChange): Promise<readonly Member[] | undefined> {
    return new Promise((resolve, reject) => {
      if (this.#ended !== undefined) {
        reject(this.#ended);
        return;
      }
      const settle = ({ error }: Outcome): void => {
        if (error === undefined) resolve(this.#server.cluster.members);
        else reject(error);
      };
      this.proposals.submitConfChange(change, settle, () => resolve(undefined));
      this.flush();
    });
  }

  /** The state of a snapshot is in force: everything up to its index is applied. */
  restored(snapshot: Snapshot): void {
    this.#entries.restored(snapshot);
    this.consistentIndex.setConfState(this.#entries.confState);
    this.reads.applied();
  }

  /** A commit has all of an entry or nothing, and the index of what it has. */
  #beforeCommit(): void {
    assert(!this.#server.store.isFlushing, "a commit amid an entry");
    this.consistentIndex.save();
    this.#traced?.committing();
  }

  /**
   * A member that is alone has nobody to wait for: its first election comes as soon as it has
   * applied what its log already had committed, since raft refuses to stand for election earlier.
   * The setting against early elections is for members that have others, as in etcd.
   */
  #advanceElection(): void {
    const { electionTicks, heartbeatIntervalMs } = this.#server.options;
    if (this.#server.cluster.members.length !== 1) {
      this.leadership.advanceWhenConnected();
      return;
    }
    const ticks = electionTicks - 1;
    this.#server.logger.info("started as single-node; fast-forwarding election ticks", {
      "local-member-id": formatID(this.#server.memberID),
      "forward-ticks": ticks,
      "forward-duration": formatDuration(ticks * heartbeatIntervalMs),
      "election-ticks": electionTicks,
      "election-timeout": formatDuration(electionTicks * heartbeatIntervalMs),
    });
    this.#campaignWhenApplied = true;
    this.#maybeCampaign();
  }

  #maybeCampaign(): void {
    if (!this.#campaignWhenApplied || this.appliedIndex < this.committedIndex) return;
    this.#campaignWhenApplied = false;
    this.#server.defer(() => {
      if (this.#ended !== undefined || this.#leader !== NO_MEMBER) return;
      this.raft.node.campaign();
      this.raft.process();
    });
  }

  #tick(): void {
    this.#ticker = this.#server.clock.setTimer(this.#server.options.heartbeatIntervalMs, () => {
      if (this.#ended !== undefined) return;
      this.leadership.ticked();
      this.raft.node.tick();
      this.#forwarded.retry();
      this.flush();
      this.#tick();
    });
  }

  #proposeBatch(): void {
    // Without a leader the proposals wait for one, up to their deadline.
    if (!this.proposals.hasBatch || this.#leader === NO_MEMBER) return;
    const batch = this.proposals.takeBatch();
    // While leadership is handed over they wait, too.
    if (this.raft.node.propose(batch) === "dropped") this.proposals.putBack(batch);
  }

  #send(messages: readonly Message[]): void {
    const { cluster } = this.#server;
    const ordinary: Message[] = [];
    for (const message of messages) {
      if (cluster.isRemoved(message.to)) continue;
      if (!this.#acknowledgements.passes(message)) continue;
      if (message.type === MessageType.MsgSnap) this.#events.sendSnapshot(message);
      else ordinary.push(message);
    }
    this.#heartbeats.observe(ordinary);
    if (ordinary.length > 0) this.#notices.send(ordinary);
  }

  /** The file first: a record in the log must not name a snapshot that is not there. */
  async #saveSnapshot(snapshot: Snapshot): Promise<void> {
    await this.#log.snapshotFiles.save(snapshot);
    const { index, term, confState } = snapshot.metadata;
    await this.#log.wal.saveSnapshot(WalSnapshot.create({ index, term, confState }));
  }

  /** No entry is begun until the function that it gives is called, once. */
  holdApply(): () => void {
    this.#holds++;
    return () => {
      this.#holds--;
      this.#server.defer(() => this.raft.resumeApply());
    };
  }

  #canApply(): boolean {
    if (this.#holds > 0) return false;
    const { backend } = this.#server;
    if (!backend.congested) return true;
    if (!this.#waitingForBackend) {
      this.#waitingForBackend = true;
      backend.waitUncongested().then(
        () => {
          this.#waitingForBackend = false;
          this.raft.resumeApply();
        },
        (error: Error) => this.#events.failed(error),
      );
    }
    return false;
  }

  #afterApply(): void {
    this.#server.backend.commitIfDue();
    this.reads.applied();
    this.#events.applied();
    if (this.#campaignWhenApplied) this.#maybeCampaign();
    const { appliedIndex, appliedTerm, confState } = this.#entries;
    // The membership in memory is that of the recovered backend: nobody acts on earlier entries.
    if (appliedIndex < this.#recoveredIndex) return;
    this.#events.advanced(appliedIndex, appliedTerm, confState);
  }

  #softStateChanged({ lead }: SoftState): void {
    const { memberID, logger, counters, lessor, defer } = this.#server;
    const previous = this.#leader;
    this.#leader = lead;
    if (lead !== previous) {
      logLeaderChange(logger, memberID, { from: previous, to: lead, term: this.term });
      this.leadership.changed(lead);
      this.#heartbeats.reset();
      this.#notices.reset();
    }
    if (lead !== NO_MEMBER && lead !== previous) {
      counters.leaderChanges.add();
      this.reads.failAsked(new EtcdError("leaderChanged"));
      // At once: a member that has handed over is about to stop.
      this.#forwarded.retry();
      defer(() => this.flush());
    }
    if (previous === memberID && lead !== memberID) lessor.demote();
  }

  /** The leader's first entry is applied, and with it everything of earlier terms. */
  #firstEntryOfTerm(term: Term, slice: Slice): Steps<void> | undefined {
    this.reads.askAgain();
    const { memberID, options, defer, lessor, clock } = this.#server;
    if (this.#leader !== memberID || term !== this.term) return undefined;
    const extendMs = options.electionTicks * options.heartbeatIntervalMs;
    defer(() => this.#events.termBegun());
    return lessor.promoteInSteps(() => clock.nowMs(), extendMs, slice);
  }

  #timeoutError(startMs: number): EtcdError {
    this.#server.counters.proposalsFailed.add();
    return this.leadership.timeoutError(startMs);
  }

  #makeRaftLoop(random: Random, observe: RaftObserver | undefined): RaftLoop {
    const { options, memberID, logger, defer, clock, store, counters } = this.#server;
    const { storage, wal, snapshotIndex } = this.#log;
    const traced = this.#traced;
    const node = new RawNode({
      id: memberID,
      electionTicks: options.electionTicks,
      heartbeatTicks: 1,
      storage,
      applied: snapshotIndex,
      asyncStorageWrites: true,
      maxSizePerMsgBytes: MAX_SIZE_PER_MESSAGE_BYTES,
      maxInflightMsgs: MAX_INFLIGHT_MESSAGES,
      checkQuorum: true,
      preVote: options.preVote,
      random,
      logger: raftLogger(logger),
    });
    return new RaftLoop({
      node,
      id: memberID,
      storage,
      wal,
      logger,
      defer,
      clock,
      unitsPerStretch: serverLimits(options.limits).unitsPerStretch,
      handlers: {
        apply: (entry, slice) => {
          // Who is removed is told so before nobody speaks to it any more.
          if (entry.type !== EntryType.EntryNormal) this.#notices.release();
          return this.#entries.apply(entry, slice);
        },
        changesMade: () => store.changesMade,
        afterApply: () => this.#afterApply(),
        canApply: () => this.#canApply(),
        readStates: (states) => this.reads.confirm(states),
        softState: (state) => this.#softStateChanged(state),
        send: (messages) => this.#send(messages),
        observe,
        saving: traced && ((entries) => traced.saving(entries)),
        proposalTaken: ({ from }) =>
          this.#notices.forwarded(from, this.raft.node.raft.log.lastIndex()),
        proposalDropped: (message) => this.#forwarded.keep(message),
        saveSnapshot: (snapshot) => this.#saveSnapshot(snapshot),
        installSnapshot: (snapshot) => {
          counters.applyingSnapshot.set(1);
          return this.#events.installSnapshot(snapshot).finally(() => {
            counters.applyingSnapshot.set(0);
          });
        },
        storageFull: (full) => {
          this.#storageFull = full;
        },
        fatal: (error) => this.#events.failed(error),
      },
    });
  }

  #makeLeadership(): Leadership {
    const { options, clock, logger, memberID, cluster, network } = this.#server;
    return new Leadership({
      options,
      clock,
      logger,
      memberID,
      cluster,
      network,
      node: this.raft.node,
      leader: () => this.#leader,
      process: () => this.raft.process(),
      read: () => readLinearizably(this),
    });
  }

  #makeReads(): LinearizableReads {
    const { options, clock, ids, counters, logger } = this.#server;
    return new LinearizableReads({
      clock,
      ids,
      timeoutMs: requestTimeoutMs(options),
      ask: (context) => this.raft.node.readIndex(context),
      appliedIndex: () => this.#entries.appliedIndex,
      onTimeout: () => counters.readIndexesFailed.add(),
      logger,
      onSlow: () => counters.slowReadIndexes.add(),
    });
  }

  #makeEntryApplier(): EntryApplier {
    const server = this.#server;
    const { snapshotIndex, snapshotTerm, v2store, storage } = this.#log;
    const events = this.#events;
    return new EntryApplier({
      server,
      proposals: this.proposals,
      consistentIndex: this.consistentIndex,
      confChanges: new ConfChangeApplier({
        node: this.raft.node,
        cluster: server.cluster,
        startMembership: v2store.documented,
        events: events.membership,
        v2members: v2store.members,
        logger: server.logger,
      }),
      applier: new Applier(server, events, v2store.members),
      v2store,
      onFirstEntryOfTerm: (term, slice) => this.#firstEntryOfTerm(term, slice),
      onRemovedSelf: () => events.removedSelf(),
      traced: this.#traced,
      startIndex: snapshotIndex,
      startTerm: snapshotTerm,
      startConfState: storage.initialState().confState,
    });
  }
}
