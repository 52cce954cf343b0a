/**
 * What members ask each other over plain HTTP, beside raft's messages. A path is one row; whoever
 * asks need not be a member yet.
 */
import { SERVER_VERSION } from "../../api/version.ts";
import { formatID } from "../../base/ids.ts";
import type { HttpHandler, HttpRequest, HttpResponse } from "../../env/index.ts";
import { memberToJSON } from "../../membership/index.ts";
import type { ServerContext } from "../context.ts";

type Handler = (request: HttpRequest, response: HttpResponse) => void;

const TEXT = { "content-type": "text/plain; charset=utf-8" };
const JSON_TYPE = { "content-type": "application/json" };

export class PeerApi implements HttpHandler {
  readonly #server: ServerContext;
  readonly #rows: ReadonlyMap<string, Handler>;

  constructor(server: ServerContext) {
    this.#server = server;
    this.#rows = new Map<string, Handler>([
      ["/version", (request, response) => this.#version(request, response)],
      ["/members", (request, response) => this.#members(request, response)],
    ]);
  }

  handle(request: HttpRequest, response: HttpResponse): void {
    const handler = this.#rows.get(request.path);
    if (handler !== undefined) {
      handler(request, response);
      return;
    }
    response.head(404, TEXT);
    response.end("404 page not found\n");
  }

  #version(request: HttpRequest, response: HttpResponse): void {
    if (!isRead(request, response)) return;
    const { cluster, storageVersion } = this.#server;
    response.head(200, JSON_TYPE);
    response.end(
      JSON.stringify({
        etcdserver: SERVER_VERSION,
        etcdcluster: cluster.version ?? "not_decided",
        storage: storageVersion ?? "unknown",
      }),
    );
  }

  #members(request: HttpRequest, response: HttpResponse): void {
    if (!isRead(request, response)) return;
    const { cluster, clusterID } = this.#server;
    const members = cluster.members.map(memberToJSON);
    response.head(200, { ...JSON_TYPE, "x-etcd-cluster-id": formatID(clusterID) });
    response.end(`[${members.join(",")}]\n`);
  }
}

/** Answers every method but GET and HEAD. */
function isRead({ method }: HttpRequest, response: HttpResponse): boolean {
  if (method === "GET" || method === "HEAD") return true;
  response.head(405, { allow: "GET", ...TEXT });
  response.end("Method Not Allowed\n");
  return false;
}
