/**
 * From a data directory (or none) to the pieces of a member: WAL, log in memory, backend,
 * identity. Nothing is served yet and raft is not running.
 *
 * A directory with a WAL is a member that existed: its WAL says who it is, and everything about
 * the initial cluster is ignored. Without one, a new cluster is written down: the WAL's metadata
 * and one conf change per initial member, committed in term 1, as etcd does; or the running cluster
 * is asked who this member is in it, and the log begins empty.
 *
 * A crash may have come between receiving a snapshot from the leader and taking its database into
 * use: then the db is older than the snapshot, and the database that waits takes its place here.
 */
import { Metadata } from "../api/gen/etcdserver.ts";
import { type Entry, HardState, type Snapshot } from "../api/gen/raft.ts";
import { compareVersions, parseVersion, SERVER_VERSION } from "../api/version.ts";
import { installAtStart, openBackend } from "../backend/index.ts";
import { AUTH_BUCKET, ETCD_BUCKETS, type Backend } from "../backend/types.ts";
import { bytesFromUtf8 } from "../base/bytes.ts";
import { formatDuration, sizeFields } from "../base/go-text.ts";
import { type ClusterID, formatID, type Index, type MemberID, type Term } from "../base/ids.ts";
import {
  Cluster,
  computeClusterID,
  type Member,
  type Membership,
  membershipOfSnapshot,
  NO_MEMBERSHIP,
} from "../membership/index.ts";
import { MemoryStorage } from "../raft/index.ts";
import { SnapError, SnapshotFiles } from "../snap/index.ts";
import {
  validSnapshotEntries,
  verifySegmentsBefore,
  Wal,
  type WalOptions,
  walExists,
} from "../wal/index.ts";
import { readConsistentIndex } from "./consistent-index.ts";
import { BootstrapError, memberDirectories, touchDirectory } from "./data-directory.ts";
import { forceNewCluster } from "./force-new-cluster.ts";
import { checkInitialMembers, initialMembers, writeInitialMembers } from "./initial-members.ts";
import { isBootstrapped, joinCluster } from "./join-cluster.ts";
import { serverLimits } from "./limits.ts";
import { requestTimeoutMs, type ServerDeps, type ServerOptions } from "./options.ts";
import { logRecoveredCluster } from "./start-lines.ts";

export interface Bootstrapped {
  readonly memberID: MemberID;
  readonly clusterID: ClusterID;
  readonly isNew: boolean;
  readonly wal: Wal;
  readonly storage: MemoryStorage;
  readonly hardState: HardState;
  /** Index of the snapshot that the log starts behind, 0 when there is none. */
  readonly snapshotIndex: Index;
  readonly snapshotTerm: Term;
  /** The membership in that snapshot. */
  readonly snapshotMembership: Membership;
  readonly snapshotFiles: SnapshotFiles;
  readonly backend: Backend;
  readonly cluster: Cluster;
  /** The members of the cluster that is joined, which the log will tell of later. */
  readonly remotes: readonly Member[];
  /**
   * Settles when the part of the log that start-up does not read has been checked; rejects when it
   * is damaged. The member must not serve before.
   */
  readonly olderSegmentsVerified: Promise<void>;
}

/** `bootstrap`, with its end in the log. */
export async function bootstrapLogged(
  options: ServerOptions,
  deps: ServerDeps,
): Promise<Bootstrapped> {
  try {
    const booted = await bootstrap(options, deps);
    deps.logger.info("bootstrap successfully");
    return booted;
  } catch (error) {
    deps.logger.error("bootstrap failed", { error });
    throw error;
  }
}

