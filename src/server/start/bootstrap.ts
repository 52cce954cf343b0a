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
import { Metadata } from "../../api/gen/etcdserver.ts";
import { type Entry, HardState, type Snapshot } from "../../api/gen/raft.ts";
import { installAtStart } from "../../backend/index.ts";
import type { Backend } from "../../backend/types.ts";
import { sizeFields } from "../../base/go-text.ts";
import { type ClusterID, formatID, type Index, type MemberID, type Term } from "../../base/ids.ts";
import { Cluster, computeClusterID, type Member } from "../../membership/index.ts";
import { MemoryStorage } from "../../raft/index.ts";
import { SnapError, SnapshotFiles } from "../../snap/index.ts";
import { LiveV2Store, MembershipDocument, type V2Store } from "../../v2store/index.ts";
import {
  hasSegmentsBefore,
  recordedSnapshotEntries,
  validSnapshotEntries,
  verifySegmentsBefore,
  Wal,
  type WalOptions,
  type WalContent,
  walExists,
} from "../../wal/index.ts";
import { readConsistentIndex } from "../apply/consistent-index.ts";
import {
  BootstrapError,
  memberDirectories,
  type MemberPaths,
  refuseNoDirectory,
  touchDirectory,
} from "./data-directory.ts";
import { defragmentAtStart } from "./defragment-at-start.ts";
import { forceNewCluster } from "./force-new-cluster.ts";
import {
  checkInitialMembers,
  discoverMembers,
  initialMembers,
  writeInitialMembers,
} from "./initial-members.ts";
import { isBootstrapped, joinCluster } from "./join-cluster.ts";
import { serverLimits } from "../limits.ts";
import { mendMembership } from "./mend-membership.ts";
import { openOwnBackend } from "./open-own-backend.ts";
import { requestTimeoutMs, type ServerDeps, type ServerOptions } from "../options.ts";
import { isBeforeV3, refuseNewerCluster, refuseNewerStorage } from "./other-releases.ts";
import { logRecoveredCluster } from "./start-lines.ts";
import { refuseV2Data } from "./v2-data.ts";

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
  readonly v2store: V2Store;
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
async function bootstrap(options: ServerOptions, deps: ServerDeps): Promise<Bootstrapped> {
  const { disk } = deps;
  const paths = memberDirectories(disk, options);
  refuseNoDirectory(disk, paths.wal, "WAL directory");
  const isNew = !walExists(disk, paths.wal);
  // Before anything is made: a mistake leaves no directory behind.
  if (isNew) await checkInitialMembers(options, deps);
  touchDirectory(deps, options.dataDirectory, "data directory");
  touchDirectory(deps, paths.member, "member directory");
  touchDirectory(deps, paths.snap, "snapshot directory");
  const dbExisted = disk.stat(paths.db) !== undefined;
  // Its lock is that of the whole directory: nothing else is read or cleaned up before.
  const backend = await openOwnBackend(options, deps, paths.db);
  try {
    return await bootstrapBehindLock(options, deps, { backend, paths, dbExisted, isNew });
  } catch (error) {
    // A directory that is refused stays as it was.
    if (!isNew && !dbExisted) disk.remove(paths.db);
    await backend.close();
    throw error;
  }
}

