/**
 * Makes the data directory of a new member out of a snapshot file: the keys, leases, alarms and
 * users of the snapshot, with the membership of a new cluster and a log that begins with it.
 *
 * Everything is made under `<data-dir>/member.restoring` and gets its name at the very end, when it
 * is durable. After a failure nothing is left that was not there before; after a crash only that
 * directory is, and the next attempt removes it. A log in a directory of its own is complete before
 * the member has its name.
 */
import { Metadata } from "../../api/gen/etcdserver.ts";
import { ConfState, HardState, Snapshot, SnapshotMetadata } from "../../api/gen/raft.ts";
import { Snapshot as WalSnapshot } from "../../api/gen/wal.ts";
import { parseEtcdUrl, parseInitialCluster } from "../../base/etcd-url.ts";
import { quote } from "../../base/go-quote.ts";
import { formatID } from "../../base/ids.ts";
import {
  computeClusterID,
  initialClusterMembers,
  initialEntries,
  type Member,
  refuseBootstrap,
  urlComparison,
} from "../../membership/index.ts";
import { SnapshotFiles } from "../../snap/index.ts";
import { SEGMENT_BYTES, Wal } from "../../wal/index.ts";
import { encodeDocument } from "../../v2store/index.ts";
import { type UtilityDeps, UtilityError } from "./deps.ts";
import { type MemberPaths, memberPaths } from "./member-paths.ts";
import { NewDirectories } from "./new-directories.ts";
import { type DbChanges, prepareDb } from "./restore-db.ts";
import { copySnapshotFile } from "./snapshot-copy.ts";

export interface RestoreOptions {
  readonly snapshotPath: string;
  readonly name: string;
  readonly dataDirectory: string;
  /** Refuses the data directory even if it is there and empty. Default false. */
  readonly mustBeNew?: boolean;
  /** Empty: inside the data directory. */
  readonly walDirectory: string;
  /** Comma list. */
  readonly peerURLs: string;
  /** `name=url,…`. */
  readonly initialCluster: string;
  readonly initialClusterToken: string;
  readonly skipHashCheck: boolean;
  /** 0: the revision stays. Otherwise what is added to it, and everything before counts as compacted. */
  readonly bumpRevision: number;
  /** Size of the log's first segment; default as a member's. */
  readonly segmentBytes?: number;
}

const RESTORING = "member.restoring";
const FIRST_TERM = 1;

/** The new cluster, seen from the member that is restored. */
interface NewCluster {
  readonly members: readonly Member[];
  readonly local: Member;
}

/** Throws `UtilityError`, `TextError` (a malformed URL), or `DiskError`. */
export async function restoreSnapshot(deps: UtilityDeps, options: RestoreOptions): Promise<void> {
  const { disk, logger } = deps;
  const cluster = await planCluster(deps, options);
  const final = memberPaths(disk, options.dataDirectory, options.walDirectory);
  refuseOccupied(deps, options, final.wal);
  const fields = {
    path: options.snapshotPath,
    "wal-dir": final.wal,
    "data-dir": options.dataDirectory,
    "snap-dir": final.snap,
  };
  logger.info("restoring snapshot", fields);
  const staging = stagingPaths(deps, options);
  const directories = new NewDirectories(disk);
  try {
    directories.make(options.dataDirectory);
    disk.removeAll(staging.member);
    directories.make(staging.member);
    directories.make(staging.snap);
    await copySnapshotFile(deps, options.snapshotPath, staging.db, options.skipHashCheck);
    await prepareDb(deps, staging.db, dbChanges(cluster, options.bumpRevision));
    logMembers(deps, cluster);
    if (options.walDirectory !== "") directories.make(disk.join(staging.wal, ".."));
    directories.own(staging.wal, `${staging.wal}.tmp`);
    await writeLog(deps, staging, cluster, options.segmentBytes ?? SEGMENT_BYTES);
    disk.syncDirectory(staging.member);
    disk.rename(staging.member, final.member);
    directories.keep();
    disk.syncDirectory(options.dataDirectory);
  } catch (error) {
    directories.removeAll();
    throw error;
  }
  logger.info("restored snapshot", fields);
}

