/**
 * Copies the files of a member into a directory that a member of a new cluster starts on, with
 * `--force-new-cluster`: the log, the newest snapshot, and with v3 data the db. The membership of
 * the old cluster is left out, everything else stays, so indexes stay too: what the new cluster must
 * not see becomes an empty entry.
 *
 * Nothing is written before everything was read and found sound; after a failure nothing is left.
 */
import { Metadata } from "../../api/gen/etcdserver.ts";
import { ConfState, Entry, type HardState, Snapshot } from "../../api/gen/raft.ts";
import { Snapshot as WalSnapshot } from "../../api/gen/wal.ts";
import {
  type Backend,
  CLUSTER_BUCKET,
  KEY_BUCKET,
  MEMBERS_BUCKET,
  MEMBERS_REMOVED_BUCKET,
  META_BUCKET,
  openBackend,
  writeConfState,
  writeConsistentIndex,
} from "../../backend/index.ts";
import { bytesFromUtf8 } from "../../base/bytes.ts";
import { quote } from "../../base/go-quote.ts";
import { formatID, type MemberID } from "../../base/ids.ts";
import { type Member, memberToJSON } from "../../membership/index.ts";
import { SnapshotFiles } from "../../snap/index.ts";
import { readLog, SEGMENT_BYTES, Wal, WalError, type WalContent } from "../../wal/index.ts";
import { withLockedFile } from "./db-access.ts";
import { isMemberAttributes } from "../../v2store/index.ts";
import { type UtilityDeps, UtilityError } from "./deps.ts";
import { contentOf } from "./entry-content.ts";
import { type MemberPaths, memberPaths } from "./member-paths.ts";
import { NewDirectories } from "./new-directories.ts";
import { clearBucket } from "./restore-db.ts";
import { copyBytesOf } from "./snapshot-copy.ts";
import { withOnlyMember } from "./v2-store.ts";

export interface BackupOptions {
  readonly dataDirectory: string;
  /** Empty: inside the data directory. */
  readonly walDirectory: string;
  readonly backupDirectory: string;
  /** Empty: inside the backup directory. */
  readonly backupWalDirectory: string;
  /** With the keys of the v3 API. */
  readonly withV3: boolean;
  /** Size of the log's first segment; default as a member's. */
  readonly segmentBytes?: number;
}

const BUCKETS = [KEY_BUCKET, META_BUCKET, CLUSTER_BUCKET, MEMBERS_BUCKET, MEMBERS_REMOVED_BUCKET];
/** Until the new member tells its own. */
const PLACEHOLDER = {
  name: "etcdctl-v2-backup",
  peerURLs: ["http://use-flag--force-new-cluster:2080"],
} as const;
/** Ids are the lower bits of the time in milliseconds, and a counter. */
const ID_TIME_BITS = 40;
const ID_COUNTER_BITS = 8n;

/** What the backup is made of. */
interface Source {
  readonly paths: MemberPaths;
  readonly snapshot: Snapshot | undefined;
  readonly hardState: HardState;
  readonly entries: readonly Entry[];
}

/** `remark` hears what is left out. Throws `UtilityError`, `WalError` or `DiskError`. */
export async function backupMember(
  deps: UtilityDeps,
  options: BackupOptions,
  remark: (text: string) => void,
): Promise<void> {
  const { disk, clock } = deps;
  const target = memberPaths(disk, options.backupDirectory, options.backupWalDirectory);
  refuseOccupied(deps, target);
  const source = readSource(deps, options, remark);
  const first = (BigInt.asUintN(ID_TIME_BITS, BigInt(clock.wallMs())) << ID_COUNTER_BITS) + 1n;
  const member: Member = { ...PLACEHOLDER, id: first, isLearner: false, clientURLs: [] };
  const directories = new NewDirectories(disk);
  try {
    directories.make(target.snap);
    directories.own(target.db);
    if (options.withV3) await copyDb(deps, source.paths.db, target.db);
    await prepareDb(deps, target.db, source.hardState, member, options.withV3);
    directories.make(disk.join(target.wal, ".."));
    directories.own(target.wal, `${target.wal}.tmp`);
    await writeLog(deps, target, source, member, options.segmentBytes ?? SEGMENT_BYTES);
    disk.syncDirectory(target.snap);
    directories.keep();
  } catch (error) {
    directories.removeAll();
    throw error;
  }
}

function refuseOccupied({ disk }: UtilityDeps, { snap, wal }: MemberPaths): void {
  const names = disk.stat(snap) === undefined ? [] : disk.readDirectory(snap);
  if (names.length > 0) {
    const list = names.map((name) => quote(name)).join(" ");
    throw new UtilityError(
      `failed creating backup snapshot dir ${snap}: expected ${quote(snap)} to be empty, got [${list}]`,
    );
  }
  const segments = disk.stat(wal) === undefined ? [] : disk.readDirectory(wal);
  if (segments.length > 0) throw new UtilityError("file already exists");
}

