/**
 * One member: the pieces that `bootstrap` made, raft running over them, and what the services on
 * top need.
 *
 * Life: `EtcdServer.start` recovers the state and starts raft; `ready` settles when the member has
 * published itself through a quorum; `stop` leaves everything on disk as a clean shutdown does.
 * A failure that makes it unsafe to go on stops the member: `failed` settles with the reason.
 */
import { EtcdError } from "../api/errors.ts";
import type { Identity } from "../auth/index.ts";
import type { ConfChange, ConfState, Snapshot } from "../api/gen/raft.ts";
import { SERVER_VERSION } from "../api/version.ts";
import type { Backend } from "../backend/types.ts";
import { RequestIDGenerator } from "../base/id-generator.ts";
import {
  type ClusterID,
  formatID,
  type Index,
  type MemberID,
  type Revision,
  type Term,
} from "../base/ids.ts";
import type { Slice } from "../base/slice.ts";
import type { Clock, Logger, PeerNetwork, Timer } from "../env/index.ts";
import { Lessor, minimumLeaseTTL } from "../lease/index.ts";
import type { Cluster, Member } from "../membership/index.ts";
import { hashInSteps, type KeyValueHash, Store, WatchableStore } from "../mvcc/index.ts";
import type { Status } from "../raft/index.ts";
import { Authentication } from "./access/authentication.ts";
import { makeTokens } from "./access/make-tokens.ts";
import { Alarms } from "./apply/alarms.ts";
import { HeaderEncoder } from "./apply/header.ts";
import { Quota } from "./apply/quota.ts";
import { StorageVersion } from "./apply/storage-version.ts";
import type { Leadership } from "./consensus/leadership.ts";
import type { LinearizableReads } from "./consensus/linearizable-reads.ts";
import { Pipeline, type PipelineEvents } from "./consensus/pipeline.ts";
import type { RaftLoop } from "./consensus/raft-loop.ts";
import type { ServerContext } from "./context.ts";
import { ServerPeerNode } from "./inbound/peer-node.ts";
import { serverLimits } from "./limits.ts";
import type { Proposals } from "./log/proposals.ts";
import { MemberRemovedError } from "./members/member-removed.ts";
import { MembershipQueue } from "./members/membership-queue.ts";
import { addPeers, peerEvents, replacePeers } from "./members/peer-membership.ts";
import { RequestForms } from "./members/request-form.ts";
import { registerServerMetrics, type ServerCounters } from "./metrics.ts";
import { type Defer, requestTimeoutMs, type ServerDeps, type ServerOptions } from "./options.ts";
import { PeerApi } from "./peer-api/peer-api.ts";
import { RpcServer } from "./services/rpc-server.ts";
import { Turns } from "./services/turns.ts";
import { type Bootstrapped, bootstrapLogged } from "./start/bootstrap.ts";
import { publishSelf } from "./start/publish.ts";
import { logQuota, logRestored } from "./start/start-lines.ts";
import {
  checkReceivedDatabase,
  INSTALL_REST_MS,
  installDatabase,
} from "./transfer/database-installer.ts";
import { SnapshotSender } from "./transfer/snapshot-sender.ts";
import { describeSnapshot } from "./transfer/snapshotter.ts";
import { Background } from "./upkeep/background.ts";

