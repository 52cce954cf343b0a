/** The first members of a new cluster, and how they are written into its log. */
import { ConfChange, ConfChangeType, Entry, EntryType, HardState } from "../api/gen/raft.ts";
import { assert } from "../base/assert.ts";
import { bytesFromUtf8 } from "../base/bytes.ts";
import type { Index } from "../base/ids.ts";
import {
  compareIDs,
  computeMemberID,
  type Member,
  memberToJSON,
  refuseBootstrap,
} from "../membership/index.ts";
import type { Wal } from "../wal/index.ts";
import { BootstrapError } from "./data-directory.ts";
import type { ServerOptions } from "./options.ts";

/** What raft finds when it starts: every initial member added, in term 1. */
export async function writeInitialMembers(wal: Wal, members: readonly Member[]) {
  const entries = members.map((member, i) => bootstrapEntry(member, i + 1));
  const hardState = HardState.create({ term: 1, vote: 0n, commit: entries.length });
  await wal.save(hardState, entries);
  return { hardState, entries };
}

/** Sorted by id. Throws `BootstrapError` in etcd's words. */
export function initialMembers(options: ServerOptions): {
  readonly members: readonly Member[];
  readonly local: Member;
} {
  const { name, initialCluster, peerURLs, initialClusterToken } = options;
  const choice = { name, initialCluster, advertisePeerURLs: peerURLs, usesDiscovery: false };
  const refusal = refuseBootstrap(choice);
  if (refusal !== undefined) throw new BootstrapError(refusal);
  const members: Member[] = [];
  for (const [memberName, urls] of initialCluster) {
    const id = computeMemberID(urls, initialClusterToken);
    members.push({
      id,
      name: memberName,
      peerURLs: [...urls].sort(),
      isLearner: false,
      clientURLs: [],
    });
  }
  members.sort((a, b) => compareIDs(a.id, b.id));
  const local = members.find((member) => member.name === name);
  assert(local !== undefined, "the initial cluster names this member");
  return { members, local };
}

/** The conf change that makes an initial member; its context is the member as JSON. */
function bootstrapEntry(member: Member, index: Index): Entry {
  const change = ConfChange.create({
    id: 0n,
    type: ConfChangeType.ConfChangeAddNode,
    nodeId: member.id,
    context: bytesFromUtf8(memberToJSON(member)),
  });
  return Entry.create({
    type: EntryType.EntryConfChange,
    term: 1,
    index,
    data: ConfChange.encode(change),
  });
}
