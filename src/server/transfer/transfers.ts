/**
 * What moves the state as a whole: raft's snapshots on this member's disk, databases to followers
 * that are too far behind, and the database that the leader sends here.
 */
import type { ConfState, Message, Snapshot } from "../../api/gen/raft.ts";
import type { Index, Term } from "../../base/ids.ts";
import type { Disk } from "../../env/index.ts";
import type { CompactionRunner } from "../apply/compaction-runner.ts";
import type { StorageVersion } from "../apply/storage-version.ts";
import type { Pipeline, RecoveredLog } from "../consensus/pipeline.ts";
import type { ServerContext } from "../context.ts";
import { serverLimits } from "../limits.ts";
import { type ReplacePeersNeeds, replacePeers } from "../members/peer-membership.ts";
import { INSTALL_REST_MS, installDatabase } from "./database-installer.ts";
import { Purger } from "./purger.ts";
import { SnapshotSender } from "./snapshot-sender.ts";
import { type DescribeSnapshot, snapshotDescriber } from "./snapshot-describer.ts";
import { Snapshotter } from "./snapshotter.ts";

type SenderNeeds = Pick<
  ServerContext,
  "backend" | "clock" | "logger" | "memberID" | "network" | "options"
>;

type Needs = ReplacePeersNeeds &
  SenderNeeds &
  Pick<
    ServerContext,
    "alarms" | "appliedIndex" | "auth" | "cluster" | "lessor" | "turns" | "watchable"
  >;

export interface TransfersOptions {
  readonly server: Needs;
  readonly log: RecoveredLog;
  readonly pipeline: Pipeline;
  readonly storageVersion: StorageVersion;
  readonly compaction: CompactionRunner;
  readonly disk: Disk;
  readonly directories: { readonly wal: string; readonly snap: string };
  /** The state is that of the leader's database: who waits for changes is to be told. */
  readonly onInstalled: () => void;
  readonly onRemovedSelf: () => void;
}

export class Transfers {
  readonly sender: SnapshotSender;
  readonly #options: TransfersOptions;
  readonly #snapshotter: Snapshotter;
  readonly #purger: Purger;

  constructor(options: TransfersOptions) {
    const { server, log, pipeline, disk, directories } = options;
    const { clock, logger, backend, cluster } = server;
    const { snapshotCount, catchUpEntries, maxWals, maxSnapshots } = server.options;
    const limits = serverLimits(server.options.limits);
    const { storage, wal, snapshotFiles: files } = log;
    this.#options = options;
    const describe = snapshotDescriber({
      v2store: log.v2store,
      inTurns: (begin) => server.turns.result(begin, () => false),
      holdApply: () => pipeline.holdApply(),
    });
    this.sender = makeSender(server, pipeline, log, describe);
    const keepsLog = () => this.sender.needsLog;
    const settings = { snapshotCount, catchUpEntries, limits, keepsLog, position: pipeline };
    this.#snapshotter = new Snapshotter(
      { ...settings, storage, wal, files, backend, cluster, describe, clock, logger },
      log.snapshotIndex,
    );
    this.#purger = new Purger({
      disk,
      clock,
      logger,
      walDirectory: directories.wal,
      snapDirectory: directories.snap,
      maxWals,
      maxSnapshots,
      intervalMs: limits.purgeIntervalMs,
      snapshotIndex: () => this.#snapshotter.snapshotIndex,
    });
  }

  start(): void {
    this.#purger.start();
  }

  /** Settles when a snapshot that is being written is done. */
  stop(): Promise<void> {
    this.sender.stop();
    this.#purger.stop();
    return this.#snapshotter.idle();
  }

  /** Takes a MsgSnap of raft. */
  send(message: Message): void {
    this.sender.send(message);
  }

  /** Entries up to here were applied. */
  applied(index: Index, term: Term, confState: ConfState): void {
    this.#snapshotter.applied(index, term, confState);
  }

  /** Whether the newest snapshot is one of this cluster version; if not, the next is made soon. */
  isOfVersion(version: string): boolean {
    return this.#snapshotter.isOfVersion(version);
  }

  /** Takes the database of a snapshot, durable by now, into use. */
  async install(snapshot: Snapshot): Promise<void> {
    const { server, pipeline, onInstalled, onRemovedSelf } = this.#options;
    const { cluster, logger } = server;
    const { index, term } = snapshot.metadata;
    await this.#snapshotter.idle();
    const knownBefore = cluster.members;
    const incoming = {
      "incoming-leader-snapshot-index": index,
      "incoming-leader-snapshot-term": term,
    };
    logger.info("applying snapshot", {
      "current-snapshot-index": this.#snapshotter.snapshotIndex,
      "current-applied-index": server.appliedIndex,
      ...incoming,
    });
    await this.#installDatabase(snapshot);
    pipeline.restored(snapshot);
    replacePeers(server, knownBefore);
    this.#snapshotter.restored(index);
    onInstalled();
    logger.info("applied snapshot", {
      "current-snapshot-index": index,
      "current-applied-index": server.appliedIndex,
      ...incoming,
    });
    if (cluster.isRemoved(server.memberID)) onRemovedSelf();
  }

  #installDatabase(snapshot: Snapshot): Promise<void> {
    const { server, log, pipeline, storageVersion, compaction } = this.#options;
    const { backend, lessor, watchable, cluster, alarms, logger, clock, auth } = server;
    const { index } = snapshot.metadata;
    const recordsPerStep = server.options.limits?.recordsPerStep;
    return installDatabase(
      {
        backend,
        consistentIndex: pipeline.consistentIndex,
        lessor,
        watchable,
        cluster,
        alarms,
        auth: auth.store,
        storageVersion,
        compaction,
        others: [{ prepareReload: () => log.v2store.prepareReload(snapshot) }],
        defer: (step) => void clock.setTimer(INSTALL_REST_MS, step),
        logger,
        ...(recordsPerStep === undefined ? {} : { recordsPerStep }),
      },
      { path: log.snapshotFiles.databasePath(index), snapshotIndex: index },
    );
  }
}

function makeSender(
  { clock, logger, memberID, backend, network, options }: SenderNeeds,
  pipeline: Pipeline,
  { storage, v2store }: RecoveredLog,
  describe: DescribeSnapshot,
): SnapshotSender {
  return new SnapshotSender({
    clock,
    keepLogAfterMs: serverLimits(options.limits).keepLogAfterSendingMs,
    logger,
    localID: memberID,
    backend,
    confState: () => pipeline.confState,
    appliedIndex: () => pipeline.appliedIndex,
    holdApply: v2store.keys === undefined ? undefined : () => pipeline.holdApply(),
    describe: (index) => {
      const term = storage.term(index) ?? pipeline.appliedTerm;
      return describe(index, term, pipeline.confState);
    },
    send: (message, image) => network.sendSnapshot(message, image),
    failed: (to) => {
      pipeline.raft.node.reportSnapshot(to, false);
      pipeline.raft.process();
    },
  });
}
