/**
 * One member: the pieces that `bootstrap` made, raft running over them, and what the services on
 * top need.
 *
 * Life: `EtcdServer.start` recovers the state and starts raft; `ready` settles when the member has
 * published itself through a quorum; `stop` leaves everything on disk as a clean shutdown does.
 * A failure that makes it unsafe to go on stops the member: `failed` settles with the reason.
 */
import { EtcdError } from "../api/errors.ts";
import {
  type ConfChange,
  type ConfState,
  type Message,
  MessageType,
  type Snapshot,
} from "../api/gen/raft.ts";
import { Snapshot as WalSnapshot } from "../api/gen/wal.ts";
import { SERVER_VERSION } from "../api/version.ts";
import type { Backend } from "../backend/types.ts";
import { assert } from "../base/assert.ts";
import { formatDuration } from "../base/go-text.ts";
import { RequestIDGenerator } from "../base/id-generator.ts";
import {
  type ClusterID,
  formatID,
  type Index,
  type MemberID,
  type Revision,
  type Term,
} from "../base/ids.ts";
import type { Slice, Steps } from "../base/slice.ts";
import type { Clock, Logger, PeerNetwork, Timer } from "../env/index.ts";
import { Lessor, minimumLeaseTTL } from "../lease/index.ts";
import type { Cluster, Member } from "../membership/index.ts";
import { hashInSteps, type KeyValueHash, Store, WatchableStore } from "../mvcc/index.ts";
import { NO_MEMBER, RawNode, type SoftState, type Status } from "../raft/index.ts";
import { AcknowledgementFilter } from "./consensus/acknowledgement-filter.ts";
import { Alarms } from "./apply/alarms.ts";
import { Applier } from "./apply/applier.ts";
import { Background } from "./upkeep/background.ts";
import { type Bootstrapped, bootstrapLogged } from "./start/bootstrap.ts";
import { ConfChangeApplier } from "./apply/conf-change-applier.ts";
import { ConsistentIndex } from "./apply/consistent-index.ts";
import type { ServerContext } from "./context.ts";
import {
  checkReceivedDatabase,
  INSTALL_REST_MS,
  installDatabase,
} from "./transfer/database-installer.ts";
import { EntryApplier } from "./apply/entry-applier.ts";
import { HeaderEncoder } from "./apply/header.ts";
import { HeartbeatMeter } from "./consensus/heartbeat-meter.ts";
import { Leadership } from "./consensus/leadership.ts";
import { LinearizableReads, readLinearizably } from "./consensus/linearizable-reads.ts";
import { MemberRemovedError } from "./members/member-removed.ts";
import { MembershipQueue } from "./members/membership-queue.ts";
import { registerServerMetrics, type ServerCounters } from "./metrics.ts";
import { serverLimits } from "./limits.ts";
import { type Defer, requestTimeoutMs, type ServerDeps, type ServerOptions } from "./options.ts";
import { type Outcome, Proposals } from "./log/proposals.ts";
import { PeerApi } from "./peer-api/peer-api.ts";
import { addPeers, peerEvents, replacePeers } from "./members/peer-membership.ts";
import { ServerPeerNode } from "./inbound/peer-node.ts";
import { publishSelf } from "./start/publish.ts";
import { Quota } from "./apply/quota.ts";
import { RaftLoop } from "./consensus/raft-loop.ts";
import { logLeaderChange, raftLogger } from "./consensus/raft-logger.ts";
import { decodeRequestBody } from "./log/request-codecs.ts";
import { RaftField } from "./log/raft-request.ts";
import { RequestForms } from "./members/request-form.ts";
import { RpcServer } from "./services/rpc-server.ts";
import { SnapshotSender } from "./transfer/snapshot-sender.ts";
import { describeSnapshot } from "./transfer/snapshotter.ts";
import { logQuota, logRestored } from "./start/start-lines.ts";
import { StorageVersion } from "./apply/storage-version.ts";
import { Turns } from "./services/turns.ts";
import { translateV2Request } from "./log/v2-entries.ts";

