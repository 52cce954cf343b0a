/** What the other members run: each is asked for its versions over its peer URLs. */
import { parseVersion } from "../../api/version.ts";
import { utf8FromBytes } from "../../base/bytes.ts";
import { formatID, type MemberID } from "../../base/ids.ts";
import { type PeerNetwork, PeerRequestError } from "../../env/index.ts";
import type { Cluster, Member } from "../../membership/index.ts";
import type { ServerContext } from "../context.ts";

export interface PeerVersions {
  /** Such as "3.6.4". */
  readonly server: string;
  /** Such as "3.6.0", or "not_decided". */
  readonly cluster: string;
}

/** An answer to `/version` is three short strings. */
const MAX_ANSWER_BYTES = 64 * 1024;

/** What a member runs; undefined when it did not say. */
export interface MemberVersion {
  readonly id: MemberID;
  readonly server: string | undefined;
}

export interface AskVersionsNeeds extends Pick<ServerContext, "logger" | "memberID"> {
  readonly cluster: Pick<Cluster, "members">;
  readonly network: Pick<PeerNetwork, "request">;
}

/** Of all members but this one. `level` is for the lines about those that do not answer. */
export function askMemberVersions(
  server: AskVersionsNeeds,
  timeoutMs: number,
  level: "warn" | "debug" = "warn",
): Promise<readonly MemberVersion[]> {
  const others = server.cluster.members.filter(({ id }) => id !== server.memberID);
  return Promise.all(
    others.map(async (member) => {
      const versions = await askVersions(server, member, timeoutMs, level);
      return { id: member.id, server: versions?.server };
    }),
  );
}

/** Of one member, by the first of its URLs that answers; undefined when none does. */
export async function askVersions(
  deps: Pick<AskVersionsNeeds, "logger" | "network">,
  member: Member,
  timeoutMs: number,
  level: "warn" | "debug" = "warn",
): Promise<PeerVersions | undefined> {
  const fields = { "remote-member-id": formatID(member.id) };
  for (const url of member.peerURLs) {
    try {
      const request = { url, method: "GET", path: "/version", timeoutMs } as const;
      const answer = await deps.network.request({ ...request, limitBytes: MAX_ANSWER_BYTES });
      const versions = versionsOf(answer.body);
      if (versions !== undefined) return versions;
      deps.logger[level]("failed to unmarshal response", { ...fields, address: `${url}/version` });
    } catch (error) {
      if (!(error instanceof PeerRequestError)) throw error;
      deps.logger[level]("failed to reach the peer URL", {
        ...fields,
        address: `${url}/version`,
        error,
      });
    }
  }
  deps.logger[level]("failed to get version", fields);
  return undefined;
}

function versionsOf(body: Uint8Array): PeerVersions | undefined {
  let raw: unknown;
  try {
    raw = JSON.parse(utf8FromBytes(body));
  } catch {
    return undefined;
  }
  if (typeof raw !== "object" || raw === null) return undefined;
  const { etcdserver: server, etcdcluster: cluster } = raw as Record<string, unknown>;
  if (typeof server !== "string" || parseVersion(server) === undefined) return undefined;
  return { server, cluster: typeof cluster === "string" ? cluster : "" };
}