/** Throws `BootstrapError`, `DiskError`, or the errors of WAL and backend about damaged files. */
export async function bootstrap(options: ServerOptions, deps: ServerDeps): Promise<Bootstrapped> {
  const { disk, logger } = deps;
  const paths = memberDirectories(disk, options);
  const isNew = !walExists(disk, paths.wal);
  // Before anything is made: a mistake leaves no directory behind.
  if (isNew) await checkInitialMembers(options, deps);
  touchDirectory(deps, options.dataDirectory, "data directory");
  touchDirectory(deps, paths.member, "member directory");
  touchDirectory(deps, paths.snap, "snapshot directory");
  const dbExisted = disk.stat(paths.db) !== undefined;
  const snapshotFiles = new SnapshotFiles(deps, paths.snap);
  snapshotFiles.cleanUp();
  const snapshot = isNew ? undefined : newestSnapshot(deps, paths.wal, snapshotFiles);
  const openingMs = deps.clock.nowMs();
  const yieldTurn = () => new Promise<void>((resolve) => deps.defer(resolve));
  const backend = await openBackend({ ...deps, yieldTurn }, paths.db, {
    pageCacheBytes: options.pageCacheBytes,
    batchIntervalMs: options.backendBatchIntervalMs,
    batchLimit: options.backendBatchLimit,
    noFsync: options.unsafeNoFsync,
    ensureBuckets: ETCD_BUCKETS,
  });
  const took = formatDuration(deps.clock.nowMs() - openingMs);
  logger.info("opened backend db", { path: paths.db, took });
  try {
    const snapshotIndex = snapshot?.metadata.index ?? 0;
    if (snapshotIndex > readConsistentIndex(backend)) {
      await takeReceivedDatabase(deps, backend, snapshotFiles, snapshotIndex);
    }
    const consistentIndex = readConsistentIndex(backend);
    logger.info("restore consistentIndex", { index: consistentIndex });
    if (dbExisted) {
      logger.info("recovered v3 backend", {
        ...sizeFields("backend-size", backend.sizeBytes),
        ...sizeFields("backend-size-in-use", backend.sizeInUseBytes),
      });
    }
    refuseEnabledAuth(backend);
    if (isNew && consistentIndex > 0) {
      throw new BootstrapError(
        `the data directory has a db at index ${consistentIndex}, but no WAL in ${paths.wal}: ` +
          "restore the WAL, or restore the member from a snapshot file",
      );
    }
    const basis = { walDirectory: paths.wal, snapshot, snapshotFiles, backend, consistentIndex };
    const booted = isNew
      ? await makeMember(options, deps, basis)
      : await recoverMember(options, deps, basis);
    ensureAuthRevision(backend);
    return booted;
  } catch (error) {
    await backend.close();
    throw error;
  }
}

/** What both kinds of start build on. */
interface Basis {
  readonly walDirectory: string;
  readonly snapshot: Snapshot | undefined;
  readonly snapshotFiles: SnapshotFiles;
  readonly backend: Backend;
  readonly consistentIndex: Index;
}

/** Puts the database that came with the snapshot in the place of the older db. */
async function takeReceivedDatabase(
  { logger }: ServerDeps,
  backend: Backend,
  files: SnapshotFiles,
  index: Index,
): Promise<void> {
  let received: string;
  try {
    received = files.databasePath(index);
  } catch (error) {
    if (!(error instanceof SnapError)) throw error;
    throw new BootstrapError(
      `the db is older than the snapshot at index ${index}, and ${error.message}: ` +
        "the db file is not the one that belongs to this WAL",
    );
  }
  await installAtStart(backend, received);
  logger.info("took the received database into use", { path: received, "snapshot-index": index });
}

async function makeMember(
  options: ServerOptions,
  deps: ServerDeps,
  { walDirectory, backend, snapshotFiles }: Basis,
): Promise<Bootstrapped> {
  const { logger } = deps;
  logger.info("bootstrapping cluster");
  const isJoining = options.initialClusterState === "existing";
  const plan = isJoining ? await planToJoin(options, deps) : await planNewCluster(options, deps);
  const { local, clusterID, members } = plan;
  logger.info("bootstrapping storage");
  const metadata = Metadata.encode(Metadata.create({ NodeID: local.id, ClusterID: clusterID }));
  const wal = Wal.create(deps, walDirectory, metadata, walOptions(options));
  const { hardState, entries } = isJoining
    ? { hardState: HardState.create(), entries: [] }
    : await writeInitialMembers(wal, members);
  logger.info("bootstrapping raft");
  logger.info("starting local member", {
    "local-member-id": formatID(local.id),
    "cluster-id": formatID(clusterID),
  });
  const storage = new MemoryStorage();
  storage.setHardState(hardState);
  storage.append(entries);
  const { maxLearners } = options;
  return {
    memberID: local.id,
    clusterID,
    isNew: true,
    wal,
    storage,
    hardState,
    snapshotIndex: 0,
    snapshotTerm: 0,
    snapshotMembership: NO_MEMBERSHIP,
    snapshotFiles,
    backend,
    cluster: new Cluster({ id: clusterID, localID: local.id, backend, maxLearners }),
    remotes: isJoining ? members.filter(({ id }) => id !== local.id) : [],
    olderSegmentsVerified: Promise.resolve(),
  };
}

/** etcd's, for questions to members that may not have started either. */
const BOOTSTRAP_TIMEOUT_MS = 1000;