/** etcd's limit on committed entries that are not applied yet. */
const MAX_COMMIT_APPLY_GAP = 5000;
/** Requests that wait for the disk or a quorum; beyond it new writes are refused, not queued. */
const MAX_WAITING_PROPOSAL_BYTES = 256 * 1024 * 1024;
/** Entries in one append message, and handed to the applier at a time. */
const MAX_SIZE_PER_MESSAGE_BYTES = 1024 * 1024;
/** An acknowledgement is not repeated within this share of the interval of heartbeats. */
const REPEATED_ACKNOWLEDGEMENT_SHARE = 0.25;
/** A removed member lives on for this long, so that the others hear from it that it knows. */
const REMOVED_STOP_DELAY_MS = 1000;
/** Append messages under way to one follower, as in etcd. */
const MAX_INFLIGHT_MESSAGES = 512;

export class EtcdServer implements ServerContext {
  readonly options: ServerOptions;
  readonly clock: Clock;
  readonly defer: Defer;
  readonly logger: Logger;
  readonly memberID: MemberID;
  readonly clusterID: ClusterID;
  readonly ids: RequestIDGenerator;
  readonly header: HeaderEncoder;
  readonly backend: Backend;
  readonly store: Store;
  readonly watchable: WatchableStore;
  readonly lessor: Lessor;
  readonly cluster: Cluster;
  readonly alarms: Alarms;
  readonly quota: Quota;
  readonly proposals: Proposals;
  readonly turns: Turns;
  readonly reads: LinearizableReads;
  readonly membershipQueue: MembershipQueue = new MembershipQueue();
  readonly counters: ServerCounters;
  readonly raft: RaftLoop;
  readonly network: PeerNetwork;
  readonly leadership: Leadership;
  /** The services, as the transport sees them. */
  readonly rpc: RpcServer;
  /** Answers the HTTP questions of other members, except for those of the raft transport. */
  readonly peerApi: PeerApi;
  /** This member, as the others' messages meet it. */
  readonly peerNode: ServerPeerNode;
  /** Settles once this member serves; rejects when it stops before. */
  readonly ready: Promise<void>;
  /** Settles with the reason when the member cannot go on. */
  readonly failed: Promise<Error>;

  readonly #boot: Bootstrapped;
  readonly #consistentIndex: ConsistentIndex;
  readonly #entries: EntryApplier;
  readonly #background: Background;
  readonly #storageVersion: StorageVersion;
  #resolveReady: () => void = () => {};
  #rejectReady: (error: Error) => void = () => {};
  #resolveFailed: (error: Error) => void = () => {};
  readonly #forms: RequestForms;
  readonly #acknowledgements: AcknowledgementFilter;
  readonly #snapshotSender: SnapshotSender;
  readonly #heartbeats: HeartbeatMeter;
  #ticker: Timer | undefined;
  #removal: Timer | undefined;
  #leader: MemberID = NO_MEMBER;
  #refusal: EtcdError | undefined;
  #stopping = false;
  readonly #stopController = new AbortController();
  #stopped: Promise<void> | undefined;
  #waitingForBackend = false;
  #storageFull = false;
  #campaignWhenApplied = false;
  /** Where the backend stood when the member started. */
  readonly #recoveredIndex: Index;

  /** Throws `BootstrapError` and the errors of damaged files; nothing runs then. */
  static async start(options: ServerOptions, deps: ServerDeps): Promise<EtcdServer> {
    const boot = await bootstrapLogged(options, deps);
    try {
      const server = new EtcdServer(options, deps, boot);
      await server.#restore();
      await boot.olderSegmentsVerified;
      if (options.initialCorruptCheck && !boot.isNew) await server.#background.checkDataAtStart();
      server.#run();
      return server;
    } catch (error) {
      await boot.backend.close();
      await boot.wal.close();
      throw error;
    }
  }

