/** What both handlers of peers' requests share: their host, and the checks of a POST. */
import type { Message } from "../../api/gen/raft.ts";
import { formatID, type MemberID } from "../../base/ids.ts";
import type { Clock } from "../../env/clock.ts";
import type { HttpRequest, HttpResponse } from "../../env/http.ts";
import type { Logger } from "../../env/logger.ts";
import type { PeerNode } from "../../env/peers.ts";
import { answerText, answerWrongMethod } from "./answers.ts";
import { parseMemberID, refusalOf } from "./checks.ts";
import type { NetworkMeter } from "./peer-meter.ts";
import type { StreamKind } from "./stream-kind.ts";

/** What the handler needs of the transport. */
export interface HandlerHost {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly meter: NetworkMeter;
  /** Undefined before the start and after the stop. */
  readonly node: PeerNode | undefined;
  /** Why the node must not have this message. */
  refuse(message: Message): string | undefined;
  addRemote(id: MemberID, peerURLs: readonly string[]): void;
  isPeer(id: MemberID): boolean;
  /** Takes over the answer, whose head has been given, as a stream of that peer. */
  attach(id: MemberID, kind: StreamKind, response: HttpResponse): void;
}

export function clusterHeader(node: PeerNode): Record<string, string> {
  return { "X-Etcd-Cluster-ID": formatID(node.clusterID) };
}

/** Method, version and cluster of a POST. When false, it has been answered. */
export function admitPost(
  host: HandlerHost,
  request: HttpRequest,
  response: HttpResponse,
  node: PeerNode,
): boolean {
  if (request.method !== "POST") {
    answerWrongMethod(response, "POST");
    return false;
  }
  const refusal = refusalOf(request.headers, node, host.logger);
  if (refusal !== undefined) {
    answerText(response, 412, refusal, clusterHeader(node));
    return false;
  }
  const from = parseMemberID(request.headers["x-server-from"] ?? "");
  const urls = request.headers["x-peerurls"] ?? "";
  if (from !== undefined && urls !== "") host.addRemote(from, urls.split(","));
  return true;
}