interface Plan {
  readonly members: readonly Member[];
  readonly local: Member;
  readonly clusterID: ClusterID;
}

async function planNewCluster(options: ServerOptions, deps: ServerDeps): Promise<Plan> {
  const { members, local } = initialMembers(options);
  if (await isBootstrapped(deps, members, local, BOOTSTRAP_TIMEOUT_MS)) {
    throw new BootstrapError(`member ${formatID(local.id)} has already been bootstrapped`);
  }
  return { members, local, clusterID: computeClusterID(members.map((member) => member.id)) };
}

async function planToJoin(options: ServerOptions, deps: ServerDeps): Promise<Plan> {
  const { members } = initialMembers(options);
  const timeoutMs = requestTimeoutMs(options);
  const { cluster, local } = await joinCluster(deps, members, options.name, timeoutMs);
  return { members: cluster.members, local, clusterID: cluster.id };
}

async function recoverMember(
  options: ServerOptions,
  deps: ServerDeps,
  basis: Basis,
): Promise<Bootstrapped> {
  deps.logger.info("Bootstrapping WAL from snapshot");
  const { walDirectory, snapshot } = basis;
  if (snapshot === undefined) {
    deps.logger.info("No snapshot found. Recovering WAL from scratch!");
  }
  const { index, term } = snapshot?.metadata ?? { index: 0, term: 0 };
  const olderSegmentsVerified = verifyOlder(deps, walDirectory, index);
  const wal = Wal.open(deps, walDirectory, { index, term }, walOptions(options));
  try {
    return await assemble(options, deps, { ...basis, wal, olderSegmentsVerified });
  } catch (error) {
    await wal.close();
    throw error;
  }
}

function walOptions(options: ServerOptions): WalOptions {
  const { walSegmentBytes: segmentBytes } = serverLimits(options.limits);
  return { segmentBytes, unsafeNoFsync: options.unsafeNoFsync };
}

interface Recovered extends Basis {
  readonly wal: Wal;
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
  // A member that joins begins with an empty log; only a new cluster must have members in it.
  const wasInterrupted =
    snapshot === undefined &&
    content.entries.length === 0 &&
    options.initialClusterState === "new" &&
    !options.forceNewCluster;
  let { hardState, entries }: { hardState: HardState; entries: Entry[] } = wasInterrupted
    ? await finishCreation(options, deps, wal, identity)
    : content;
  if (options.forceNewCluster) {
    const confState = snapshot?.metadata.confState;
    const log = { hardState, entries };
    const forced = await forceNewCluster(wal, log, confState, identity.NodeID, deps.logger);
    hardState = forced.hardState;
    entries = forced.entries;
  }
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
  const cluster = new Cluster({
    id: identity.ClusterID,
    localID: identity.NodeID,
    backend,
    maxLearners: options.maxLearners,
  });
  if (cluster.local === undefined) adoptV2Membership(cluster, snapshot);
  logRecoveredCluster(deps.logger, cluster);
  refuseDowngrade(cluster.version);
  return {
    memberID: identity.NodeID,
    clusterID: identity.ClusterID,
    isNew: false,
    wal,
    storage,
    hardState,
    snapshotIndex: snapshot?.metadata.index ?? 0,
    snapshotTerm: snapshot?.metadata.term ?? 0,
    snapshotMembership: membershipOfSnapshot(snapshot),
    snapshotFiles,
    backend,
    cluster,
    remotes: [],
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
async function finishCreation(
  options: ServerOptions,
  deps: ServerDeps,
  wal: Wal,
  identity: Metadata,
) {
  await checkInitialMembers(options, deps);
  const { members, local } = initialMembers(options);
  if (local.id !== identity.NodeID) {
    throw new BootstrapError(
      `the WAL in ${wal.directory} belongs to member ${formatID(identity.NodeID)}, ` +
        `but this configuration is member ${formatID(local.id)}`,
    );
  }
  return writeInitialMembers(wal, members);
}

/**
 * Takes the membership from the snapshot when the db does not know this member: members were written
 * before the db held them (etcd before 3.4), or `etcdctl snapshot restore` of 3.4 left those of the
 * old cluster there.
 */
function adoptV2Membership(cluster: Cluster, snapshot: Snapshot | undefined): void {
  const membership = membershipOfSnapshot(snapshot);
  const isKnown = membership.members.some(({ id }) => id === cluster.localID);
  if (!isKnown || cluster.isRemoved(cluster.localID)) return;
  for (const { id } of cluster.members) {
    if (!membership.members.some((member) => member.id === id)) cluster.remove(id, true);
  }
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
