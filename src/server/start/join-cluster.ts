/**
 * What a member without data asks of the other members: who they are, when it joins a cluster that
 * runs; whether it has been there before, when it makes a new one with them.
 */
import {
  compareVersions,
  majorMinor,
  MIN_CLUSTER_VERSION,
  parseVersion,
  SERVER_VERSION,
} from "../../api/version.ts";
import { utf8FromBytes } from "../../base/bytes.ts";
import { type ClusterID, formatID } from "../../base/ids.ts";
import { type Logger, type PeerNetwork, PeerRequestError } from "../../env/index.ts";
import {
  type Member,
  membersFromJSON,
  mustParseVersion,
  type NamingDeps,
  urlComparison,
} from "../../membership/index.ts";
import { assignMemberIDs, formatMembers } from "./assign-ids.ts";
import { BootstrapError } from "./data-directory.ts";
import { askVersions } from "../members/peer-versions.ts";
import { MAX_MEMBERS_BYTES } from "../limits.ts";

interface AskDeps {
  readonly network: PeerNetwork;
  readonly logger: Logger;
}

interface JoinDeps extends AskDeps, NamingDeps {}

export interface RunningCluster {
  readonly id: ClusterID;
  readonly members: readonly Member[];
}

/** As etcd's for questions before a start. */
const MEMBERS_TIMEOUT_MS = 10_000;

/**
 * The cluster that is joined, and this member's place in it. `configured` is what
 * `--initial-cluster` says; ids come from the cluster. Throws `BootstrapError` in etcd's words.
 */
export async function joinCluster(
  deps: JoinDeps,
  configured: readonly Member[],
  name: string,
  versionTimeoutMs: number,
): Promise<{ readonly cluster: RunningCluster; readonly local: Member }> {
  const others = configured.filter((member) => member.name !== name);
  const cluster = await askMembers(deps, urlsOf(others), MEMBERS_TIMEOUT_MS, true);
  if (cluster === undefined) {
    throw new BootstrapError(
      "cannot fetch cluster info from peer urls: " +
        "could not retrieve cluster information from the given URLs",
    );
  }
  const assigned = await assignMemberIDs(configured, cluster.members, urlComparison(deps));
  if (assigned.problem !== undefined) {
    const running = `{ClusterID:${formatID(cluster.id)} Members:${formatMembers(cluster.members)} RemovedMemberIDs:[]}`;
    throw new BootstrapError(`error validating peerURLs ${running}: ${assigned.problem}`);
  }
  const local = assigned.members.find((member) => member.name === name);
  if (local === undefined) throw new BootstrapError(`member ${name} is not part of the cluster`);
  if (!(await isCompatible(deps, assigned.members, local, versionTimeoutMs))) {
    throw new BootstrapError("incompatible with current running cluster");
  }
  return { cluster, local };
}

/** Whether a member of this name, with other URLs, serves the cluster already. */
export async function isBootstrapped(
  deps: AskDeps,
  members: readonly Member[],
  local: Member,
  timeoutMs: number,
): Promise<boolean> {
  const others = members.filter((member) => member.id !== local.id);
  const running = await askMembers(deps, urlsOf(others), timeoutMs, false);
  const known = running?.members.find((member) => member.id === local.id);
  return known !== undefined && known.clientURLs.length > 0;
}

/** The first list of members that one of the URLs gives. */
async function askMembers(
  deps: AskDeps,
  urls: readonly string[],
  timeoutMs: number,
  isFailureNews: boolean,
): Promise<RunningCluster | undefined> {
  for (const url of urls) {
    try {
      const request = { url, method: "GET", path: "/members", timeoutMs } as const;
      const answer = await deps.network.request({ ...request, limitBytes: MAX_MEMBERS_BYTES });
      const id = answer.headers["x-etcd-cluster-id"] ?? "";
      if (answer.status !== 200 || !/^[0-9a-f]{1,16}$/.test(id)) continue;
      const members = membersFromJSON(utf8FromBytes(answer.body));
      if (members.length > 0) return { id: BigInt(`0x${id}`), members };
      deps.logger.debug("peer replied with no members", { address: url });
    } catch (error) {
      if (!(error instanceof PeerRequestError) && !(error instanceof SyntaxError)) throw error;
      const fields = { address: `${url}/members`, error };
      if (isFailureNews) deps.logger.warn("failed to get cluster response", fields);
      else deps.logger.debug("failed to get cluster response", fields);
    }
  }
  return undefined;
}

/** At least one member must have said which version the cluster has, and none a wrong one. */
async function isCompatible(
  deps: AskDeps,
  members: readonly Member[],
  local: Member,
  timeoutMs: number,
): Promise<boolean> {
  const others = members.filter((member) => member.id !== local.id);
  const answers = await Promise.all(
    others.map(async (member) => ({
      member,
      versions: await askVersions(deps, member, timeoutMs),
    })),
  );
  const own = majorMinor(mustParseVersion(SERVER_VERSION));
  // In a downgrade only members of the lower version join, while the cluster has the higher one.
  const isDowngrading = await askDowngradeEnabled(deps, others, timeoutMs);
  const highest = isDowngrading ? { ...own, minor: own.minor + 1 } : own;
  const lowest = isDowngrading ? highest : mustParseVersion(MIN_CLUSTER_VERSION);
  let isKnown = false;
  for (const { member, versions } of answers) {
    if (versions === undefined) continue;
    const found = parseVersion(versions.cluster);
    const fields = {
      "remote-member-id": formatID(member.id),
      "remote-member-cluster-version": versions.cluster,
    };
    if (found === undefined) {
      deps.logger.warn("failed to parse cluster version of remote member", fields);
      continue;
    }
    if (compareVersions(found, lowest) < 0) {
      deps.logger.warn("cluster version of remote member is not compatible; too low", fields);
      return false;
    }
    if (compareVersions(highest, found) < 0) {
      deps.logger.warn("cluster version of remote member is not compatible; too high", fields);
      return false;
    }
    isKnown = true;
  }
  return isKnown;
}

/** What the first member that answers says; false when nobody does. */
async function askDowngradeEnabled(
  { network, logger }: AskDeps,
  members: readonly Member[],
  timeoutMs: number,
): Promise<boolean> {
  for (const { id, peerURLs } of members) {
    for (const url of peerURLs) {
      const request = { url, method: "GET", path: "/downgrade/enabled", timeoutMs } as const;
      try {
        const { status, body } = await network.request({ ...request, limitBytes: 1024 });
        const text = utf8FromBytes(body);
        if (status === 200 && (text === "true" || text === "false")) return text === "true";
      } catch (error) {
        if (!(error instanceof PeerRequestError)) throw error;
        logger.debug("failed to reach the peer URL", { address: url, error });
      }
    }
    const fields = { "remote-member-id": formatID(id) };
    logger.warn("failed to get downgrade enabled status", fields);
  }
  return false;
}

/** Sorted, as etcd asks them. */
function urlsOf(members: readonly Member[]): string[] {
  return members.flatMap((member) => member.peerURLs).sort();
}
