/**
 * From a data directory (or none) to the pieces of a member: WAL, log in memory, backend,
 * identity. Nothing is served yet and raft is not running.
 *
 * A directory with a WAL is a member that existed: its WAL says who it is, and everything about
 * the initial cluster is ignored. Without one, a new cluster is written down: the WAL's metadata
 * and one conf change per initial member, committed in term 1, as etcd does.
 */
import { Metadata } from "../api/gen/etcdserver.ts";
import type { HardState, Snapshot } from "../api/gen/raft.ts";
import { compareVersions, parseVersion, SERVER_VERSION } from "../api/version.ts";
import { openBackend } from "../backend/index.ts";
import { AUTH_BUCKET, ETCD_BUCKETS, type Backend } from "../backend/types.ts";
import { bytesFromUtf8, utf8FromBytes } from "../base/bytes.ts";
import { type ClusterID, formatID, type Index, type MemberID } from "../base/ids.ts";
import { Cluster, computeClusterID, decodeV2Document } from "../membership/index.ts";
import { MemoryStorage } from "../raft/index.ts";
import { SnapshotFiles } from "../snap/index.ts";
import { validSnapshotEntries, verifySegmentsBefore, Wal, walExists } from "../wal/index.ts";
import { readConsistentIndex } from "./consistent-index.ts";
import { BootstrapError, memberDirectories, touchDirectory } from "./data-directory.ts";
import { initialMembers, writeInitialMembers } from "./initial-members.ts";
import type { ServerDeps, ServerOptions } from "./options.ts";

export interface Bootstrapped {
  readonly memberID: MemberID;
  readonly clusterID: ClusterID;
  readonly isNew: boolean;
  readonly wal: Wal;
  readonly storage: MemoryStorage;
  readonly hardState: HardState;
  /** Index of the snapshot that the log starts behind, 0 when there is none. */
  readonly snapshotIndex: Index;
  readonly snapshotFiles: SnapshotFiles;
  readonly backend: Backend;
  readonly cluster: Cluster;
  /**
   * Settles when the part of the log that start-up does not read has been checked; rejects when it
   * is damaged. The member must not serve before.
   */
  readonly olderSegmentsVerified: Promise<void>;
}

/** Throws `BootstrapError`, `DiskError`, or the errors of WAL and backend about damaged files. */
export async function bootstrap(options: ServerOptions, deps: ServerDeps): Promise<Bootstrapped> {
  const { disk, logger } = deps;
  const paths = memberDirectories(disk, options);
  const isNew = !walExists(disk, paths.wal);
  // Called for its refusals, before anything is made: a mistake leaves no directory behind.
  if (isNew) initialMembers(options);
  touchDirectory(deps, options.dataDirectory, "data directory");
  touchDirectory(deps, paths.member, "member directory");
  touchDirectory(deps, paths.snap, "snapshot directory");
  const dbExisted = disk.stat(paths.db) !== undefined;
  const snapshotFiles = new SnapshotFiles(deps, paths.snap);
  snapshotFiles.cleanUp();
  const backend = await openBackend({ ...deps }, paths.db, {
    pageCacheBytes: options.pageCacheBytes,
    batchIntervalMs: options.backendBatchIntervalMs,
    batchLimit: options.backendBatchLimit,
    noFsync: options.unsafeNoFsync,
    ensureBuckets: ETCD_BUCKETS,
  });
  try {
    const consistentIndex = readConsistentIndex(backend);
    logger.info("restore consistentIndex", { index: consistentIndex });
    if (dbExisted) {
      logger.info("recovered v3 backend", {
        "backend-size-bytes": backend.sizeBytes,
        "backend-size-in-use-bytes": backend.sizeInUseBytes,
      });
    }
    refuseEnabledAuth(backend);
    if (isNew && consistentIndex > 0) {
      throw new BootstrapError(
        `the data directory has a db at index ${consistentIndex}, but no WAL in ${paths.wal}: ` +
          "restore the WAL, or restore the member from a snapshot file",
      );
    }
    const booted = isNew
      ? await createCluster(options, deps, paths.wal, backend, snapshotFiles)
      : await recoverMember(options, deps, paths.wal, backend, snapshotFiles, consistentIndex);
    ensureAuthRevision(backend);
    return booted;
  } catch (error) {
    await backend.close();
    throw error;
  }
}

