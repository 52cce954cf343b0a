/**
 * The first members of a cluster, as its configuration names them, and how they stand in the log:
 * one conf change each, in term 1. A new cluster and a restored one begin alike.
 */
import { ConfChange, ConfChangeType, Entry, EntryType } from "../api/gen/raft.ts";
import { bytesFromUtf8 } from "../base/bytes.ts";
import type { Index } from "../base/ids.ts";
import { compareIDs, computeMemberID } from "./ids.ts";
import type { InitialCluster } from "./initial-cluster.ts";
import { type Member, memberToJSON } from "./member.ts";

/** Sorted by id. */
export function initialClusterMembers(cluster: InitialCluster, token: string): Member[] {
  const members = [...cluster].map(([name, urls]) => ({
    id: computeMemberID(urls, token),
    name,
    peerURLs: [...urls].sort(),
    isLearner: false,
    clientURLs: [],
  }));
  return members.sort((a, b) => compareIDs(a.id, b.id));
}

/** The entries 1 to n that make the members. */
export function initialEntries(members: readonly Member[]): Entry[] {
  return members.map((member, i) => initialEntry(member, i + 1));
}

/** The conf change that makes an initial member; its context is the member as JSON. */
function initialEntry(member: Member, index: Index): Entry {
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
