/**
 * Whether a member may join a running cluster, and how. Pure: what the cluster says and what lies
 * in the data directory come as arguments.
 */
import { parseEtcdUrl } from "../../base/etcd-url.ts";
import { formatID, type ClusterID, type MemberID } from "../../base/ids.ts";
import { type RunningCluster, type RunningMember, titleOf } from "./running-cluster.ts";

/** Who the data directory says that it is. */
export interface OwnIdentity {
  readonly memberID: MemberID;
  readonly clusterID: ClusterID;
}

export interface JoiningMember {
  readonly name: string;
  readonly dataDir: string;
  readonly peerURLs: readonly string[];
  /** Undefined when the directory holds no member. */
  readonly identity: OwnIdentity | undefined;
}

export type JoinPlan =
  /** Add this member as a learner, start it, promote it. */
  | { readonly kind: "add" }
  /** It was added before and did not get to start. */
  | { readonly kind: "resume"; readonly member: RunningMember }
  /** It is a member, and has data. Whether it has a vote is known when the cluster answered. */
  | {
      readonly kind: "restart";
      readonly memberID: MemberID;
      readonly hasVote: boolean | undefined;
    }
  | { readonly kind: "refused"; readonly problem: string; readonly advice: string };

export function planJoin(self: JoiningMember, cluster: RunningCluster): JoinPlan {
  if (self.identity !== undefined) return planRestart(self, self.identity, cluster);
  const sameURLs = cluster.members.find((member) => isSame(member.peerURLs, self.peerURLs));
  if (sameURLs !== undefined && sameURLs.name === "") {
    return refuseUnhealthy(cluster, sameURLs) ?? { kind: "resume", member: sameURLs };
  }
  return (
    refuseAddresses(self, cluster) ??
    refuseName(self, cluster) ??
    refuseUnhealthy(cluster, undefined) ?? { kind: "add" }
  );
}

function planRestart(
  { dataDir }: JoiningMember,
  { memberID, clusterID }: OwnIdentity,
  cluster: RunningCluster,
): JoinPlan {
  const member = cluster.members.find(({ id }) => id === memberID);
  if (clusterID !== cluster.id) {
    return {
      kind: "refused",
      problem:
        `the data directory ${dataDir} is of another cluster (${formatID(clusterID)}); ` +
        `the one that is to be joined is ${formatID(cluster.id)}`,
      advice: "name another --data-dir, or move this one away if its data are not needed",
    };
  }
  if (member !== undefined && "version" in member.health) {
    return {
      kind: "refused",
      problem: `member ${titleOf(member)}, whose data directory ${dataDir} is, runs already`,
      advice: "name another --data-dir for another member",
    };
  }
  if (member !== undefined) return { kind: "restart", memberID, hasVote: !member.isLearner };
  return {
    kind: "refused",
    problem: `the data directory ${dataDir} is of member ${formatID(memberID)}, which was removed`,
    advice: "move the directory away; this machine then joins as a new member",
  };
}

function refuseAddresses(
  { peerURLs }: JoiningMember,
  { members }: RunningCluster,
): JoinPlan | undefined {
  const taken = members.find((member) => member.peerURLs.some((url) => peerURLs.includes(url)));
  if (taken !== undefined) {
    return {
      kind: "refused",
      problem: `${peerURLs.join(",")} is the address of member ${titleOf(taken)}`,
      advice:
        "advertise this machine's own: --initial-advertise-peer-urls; if it has lost its data, " +
        `remove the old member first: etcdctl member remove ${formatID(taken.id)}`,
    };
  }
  const own = peerURLs.find(isLoopback);
  if (own === undefined || members.every((each) => each.peerURLs.every(isLoopback))) {
    return undefined;
  }
  return {
    kind: "refused",
    problem: `other machines cannot reach this member at ${own}`,
    advice:
      "give an address of this machine: --listen-peer-urls and --initial-advertise-peer-urls, " +
      "and likewise for clients",
  };
}

function refuseName({ name }: JoiningMember, { members }: RunningCluster): JoinPlan | undefined {
  const taken = members.find((member) => member.name === name);
  if (taken === undefined) return undefined;
  return {
    kind: "refused",
    problem: `the name ${name} is taken by member ${formatID(taken.id)} (${taken.peerURLs.join(",")})`,
    advice: "choose another one with --name",
  };
}

/** A cluster with a member missing may lose its quorum by one more. */
function refuseUnhealthy(
  { leader, members }: RunningCluster,
  own: RunningMember | undefined,
): JoinPlan | undefined {
  const learner = members.find((member) => member.isLearner && member !== own);
  if (learner !== undefined) {
    return {
      kind: "refused",
      problem: `member ${titleOf(learner)} is joining and has no vote yet`,
      advice:
        "try again when it has been promoted, or remove it: " +
        `etcdctl member remove ${formatID(learner.id)}`,
    };
  }
  for (const member of members) {
    if (member === own || !("problem" in member.health)) continue;
    return {
      kind: "refused",
      problem: `member ${titleOf(member)} does not answer (${member.health.problem})`,
      advice: `start it, or remove it: etcdctl member remove ${formatID(member.id)}`,
    };
  }
  if (leader !== undefined) return undefined;
  return {
    kind: "refused",
    problem: "the cluster has no leader",
    advice: "wait until it has one; etcdctl endpoint status --cluster shows it",
  };
}

/**
 * The initial cluster for the start: this member by its name, the others by their ids, as two may
 * have the same name.
 */
export function initialClusterFor(
  name: string,
  id: MemberID,
  members: readonly { readonly ID: MemberID; readonly peerURLs: readonly string[] }[],
): string {
  const pairs = members.flatMap(({ ID, peerURLs }) =>
    peerURLs.map((url) => `${ID === id ? name : formatID(ID)}=${url}`),
  );
  return pairs.join(",");
}

function isSame(a: readonly string[], b: readonly string[]): boolean {
  return [...a].sort().join() === [...b].sort().join();
}

function isLoopback(url: string): boolean {
  const { hostname } = parseEtcdUrl(url);
  return hostname === "localhost" || hostname === "::1" || hostname.startsWith("127.");
}
