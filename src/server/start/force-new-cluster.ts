/**
 * `--force-new-cluster`: a member whose cluster is lost begins a new one with its data. Everything in
 * its log counts as committed, and changes that leave nobody but it stand behind.
 *
 * Nothing is dropped. The commit index on disk lags behind what the cluster had committed, and so
 * behind what clients were told, so that an entry above it may have been acknowledged. One that was
 * not is as a write whose answer was lost.
 */
import {
  ConfChange,
  ConfChangeType,
  ConfChangeV2,
  Entry,
  EntryType,
  HardState,
  type Snapshot,
} from "../../api/gen/raft.ts";
import { bytesFromUtf8, EMPTY_BYTES } from "../../base/bytes.ts";
import { formatID, type Index, type MemberID } from "../../base/ids.ts";
import type { Logger } from "../../env/index.ts";
import {
  type Cluster,
  compareIDs,
  memberToJSON,
  promotionToJSON,
  ReplayedMembership,
} from "../../membership/index.ts";
import { membershipOfSnapshot } from "../../v2store/index.ts";
import { BootstrapError } from "./data-directory.ts";

export interface RecoveredLog {
  readonly hardState: HardState;
  /** Consecutive, behind the snapshot. */
  readonly entries: readonly Entry[];
}

export interface ForcedLog {
  readonly hardState: HardState;
  /** What the member starts with. */
  readonly entries: Entry[];
  /** The end of `entries`, which the WAL does not have yet. */
  readonly unsaved: readonly Entry[];
}

export interface ForceOptions {
  readonly snapshot: Snapshot | undefined;
  readonly consistentIndex: Index;
  /** The membership in the db, at the consistent index. */
  readonly cluster: Cluster;
  /** For a member that its own log does not know. */
  readonly peerURLs: readonly string[];
  readonly logger: Logger;
}

/** The log of the new cluster; nothing is written. Throws `BootstrapError` for a removed member. */
export function forceNewCluster(log: RecoveredLog, options: ForceOptions): ForcedLog {
  const { snapshot, consistentIndex, cluster, logger } = options;
  const { term, vote, commit } = log.hardState;
  const snapshotIndex = snapshot?.metadata.index ?? 0;
  const committed = Math.max(commit, consistentIndex, snapshotIndex);
  const outcome = followChanges(log.entries, committed, options);
  // The entries of a new term may have reached the disk without the state that was to follow them.
  const lastTerm = Math.max(term, log.entries.at(-1)?.term ?? 0, snapshot?.metadata.term ?? 0, 1);
  const lastIndex = log.entries.at(-1)?.index ?? snapshotIndex;
  const added = changesToAlone(outcome, options).map((change, i) =>
    Entry.create({
      type: EntryType.EntryConfChange,
      term: lastTerm,
      index: lastIndex + 1 + i,
      data: ConfChange.encode(change),
    }),
  );
  const hardState = HardState.create({
    term: lastTerm,
    vote: lastTerm === term ? vote : 0n,
    commit: lastIndex + added.length,
  });
  if (lastIndex > committed) {
    logger.info("keeping WAL entries behind the commit index", {
      "commit-index-from-wal": commit,
      "consistent-index": consistentIndex,
      "number-of-kept-entries": lastIndex - committed,
    });
  }
  logger.info("forcing restart member", {
    "cluster-id": formatID(cluster.id),
    "local-member-id": formatID(cluster.localID),
    "wal-commit-index": commit,
    "commit-index": hardState.commit,
  });
  const entries = [...outcome.entries, ...added];
  const unsaved = entries.slice(outcome.firstChanged);
  return { hardState, entries, unsaved };
}

/** What the entries make of the membership. */
interface Outcome {
  readonly entries: readonly Entry[];
  /** Position of the first entry that is not as in the WAL. */
  readonly firstChanged: number;
  readonly membership: ReplayedMembership;
  /** Whoever may be known to raft or listed as a member. */
  readonly ids: ReadonlySet<MemberID>;
}

/**
 * A removal of this member that may not have been committed gives its place to an empty entry: the
 * operator decides otherwise now, and what stands behind it stays.
 */
function followChanges(
  log: readonly Entry[],
  committed: Index,
  { snapshot, cluster }: ForceOptions,
): Outcome {
  const { localID, maxLearners } = cluster;
  const membership = new ReplayedMembership(membershipOfSnapshot(snapshot), maxLearners);
  const { voters = [], learners = [] } = snapshot?.metadata.confState ?? {};
  const listed = [...membership.members, ...cluster.members].map(({ id }) => id);
  const ids = new Set<MemberID>([...voters, ...learners, ...listed]);
  if (cluster.isRemoved(localID) || membership.isRemoved(localID)) refuseRemoved(localID);
  const entries = [...log];
  let firstChanged = entries.length;
  for (const [position, entry] of log.entries()) {
    for (const change of changesOf(entry)) {
      const isOfSelf = change.nodeId === localID;
      if (change.type === ConfChangeType.ConfChangeRemoveNode && isOfSelf) {
        if (entry.index <= committed) refuseRemoved(localID);
        const { term, index } = entry;
        const type = EntryType.EntryNormal;
        entries[position] = Entry.create({ type, term, index, data: EMPTY_BYTES });
        firstChanged = Math.min(firstChanged, position);
        continue;
      }
      if (entry.type === EntryType.EntryConfChange) membership.apply(change);
      if (change.type === ConfChangeType.ConfChangeRemoveNode) ids.delete(change.nodeId);
      else ids.add(change.nodeId);
    }
  }
  return { entries, firstChanged, membership, ids };
}

function changesOf({ type, data }: Entry): readonly ConfChange[] {
  if (type === EntryType.EntryConfChange) return [ConfChange.decode(data)];
  if (type !== EntryType.EntryConfChangeV2) return [];
  const { changes } = ConfChangeV2.decode(data);
  return changes.map((change) => ConfChange.create({ type: change.type, nodeId: change.nodeId }));
}

function refuseRemoved(localID: MemberID): never {
  throw new BootstrapError(
    `member ${formatID(localID)} was removed from its cluster, so that it cannot begin a new one; ` +
      'its db file can: see "etcdutl snapshot restore --skip-hash-check"',
  );
}

/** This member first: raft must not be without a voter in between. */
function changesToAlone(
  { membership, ids }: Outcome,
  { cluster: { localID }, peerURLs }: ForceOptions,
): ConfChange[] {
  const others = [...ids].filter((id) => id !== localID).sort(compareIDs);
  const removals = others.map((nodeId) =>
    ConfChange.create({ type: ConfChangeType.ConfChangeRemoveNode, nodeId }),
  );
  const local = membership.member(localID);
  if (local?.isLearner === false) return removals;
  if (local === undefined && ids.has(localID)) return removals;
  const taken = new Set(membership.members.flatMap((member) => member.peerURLs));
  const context =
    local === undefined
      ? memberToJSON({
          id: localID,
          peerURLs: peerURLs.filter((url) => !taken.has(url)),
          isLearner: false,
          name: "",
          clientURLs: [],
        })
      : promotionToJSON(localID);
  const type = ConfChangeType.ConfChangeAddNode;
  const self = ConfChange.create({ type, nodeId: localID, context: bytesFromUtf8(context) });
  return [self, ...removals];
}
