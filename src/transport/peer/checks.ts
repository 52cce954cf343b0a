/**
 * The headers that members send each other, and what they must say: the same cluster, and versions
 * that can work together. The texts of refusals are etcd's; senders compare them.
 */
import {
  compareVersions,
  majorMinor,
  MIN_CLUSTER_VERSION,
  parseVersion,
  type SemanticVersion,
  SERVER_VERSION,
} from "../../api/version.ts";
import { formatID, type MemberID } from "../../base/ids.ts";
import type { Logger } from "../../env/logger.ts";
import type { PeerNode } from "../../env/peers.ts";

export const INCOMPATIBLE_VERSION = "incompatible version";
export const CLUSTER_ID_MISMATCH = "cluster ID mismatch";
export const REMOVED_MEMBER = "the member has been permanently removed from the cluster";

type Headers = Readonly<Record<string, string>>;

/** etcd 2.0 sent no version. */
const VERSION_WITHOUT_HEADER = "2.0.0";
/** The first release with the streams that we speak. */
const FIRST_STREAM_VERSION = "2.1.0";

/** What a member says of itself in every request to another one. */
export function headersOf(node: PeerNode): Record<string, string> {
  const urls = node.peerURLs();
  return {
    "X-Server-From": formatID(node.memberID),
    "X-Server-Version": SERVER_VERSION,
    "X-Min-Cluster-Version": MIN_CLUSTER_VERSION,
    "X-Etcd-Cluster-ID": formatID(node.clusterID),
    ...(urls.length > 0 && { "X-PeerURLs": urls.join(",") }),
  };
}

/** A member id in hexadecimal as Go reads it; undefined if it is none. */
export function parseMemberID(text: string): MemberID | undefined {
  if (!/^[0-9a-fA-F]+$/.test(text)) return undefined;
  const id = BigInt(`0x${text}`);
  return id < 2n ** 64n ? id : undefined;
}

/** Why a request is refused with 412, after a line in the log; undefined when it is welcome. */
export function refusalOf(headers: Headers, node: PeerNode, logger: Logger): string | undefined {
  const serverText = headers["x-server-version"] || VERSION_WITHOUT_HEADER;
  const minClusterText = headers["x-min-cluster-version"] || VERSION_WITHOUT_HEADER;
  const name = headers["x-server-from"] ?? "";
  const fields = {
    "local-member-id": formatID(node.memberID),
    "local-member-cluster-id": formatID(node.clusterID),
    "local-member-server-version": SERVER_VERSION,
    "local-member-server-minimum-cluster-version": MIN_CLUSTER_VERSION,
    "remote-peer-server-name": name,
    "remote-peer-server-version": serverText,
    "remote-peer-server-minimum-cluster-version": minClusterText,
  };
  const problem = versionProblem(name, serverText, minClusterText);
  if (problem !== undefined) {
    logger.warn("failed version compatibility check", { ...fields, error: problem });
    return INCOMPATIBLE_VERSION;
  }
  const cluster = headers["x-etcd-cluster-id"] ?? "";
  if (cluster === formatID(node.clusterID)) return undefined;
  logger.warn("request cluster ID mismatch", { ...fields, "remote-peer-cluster-id": cluster });
  return CLUSTER_ID_MISMATCH;
}

function versionProblem(name: string, serverText: string, minText: string): string | undefined {
  const server = parseVersion(serverText);
  const minCluster = parseVersion(minText);
  const remote = `remote[${name}]=${serverText}, local=${SERVER_VERSION}`;
  if (server === undefined || minCluster === undefined) {
    return `remote version is not a semantic version: ${remote}`;
  }
  if (isOlder(server, known(MIN_CLUSTER_VERSION))) return `remote version is too low: ${remote}`;
  if (isOlder(known(SERVER_VERSION), minCluster)) return `local version is too low: ${remote}`;
  return undefined;
}

/** Whether the answering member can serve our streams. */
export function speaksStreams(headers: Headers): boolean {
  const version = parseVersion(headers["x-server-version"] || VERSION_WITHOUT_HEADER);
  return version !== undefined && !isOlder(version, known(FIRST_STREAM_VERSION));
}

/** Patch levels never decide. */
function isOlder(a: SemanticVersion, b: SemanticVersion): boolean {
  return compareVersions(majorMinor(a), majorMinor(b)) < 0;
}

function known(text: string): SemanticVersion {
  return parseVersion(text) as SemanticVersion;
}
