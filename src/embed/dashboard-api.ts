/**
 * What the dashboard asks besides etcd's own API, as JSON under /dashboard/api/ of the client
 * listeners:
 *
 * - `watchers`: who watches what, and how far behind they are. `progress`: how far the members'
 *   logs are, as the leader sees them. `upkeep`: how far the member's compaction and defragmentation
 *   are. All for users with the root role.
 * - `members/<id>/…`: the same question put to another member, by `MemberQuestions`.
 *
 * Pages of other sites get nothing here, whatever `--cors` says.
 */
import { EtcdError } from "../api/errors.ts";
import { formatID } from "../base/ids.ts";
import type { HttpRequest, HttpResponse } from "../env/http.ts";
import { type Mount, type MountHandler, sendStatus } from "../gateway/index.ts";
import type { EtcdServer } from "../server/index.ts";
import type { MemberQuestions } from "./member-questions.ts";

const PREFIX = "/dashboard/api/";
const HEADERS = { "content-type": "application/json", "cache-control": "no-store" };
/** What a browser says of requests that a page of the same site makes, or nobody but the user. */
const OWN_SITES: ReadonlySet<string | undefined> = new Set([undefined, "same-origin", "none"]);
/** gRPC's PERMISSION_DENIED. */
const FORBIDDEN = 7;

export function dashboardApiMounts(
  server: EtcdServer,
  questions: MemberQuestions,
): readonly Mount[] {
  return [
    [`${PREFIX}watchers`, answers(server, () => watchersJson(server))],
    [`${PREFIX}progress`, answers(server, () => progressJson(server))],
    [`${PREFIX}upkeep`, answers(server, () => upkeepJson(server))],
    [
      `${PREFIX}members/`,
      guarded((path, request, response) => {
        requireAnyUser(server, request);
        questions.handle(path.slice(`${PREFIX}members/`.length), request, response);
      }),
    ],
  ];
}

function answers(server: EtcdServer, tell: () => unknown): MountHandler {
  return guarded((_path, request, response) => {
    server.auth.store.requireAdmin(server.auth.identifyNow(callerOf(request)));
    const text = JSON.stringify(tell(), (_, value) => {
      return typeof value === "bigint" ? String(value) : value;
    });
    response.head(200, { ...HEADERS, "content-length": String(Buffer.byteLength(text)) });
    response.end(request.method === "HEAD" ? undefined : text);
  });
}

function guarded(handler: MountHandler): MountHandler {
  return (path, request, response) => {
    if (!OWN_SITES.has(request.headers["sec-fetch-site"])) {
      sendStatus(request, response, FORBIDDEN, "not for pages of other sites");
      return;
    }
    refusing(request, response, () => handler(path, request, response));
  };
}

function refusing(request: HttpRequest, response: HttpResponse, run: () => void): void {
  try {
    run();
  } catch (error) {
    if (!(error instanceof EtcdError)) throw error;
    sendStatus(request, response, error.code, error.message);
  }
}

function requireAnyUser({ auth }: EtcdServer, request: HttpRequest): void {
  auth.requireUser(auth.identifyNow(callerOf(request)));
}

/** As of a call through the JSON gateway: a token, and no certificate. */
function callerOf({ headers }: HttpRequest) {
  return {
    metadata: (key: string) => (key === "authorization" ? headers[key] : undefined),
    certificateName: undefined,
    viaGateway: true,
  };
}

function watchersJson(server: EtcdServer): unknown {
  const { shown, ...report } = server.rpc.watchReport();
  const base64 = (key: string): string => Buffer.from(key, "latin1").toString("base64");
  return {
    ...report,
    shown: shown.map(({ first, ...stream }) => ({
      ...stream,
      first: first.map(({ range, ...watch }) => {
        return { ...watch, begin: base64(range.begin), end: base64(range.end) };
      }),
    })),
  };
}

function upkeepJson({ backend, store }: EtcdServer): unknown {
  return { defragmentation: backend.defragmentation, compaction: store.compaction };
}

function progressJson(server: EtcdServer): unknown {
  const { term, leader, memberID, committedIndex, appliedIndex } = server;
  return {
    member: formatID(memberID),
    leader: formatID(leader),
    ...{ term, committedIndex, appliedIndex },
    // Only a leader knows of the others.
    progress: server.raftStatus().progress.map((each) => ({
      member: formatID(each.id),
      isLearner: each.isLearner,
      match: each.match,
      next: each.next,
      state: each.state.replace(/^State/, "").toLowerCase(),
      pendingSnapshot: each.pendingSnapshot,
      recentActive: each.recentActive || each.id === memberID,
    })),
  };
}