  private constructor(options: ServerOptions, deps: ServerDeps, boot: Bootstrapped) {
    const { clock, logger } = deps;
    this.options = options;
    this.clock = clock;
    this.defer = deps.defer;
    this.turns = new Turns(deps.defer, serverLimits(options.limits).unitsPerTurn);
    this.logger = logger;
    this.#boot = boot;
    this.memberID = boot.memberID;
    this.clusterID = boot.clusterID;
    this.backend = boot.backend;
    this.cluster = boot.cluster;
    this.ready = new Promise((resolve, reject) => {
      this.#resolveReady = resolve;
      this.#rejectReady = reject;
    });
    // Whoever only waits for `failed` must not see an unhandled rejection.
    this.ready.catch(() => undefined);
    this.failed = new Promise((resolve) => {
      this.#resolveFailed = resolve;
    });
    this.ids = new RequestIDGenerator(this.memberID, clock.wallMs());
    this.header = new HeaderEncoder(this.clusterID, this.memberID);
    this.alarms = new Alarms(this.backend);
    this.quota = new Quota(this.backend, options.quotaBackendBytes);
    logQuota(logger, options.quotaBackendBytes);
    this.#storageVersion = new StorageVersion(this.backend);
    this.#consistentIndex = new ConsistentIndex(this.backend);
    this.#recoveredIndex = this.#consistentIndex.index;
    this.lessor = this.#makeLessor(deps);
    this.store = new Store({ backend: this.backend, leases: this.lessor });
    this.watchable = new WatchableStore(this.store);
    this.network = deps.network;
    this.#forms = new RequestForms(this, requestTimeoutMs(options));
    this.#acknowledgements = new AcknowledgementFilter(
      () => clock.nowMs(),
      options.heartbeatIntervalMs * REPEATED_ACKNOWLEDGEMENT_SHARE,
    );
    this.raft = this.#makeRaftLoop(deps);
    this.leadership = this.#makeLeadership();
    this.#snapshotSender = this.#makeSnapshotSender();
    this.peerNode = this.#makePeerNode(deps);
    this.proposals = new Proposals({
      clock,
      ids: this.ids,
      timeoutMs: requestTimeoutMs(options),
      timeoutError: (startMs) => this.#timeoutError(startMs),
    });
    this.counters = registerServerMetrics(deps.metrics, this);
    this.#heartbeats = new HeartbeatMeter({
      clock,
      logger,
      heartbeatIntervalMs: options.heartbeatIntervalMs,
      late: this.counters.heartbeatsLate,
    });
    this.reads = this.#makeReads();
    this.#entries = this.#makeEntryApplier();
    this.#background = new Background({
      server: this,
      boot,
      deps,
      storageVersion: this.#storageVersion,
      forms: this.#forms,
      keepsLog: () => this.#snapshotSender.needsLog,
    });
    this.rpc = new RpcServer(this);
    this.peerApi = new PeerApi(this);
    this.backend.onBeforeCommit = () => this.#beforeCommit();
    this.backend.onFatal = (error) => this.#fail(error);
    boot.wal.onFatal = (error) => this.#fail(error);
  }

  get term(): Term {
    return this.raft.node.raft.term;
  }

  get leader(): MemberID {
    return this.#leader;
  }

  get isLeader(): boolean {
    return this.#leader === this.memberID;
  }

  get committedIndex(): Index {
    return this.raft.node.raft.log.committed;
  }

  get appliedIndex(): Index {
    return this.#entries.appliedIndex;
  }

  get confState(): ConfState {
    return this.#entries.confState;
  }

  get storageVersion(): string | undefined {
    return this.#storageVersion.current;
  }

  get stopSignal(): AbortSignal {
    return this.#stopController.signal;
  }

  get refusal(): EtcdError | undefined {
    if (this.#refusal !== undefined) return this.#refusal;
    if (this.#storageFull) return new EtcdError("noSpace");
    if (
      this.proposals.waitingBytes > MAX_WAITING_PROPOSAL_BYTES ||
      this.committedIndex - this.appliedIndex > MAX_COMMIT_APPLY_GAP
    ) {
      return new EtcdError("tooManyRequests");
    }
    return undefined;
  }

  flush(): void {
    if (this.#stopping) return;
    this.#proposeBatch();
    this.reads.flush();
    this.raft.process();
  }

  propose(field: number, body: Uint8Array): Promise<readonly Uint8Array[]> {
    return new Promise((resolve, reject) => {
      if (this.#stopping) {
        reject(new EtcdError("stopped"));
        return;
      }
      const built = this.proposals.build(field, body);
      const { data, start, end } = built;
      const meant =
        field === RaftField.v2
          ? translateV2Request(data.subarray(start, end))
          : { field, request: decodeRequestBody(field, data, start, end) };
      this.proposals.submit({ ...built, field: meant.field }, meant.request, (outcome) => {
        if (outcome.error !== undefined) reject(outcome.error);
        else resolve(outcome.reply);
      });
      this.flush();
    });
  }

  changeMembership(change: ConfChange): Promise<readonly Member[] | undefined> {
    return new Promise((resolve, reject) => {
      if (this.#stopping) {
        reject(new EtcdError("stopped"));
        return;
      }
      const settle = ({ error }: Outcome): void => {
        if (error === undefined) resolve(this.cluster.members);
        else reject(error);
      };
      this.proposals.submitConfChange(change, settle, () => resolve(undefined));
      this.flush();
    });
  }

  raftStatus(): Status {
    return this.raft.node.status();
  }

  async hashByRevision(revision: Revision): Promise<KeyValueHash> {
    const startMs = this.clock.nowMs();
    const job = this.store.hashByRevision(revision);
    const steps = (slice: Slice) => hashInSteps(job, slice);
    const result = await this.turns.result(steps, () => this.#stopping).finally(() => job.close());
    this.counters.hashRevisionDuration.observe((this.clock.nowMs() - startMs) / 1000);
    return result;
  }

  compactionDone(): Promise<void> {
    return this.#background.compaction.done();
  }

  /** A commit has all of an entry or nothing, and the index of what it has. */
  #beforeCommit(): void {
    if (this.store.isFlushing) this.raft.finishApply();
    assert(!this.store.isFlushing, "a commit amid an entry");
    this.#consistentIndex.save();
  }

  async applyEnded(): Promise<void> {
    await this.raft.applied();
    if (this.#stopping) throw new EtcdError("stopped");
  }

  /** Stops raft, settles what waits with `server stopped`, and leaves the disk in order. */
  stop(): Promise<void> {
    this.#stopped ??= this.#stop();
    return this.#stopped;
  }

  async #stop(): Promise<void> {
    if (!this.raft.stopped) await this.leadership.handOver(requestTimeoutMs(this.options));
    this.#stopping = true;
    this.#stopController.abort();
    this.#refusal = new EtcdError("stopped");
    this.#ticker?.cancel();
    this.#removal?.cancel();
    this.leadership.stop();
    this.#snapshotSender.stop();
    const networkStopped = this.network.stop();
    const backgroundStopped = this.#background.stop();
    this.rpc.stop();
    this.raft.stop();
    this.#rejectReady(new EtcdError("stopped"));
    this.proposals.failAll(new EtcdError("stopped"));
    this.reads.failAll(new EtcdError("stopped"));
    await networkStopped;
    await backgroundStopped;
    await this.backend.close();
    await this.#boot.wal.close();
  }

  async #restore(): Promise<void> {
    const { recordsPerStep } = serverLimits(this.options.limits);
    const steps = this.watchable.restoreSteps(this.backend, recordsPerStep);
    for (;;) {
      const step = steps.next();
      if (step.done === true) {
        const { resumedCompaction } = step.value;
        logRestored(this.logger, this.store);
        if (resumedCompaction !== undefined) {
          this.logger.info("resume scheduled compaction", {
            "scheduled-compact-revision": resumedCompaction,
          });
          this.#background.compaction.start();
        }
        return;
      }
      await new Promise<void>((resolve) => this.defer(resolve));
    }
  }

  #run(): void {
    const { logger } = this;
    logger.info("starting etcd server", {
      "local-member-id": formatID(this.memberID),
      "local-server-version": SERVER_VERSION,
      ...(this.cluster.version !== undefined && { "cluster-id": formatID(this.clusterID) }),
      "cluster-version": this.cluster.version ?? "to_be_decided",
    });
    this.network.start(this.peerNode);
    for (const { id, peerURLs } of this.#boot.remotes) this.network.addRemote(id, peerURLs);
    addPeers(this);
    this.raft.process();
    this.#advanceElection();
    this.#tick();
    this.#background.start();
    this.rpc.start();
    publishSelf(this, this.#forms, () => this.#stopping).then(
      () => {
        this.rpc.ready();
        this.#resolveReady();
      },
      (error: Error) => this.#rejectReady(error),
    );
  }

  /**
   * A member that is alone has nobody to wait for: its first election comes as soon as it has
   * applied what its log already had committed, since raft refuses to stand for election earlier.
   * The setting against early elections is for members that have others, as in etcd.
   */
  #advanceElection(): void {
    const { electionTicks, heartbeatIntervalMs } = this.options;
    if (this.cluster.members.length !== 1) {
      this.leadership.advanceWhenConnected();
      return;
    }
    const ticks = electionTicks - 1;
    this.logger.info("started as single-node; fast-forwarding election ticks", {
      "local-member-id": formatID(this.memberID),
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
    this.defer(() => {
      if (this.#stopping || this.#leader !== NO_MEMBER) return;
      this.raft.node.campaign();
      this.raft.process();
    });
  }

  #tick(): void {
    this.#ticker = this.clock.setTimer(this.options.heartbeatIntervalMs, () => {
      if (this.#stopping) return;
      this.leadership.ticked();
      this.raft.node.tick();
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

  #makeRaftLoop(deps: ServerDeps): RaftLoop {
    const { options } = this;
    const boot = this.#boot;
    const node = new RawNode({
      id: this.memberID,
      electionTicks: options.electionTicks,
      heartbeatTicks: 1,
      storage: boot.storage,
      applied: boot.snapshotIndex,
      asyncStorageWrites: true,
      maxSizePerMsgBytes: MAX_SIZE_PER_MESSAGE_BYTES,
      maxInflightMsgs: MAX_INFLIGHT_MESSAGES,
      checkQuorum: true,
      preVote: options.preVote,
      random: deps.random,
      logger: raftLogger(this.logger),
    });
    return new RaftLoop({
      node,
      id: this.memberID,
      storage: boot.storage,
      wal: boot.wal,
      logger: this.logger,
      defer: this.defer,
      clock: this.clock,
      unitsPerStretch: serverLimits(options.limits).unitsPerStretch,
      handlers: {
        apply: (entry, slice) => this.#entries.apply(entry, slice),
        changesMade: () => this.store.changesMade,
        afterApply: () => this.#afterApply(),
        canApply: () => this.#canApply(),
        readStates: (states) => this.reads.confirm(states),
        softState: (state) => this.#softStateChanged(state),
        send: (messages) => this.#send(messages),
        saveSnapshot: (snapshot) => this.#saveSnapshot(snapshot),
        installSnapshot: (snapshot) => {
          this.counters.applyingSnapshot.set(1);
          return this.#installSnapshot(snapshot).finally(() => {
            this.counters.applyingSnapshot.set(0);
          });
        },
        storageFull: (full) => {
          this.#storageFull = full;
        },
        fatal: (error) => this.#fail(error),
      },
    });
  }

  #send(messages: readonly Message[]): void {
    const ordinary: Message[] = [];
    for (const message of messages) {
      if (this.cluster.isRemoved(message.to)) continue;
      if (!this.#acknowledgements.passes(message)) continue;
      if (message.type === MessageType.MsgSnap) this.#snapshotSender.send(message);
      else ordinary.push(message);
    }
    this.#heartbeats.observe(ordinary);
    if (ordinary.length > 0) this.network.send(ordinary);
  }

  /** The file first: a record in the log must not name a snapshot that is not there. */
  async #saveSnapshot(snapshot: Snapshot): Promise<void> {
    await this.#boot.snapshotFiles.save(snapshot);
    const { index, term, confState } = snapshot.metadata;
    await this.#boot.wal.saveSnapshot(WalSnapshot.create({ index, term, confState }));
  }

  async #installSnapshot(snapshot: Snapshot): Promise<void> {
    const { index, term } = snapshot.metadata;
    const path = this.#boot.snapshotFiles.databasePath(index);
    await this.#background.snapshotsIdle();
    const { backend, lessor, watchable, cluster, alarms, logger, clock } = this;
    const knownBefore = cluster.members;
    const incoming = {
      "incoming-leader-snapshot-index": index,
      "incoming-leader-snapshot-term": term,
    };
    logger.info("applying snapshot", {
      "current-snapshot-index": this.#background.snapshotIndex,
      "current-applied-index": this.appliedIndex,
      ...incoming,
    });
    await installDatabase(
      {
        backend,
        consistentIndex: this.#consistentIndex,
        lessor,
        watchable,
        cluster,
        alarms,
        storageVersion: this.#storageVersion,
        compaction: this.#background.compaction,
        defer: (step) => void clock.setTimer(INSTALL_REST_MS, step),
        logger,
        ...(this.options.limits?.recordsPerStep === undefined
          ? {}
          : { recordsPerStep: this.options.limits.recordsPerStep }),
      },
      { path, snapshotIndex: index },
    );
    this.#entries.restored(snapshot);
    this.#consistentIndex.setConfState(this.#entries.confState);
    replacePeers(this, knownBefore);
    this.#background.restored(index);
    this.reads.applied();
    this.rpc.applied();
    logger.info("applied snapshot", {
      "current-snapshot-index": index,
      "current-applied-index": this.appliedIndex,
      ...incoming,
    });
    if (cluster.isRemoved(this.memberID)) this.#removedSelf();
  }

  #canApply(): boolean {
    if (!this.backend.congested) return true;
    if (!this.#waitingForBackend) {
      this.#waitingForBackend = true;
      this.backend.waitUncongested().then(
        () => {
          this.#waitingForBackend = false;
          this.raft.resumeApply();
        },
        (error: Error) => this.#fail(error),
      );
    }
    return false;
  }

  #afterApply(): void {
    this.backend.commitIfDue();
    this.reads.applied();
    this.rpc.applied();
    if (this.#campaignWhenApplied) this.#maybeCampaign();
    // The membership in memory is that of the recovered backend: no snapshot of an earlier index.
    if (this.appliedIndex < this.#recoveredIndex) return;
    const { appliedIndex, appliedTerm, confState } = this.#entries;
    this.#background.applied(appliedIndex, appliedTerm, confState);
  }

  #softStateChanged(state: SoftState): void {
    const previous = this.#leader;
    this.#leader = state.lead;
    if (state.lead !== previous) {
      const change = { from: previous, to: state.lead, term: this.term };
      logLeaderChange(this.logger, this.memberID, change);
      this.leadership.changed(state.lead);
      this.#heartbeats.reset();
    }
    if (state.lead !== NO_MEMBER && state.lead !== previous) {
      this.counters.leaderChanges.add();
      this.reads.failAsked(new EtcdError("leaderChanged"));
      this.defer(() => this.flush());
    }
    if (previous === this.memberID && state.lead !== this.memberID) this.lessor.demote();
  }

  /** The leader's first entry is applied, and with it everything of earlier terms. */
  #firstEntryOfTerm(term: Term, slice: Slice): Steps<void> | undefined {
    this.reads.askAgain();
    if (!this.isLeader || term !== this.term) return undefined;
    const extendMs = this.options.electionTicks * this.options.heartbeatIntervalMs;
    this.defer(() => this.#background.checkVersions());
    return this.lessor.promoteInSteps(() => this.clock.nowMs(), extendMs, slice);
  }

  #timeoutError(startMs: number): EtcdError {
    this.counters.proposalsFailed.add();
    return this.leadership.timeoutError(startMs);
  }

  #removedSelf(): void {
    if (this.#removal !== undefined) return;
    const error = new MemberRemovedError();
    this.#removal = this.clock.setTimer(REMOVED_STOP_DELAY_MS, () => this.#fail(error));
  }

  #fail(error: Error): void {
    if (this.#stopping) return;
    if (error instanceof MemberRemovedError) {
      this.logger.warn("server error", { error });
      this.logger.warn("data-dir used by this member must be removed");
    } else {
      this.logger.error("the member cannot go on", { error });
    }
    this.#refusal = new EtcdError("stopped");
    this.raft.stop();
    this.#resolveFailed(error);
  }

  #makeLessor(deps: ServerDeps): Lessor {
    const { electionTicks, heartbeatIntervalMs, leaseCheckpoint } = this.options;
    return new Lessor({
      backend: this.backend,
      minTTL: minimumLeaseTTL(electionTicks, heartbeatIntervalMs),
      metrics: deps.metrics,
      checkpoints: leaseCheckpoint,
      persistCheckpoints: () => true,
      deleteKeys: (keys) => {
        this.store.deleteKeys(keys);
      },
    });
  }

  #makeLeadership(): Leadership {
    const { options, clock, logger, memberID, cluster, network } = this;
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

  #makeSnapshotSender(): SnapshotSender {
    const { clock, logger, backend, network, cluster } = this;
    return new SnapshotSender({
      clock,
      keepLogAfterMs: serverLimits(this.options.limits).keepLogAfterSendingMs,
      logger,
      localID: this.memberID,
      backend,
      confState: () => this.#entries.confState,
      appliedIndex: () => this.#entries.appliedIndex,
      describe: (index) => {
        const term = this.#boot.storage.term(index) ?? this.#entries.appliedTerm;
        return describeSnapshot(cluster, index, term, this.#entries.confState);
      },
      send: (message, image) => network.sendSnapshot(message, image),
      failed: (to) => {
        this.raft.node.reportSnapshot(to, false);
        this.raft.process();
      },
    });
  }

  #makePeerNode(deps: ServerDeps): ServerPeerNode {
    const { memberID, clusterID, cluster, raft, logger } = this;
    return new ServerPeerNode({
      memberID,
      clusterID,
      cluster,
      ownPeerURLs: this.options.peerURLs,
      raft,
      files: this.#boot.snapshotFiles,
      checkDatabase: (path, snapshotIndex) => checkReceivedDatabase(deps, { path, snapshotIndex }),
      sender: this.#snapshotSender,
      clock: this.clock,
      logger,
      onRemovedSelf: () => this.#removedSelf(),
      onGone: (id) => this.leadership.gone(id),
    });
  }

  #makeReads(): LinearizableReads {
    return new LinearizableReads({
      clock: this.clock,
      ids: this.ids,
      timeoutMs: requestTimeoutMs(this.options),
      ask: (context) => this.raft.node.readIndex(context),
      appliedIndex: () => this.#entries.appliedIndex,
      onTimeout: () => this.counters.readIndexesFailed.add(),
      logger: this.logger,
      onSlow: () => this.counters.slowReadIndexes.add(),
    });
  }

  #makeEntryApplier(): EntryApplier {
    const { snapshotIndex, snapshotTerm, snapshotMembership, storage } = this.#boot;
    const { cluster, logger } = this;
    return new EntryApplier({
      server: this,
      consistentIndex: this.#consistentIndex,
      confChanges: new ConfChangeApplier({
        node: this.raft.node,
        cluster,
        startMembership: snapshotMembership,
        events: peerEvents(this),
        logger,
      }),
      applier: new Applier(this, {
        compactionScheduled: () => this.#background.compaction.start(),
        clusterVersionChanged: () => this.#background.checkVersions(),
      }),
      onFirstEntryOfTerm: (term, slice) => this.#firstEntryOfTerm(term, slice),
      onRemovedSelf: () => this.#removedSelf(),
      startIndex: snapshotIndex,
      startTerm: snapshotTerm,
      startConfState: storage.initialState().confState,
    });
  }
}