/** A removed member lives on for this long, so that the others hear from it that it knows. */
const REMOVED_STOP_DELAY_MS = 1000;

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
  readonly auth: Authentication;
  readonly quota: Quota;
  readonly turns: Turns;
  readonly membershipQueue: MembershipQueue = new MembershipQueue();
  readonly counters: ServerCounters;
  readonly network: PeerNetwork;
  readonly forms: RequestForms;
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
  readonly #pipeline: Pipeline;
  readonly #background: Background;
  readonly #storageVersion: StorageVersion;
  readonly #snapshotSender: SnapshotSender;
  #resolveReady: () => void = () => {};
  #rejectReady: (error: Error) => void = () => {};
  #resolveFailed: (error: Error) => void = () => {};
  #removal: Timer | undefined;
  #stopping = false;
  readonly #stopController = new AbortController();
  #stopped: Promise<void> | undefined;

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
    this.lessor = this.#makeLessor(deps);
    this.store = new Store({ backend: this.backend, leases: this.lessor });
    this.watchable = new WatchableStore(this.store);
    this.auth = this.#makeAuthentication(deps);
    this.network = deps.network;
    this.forms = new RequestForms(this, requestTimeoutMs(options));
    this.counters = registerServerMetrics(deps.metrics, this);
    const events = this.#pipelineEvents();
    this.#pipeline = new Pipeline({ server: this, log: boot, random: deps.random, events });
    this.#snapshotSender = this.#makeSnapshotSender();
    this.peerNode = this.#makePeerNode(deps);
    this.#background = new Background({
      server: this,
      boot,
      deps,
      storageVersion: this.#storageVersion,
      forms: this.forms,
      keepsLog: () => this.#snapshotSender.needsLog,
    });
    this.rpc = new RpcServer(this);
    this.peerApi = new PeerApi(this);
    this.backend.onFatal = (error) => this.#fail(error);
    boot.wal.onFatal = (error) => this.#fail(error);
  }

  get raft(): RaftLoop {
    return this.#pipeline.raft;
  }

  get proposals(): Proposals {
    return this.#pipeline.proposals;
  }

  get reads(): LinearizableReads {
    return this.#pipeline.reads;
  }

  get leadership(): Leadership {
    return this.#pipeline.leadership;
  }

  get term(): Term {
    return this.#pipeline.term;
  }

  get leader(): MemberID {
    return this.#pipeline.leader;
  }

  get isLeader(): boolean {
    return this.#pipeline.leader === this.memberID;
  }

  get committedIndex(): Index {
    return this.#pipeline.committedIndex;
  }

  get appliedIndex(): Index {
    return this.#pipeline.appliedIndex;
  }

  get confState(): ConfState {
    return this.#pipeline.confState;
  }

  get storageVersion(): string | undefined {
    return this.#storageVersion.current;
  }

  get stopSignal(): AbortSignal {
    return this.#stopController.signal;
  }

  get refusal(): EtcdError | undefined {
    return this.#pipeline.refusal;
  }

  flush(): void {
    this.#pipeline.flush();
  }

  propose(field: number, body: Uint8Array, identity?: Identity): Promise<readonly Uint8Array[]> {
    return this.#pipeline.propose(field, body, identity);
  }

  changeMembership(change: ConfChange): Promise<readonly Member[] | undefined> {
    return this.#pipeline.changeMembership(change);
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
    this.#removal?.cancel();
    this.#snapshotSender.stop();
    const networkStopped = this.network.stop();
    const backgroundStopped = this.#background.stop();
    this.rpc.stop();
    this.#pipeline.stop();
    this.#rejectReady(new EtcdError("stopped"));
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
    this.#pipeline.start();
    this.#background.start();
    this.rpc.start();
    publishSelf(this, this.forms, () => this.#stopping).then(
      () => {
        this.rpc.ready();
        this.#resolveReady();
      },
      (error: Error) => this.#rejectReady(error),
    );
  }

  #pipelineEvents(): PipelineEvents {
    return {
      membership: peerEvents(this),
      applied: () => this.rpc.applied(),
      advanced: (index, term, confState) => this.#background.applied(index, term, confState),
      termBegun: () => this.#background.checkVersions(),
      compactionScheduled: () => this.#background.compaction.start(),
      clusterVersionChanged: () => this.#background.checkVersions(),
      sendSnapshot: (message) => this.#snapshotSender.send(message),
      installSnapshot: (snapshot) => this.#installSnapshot(snapshot),
      removedSelf: () => this.#removedSelf(),
      failed: (error) => this.#fail(error),
    };
  }

  async #installSnapshot(snapshot: Snapshot): Promise<void> {
    const { index, term } = snapshot.metadata;
    const { snapshotFiles, v2store } = this.#boot;
    const path = snapshotFiles.databasePath(index);
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
        consistentIndex: this.#pipeline.consistentIndex,
        lessor,
        watchable,
        cluster,
        alarms,
        auth: this.auth.store,
        storageVersion: this.#storageVersion,
        compaction: this.#background.compaction,
        others: [{ prepareReload: () => v2store.prepareReload(snapshot) }],
        defer: (step) => void clock.setTimer(INSTALL_REST_MS, step),
        logger,
        ...(this.options.limits?.recordsPerStep === undefined
          ? {}
          : { recordsPerStep: this.options.limits.recordsPerStep }),
      },
      { path, snapshotIndex: index },
    );
    this.#pipeline.restored(snapshot);
    replacePeers(this, knownBefore);
    this.#background.restored(index);
    this.rpc.applied();
    logger.info("applied snapshot", {
      "current-snapshot-index": index,
      "current-applied-index": this.appliedIndex,
      ...incoming,
    });
    if (cluster.isRemoved(this.memberID)) this.#removedSelf();
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
    this.#pipeline.halt();
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

  #makeAuthentication(deps: ServerDeps): Authentication {
    const { clock, logger, backend, options } = this;
    return new Authentication({
      backend,
      clock,
      logger,
      tokens: makeTokens(options, deps),
      passwords: deps.passwords,
      bcryptCost: options.bcryptCost,
      clientCertAuth: options.clientCertAuth,
      leaseKeys: (lease) => this.lessor.lookup(lease)?.keys() ?? [],
      appliedIndex: () => this.appliedIndex,
    });
  }

  #makeSnapshotSender(): SnapshotSender {
    const { clock, logger, backend, network } = this;
    const { storage, v2store } = this.#boot;
    return new SnapshotSender({
      clock,
      keepLogAfterMs: serverLimits(this.options.limits).keepLogAfterSendingMs,
      logger,
      localID: this.memberID,
      backend,
      confState: () => this.#pipeline.confState,
      appliedIndex: () => this.#pipeline.appliedIndex,
      describe: (index) => {
        const term = storage.term(index) ?? this.#pipeline.appliedTerm;
        return describeSnapshot(v2store, index, term, this.#pipeline.confState);
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
}
