/**
 * What a member does beside serving: compaction, lease expiry, version negotiation, comparison with
 * the others. Each part has its own timer on the member's clock and none outlives `stop`.
 */
import { EtcdError } from "../../api/errors.ts";
import {
  AlarmRequest,
  AlarmRequest_AlarmAction,
  AlarmType,
  CompactionRequest,
  type LeaseCheckpoint,
  LeaseCheckpointRequest,
} from "../../api/gen/rpc.ts";
import { MAX_CHECKPOINTS_PER_ENTRY } from "../../lease/index.ts";
import type { KeyStore } from "../../v2store/index.ts";
import { AutoCompactor } from "./auto-compactor.ts";
import { CompactionRunner } from "../apply/compaction-runner.ts";
import type { CompactionCounters } from "../apply/apply-metrics.ts";
import type { Counted, ServerContext } from "../context.ts";
import { CorruptionChecker } from "./corruption-checker.ts";
import { LeaseExpirer } from "./lease-expirer.ts";
import { type LinearizableReader, readLinearizably } from "../consensus/linearizable-reads.ts";
import { clusterVersionRequest, type VersionRequestNeeds } from "../members/membership-requests.ts";
import { requestTimeoutMs } from "../options.ts";
import { askPeerHashes } from "./peer-hashes.ts";
import { proposeAsLeader, type ProposeAsLeaderNeeds } from "../consensus/propose-as-leader.ts";
import { RaftField } from "../log/raft-request.ts";
import type { RequestForms } from "../members/request-form.ts";
import type { StorageVersion } from "../apply/storage-version.ts";
import type { UpkeepCounters } from "./upkeep-metrics.ts";
import { V2Expirer, type V2ExpirerNeeds } from "./v2-expirer.ts";
import { VersionMonitor } from "../members/version-monitor.ts";

type CorruptionNeeds = LinearizableReader &
  Pick<
    ServerContext,
    | "clock"
    | "cluster"
    | "clusterID"
    | "hashByRevision"
    | "isLeader"
    | "logger"
    | "memberID"
    | "network"
    | "options"
    | "propose"
    | "store"
  >;

type CompactorNeeds = Pick<
  ServerContext,
  "clock" | "isLeader" | "logger" | "options" | "propose" | "store"
>;

type Needs = CorruptionNeeds &
  ProposeAsLeaderNeeds &
  V2ExpirerNeeds &
  VersionRequestNeeds &
  Counted<CompactionCounters & Pick<UpkeepCounters, "leaseExpired">> &
  Pick<ServerContext, "backend" | "leadership" | "lessor">;

export interface BackgroundOptions {
  readonly server: Needs;
  readonly storageVersion: StorageVersion;
  /** The v2 store, where it is kept. */
  readonly v2keys: KeyStore | undefined;
  readonly forms: RequestForms;
  /** Whether the log begins with a snapshot of this cluster version; if not, one is made soon. */
  readonly logBeginsWith: (version: string) => boolean;
}

export class Background {
  readonly compaction: CompactionRunner;
  readonly #server: Needs;
  readonly #expirer: LeaseExpirer;
  readonly #versions: VersionMonitor;
  readonly #corruption: CorruptionChecker;
  readonly #autoCompactor: AutoCompactor | undefined;
  readonly #v2expirer: V2Expirer | undefined;
  #stopped = false;

