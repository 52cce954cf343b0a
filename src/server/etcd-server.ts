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
import type { Request } from "../api/gen/etcdserver.ts";
import type { ConfChange, ConfState } from "../api/gen/raft.ts";
import type { Backend } from "../backend/types.ts";
import { RequestIDGenerator } from "../base/id-generator.ts";
import type { ClusterID, Index, MemberID, Revision, Term } from "../base/ids.ts";
import type { CallSpan, Clock, Logger, PeerNetwork } from "../env/index.ts";
import type { Lessor } from "../lease/index.ts";
import type { Cluster, Member } from "../membership/index.ts";
import type { KeyValueHash, Store, WatchableStore } from "../mvcc/index.ts";
import type { Status } from "../raft/index.ts";
import type { KeyStore, StoreEvent } from "../v2store/index.ts";
import type { Authentication } from "./access/authentication.ts";
import type { Alarms } from "./apply/alarms.ts";
import { HeaderEncoder } from "./apply/header.ts";
import type { Quota } from "./apply/quota.ts";
import type { StorageVersion } from "./apply/storage-version.ts";
import type { Leadership } from "./consensus/leadership.ts";
import type { LinearizableReads } from "./consensus/linearizable-reads.ts";
import { Pipeline, type PipelineEvents } from "./consensus/pipeline.ts";
import type { RaftLoop } from "./consensus/raft-loop.ts";
import type { ServerContext, ServerCounters } from "./context.ts";
import { ServerPeerNode } from "./inbound/peer-node.ts";
import { serverLimits } from "./limits.ts";
import type { Proposals } from "./log/proposals.ts";
import { logEnd, Removal } from "./members/member-removed.ts";
import { MembershipQueue } from "./members/membership-queue.ts";
import { addPeers, peerEvents } from "./members/peer-membership.ts";
import { RequestForms } from "./members/request-form.ts";
import { registerServerMetrics } from "./metrics.ts";
import { type Defer, requestTimeoutMs, type ServerDeps, type ServerOptions } from "./options.ts";
import { PeerApi } from "./peer-api/peer-api.ts";
import { RpcServer } from "./services/rpc-server.ts";
import { Turns } from "./services/turns.ts";
import { type Bootstrapped, bootstrapLogged } from "./start/bootstrap.ts";
import { memberDirectories } from "./start/data-directory.ts";
import { makeState, restoreState } from "./start/member-state.ts";
import { publishSelf } from "./start/publish.ts";
import { logStarting } from "./start/start-lines.ts";
import { checkReceivedDatabase } from "./transfer/database-installer.ts";
import { Transfers } from "./transfer/transfers.ts";
import { Background } from "./upkeep/background.ts";
import { hashRevision } from "./upkeep/revision-hash.ts";

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
  readonly raft: RaftLoop;
  readonly proposals: Proposals;
  readonly reads: LinearizableReads;
  readonly leadership: Leadership;
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
  readonly #transfers: Transfers;
  readonly #removal: Removal;
  #resolveReady: () => void = () => {};
  #rejectReady: (error: Error) => void = () => {};
  #resolveFailed: (error: Error) => void = () => {};
  #stopping = false;
  readonly #stopController = new AbortController();
  #stopped: Promise<void> | undefined;

  /** Throws `BootstrapError` and the errors of damaged files; nothing runs then. */
  static async start(options: ServerOptions, deps: ServerDeps): Promise<EtcdServer> {
    const boot = await bootstrapLogged(options, deps);
    try {
      const server = new EtcdServer(options, deps, boot);
      if (await restoreState(server, deps)) server.#background.compaction.start();
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
    const state = makeState(options, deps, boot, () => this.appliedIndex);
    this.alarms = state.alarms;
    this.quota = state.quota;
    this.lessor = state.lessor;
    this.store = state.store;
    this.watchable = state.watchable;
    this.auth = state.auth;
    this.#storageVersion = state.storageVersion;
    this.network = deps.network;
    this.forms = new RequestForms(this, requestTimeoutMs(options));
    this.counters = registerServerMetrics(deps.metrics, this, boot.v2store.keys);
    const events = this.#pipelineEvents();
    const { random, tracer, observeRaft } = deps;
    const log = boot;
    this.#pipeline = new Pipeline({ server: this, log, random, events, tracer, observeRaft });
    this.raft = this.#pipeline.raft;
    this.proposals = this.#pipeline.proposals;
    this.reads = this.#pipeline.reads;
    this.leadership = this.#pipeline.leadership;
    this.#background = new Background({
      server: this,
      storageVersion: this.#storageVersion,
      v2keys: boot.v2store.keys,
      forms: this.forms,
      logBeginsWith: (version) => this.#transfers.isOfVersion(version),
    });
    this.#transfers = new Transfers({
      server: this,
      log: boot,
      pipeline: this.#pipeline,
      storageVersion: this.#storageVersion,
      compaction: this.#background.compaction,
      disk: deps.disk,
      directories: memberDirectories(deps.disk, options),
      onInstalled: () => this.rpc.applied(),
      onRemovedSelf: () => this.#removal.begin(),
    });
    this.#removal = new Removal(clock, (error) => this.#fail(error));
    this.peerNode = this.#makePeerNode(deps);
    this.rpc = new RpcServer(this);
    this.peerApi = new PeerApi(this);
    this.backend.onFatal = (error) => this.#fail(error);
    boot.wal.onFatal = (error) => this.#fail(error);
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

  /** What users of the v2 API see; undefined without it. */
  get v2keys(): KeyStore | undefined {
    return this.#boot.v2store.keys;
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

  propose(
    field: number,
    body: Uint8Array,
    identity?: Identity,
    span?: CallSpan,
  ): Promise<readonly Uint8Array[]> {
    return this.#pipeline.propose(field, body, identity, span);
  }

  proposeV2(request: Request): Promise<StoreEvent | undefined> {
    return this.#pipeline.proposeV2(request);
  }

  changeMembership(change: ConfChange): Promise<readonly Member[] | undefined> {
    return this.#pipeline.changeMembership(change);
  }

  raftStatus(): Status {
    return this.raft.node.status();
  }

  hashByRevision(revision: Revision): Promise<KeyValueHash> {
    return hashRevision(this, revision);
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
    this.#removal.cancel();
    const transfersStopped = this.#transfers.stop();
    const networkStopped = this.network.stop();
    this.#background.stop();
    this.rpc.stop();
    this.#pipeline.stop();
    this.#rejectReady(new EtcdError("stopped"));
    await networkStopped;
    await transfersStopped;
    await this.backend.close();
    await this.#boot.wal.close();
  }

  #run(): void {
    logStarting(this.logger, this.cluster);
    this.network.start(this.peerNode);
    for (const { id, peerURLs } of this.#boot.remotes) this.network.addRemote(id, peerURLs);
    addPeers(this);
    this.#pipeline.start();
    this.#background.start();
    this.#transfers.start();
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
      advanced: (index, term, confState) => this.#transfers.applied(index, term, confState),
      termBegun: () => this.#background.checkVersions(),
      compactionScheduled: () => this.#background.compaction.start(),
      clusterVersionChanged: () => this.#background.checkVersions(),
      sendSnapshot: (message) => this.#transfers.send(message),
      installSnapshot: (snapshot) => this.#transfers.install(snapshot),
      removedSelf: () => this.#removal.begin(),
      failed: (error) => this.#fail(error),
    };
  }

  #fail(error: Error): void {
    if (this.#stopping) return;
    logEnd(this.logger, error);
    this.#pipeline.halt();
    this.#resolveFailed(error);
  }

  #makePeerNode(deps: ServerDeps): ServerPeerNode {
    return new ServerPeerNode({
      server: this,
      raft: this.raft,
      files: this.#boot.snapshotFiles,
      checkDatabase: (path, snapshotIndex) => checkReceivedDatabase(deps, { path, snapshotIndex }),
      sender: this.#transfers.sender,
      onRemovedSelf: () => this.#removal.begin(),
      onGone: (id) => this.leadership.gone(id),
    });
  }
}