async function createCluster(
  options: ServerOptions,
  deps: ServerDeps,
  walDirectory: string,
  backend: Backend,
  snapshotFiles: SnapshotFiles,
): Promise<Bootstrapped> {
  const { logger } = deps;
  logger.info("bootstrapping cluster");
  const { members, local } = initialMembers(options);
  const clusterID = computeClusterID(members.map((member) => member.id));
  logger.info("bootstrapping storage");
  const metadata = Metadata.encode(Metadata.create({ NodeID: local.id, ClusterID: clusterID }));
  const wal = Wal.create(deps, walDirectory, metadata, {
    unsafeNoFsync: options.unsafeNoFsync,
  });
  const { hardState, entries } = await writeInitialMembers(wal, members);
  logger.info("bootstrapping raft");
  logger.info("starting local member", {
    "local-member-id": formatID(local.id),
    "cluster-id": formatID(clusterID),
  });
  const storage = new MemoryStorage();
  storage.setHardState(hardState);
  storage.append(entries);
  return {
    memberID: local.id,
    clusterID,
    isNew: true,
    wal,
    storage,
    hardState,
    snapshotIndex: 0,
    snapshotFiles,
    backend,
    cluster: new Cluster({ id: clusterID, localID: local.id, backend }),
    olderSegmentsVerified: Promise.resolve(),
  };
}

async function recoverMember(
  options: ServerOptions,
  deps: ServerDeps,
  walDirectory: string,
  backend: Backend,
  snapshotFiles: SnapshotFiles,
  consistentIndex: Index,
): Promise<Bootstrapped> {
  const { logger } = deps;
  logger.info("Bootstrapping WAL from snapshot");
  const snapshot = newestSnapshot(deps, walDirectory, snapshotFiles);
  const { index: snapshotIndex, term: snapshotTerm } = snapshot?.metadata ?? { index: 0, term: 0 };
  if (snapshotIndex > consistentIndex) {
    throw new BootstrapError(
      `the db is at index ${consistentIndex}, older than the snapshot at index ${snapshotIndex}: ` +
        "the db file is not the one that belongs to this WAL",
    );
  }
  const olderSegmentsVerified = verifyOlder(deps, walDirectory, snapshotIndex);
  const wal = Wal.open(
    deps,
    walDirectory,
    { index: snapshotIndex, term: snapshotTerm },
    { unsafeNoFsync: options.unsafeNoFsync },
  );
  try {
    return await assemble(options, deps, {
      wal,
      snapshot,
      snapshotFiles,
      backend,
      consistentIndex,
      olderSegmentsVerified,
    });
  } catch (error) {
    await wal.close();
    throw error;
  }
}

interface Recovered {
  readonly wal: Wal;
  readonly snapshot: Snapshot | undefined;
  readonly snapshotFiles: SnapshotFiles;
  readonly backend: Backend;
  readonly consistentIndex: Index;
  readonly olderSegmentsVerified: Promise<void>;
}

/** Puts the pieces together, once they are known to belong to each other. */
async function assemble(
  options: ServerOptions,
  deps: ServerDeps,
  recovered: Recovered,
): Promise<Bootstrapped> {
  const { wal, snapshot, snapshotFiles, backend, consistentIndex } = recovered;
  const content = wal.readAll();
  const identity = Metadata.decode(content.metadata);
  const wasInterrupted = snapshot === undefined && content.entries.length === 0;
  const { hardState, entries } = wasInterrupted
    ? await finishCreation(options, wal, identity)
    : content;
  const storage = new MemoryStorage();
  if (snapshot !== undefined) storage.applySnapshot(snapshot);
  storage.setHardState(hardState);
  storage.append(entries);
  const lastIndex = storage.lastIndex();
  if (consistentIndex > lastIndex) {
    throw new BootstrapError(
      `the db is at index ${consistentIndex}, ahead of the WAL, which ends at index ${lastIndex}: ` +
        "part of the WAL is missing",
    );
  }
  deps.logger.info("restarting local member", {
    "cluster-id": formatID(identity.ClusterID),
    "local-member-id": formatID(identity.NodeID),
    "commit-index": hardState.commit,
  });
  const cluster = new Cluster({ id: identity.ClusterID, localID: identity.NodeID, backend });
  if (cluster.members.length === 0) adoptV2Membership(cluster, snapshot);
  refuseDowngrade(cluster.version);
  refuseSeveralMembers(cluster);
  return {
    memberID: identity.NodeID,
    clusterID: identity.ClusterID,
    isNew: false,
    wal,
    storage,
    hardState,
    snapshotIndex: snapshot?.metadata.index ?? 0,
    snapshotFiles,
    backend,
    cluster,
    olderSegmentsVerified: recovered.olderSegmentsVerified,
  };
}

