/**
 * `--force-new-cluster`: a member whose cluster is lost begins a new one with its data. What was not
 * committed is dropped, and changes that remove everybody else stand behind the log, committed.
 */
import {
  ConfChange,
  ConfChangeType,
  ConfChangeV2,
  type ConfState,
  Entry,
  EntryType,
  HardState,
} from "../api/gen/raft.ts";
import { bytesFromUtf8 } from "../base/bytes.ts";
import { formatID, type MemberID } from "../base/ids.ts";
import type { Logger } from "../env/index.ts";
import { compareIDs, memberToJSON } from "../membership/index.ts";
import type { Wal } from "../wal/index.ts";

/** What etcd gives a member that must be added to its own cluster; to be updated afterwards. */
const UNKNOWN_PEER_URLS = ["http://localhost:2380", "http://localhost:7001"];

/** Log and hard state from which the member starts; the new entries are durable. */
export async function forceNewCluster(
  wal: Wal,
  log: { readonly hardState: HardState; readonly entries: readonly Entry[] },
  confState: ConfState | undefined,
  localID: MemberID,
  logger: Logger,
): Promise<{ readonly hardState: HardState; readonly entries: Entry[] }> {
  const { term, vote, commit } = log.hardState;
  const kept = log.entries.filter((entry) => entry.index <= commit);
  if (kept.length < log.entries.length) {
    logger.info("discarding uncommitted WAL entries", {
      "entry-index": kept.length === 0 ? commit + 1 : (kept.at(-1)?.index ?? 0) + 1,
      "commit-index-from-wal": commit,
      "number-of-discarded-entries": log.entries.length - kept.length,
    });
  }
  const ids = membersAfter(confState, kept);
  const changes = changesToAlone(ids, localID);
  const added = changes.map((change, i) =>
    Entry.create({
      type: EntryType.EntryConfChange,
      term,
      index: commit + 1 + i,
      data: ConfChange.encode(change),
    }),
  );
  const hardState = HardState.create({ term, vote, commit: commit + added.length });
  logger.info("forcing restart member", {
    "local-member-id": formatID(localID),
    "commit-index": hardState.commit,
  });
  await wal.save(hardState, added);
  return { hardState, entries: [...kept, ...added] };
}

/** Who is in raft's configuration once these entries are applied, ascending. */
function membersAfter(confState: ConfState | undefined, entries: readonly Entry[]): MemberID[] {
  const ids = new Set<MemberID>([...(confState?.voters ?? []), ...(confState?.learners ?? [])]);
  const change = (type: ConfChangeType, id: MemberID): void => {
    if (type === ConfChangeType.ConfChangeRemoveNode) ids.delete(id);
    else if (type !== ConfChangeType.ConfChangeUpdateNode) ids.add(id);
  };
  for (const entry of entries) {
    if (entry.type === EntryType.EntryConfChange) {
      const { type, nodeId } = ConfChange.decode(entry.data);
      change(type, nodeId);
    } else if (entry.type === EntryType.EntryConfChangeV2) {
      for (const { type, nodeId } of ConfChangeV2.decode(entry.data).changes) change(type, nodeId);
    }
  }
  return [...ids].sort(compareIDs);
}

function changesToAlone(ids: readonly MemberID[], localID: MemberID): ConfChange[] {
  const others = ids.filter((id) => id !== localID);
  const changes = others.map((nodeId) =>
    ConfChange.create({ type: ConfChangeType.ConfChangeRemoveNode, nodeId }),
  );
  if (ids.includes(localID)) return changes;
  const local = {
    id: localID,
    peerURLs: UNKNOWN_PEER_URLS,
    isLearner: false,
    name: "",
    clientURLs: [],
  };
  const context = bytesFromUtf8(memberToJSON(local));
  const type = ConfChangeType.ConfChangeAddNode;
  return [...changes, ConfChange.create({ type, nodeId: localID, context })];
}
