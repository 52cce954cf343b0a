/** The first members of a new cluster: whether they may be, and writing them into its log. */
import { HardState } from "../../api/gen/raft.ts";
import { assert } from "../../base/assert.ts";
import { parseInitialCluster } from "../../base/etcd-url.ts";
import type { Discovery } from "../../env/index.ts";
import {
  initialClusterMembers,
  initialEntries,
  formatInitialCluster,
  hasDuplicateURLs,
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
export async function checkInitialMembers(
  options: ServerOptions,
  deps: NamingDeps & { readonly discovery?: Discovery | undefined },
): Promise<void> {
  const { name, initialCluster, peerURLs } = options;
  // As in etcd, only the URL of a v2 token is noticed by those who join.
  const usesDiscovery = deps.discovery?.kind === "v2";
  const choice = { name, initialCluster, advertisePeerURLs: peerURLs, usesDiscovery };
  const refusal =
    options.initialClusterState === "existing"
      ? refuseJoin(choice)
      : await refuseBootstrap(choice, urlComparison(deps));
  if (refusal !== undefined) throw new BootstrapError(refusal);
}

export interface InitialMembers {
  /** Sorted by id. */
  readonly members: readonly Member[];
  readonly local: Member;
}

/** They have been checked. */
export function initialMembers({
  name,
  initialCluster,
  initialClusterToken,
}: ServerOptions): InitialMembers {
  const members = initialClusterMembers(initialCluster, initialClusterToken);
  const local = members.find((member) => member.name === name);
  assert(local !== undefined, "the initial cluster names this member");
  return { members, local };
}

/**
 * All initial members, when a discovery service knows the others. Throws `DiscoveryError`, or
 * `BootstrapError` when two of them have one URL.
 */
export async function discoverMembers(
  discovery: Discovery,
  { name, initialClusterToken }: ServerOptions,
  local: Member,
): Promise<InitialMembers> {
  const self = formatInitialCluster(new Map([[name, local.peerURLs]]));
  const cluster = new Map<string, readonly string[]>();
  for (const [each, urls] of parseInitialCluster(await discovery.join(local.id, self))) {
    cluster.set(
      each,
      urls.map(({ href }) => href),
    );
  }
  if (hasDuplicateURLs(cluster)) {
    const text = formatInitialCluster(cluster);
    throw new BootstrapError(`discovery cluster ${text} has duplicate url`);
  }
  return { members: initialClusterMembers(cluster, initialClusterToken), local };
}