/**
 * The newest snapshot file that the log knows of. Its record is in the segments that are opened
 * behind it, so those before are read for records only when that file cannot be used.
 */
function newestSnapshot(
  { disk, logger }: ServerDeps,
  walDirectory: string,
  files: SnapshotFiles,
): Snapshot | undefined {
  const newest = files.newestIndex();
  if (newest > 0) {
    const snapshot = files.loadNewest(validSnapshotEntries({ disk, logger }, walDirectory, newest));
    if (snapshot !== undefined) return snapshot;
  }
  return files.loadNewest(validSnapshotEntries({ disk, logger }, walDirectory));
}

function verifyOlder(deps: ServerDeps, walDirectory: string, index: Index): Promise<void> {
  if (deps.verifyOlderSegments === undefined) {
    verifySegmentsBefore(deps, walDirectory, index);
    return Promise.resolve();
  }
  const verified = deps.verifyOlderSegments(walDirectory, index);
  // Start-up may fail for another reason before it comes to wait for this.
  verified.catch(() => undefined);
  return verified;
}

/** The first start ended after the WAL was made and before the members were written. */
async function finishCreation(options: ServerOptions, wal: Wal, identity: Metadata) {
  const { members, local } = initialMembers(options);
  if (local.id !== identity.NodeID) {
    throw new BootstrapError(
      `the WAL in ${wal.directory} belongs to member ${formatID(identity.NodeID)}, ` +
        `but this configuration is member ${formatID(local.id)}`,
    );
  }
  return writeInitialMembers(wal, members);
}

/** Members that were written before the backend held the membership (etcd before 3.4). */
function adoptV2Membership(cluster: Cluster, snapshot: Snapshot | undefined): void {
  if (snapshot === undefined || snapshot.data.length === 0) return;
  const membership = decodeV2Document(utf8FromBytes(snapshot.data));
  for (const member of membership.members) cluster.add(member, true);
  for (const id of membership.removedIDs) cluster.remove(id, true);
  if (membership.version !== undefined) cluster.setVersion(membership.version, true);
}

function refuseDowngrade(clusterVersion: string | undefined): void {
  const cluster = clusterVersion === undefined ? undefined : parseVersion(clusterVersion);
  const own = parseVersion(SERVER_VERSION);
  if (cluster === undefined || own === undefined) return;
  if (compareVersions(own, { ...cluster, patch: 0 }) < 0) {
    throw new BootstrapError(
      "invalid downgrade; server version is lower than determined cluster version " +
        `(server ${SERVER_VERSION}, cluster ${clusterVersion})`,
    );
  }
}

/** The others would wait for this member's messages, and it for theirs. */
function refuseSeveralMembers(cluster: Cluster): void {
  if (cluster.members.length <= 1) return;
  const names = cluster.members.map((member) => member.name || formatID(member.id)).join(", ");
  throw new BootstrapError(
    `the data directory belongs to a cluster of several members (${names}), ` +
      "which this version does not support",
  );
}

/** In etcd the users' store has a revision from the first start on, whether it is used or not. */
function ensureAuthRevision(backend: Backend): void {
  const key = bytesFromUtf8("authRevision");
  if (backend.get(AUTH_BUCKET, key) !== undefined) return;
  backend.put(AUTH_BUCKET, key, Uint8Array.of(0, 0, 0, 0, 0, 0, 0, 1));
}

/** Serving such data without checking permissions would open it to everybody. */
function refuseEnabledAuth(backend: Backend): void {
  const enabled = backend.get(AUTH_BUCKET, bytesFromUtf8("authEnabled"));
  if (enabled !== undefined && enabled[0] === 1) {
    throw new BootstrapError(
      "authentication is enabled in this data directory, and this version cannot enforce it; " +
        "disable authentication with the etcd that wrote it, or keep using that one",
    );
  }
}
