/** The first members of a new cluster: whether they may be, and writing them into its log. */
import { HardState } from "../../api/gen/raft.ts";
import { assert } from "../../base/assert.ts";
import {
  initialClusterMembers,
  initialEntries,
  type Member,
  type NamingDeps,
  refuseBootstrap,
  refuseJoin,
  urlComparison,
} from "../../membership/index.ts";
import type { Wal } from "../../wal/index.ts";
import { BootstrapError } from "./data-directory.ts";
import type { ServerOptions } from "../options.ts";

/** What raft finds when it starts: every initial member added, in term 1. */
export async function writeInitialMembers(wal: Wal, members: readonly Member[]) {
  const entries = initialEntries(members);
  const hardState = HardState.create({ term: 1, vote: 0n, commit: entries.length });
  await wal.save(hardState, entries);
  return { hardState, entries };
}

/** Throws `BootstrapError`, in etcd's words, when no member can be made as configured. */
export async function checkInitialMembers(options: ServerOptions, deps: NamingDeps): Promise<void> {
  const { name, initialCluster, peerURLs } = options;
  const choice = { name, initialCluster, advertisePeerURLs: peerURLs, usesDiscovery: false };
  const refusal =
    options.initialClusterState === "existing"
      ? refuseJoin(choice)
      : await refuseBootstrap(choice, urlComparison(deps));
  if (refusal !== undefined) throw new BootstrapError(refusal);
}

/** Sorted by id. They have been checked. */
export function initialMembers({ name, initialCluster, initialClusterToken }: ServerOptions): {
  readonly members: readonly Member[];
  readonly local: Member;
} {
  const members = initialClusterMembers(initialCluster, initialClusterToken);
  const local = members.find((member) => member.name === name);
  assert(local !== undefined, "the initial cluster names this member");
  return { members, local };
}