  constructor(options: BackgroundOptions) {
    const { server, forms } = options;
    const { clock, logger, store, backend, cluster, lessor } = server;
    this.#server = server;
    this.compaction = new CompactionRunner({
      store,
      backend,
      clock,
      logger,
      counters: server.counters,
      batchLimit: server.options.compactionBatchLimit,
      sleepIntervalMs: server.options.compactionSleepIntervalMs,
    });
    this.#expirer = new LeaseExpirer({
      clock,
      logger,
      expired: server.counters.leaseExpired,
      takeExpired: (nowMs, limit) => lessor.takeExpired(nowMs, limit),
      isExpired: (id, nowMs) => lessor.isExpired(id, nowMs),
      confirmLeadership: () => server.leadership.confirm(),
      proposeAsLeader: (field, body) => proposeAsLeader(server, field, body),
      onScan: (nowMs) => this.#checkpointLeases(nowMs),
    });
    this.#versions = new VersionMonitor({
      clock,
      logger,
      cluster,
      isLeader: () => server.isLeader,
      propose: (field, body) => server.propose(field, body),
      downgradeCheckIntervalMs: server.options.downgradeCheckIntervalMs,
      askOthers: () => forms.askOthers(),
      versionRequest: (version, others) =>
        clusterVersionRequest(server, forms.formFor(others), version),
      logBeginsWith: options.logBeginsWith,
      storageVersion: () => options.storageVersion.current,
      setStorageVersion: (version) => options.storageVersion.set(version),
    });
    this.#autoCompactor = makeAutoCompactor(server);
    this.#v2expirer = options.v2keys && new V2Expirer(server, options.v2keys);
    this.#corruption = makeCorruptionChecker(server);
  }

  start(): void {
    this.#expirer.start();
    this.#versions.start();
    this.#autoCompactor?.start();
    this.#corruption.start();
    this.#v2expirer?.start();
  }

  /** Compares with the other members. Throws `InconsistentDataError`. */
  async checkDataAtStart(): Promise<void> {
    try {
      await this.#corruption.checkAtStart();
    } catch (error) {
      this.#server.logger.error("checkInitialHashKV failed", { error });
      throw error;
    }
  }

  stop(): void {
    this.#stopped = true;
    this.#expirer.stop();
    this.#versions.stop();
    this.compaction.stop();
    this.#autoCompactor?.stop();
    this.#corruption.stop();
    this.#v2expirer?.stop();
  }

  /** The leader or the cluster version has changed. */
  checkVersions(): void {
    if (!this.#stopped) this.#versions.check();
  }

  #checkpointLeases(nowMs: number): void {
    for (let entries = 0; entries < MAX_CHECKPOINT_ENTRIES_PER_SCAN; entries++) {
      const checkpoints = this.#server.lessor.takeDueCheckpoints(nowMs);
      if (checkpoints.length > 0) this.#checkpoint(checkpoints);
      if (checkpoints.length < MAX_CHECKPOINTS_PER_ENTRY) return;
    }
  }

  #checkpoint(checkpoints: LeaseCheckpoint[]): void {
    const request = LeaseCheckpointRequest.create({ checkpoints });
    const body = LeaseCheckpointRequest.encode(request);
    proposeAsLeader(this.#server, RaftField.leaseCheckpoint, body).catch((error: unknown) => {
      if (!this.#stopped) this.#server.logger.warn("failed to checkpoint leases", { error });
    });
  }
}

/** Millions of leases have theirs within the five minutes, and none takes more than milliseconds. */
const MAX_CHECKPOINT_ENTRIES_PER_SCAN = 8;

/** Members before this cluster version hash compactions in ways of their own. */
const COMPARABLE_HASHES_SINCE = "3.6.0";

function makeCorruptionChecker(server: CorruptionNeeds): CorruptionChecker {
  const { options, cluster, store, memberID, clusterID, network, logger } = server;
  const timeoutMs = requestTimeoutMs(options);
  return new CorruptionChecker({
    clock: server.clock,
    logger,
    memberID,
    isLeader: () => server.isLeader,
    hashByRevision: (revision) => server.hashByRevision(revision),
    currentRevision: () => store.currentRevision,
    compactionHashes: () => store.hashes.list(),
    askPeers: (revision) => {
      const members = cluster.members.filter(({ id }) => id !== memberID);
      return askPeerHashes(
        { network, clusterID, localID: memberID, logger, members, timeoutMs },
        revision,
      );
    },
    linearizableRead: () => readLinearizably(server),
    raiseAlarm: (member) => {
      const request = AlarmRequest.create({
        memberID: member,
        action: AlarmRequest_AlarmAction.ACTIVATE,
        alarm: AlarmType.CORRUPT,
      });
      server.propose(RaftField.alarm, AlarmRequest.encode(request)).catch((error: unknown) => {
        logger.error("failed to raise the alarm of corruption", { error });
      });
    },
    intervalMs: options.corruptCheckIntervalMs,
    compactionIntervalMs: options.compactHashCheckIntervalMs,
    wasAskedForCompactions: options.compactHashCheck,
    timeoutMs,
    comparesCompactions: () =>
      options.compactHashCheck || cluster.version === COMPARABLE_HASHES_SINCE,
  });
}

function makeAutoCompactor(server: CompactorNeeds): AutoCompactor | undefined {
  const { autoCompactionMode: mode, autoCompactionRetention: retention } = server.options;
  if (retention === 0) return undefined;
  return new AutoCompactor({
    mode,
    retention,
    clock: server.clock,
    logger: server.logger,
    currentRevision: () => server.store.currentRevision,
    isLeader: () => server.isLeader,
    compact: async (revision) => {
      const request = CompactionRequest.create({ revision });
      try {
        await server.propose(RaftField.compaction, CompactionRequest.encode(request));
      } catch (error) {
        if (!(error instanceof EtcdError) || error.kind !== "compacted") throw error;
      }
    },
  });
}