/** As the final ones, but for the name of the member's directory. */
function stagingPaths(deps: UtilityDeps, options: RestoreOptions): MemberPaths {
  const { disk } = deps;
  const member = disk.join(options.dataDirectory, RESTORING);
  const snap = disk.join(member, "snap");
  const wal = options.walDirectory === "" ? disk.join(member, "wal") : options.walDirectory;
  return { member, snap, wal, db: disk.join(snap, "db") };
}

async function planCluster(deps: UtilityDeps, options: RestoreOptions): Promise<NewCluster> {
  const advertisePeerURLs = options.peerURLs.split(",").map((url) => parseEtcdUrl(url).href);
  const initialCluster = new Map<string, readonly string[]>();
  for (const [name, urls] of parseInitialCluster(options.initialCluster)) {
    initialCluster.set(
      name,
      urls.map((url) => url.href),
    );
  }
  const { name } = options;
  const choice = { name, initialCluster, advertisePeerURLs, usesDiscovery: false };
  const refusal = await refuseBootstrap(choice, urlComparison(deps.naming));
  if (refusal !== undefined) throw new UtilityError(refusal);
  const members = initialClusterMembers(initialCluster, options.initialClusterToken);
  const local = members.find((member) => member.name === name);
  if (local === undefined) throw new UtilityError(`member ${quote(name)} is not in the cluster`);
  return { members, local };
}

function refuseOccupied(deps: UtilityDeps, options: RestoreOptions, walDirectory: string): void {
  const { disk } = deps;
  const { dataDirectory, mustBeNew = false } = options;
  if (disk.stat(dataDirectory) !== undefined) {
    const names = namesIn(deps, dataDirectory);
    // What an interrupted restore left behind does not count.
    const isOurs = names?.length === 1 && names[0] === RESTORING;
    if (mustBeNew && !isOurs) throw new UtilityError(`data-dir ${quote(dataDirectory)} exists`);
    if (!isOurs && names?.length !== 0) {
      throw new UtilityError(`data-dir ${quote(dataDirectory)} not empty or could not be read`);
    }
  }
  if (disk.stat(walDirectory) !== undefined) {
    throw new UtilityError(`wal-dir ${quote(walDirectory)} exists`);
  }
}

function namesIn({ disk }: UtilityDeps, path: string): readonly string[] | undefined {
  try {
    return disk.readDirectory(path);
  } catch {
    return undefined;
  }
}

/** As a member does when it applies their changes; the directory belongs to none of them yet. */
function logMembers({ logger }: UtilityDeps, { members }: NewCluster): void {
  const clusterID = formatID(computeClusterID(members.map((member) => member.id)));
  for (const member of members) {
    logger.info("added member", {
      "cluster-id": clusterID,
      "local-member-id": "0",
      "added-peer-id": formatID(member.id),
      "added-peer-peer-urls": member.peerURLs,
      "added-peer-is-learner": member.isLearner,
    });
  }
}

function dbChanges({ members }: NewCluster, bumpRevision: number): DbChanges {
  const confState = ConfState.create({ voters: members.map((member) => member.id) });
  return { members, confState, index: members.length, term: FIRST_TERM, bumpRevision };
}

/** The log of the new cluster, and the snapshot that stands for its entries. */
async function writeLog(
  deps: UtilityDeps,
  paths: MemberPaths,
  { members, local }: NewCluster,
  segmentBytes: number,
): Promise<void> {
  const ids = members.map((member) => member.id);
  const identity = Metadata.create({ NodeID: local.id, ClusterID: computeClusterID(ids) });
  const wal = Wal.create(deps, paths.wal, Metadata.encode(identity), { segmentBytes });
  try {
    const index = members.length;
    const confState = ConfState.create({ voters: ids });
    const vote = ids[0] ?? 0n;
    const hardState = HardState.create({ term: FIRST_TERM, vote, commit: index });
    await wal.save(hardState, initialEntries(members));
    const data = encodeDocument({ members, removedIDs: [], version: undefined });
    const metadata = SnapshotMetadata.create({ confState, index, term: FIRST_TERM });
    await new SnapshotFiles(deps, paths.snap).save(Snapshot.create({ data, metadata }));
    await wal.saveSnapshot(WalSnapshot.create({ index, term: FIRST_TERM, confState }));
  } finally {
    await wal.close();
  }
}
