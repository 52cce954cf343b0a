/** What the answer to a POST of a message or a snapshot means. */
import { formatID } from "../../base/ids.ts";
import type { PeerResponse } from "../../env/peers.ts";
import { CLUSTER_ID_MISMATCH, INCOMPATIBLE_VERSION, REMOVED_MEMBER } from "./checks.ts";
import type { PeerContext } from "./peer-context.ts";

/** In the 403 for a message that was meant for another member: no word about this one. */
const MISDIRECTED = "mismatch member";

/** Why the POST failed; undefined when it was accepted. A removed member's node is told. */
export function postFailure(
  context: PeerContext,
  url: string,
  answer: PeerResponse,
): string | undefined {
  const { node, logger, idText } = context;
  const text = Buffer.from(answer.body).toString("utf8").replace(/\n$/, "");
  const local = formatID(node.clusterID);
  const remote = answer.headers["x-etcd-cluster-id"] ?? "";
  switch (answer.status) {
    case 204:
      return undefined;
    case 403:
      if (text.includes(MISDIRECTED)) return "peer refused a message to a mismatch member";
      // Only the own cluster can remove a member.
      if (remote === local) node.reportRemovedSelf();
      return REMOVED_MEMBER;
    case 412:
      if (text === INCOMPATIBLE_VERSION) {
        logger.error("request sent was ignored by peer", { "remote-peer-id": idText });
        return text;
      }
      if (text === CLUSTER_ID_MISMATCH) {
        logger.error("request sent was ignored due to cluster ID mismatch", {
          "remote-peer-id": idText,
          "remote-peer-cluster-id": remote,
          "local-member-cluster-id": local,
        });
        return text;
      }
      return `unhandled error ${JSON.stringify(text)} when precondition failed`;
    default:
      return `unexpected http status ${answer.status} while posting to ${JSON.stringify(url)}`;
  }
}
