/** What the peers' network and its metrics hear of changes of the membership. */
import { formatID } from "../../base/ids.ts";
import type { PeerNetwork } from "../../env/index.ts";
import type { Cluster, Member } from "../../membership/index.ts";
import type { MembershipEvents } from "../apply/conf-change-applier.ts";
import type { Counted, ServerContext } from "../context.ts";
import type { MembersCounters } from "./members-metrics.ts";

interface CountNeeds
  extends Counted<Pick<MembersCounters, "knownPeers">>,
    Pick<ServerContext, "memberID"> {
  readonly cluster: Pick<Cluster, "members" | "removedIDs">;
}

interface PeersNeeds extends CountNeeds {
  readonly network: Pick<PeerNetwork, "addPeer" | "removePeer" | "updatePeer">;
}

export interface ReplacePeersNeeds extends PeersNeeds, Pick<ServerContext, "logger"> {
  readonly cluster: Pick<Cluster, "member" | "members" | "removedIDs">;
}

/** Connects to all other members, after the start and when the whole membership was replaced. */
export function addPeers(server: PeersNeeds): void {
  const { network, memberID, cluster } = server;
  for (const { id, peerURLs } of cluster.members) {
    if (id !== memberID) network.addPeer(id, peerURLs);
  }
  countKnownPeers(server);
}

/** The membership was replaced by that of a received database. */
export function replacePeers(server: ReplacePeersNeeds, before: readonly Member[]): void {
  const { network, memberID, cluster, logger } = server;
  logger.info("removing old peers from network");
  for (const { id } of before) {
    if (cluster.member(id) === undefined) network.removePeer(id);
  }
  logger.info("removed old peers from network");
  logger.info("adding peers from new cluster configuration");
  addPeers(server);
  for (const { id, peerURLs } of cluster.members) {
    if (id !== memberID) network.updatePeer(id, peerURLs);
  }
  logger.info("added peers from new cluster configuration");
}

/** As the membership changes by one member. */
export function peerEvents(server: PeersNeeds): MembershipEvents {
  const { network, memberID } = server;
  return {
    added: (id, urls) => {
      if (id !== memberID) network.addPeer(id, urls);
      countKnownPeers(server);
    },
    updated: (id, urls) => {
      if (id !== memberID) network.updatePeer(id, urls);
    },
    removed: (id) => {
      if (id !== memberID) network.removePeer(id);
      countKnownPeers(server);
    },
  };
}

/** 1 for every member, this one too, and 0 for those that were removed, as etcd counts them. */
function countKnownPeers({ cluster, memberID, counters }: CountNeeds): void {
  const local = formatID(memberID);
  for (const { id } of cluster.members) counters.knownPeers.of(local, formatID(id)).set(1);
  for (const id of cluster.removedIDs) counters.knownPeers.of(local, formatID(id)).set(0);
}
