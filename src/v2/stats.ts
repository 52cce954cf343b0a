/** `/v2/stats`: what was done in the store, and what members tell each other. */
import { goJSON } from "../membership/index.ts";
import type { Mount, MountHandler } from "../gateway/index.ts";
import type { V2Backend } from "./backend.ts";
import { allowMethods, MessageError, sendJSON, sendMessage } from "./reply.ts";

export function serveStats({ keys, stats }: V2Backend): readonly Mount[] {
  return [
    ["/v2/stats/store", shows(() => keys.statistics ?? "")],
    ["/v2/stats/self", shows(() => stats.self())],
    ["/v2/stats/leader", shows(() => stats.leader())],
  ];
}

/** `content` is undefined on a member that does not lead; "" is an empty answer. */
function shows(content: () => unknown): MountHandler {
  return (_path, request, response) => {
    if (!allowMethods(request, response, ["GET"])) return;
    const exchange = { request, response, headers: {} };
    const shown = content();
    if (shown === undefined) sendMessage(exchange, new MessageError(403, "not current leader"));
    else sendJSON(exchange, 200, shown === "" ? "" : goJSON(shown));
  };
}
