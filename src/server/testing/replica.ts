/**
 * The state machine of a member without raft: everything that a db file holds, and a log that is
 * applied by hand. Two replicas that apply the same operations hold the same state.
 */
import { AuthStore } from "../../auth/index.ts";
import type { DeleteRangeRequest, PutRequest, TxnRequest } from "../../api/gen/rpc.ts";
import { EtcdError } from "../../api/errors.ts";
import { installAtStart, openBackend } from "../../backend/index.ts";
import { type Backend, ETCD_BUCKETS } from "../../backend/types.ts";
import type { Index, LeaseID, MemberID } from "../../base/ids.ts";
import { type FaultDisk, MemoryLogger, VirtualClock } from "../../env/testing/index.ts";
import { Lessor } from "../../lease/index.ts";
import { Cluster } from "../../membership/index.ts";
import {
  checkTxn,
  executeDeleteRange,
  executePut,
  executeTxn,
  type KeyValueHash,
  Store,
  WatchableStore,
} from "../../mvcc/index.ts";
import { SnapshotFiles } from "../../snap/index.ts";
import { Alarms } from "../apply/alarms.ts";
import type { CompactionCounters } from "../apply/apply-metrics.ts";
import { CompactionRunner } from "../apply/compaction-runner.ts";
import { ConsistentIndex, readConsistentIndex } from "../apply/consistent-index.ts";
import {
  installDatabase,
  type Reloadable,
  type ReplaceableState,
} from "../transfer/database-installer.ts";
import type { Defer } from "../options.ts";
import { StorageVersion } from "../apply/storage-version.ts";

export type Operation =
  | { readonly kind: "put"; readonly request: PutRequest }
  | { readonly kind: "delete"; readonly request: DeleteRangeRequest }
  | { readonly kind: "txn"; readonly request: TxnRequest }
  | { readonly kind: "compact"; readonly revision: number }
  | { readonly kind: "grant"; readonly id: LeaseID; readonly ttl: number }
  | { readonly kind: "revoke"; readonly id: LeaseID }
  | { readonly kind: "checkpoint"; readonly id: LeaseID; readonly remainingTTL: number }
  | {
      readonly kind: "alarm";
      readonly id: MemberID;
      readonly type: number;
      readonly raise: boolean;
    }
  | { readonly kind: "version"; readonly version: string }
  | { readonly kind: "addMember"; readonly id: MemberID }
  | { readonly kind: "removeMember"; readonly id: MemberID };

export interface ReplicaOptions {
  /** Index of the newest snapshot that the log knows of; 0, the default, for none. */
  readonly snapshotIndex?: Index;
  /** Records loaded between two turns of the loop. Default 1000. */
  readonly recordsPerStep?: number;
}

const SNAP_DIRECTORY = "/snap";
export const REPLICA_DB_PATH: string = `${SNAP_DIRECTORY}/db`;
const CHUNK_BYTES = 10_000;
const COMPACTION_RECORDS = 3;
const TERM = 2;

export class Replica implements ReplaceableState {
  readonly disk: FaultDisk;
  readonly clock: VirtualClock = new VirtualClock();
  readonly logger: MemoryLogger = new MemoryLogger();
  readonly defer: Defer = setImmediate;
  others: Reloadable[] = [];
  readonly recordsPerStep: number = 1000;
  readonly backend: Backend;
  readonly lessor: Lessor;
  readonly store: Store;
  readonly watchable: WatchableStore;
  readonly cluster: Cluster;
  readonly alarms: Alarms;
  readonly auth: AuthStore;
  readonly consistentIndex: ConsistentIndex;
  readonly storageVersion: StorageVersion;
  readonly compaction: CompactionRunner;
  readonly files: SnapshotFiles;
  /** What the backend said when it stopped for good. */
  readonly fatal: Error[] = [];

  /** Opens the db of the disk, as at start-up. */
  static async open(disk: FaultDisk, options: ReplicaOptions = {}): Promise<Replica> {
    if (disk.stat(SNAP_DIRECTORY) === undefined) {
      disk.makeDirectories(SNAP_DIRECTORY, 0o700);
      disk.syncDirectory("/");
    }
    const deps = { disk, clock: new VirtualClock(), logger: new MemoryLogger() };
    const backend = await openBackend(deps, REPLICA_DB_PATH, { ensureBuckets: ETCD_BUCKETS });
    const snapshotIndex = options.snapshotIndex ?? 0;
    if (readConsistentIndex(backend) < snapshotIndex) {
      const files = new SnapshotFiles(deps, SNAP_DIRECTORY);
      await installAtStart(backend, files.databasePath(snapshotIndex));
    }
    return new Replica(disk, backend, options);
  }

