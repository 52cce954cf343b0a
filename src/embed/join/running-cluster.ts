/** What a running cluster says of itself to somebody who wants to join it. */
import { formatID, type ClusterID, type MemberID } from "../../base/ids.ts";
import { EtcdClient, EtcdClientError, type EtcdClientOptions } from "../../client/index.ts";

/** For one question to the cluster, or to one of its members. */
const ASK_TIMEOUT_MS = 5000;

export interface RunningMember {
  readonly id: MemberID;
  /** Empty: it has been added, and never started. */
  readonly name: string;
  readonly peerURLs: readonly string[];
  readonly clientURLs: readonly string[];
  readonly isLearner: boolean;
  /** Its version when it answers; otherwise why it does not. */
  readonly health: { readonly version: string } | { readonly problem: string };
}

export interface RunningCluster {
  readonly id: ClusterID;
  readonly leader: MemberID | undefined;
  readonly members: readonly RunningMember[];
}

export type ClusterAnswer =
  | { readonly kind: "answered"; readonly cluster: RunningCluster }
  | { readonly kind: "refused"; readonly problem: string; readonly advice: string };

/** A client of the cluster behind `url`. Throws `TypeError` when that is no URL. */
export function clientOf(url: string, options: EtcdClientOptions): EtcdClient {
  return new EtcdClient({ ...options, endpoints: url, requestTimeoutMs: ASK_TIMEOUT_MS });
}

/** Without a quorum only `linearizable: false` is answered, by what one member knows. */
export async function askCluster(
  client: EtcdClient,
  options: { readonly linearizable: boolean },
): Promise<ClusterAnswer> {
  try {
    const { header, members } = await client.cluster.memberList(options);
    const answers = await Promise.all(
      members.map(async (member): Promise<RunningMember & { leader: MemberID | undefined }> => {
        const { health, leader } = await askMember(client, member.clientURLs);
        const { ID: id, name, peerURLs, clientURLs, isLearner } = member;
        return { id, name, peerURLs, clientURLs, isLearner, health, leader };
      }),
    );
    const leader = answers.map((each) => each.leader).find((id) => id !== undefined && id !== 0n);
    return {
      kind: "answered",
      cluster: { id: header?.clusterId ?? 0n, leader, members: answers },
    };
  } catch (error) {
    if (!(error instanceof EtcdClientError)) throw error;
    return { kind: "refused", ...explain(error, client.endpoints.join(",")) };
  }
}

async function askMember(client: EtcdClient, clientURLs: readonly string[]) {
  let problem = "it has never started";
  for (const endpoint of clientURLs) {
    try {
      const status = await client.maintenance.status({ endpoint });
      return { health: { version: status.version }, leader: status.leader };
    } catch (error) {
      if (!(error instanceof EtcdClientError)) throw error;
      problem = error.message;
    }
  }
  return { health: { problem }, leader: undefined };
}

/** What went wrong, and what to do about it. */
export function explain(
  { kind, message }: EtcdClientError,
  where: string,
): { readonly problem: string; readonly advice: string } {
  switch (kind) {
    case "userEmpty":
    case "authFailed":
    case "permissionDenied":
    case "invalidAuthToken":
      return {
        problem: `the cluster at ${where} does not let this user add members (${message})`,
        advice: "give one with the role root: --join-user root:PASSWORD",
      };
    case "tooManyLearners":
      return {
        problem: "another member is joining and has no vote yet",
        advice: "try again when it has been promoted, or remove it: etcdctl member remove ID",
      };
    case "noLeader":
    case "memberNotEnoughStarted":
    case "unhealthy":
      return {
        problem: `the cluster at ${where} is not healthy (${message})`,
        advice: "mend it first; etcdctl endpoint health --cluster says which members are missing",
      };
    default:
      return {
        problem: `the cluster at ${where} does not answer (${message})`,
        advice:
          "give the client URL of a running member, such as http://10.0.0.1:2379; " +
          "for https this member's --trusted-ca-file must know its certificate",
      };
  }
}

/** For people: the name, or the id of who has none. */
export function titleOf({ id, name }: RunningMember): string {
  return name === "" ? formatID(id) : name;
}