function readSource(
  deps: UtilityDeps,
  options: BackupOptions,
  remark: (text: string) => void,
): Source {
  const { disk } = deps;
  const paths = memberPaths(disk, options.dataDirectory, options.walDirectory);
  for (const path of [paths.snap, paths.wal]) {
    if (disk.stat(path) === undefined) {
      throw new UtilityError(`open ${path}: no such file or directory`);
    }
  }
  const snapshot = new SnapshotFiles(deps, paths.snap).loadNewest();
  const { hardState, entries } = readBehind(deps, paths.wal, snapshot, remark);
  const kept = entries.map((entry) => {
    const reason = reasonToDrop(entry, options.withV3);
    if (reason === undefined) return entry;
    remark(reason);
    return Entry.create({ term: entry.term, index: entry.index });
  });
  return { paths, snapshot, hardState, entries: kept };
}

function readBehind(
  deps: UtilityDeps,
  directory: string,
  snapshot: Snapshot | undefined,
  remark: (text: string) => void,
): WalContent {
  const { index, term } = snapshot?.metadata ?? { index: 0, term: 0 };
  try {
    return readLog(deps, directory, { index, term });
  } catch (error) {
    if (!(error instanceof WalError) || error.code !== "snapshot-not-found") throw error;
    remark(
      `Failed to find the match snapshot record {Index:${index} Term:${term}} in wal ${directory}.`,
    );
    remark("etcdctl will add it back. Start auto fixing...");
    const whole = readLog(deps, directory, { index: 0, term: 0 });
    return { ...whole, entries: whole.entries.filter((entry) => entry.index > index) };
  }
}

/** Why the new cluster must not see an entry; undefined when it stays. */
function reasonToDrop(entry: Entry, withV3: boolean): string | undefined {
  const content = contentOf(entry);
  switch (content.kind) {
    case "empty":
      return undefined;
    case "confChange":
      return "ignoring EntryConfChange raft entry";
    case "v2":
      return isMemberAttributes(content.request)
        ? `ignoring member attribute update on ${content.request.Path}`
        : undefined;
    case "v3":
      if (content.request.clusterMemberAttrSet !== undefined) {
        return "ignoring cluster_member_attr_set";
      }
      return withV3 || content.request.header === undefined ? undefined : "ignoring v3 raft entry";
  }
}

async function copyDb(deps: UtilityDeps, from: string, to: string): Promise<void> {
  await withLockedFile(deps, from, async (file) => {
    await copyBytesOf(deps, file, to, file.size());
  });
}

/** The db of the new member. Without v3 data it is new, and counts as having applied the log. */
async function prepareDb(
  deps: UtilityDeps,
  path: string,
  { commit, term }: HardState,
  member: Member,
  withV3: boolean,
): Promise<void> {
  const db: Backend = await openBackend(deps, path, { ensureBuckets: BUCKETS });
  try {
    for (const bucket of [MEMBERS_BUCKET, MEMBERS_REMOVED_BUCKET, CLUSTER_BUCKET]) {
      clearBucket(db, bucket);
    }
    const key = bytesFromUtf8(formatID(member.id));
    db.put(MEMBERS_BUCKET, key, bytesFromUtf8(memberToJSON(member)));
    writeConfState(db, onlyVoter(member.id));
    if (!withV3) writeConsistentIndex(db, commit, term);
    await db.commit();
  } catch (error) {
    await db.close().catch(() => undefined);
    throw error;
  }
  await db.close();
}

async function writeLog(
  deps: UtilityDeps,
  paths: MemberPaths,
  { snapshot, hardState, entries }: Source,
  member: Member,
  segmentBytes: number,
): Promise<void> {
  const identity = Metadata.create({ NodeID: member.id, ClusterID: member.id + 1n });
  const wal = Wal.create(deps, paths.wal, Metadata.encode(identity), { segmentBytes });
  try {
    if (snapshot !== undefined) {
      const { index, term } = snapshot.metadata;
      const confState = onlyVoter(member.id);
      const data = withOnlyMember(snapshot.data, member);
      const metadata = { ...snapshot.metadata, confState };
      await new SnapshotFiles(deps, paths.snap).save(Snapshot.create({ data, metadata }));
      // Before the entries, so that they follow on something.
      await wal.saveSnapshot(WalSnapshot.create({ index, term, confState }));
    }
    await wal.save(hardState, [...entries]);
  } finally {
    await wal.close();
  }
}

function onlyVoter(id: MemberID): ConfState {
  return ConfState.create({ voters: [id] });
}