  private constructor(disk: FaultDisk, backend: Backend, options: ReplicaOptions) {
    this.disk = disk;
    this.backend = backend;
    if (options.recordsPerStep !== undefined) this.recordsPerStep = options.recordsPerStep;
    this.files = new SnapshotFiles({ disk, logger: this.logger }, SNAP_DIRECTORY);
    this.lessor = new Lessor({
      backend,
      minTTL: 2,
      persistCheckpoints: () => true,
      deleteKeys: (keys) => this.store.deleteKeys(keys),
    });
    this.store = new Store({ backend, leases: this.lessor });
    this.watchable = new WatchableStore(this.store);
    this.store.restore();
    this.cluster = new Cluster({ id: 1n, localID: 2n, backend });
    this.alarms = new Alarms(backend);
    this.auth = new AuthStore({ backend, logger: this.logger, hashPassword: (text) => text });
    this.consistentIndex = new ConsistentIndex(backend);
    this.storageVersion = new StorageVersion(backend);
    this.compaction = new CompactionRunner({
      store: this.store,
      backend,
      clock: this.clock,
      logger: this.logger,
      counters: noCounters(),
      batchLimit: COMPACTION_RECORDS,
      sleepIntervalMs: 10,
    });
    backend.onBeforeCommit = () => this.consistentIndex.save();
    backend.onFatal = (error) => this.fatal.push(error);
    if (this.store.compactionPending) this.compaction.start();
  }

  get index(): Index {
    return this.consistentIndex.index;
  }

  /** Applies the next entry of the log; a request that is refused changes nothing else. */
  apply(operation: Operation): void {
    try {
      this.#execute(operation);
    } catch (error) {
      if (!(error instanceof EtcdError)) throw error;
    }
    this.consistentIndex.advance(this.index + 1, TERM);
    this.backend.commitIfDue();
  }

  #execute(operation: Operation): void {
    switch (operation.kind) {
      case "put":
        executePut(this.store, operation.request);
        return;
      case "delete":
        executeDeleteRange(this.store, operation.request);
        return;
      case "txn":
        checkTxn(operation.request, { maxTxnOps: 128 });
        executeTxn(this.store, operation.request);
        return;
      case "compact":
        this.store.compact(operation.revision);
        this.compaction.start();
        return;
      case "grant":
        this.lessor.grant(operation.id, operation.ttl, 0);
        return;
      case "revoke":
        this.lessor.revoke(operation.id);
        return;
      case "checkpoint":
        this.lessor.checkpoint(operation.id, operation.remainingTTL, 0);
        return;
      case "alarm":
        if (operation.raise) this.alarms.activate(operation.id, operation.type);
        else this.alarms.deactivate(operation.id, operation.type);
        return;
      case "version":
        this.cluster.setVersion(operation.version, true);
        this.storageVersion.set(operation.version);
        return;
      case "addMember":
        this.cluster.add(memberOf(operation.id), true);
        return;
      case "removeMember":
        this.cluster.remove(operation.id, true);
        return;
    }
  }

  /** An image of the db at the current index, as a leader sends it. */
  async image(): Promise<Uint8Array> {
    const snapshot = await this.backend.openSnapshot();
    try {
      const chunks: Uint8Array[] = [];
      for await (const chunk of snapshot.chunks(CHUNK_BYTES)) chunks.push(chunk);
      return Buffer.concat(chunks);
    } finally {
      snapshot.close();
    }
  }

  /** Keeps a received image as the database of the snapshot at `index`; returns its path. */
  receive(image: Uint8Array, index: Index): Promise<string> {
    return this.files.saveDatabase(chunksOf(image), index);
  }

  async install(image: Uint8Array, index: Index): Promise<void> {
    const path = await this.receive(image, index);
    await installDatabase(this, { path, snapshotIndex: index });
  }

  /** Everything that the layers above see in memory, and that depends on the log alone. */
  describe(): unknown {
    const { members, removedIDs, version, downgrade } = this.cluster;
    return {
      index: this.index,
      revision: this.store.currentRevision,
      compactRevision: this.store.compactRevision,
      liveKeys: this.store.liveKeys,
      // Without live keys it covers what physical compaction has left, as in etcd.
      hash: this.store.liveKeys > 0 ? this.hash().hash : 0,
      leases: this.lessor.leases().map((lease) => ({
        id: lease.id,
        ttl: lease.ttl,
        remainingTTL: lease.remainingTTL,
        keys: lease.keys(),
      })),
      members,
      removedIDs,
      version,
      downgrade,
      // In no particular order, as in etcd.
      alarms: this.alarms
        .list(0)
        .map(({ memberID, alarm }) => `${alarm} ${memberID}`)
        .sort(),
      storageVersion: this.storageVersion.stored,
    };
  }

  hash(): KeyValueHash {
    const job = this.store.hashByRevision(0);
    for (;;) {
      const result = job.step(1000);
      if (result !== undefined) return result;
    }
  }

  /** Runs compaction to its end. */
  async finishCompaction(): Promise<void> {
    while (this.store.compactionPending) await this.clock.advanceAsync(10);
  }

  close(): Promise<void> {
    this.compaction.stop();
    return this.backend.close();
  }
}

async function* chunksOf(image: Uint8Array): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < image.length; at += CHUNK_BYTES) {
    yield image.subarray(at, at + CHUNK_BYTES);
  }
}

function memberOf(id: MemberID): Parameters<Cluster["add"]>[0] {
  return {
    id,
    name: `m${id}`,
    peerURLs: [`http://127.0.0.1:${20_000 + Number(id)}`],
    clientURLs: [],
    isLearner: false,
  };
}

function noCounters(): CompactionCounters {
  const nothing = { add: () => undefined, set: () => undefined, observe: () => undefined };
  return {
    compactionPauseMs: nothing,
    indexPauseMs: nothing,
    compactionTotalMs: nothing,
    compactedKeys: nothing,
    compactedAtSeconds: nothing,
  };
}
