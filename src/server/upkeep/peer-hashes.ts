/** The HashKV of other members at a revision, asked over the peers' HTTP API. */
import { bytesFromUtf8, utf8FromBytes } from "../../base/bytes.ts";
import { type ClusterID, formatID, type MemberID, type Revision } from "../../base/ids.ts";
import { type Logger, type PeerNetwork, PeerRequestError } from "../../env/index.ts";
import type { Member } from "../../membership/index.ts";

export interface PeerHashAnswer {
  readonly hash: number;
  readonly compactRevision: Revision;
  /** The revision that the member is at. */
  readonly currentRevision: Revision;
}

/** Either an answer, or in words why there is none. */
export interface PeerHash {
  readonly id: MemberID;
  readonly endpoints: readonly string[];
  readonly answer: PeerHashAnswer | undefined;
  readonly problem: string;
}

/** A hash and a header. */
const MAX_ANSWER_BYTES = 64 * 1024;

export interface PeerHashesOptions {
  readonly network: PeerNetwork;
  readonly clusterID: ClusterID;
  readonly localID: MemberID;
  readonly logger: Logger;
  readonly members: readonly Member[];
  /** Of one request; a large store takes its time. */
  readonly timeoutMs: number;
}

export function askPeerHashes(
  options: PeerHashesOptions,
  revision: Revision,
): Promise<readonly PeerHash[]> {
  return Promise.all(options.members.map((member) => askOne(options, member, revision)));
}

async function askOne(
  { network, clusterID, localID, timeoutMs, logger }: PeerHashesOptions,
  { id, peerURLs }: Member,
  revision: Revision,
): Promise<PeerHash> {
  let problem = "no peer URL";
  for (const url of peerURLs) {
    try {
      const { status, body } = await network.request({
        url,
        method: "GET",
        path: "/members/hashkv",
        headers: {
          "content-type": "application/json",
          "x-etcd-cluster-id": formatID(clusterID),
        },
        body: bytesFromUtf8(JSON.stringify({ revision })),
        timeoutMs,
        limitBytes: MAX_ANSWER_BYTES,
      });
      const text = utf8FromBytes(body);
      const answer = status === 200 ? answerOf(text) : undefined;
      if (answer !== undefined) return { id, endpoints: peerURLs, answer, problem: "" };
      problem = text.trim();
    } catch (error) {
      if (!(error instanceof PeerRequestError)) throw error;
      problem = error.message;
    }
    logger.warn("failed hash kv request", {
      "local-member-id": formatID(localID),
      "requested-revision": revision,
      "remote-peer-endpoint": url,
      error: problem,
    });
  }
  return { id, endpoints: peerURLs, answer: undefined, problem };
}

/** The ids in the header are beyond what JSON numbers hold, but they are not looked at. */
function answerOf(text: string): PeerHashAnswer | undefined {
  let raw: unknown;
  try {
    raw = JSON.parse(text);
  } catch {
    return undefined;
  }
  if (typeof raw !== "object" || raw === null) return undefined;
  const { hash, compact_revision: compactRevision, header } = raw as Record<string, unknown>;
  const { revision } = (header ?? {}) as Record<string, unknown>;
  if (typeof hash !== "number") return undefined;
  return {
    hash,
    compactRevision: typeof compactRevision === "number" ? compactRevision : 0,
    currentRevision: typeof revision === "number" ? revision : 0,
  };
}
