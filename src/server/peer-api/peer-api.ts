/**
 * What members ask each other over plain HTTP, beside raft's messages. A path is one row; whoever
 * asks need not be a member yet.
 */
import { SERVER_VERSION } from "../../api/version.ts";
import type { HttpHandler, HttpRequest, HttpResponse } from "../../env/index.ts";
import type { ServerContext } from "../context.ts";
import type { LeaseRenewalsNeeds } from "../upkeep/lease-renewals.ts";
import { type LinearizableReader, readLinearizably } from "../consensus/linearizable-reads.ts";
import { clusterHeader, type Handler, isMethod, send, sendError } from "./http-reply.ts";
import { LeasesPaths } from "./leases-paths.ts";
import { MembersPaths, type MembersPathsNeeds, PROMOTE_PREFIX } from "./members-paths.ts";

type Needs = LeaseRenewalsNeeds &
  LinearizableReader &
  MembersPathsNeeds &
  Pick<ServerContext, "cluster" | "storageVersion">;

export class PeerApi implements HttpHandler {
  readonly #server: Needs;
  readonly #members: MembersPaths;
  readonly #rows: ReadonlyMap<string, Handler>;

  constructor(server: Needs) {
    this.#server = server;
    this.#members = new MembersPaths(server);
    const leases = new LeasesPaths(server);
    this.#rows = new Map<string, Handler>([
      ["/version", (request, response) => this.#version(request, response)],
      ["/members", (request, response) => this.#members.list(request, response)],
      ["/members/promote", redirectToPromote],
      ["/members/hashkv", (request, response) => this.#members.hashKV(request, response)],
      ["/leases", (request, response) => leases.keepAlive(request, response)],
      ["/leases/internal", (request, response) => leases.timeToLive(request, response)],
      ["/downgrade/enabled", (request, response) => this.#downgradeEnabled(request, response)],
    ]);
  }

  handle(request: HttpRequest, response: HttpResponse): void {
    const handler = this.#rows.get(request.path);
    if (handler !== undefined) handler(request, response);
    else if (request.path.startsWith(PROMOTE_PREFIX)) this.#members.promote(request, response);
    else sendError(request, response, 404, "404 page not found");
  }

  #version(request: HttpRequest, response: HttpResponse): void {
    if (!isMethod("GET", request, response)) return;
    const { cluster, storageVersion } = this.#server;
    const versions = {
      etcdserver: SERVER_VERSION,
      etcdcluster: cluster.version ?? "not_decided",
      storage: storageVersion ?? "unknown",
    };
    const headers = { "content-type": "application/json" };
    send(request, response, 200, JSON.stringify(versions), headers);
  }

  /** Linearizable: a joining member decides by it whether it fits. */
  #downgradeEnabled(request: HttpRequest, response: HttpResponse): void {
    if (!isMethod("GET", request, response)) return;
    const headers = clusterHeader(this.#server);
    readLinearizably(this.#server).then(
      () => {
        const { enabled } = this.#server.cluster.downgrade;
        send(request, response, 200, String(enabled), { ...headers, "content-type": "text/plain" });
      },
      (error: Error) => {
        sendError(request, response, 500, `failed linearized read: ${error.message}`, headers);
      },
    );
  }
}

/** As Go's router does for a path whose rows begin behind a slash. */
function redirectToPromote(request: HttpRequest, response: HttpResponse): void {
  const { query } = request;
  const location = query === "" ? PROMOTE_PREFIX : `${PROMOTE_PREFIX}?${query}`;
  send(request, response, 307, "", { location });
}
