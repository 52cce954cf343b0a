/**
 * Makes the membership in the db agree with the log, where a release before 3.6 left it wrong. Those
 * take the membership from the v2 document in the snapshot file and the entries behind it, so that
 * nobody noticed there.
 */
import { ConfChange, ConfChangeType, type Entry, EntryType } from "../../api/gen/raft.ts";
import { formatID, type Index, type MemberID } from "../../base/ids.ts";
import type { Logger } from "../../env/index.ts";
import { type Cluster, type Membership, ReplayedMembership } from "../../membership/index.ts";

/** The log as it was recovered, and how far the db has applied it. */
interface RecoveredHistory {
  /** In the snapshot. */
  readonly documented: Membership;
  readonly entries: readonly Entry[];
  readonly consistentIndex: Index;
}

export function mendMembership(cluster: Cluster, history: RecoveredHistory, logger: Logger): void {
  const { documented } = history;
  rewind(cluster, history);
  adopt(cluster, documented);
  forgetStrangers(cluster, history, logger);
  promoteVoters(cluster, documented, logger);
}

/**
 * Takes changes out of the db that stand in the log behind its consistent index and are about to be
 * applied. Releases before 3.5 write a change of membership to the db at once, but the index only
 * with the next write of v3 data: applied a second time, the change would be refused, and raft's
 * configuration would lack the member.
 */
function rewind(
  cluster: Cluster,
  { documented, entries, consistentIndex }: RecoveredHistory,
): void {
  const known = new ReplayedMembership(documented, cluster.maxLearners);
  for (const { index, type, data } of entries) {
    if (type !== EntryType.EntryConfChange) continue;
    const change = ConfChange.decode(data);
    const before = known.member(change.nodeId);
    const isValid = known.apply(change);
    if (index <= consistentIndex || !isValid) continue;
    const stored = cluster.member(change.nodeId);
    if (change.type === ConfChangeType.ConfChangeUpdateNode || stored === undefined) continue;
    if (before === undefined) cluster.forget(change.nodeId);
    else if (before.isLearner && !stored.isLearner) {
      cluster.updateRaftAttributes(change.nodeId, { isLearner: true }, true);
    }
  }
}

/**
 * Takes the membership from the snapshot when the db does not know this member: members were written
 * before the db held them, or `etcdctl snapshot restore` of 3.4 left those of the old cluster there.
 */
function adopt(cluster: Cluster, documented: Membership): void {
  if (cluster.local !== undefined || cluster.isRemoved(cluster.localID)) return;
  if (!documented.members.some(({ id }) => id === cluster.localID)) return;
  for (const member of documented.members) {
    if (cluster.member(member.id) === undefined) cluster.add(member, true);
  }
  for (const id of documented.removedIDs) cluster.remove(id, true);
  if (documented.version !== undefined) cluster.setVersion(documented.version, true);
}

/**
 * Members whom neither the snapshot nor any entry behind it names: they belong to the cluster that
 * was backed up, and a restore by etcdctl 3.4 left them in the db.
 */
function forgetStrangers(
  cluster: Cluster,
  { documented, entries, consistentIndex }: RecoveredHistory,
  logger: Logger,
): void {
  if (consistentIndex === 0) return;
  const known = new Set<MemberID>(documented.members.map(({ id }) => id));
  for (const entry of entries) {
    if (entry.index > consistentIndex || entry.type !== EntryType.EntryConfChange) continue;
    const { type, nodeId } = ConfChange.decode(entry.data);
    if (type !== ConfChangeType.ConfChangeRemoveNode) known.add(nodeId);
  }
  // A log that does not even know this member says nothing about the others.
  if (!known.has(cluster.localID)) return;
  for (const { id, name } of cluster.members) {
    if (known.has(id)) continue;
    logger.warn("forgetting a member of another cluster, which a restore left in the db", {
      "local-member-id": formatID(cluster.localID),
      "member-id": formatID(id),
      "member-name": name,
    });
    cluster.remove(id, true);
  }
}

/**
 * Some releases of 3.5 applied a promotion to the v2 store only (etcd issue 19557). One that still
 * stands in the log is made good where it is replayed.
 */
function promoteVoters(cluster: Cluster, documented: Membership, logger: Logger): void {
  for (const { id, isLearner } of documented.members) {
    const stored = cluster.member(id);
    if (isLearner || stored?.isLearner !== true) continue;
    logger.warn("Syncing member in v3store", {
      "local-member-id": formatID(cluster.localID),
      "member-id": formatID(id),
      "member-name": stored.name,
    });
    cluster.updateRaftAttributes(id, { isLearner: false }, true);
  }
}
