/** `/members`, `/members/promote/ID`, `/members/hashkv`: what members ask of the membership. */
import { errorMessage } from "../../base/error-message.ts";
import { EtcdError } from "../../api/errors.ts";
import { utf8FromBytes } from "../../base/bytes.ts";
import { formatID, type MemberID, type Revision } from "../../base/ids.ts";
import type { HttpRequest, HttpResponse } from "../../env/index.ts";
import { internalText, type Member, memberToJSON } from "../../membership/index.ts";
import type { KeyValueHash } from "../../mvcc/index.ts";
import type { ServerContext } from "../context.ts";
import {
  type Asker,
  MembershipChanges,
  type MembershipChangesNeeds,
} from "../members/membership-changes.ts";
import {
  clusterHeader,
  type ClusterHeaderNeeds,
  isMethod,
  readSmallBody,
  send,
  sendError,
  sendInternalError,
} from "./http-reply.ts";

export const PROMOTE_PREFIX = "/members/promote/";

/** Another member waits for as long as its own client has time. */
const PEER: Asker = { cancelled: false };
const JSON_TYPE = { "content-type": "application/json" };
/** A question for a hash names one revision. */
const MAX_HASH_BODY_BYTES = 64 * 1024;
const MAX_UINT64 = 2n ** 64n - 1n;

export type MembersPathsNeeds = ClusterHeaderNeeds &
  MembershipChangesNeeds &
  Pick<ServerContext, "auth" | "hashByRevision" | "store">;

export class MembersPaths {
  readonly #server: MembersPathsNeeds;
  readonly #changes: MembershipChanges;

  constructor(server: MembersPathsNeeds) {
    this.#server = server;
    this.#changes = new MembershipChanges(server);
  }

  list(request: HttpRequest, response: HttpResponse): void {
    if (!isMethod("GET", request, response)) return;
    this.#sendMembers(request, response, this.#server.cluster.members);
  }

  /** A follower passes the question on, as it does for its own clients. */
  promote(request: HttpRequest, response: HttpResponse): void {
    if (!isMethod("POST", request, response)) return;
    const { logger } = this.#server;
    const headers = clusterHeader(this.#server);
    const text = request.path.slice(PROMOTE_PREFIX.length);
    const id = /^\d{1,20}$/.test(text) ? BigInt(text) : undefined;
    if (id === undefined || id > MAX_UINT64) {
      sendError(request, response, 404, `member ${text} not found in cluster`, headers);
      return;
    }
    this.#promoteFor(request.headers["authorization"], id).then(
      (members) => this.#sendMembers(request, response, members),
      (error: unknown) => {
        const status = error instanceof EtcdError ? PROMOTE_STATUS[error.kind] : undefined;
        if (status === undefined) sendInternalError(request, response, headers);
        else sendError(request, response, status, internalText(error), headers);
        logger.warn("failed to promote a member", { "member-id": formatID(id), error });
      },
    );
  }

  /** For the client that asked the other member: it has to be an administrator here too. */
  async #promoteFor(token: string | undefined, id: MemberID): Promise<readonly Member[]> {
    const { auth } = this.#server;
    auth.store.requireAdmin(auth.identifyForwarded(token));
    return this.#changes.promote(id, token, PEER);
  }

  hashKV(request: HttpRequest, response: HttpResponse): void {
    if (!isMethod("GET", request, response)) return;
    const asked = request.headers["x-etcd-cluster-id"];
    if (asked !== undefined && asked !== "" && asked !== formatID(this.#server.clusterID)) {
      sendError(request, response, 412, "cluster ID mismatch");
      return;
    }
    const { clock } = this.#server;
    readSmallBody(clock, request, response, MAX_HASH_BODY_BYTES).then(
      (body) => this.#hash(request, response, revisionOf(body)),
      () => sendError(request, response, 400, "error reading body"),
    );
  }

  async #hash(
    request: HttpRequest,
    response: HttpResponse,
    revision: Revision | undefined,
  ): Promise<void> {
    const { logger, store } = this.#server;
    if (revision === undefined) {
      sendError(request, response, 400, "error unmarshalling request");
      return;
    }
    try {
      const hash = await this.#server.hashByRevision(revision);
      const headers = { ...clusterHeader(this.#server), ...JSON_TYPE };
      send(request, response, 200, hashToJSON(hash, store.currentRevision), headers);
    } catch (error) {
      logger.warn("failed to get hashKV", { "requested-revision": revision, error });
      const text = errorMessage(error);
      // Between members the texts of the store stand alone.
      sendError(request, response, 400, text.replace(/^etcdserver: mvcc: /, "mvcc: "));
    }
  }

  #sendMembers(request: HttpRequest, response: HttpResponse, members: readonly Member[]): void {
    const headers = { ...clusterHeader(this.#server), ...JSON_TYPE };
    send(request, response, 200, `[${members.map(memberToJSON).join(",")}]\n`, headers);
  }
}

const PROMOTE_STATUS: Readonly<Partial<Record<string, number>>> = {
  memberNotFound: 404,
  memberNotLearner: 412,
  learnerNotReady: 412,
};

/** Undefined if the body is not what a member asks. */
function revisionOf(body: Uint8Array): Revision | undefined {
  let raw: unknown;
  try {
    raw = JSON.parse(utf8FromBytes(body));
  } catch {
    return undefined;
  }
  if (typeof raw !== "object" || raw === null || Array.isArray(raw)) return undefined;
  const { revision = 0 } = raw as { revision?: unknown };
  return Number.isSafeInteger(revision) ? (revision as Revision) : undefined;
}

/** As Go writes it: fields that are 0 are left out. */
function hashToJSON(hash: KeyValueHash, currentRevision: Revision): string {
  const set = (value: number): number | undefined => (value === 0 ? undefined : value);
  return JSON.stringify({
    header: { revision: currentRevision },
    hash: set(hash.hash),
    compact_revision: set(hash.compactRevision),
    hash_revision: set(hash.revision),
  });
}