async function bootstrapBehindLock(
  options: ServerOptions,
  deps: ServerDeps,
  opened: {
    readonly backend: Backend;
    readonly paths: MemberPaths;
    readonly dbExisted: boolean;
    readonly isNew: boolean;
  },
): Promise<Bootstrapped> {
  const { logger } = deps;
  const { backend, paths, dbExisted, isNew } = opened;
  const snapshotFiles = new SnapshotFiles(deps, paths.snap);
  snapshotFiles.cleanUp();
  const snapshot = isNew ? undefined : newestSnapshot(options, deps, paths.wal, snapshotFiles);
  const snapshotIndex = snapshot?.metadata.index ?? 0;
  const found = readConsistentIndex(backend);
  if (snapshotIndex > found && !isBeforeV3(snapshot, backend)) {
    logger.info("Recovering from snapshot backend", {
      "consistent-index": found,
      "snapshot-index": snapshotIndex,
    });
    await takeReceivedDatabase(backend, snapshotFiles, snapshotIndex);
  }
  refuseNewerStorage(backend, logger);
  const consistentIndex = readConsistentIndex(backend);
  logger.info("restore consistentIndex", { index: consistentIndex });
  if (dbExisted) {
    logger.info("recovered v3 backend", {
      ...sizeFields("backend-size", backend.sizeBytes),
      ...sizeFields("backend-size-in-use", backend.sizeInUseBytes),
    });
  }
  if (isNew && consistentIndex > 0) {
    throw new BootstrapError(
      `the data directory has a db at index ${consistentIndex}, but no WAL in ${paths.wal}: ` +
        "restore the WAL, or restore the member from a snapshot file",
    );
  }
  await defragmentAtStart(backend, options.bootstrapDefragThresholdBytes, logger);
  const basis = { walDirectory: paths.wal, snapshot, snapshotFiles, backend, consistentIndex };
  const booted = isNew
    ? await makeMember(options, deps, basis)
    : await recoverMember(options, deps, basis);
  return booted;
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
      `failed to find database snapshot file (${error.reason}): ${error.path}; the db is older than ` +
        `the snapshot at index ${index}, so it is not the one that belongs to this WAL`,
    );
  }
  await installAtStart(backend, received);
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
  const storage = new MemoryStorage(options.limits);
  storage.setHardState(hardState);
  storage.append(entries);
  const { maxLearners } = options;
  const cluster = new Cluster({ id: clusterID, localID: local.id, backend, maxLearners });
  return {
    memberID: local.id,
    clusterID,
    isNew: true,
    wal,
    storage,
    hardState,
    snapshotIndex: 0,
    snapshotTerm: 0,
    v2store: v2storeOf(options, deps, cluster),
    snapshotFiles,
    backend,
    cluster,
    remotes: isJoining ? members.filter(({ id }) => id !== local.id) : [],
    olderSegmentsVerified: Promise.resolve(),
  };
}

function v2storeOf(
  { servesV2 }: ServerOptions,
  { clock }: ServerDeps,
  cluster: Cluster,
  snapshot?: Snapshot,
): V2Store {
  if (!servesV2) return new MembershipDocument(cluster, snapshot);
  return new LiveV2Store(() => clock.wallMs(), snapshot);
}

/** etcd's, for questions to members that may not have started either. */
const BOOTSTRAP_TIMEOUT_MS = 1000;

interface Plan {
  readonly members: readonly Member[];
  readonly local: Member;
  readonly clusterID: ClusterID;
}

