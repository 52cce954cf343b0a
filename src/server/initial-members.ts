/** The first members of a new cluster: whether they may be, and writing them into its log. */
import { HardState } from "../api/gen/raft.ts";
import { assert } from "../base/assert.ts";
import {
  initialClusterMembers,
  initialEntries,
  type Member,
  refuseBootstrap,
  refuseJoin,
} from "../membership/index.ts";
import type { Wal } from "../wal/index.ts";
import { BootstrapError } from "./data-directory.ts";
import type { ServerOptions } from "./options.ts";

/** What raft finds when it starts: every initial member added, in term 1. */
export async function writeInitialMembers(wal: Wal, members: readonly Member[]) {
  const entries = initialEntries(members);
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
  const isJoining = options.initialClusterState === "existing";
  const refusal = isJoining ? refuseJoin(choice) : refuseBootstrap(choice);
  if (refusal !== undefined) throw new BootstrapError(refusal);
  const members = initialClusterMembers(initialCluster, initialClusterToken);
  const local = members.find((member) => member.name === name);
  assert(local !== undefined, "the initial cluster names this member");
  return { members, local };
}