async function planNewCluster(options: ServerOptions, deps: ServerDeps): Promise<Plan> {
  const known = initialMembers(options);
  if (await isBootstrapped(deps, known.members, known.local, BOOTSTRAP_TIMEOUT_MS)) {
    throw new BootstrapError(`member ${formatID(known.local.id)} has already been bootstrapped`);
  }
  const { members, local } =
    deps.discovery === undefined
      ? known
      : await discoverMembers(deps.discovery, options, known.local);
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
  if (deps.discovery !== undefined) {
    deps.logger.warn(
      "discovery token is ignored since cluster already initialized; valid logs are found",
      { "wal-dir": basis.walDirectory },
    );
  }
  deps.logger.info("Bootstrapping WAL from snapshot");
  const { walDirectory, snapshot } = basis;
  if (snapshot === undefined) {
    deps.logger.info("No snapshot found. Recovering WAL from scratch!");
  }
  const { index, term } = snapshot?.metadata ?? { index: 0, term: 0 };
  const olderSegmentsVerified = verifyOlder(deps, walDirectory, index);
  const accept = (content: WalContent) => acceptLog(content, basis, options, deps.logger);
  const wal = Wal.open(deps, walDirectory, { index, term }, { ...walOptions(options), accept });
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

/** Refuses a log that does not go with the rest of the directory, before anything is changed. */
function acceptLog(
  { entries }: WalContent,
  { snapshot, consistentIndex }: Basis,
  { servesV2, dropsV2Content }: ServerOptions,
  logger: ServerDeps["logger"],
): void {
  const lastIndex = entries.at(-1)?.index ?? snapshot?.metadata.index ?? 0;
  if (consistentIndex > lastIndex) {
    throw new BootstrapError(
      `the db is at index ${consistentIndex}, ahead of the WAL, which ends at index ${lastIndex}: ` +
        "part of the WAL is missing",
    );
  }
  if (!servesV2) refuseV2Data({ snapshot, entries }, dropsV2Content, logger);
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
  const cluster = new Cluster({
    id: identity.ClusterID,
    localID: identity.NodeID,
    backend,
    maxLearners: options.maxLearners,
  });
  const v2store = v2storeOf(options, deps, cluster, snapshot);
  const { documented } = v2store;
  mendMembership(cluster, { documented, entries: content.entries, consistentIndex }, deps.logger);
  logRecoveredCluster(deps.logger, cluster);
  refuseNewerCluster(cluster.version);
  const { hardState, entries } = wasInterrupted
    ? await finishCreation(options, deps, wal, identity)
    : await startOfLog(options, deps, { ...recovered, content, cluster });
  const storage = new MemoryStorage(options.limits);
  if (snapshot !== undefined) storage.applySnapshot(snapshot);
  storage.setHardState(hardState);
  storage.append(entries);
  return {
    memberID: identity.NodeID,
    clusterID: identity.ClusterID,
    isNew: false,
    wal,
    storage,
    hardState,
    snapshotIndex: snapshot?.metadata.index ?? 0,
    snapshotTerm: snapshot?.metadata.term ?? 0,
    v2store,
    snapshotFiles,
    backend,
    cluster,
    remotes: [],
    olderSegmentsVerified: recovered.olderSegmentsVerified,
  };
}

/** The log as raft finds it: as it was, or, after a disaster, as that of a new cluster. */
async function startOfLog(
  { forceNewCluster: isForced, peerURLs }: ServerOptions,
  { logger }: ServerDeps,
  recovered: Recovered & { readonly content: WalContent; readonly cluster: Cluster },
): Promise<{ readonly hardState: HardState; readonly entries: Entry[] }> {
  const { wal, content, cluster, snapshot, consistentIndex } = recovered;
  if (!isForced) {
    logger.info("restarting local member", {
      "cluster-id": formatID(cluster.id),
      "local-member-id": formatID(cluster.localID),
      "commit-index": content.hardState.commit,
    });
    // What the db has applied was committed, though the log may not have been told.
    const commit = Math.max(content.hardState.commit, consistentIndex);
    return { entries: content.entries, hardState: { ...content.hardState, commit } };
  }
  const basis = { snapshot, consistentIndex, cluster, peerURLs, logger };
  const forced = forceNewCluster(content, basis);
  await wal.save(forced.hardState, forced.unsaved);
  await wal.sync();
  return forced;
}

/**
 * The newest snapshot file that the log knows of. Its record is in the segments that are opened
 * behind it, so those before are read for records only when that file cannot be used.
 */
function newestSnapshot(
  { forceNewCluster: isForced }: ServerOptions,
  { disk, logger }: ServerDeps,
  walDirectory: string,
  files: SnapshotFiles,
): Snapshot | undefined {
  // Nobody will send it again, and the log of the new cluster must not run past its record.
  const pointsOf = isForced ? recordedSnapshotEntries : validSnapshotEntries;
  const newest = files.newestIndex();
  if (newest > 0) {
    const snapshot = files.loadNewest(pointsOf({ disk, logger }, walDirectory, newest));
    if (snapshot !== undefined) return snapshot;
  }
  return files.loadNewest(pointsOf({ disk, logger }, walDirectory));
}

function verifyOlder(deps: ServerDeps, walDirectory: string, index: Index): Promise<void> {
  if (deps.verifyOlderSegments === undefined) {
    verifySegmentsBefore(deps, walDirectory, index);
    return Promise.resolve();
  }
  // A thread costs more to start than a small member's whole state to read.
  if (!hasSegmentsBefore(deps.disk, walDirectory, index)) return Promise.resolve();
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
