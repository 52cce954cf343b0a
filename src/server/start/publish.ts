/** How a member makes its name and client URLs known: through the log, so that all agree. */
import { EtcdError } from "../../api/errors.ts";
import { formatDuration } from "../../base/go-text.ts";
import { formatID } from "../../base/ids.ts";
import type { ServerContext } from "../context.ts";
import { type LinearizableReader, readLinearizably } from "../consensus/linearizable-reads.ts";
import { attributesRequest, type AttributesRequestNeeds } from "../members/membership-requests.ts";
import { requestTimeoutMs } from "../options.ts";
import type { RequestForms } from "../members/request-form.ts";

type Needs = AttributesRequestNeeds &
  LinearizableReader &
  Pick<ServerContext, "clusterID" | "leadership" | "logger" | "options" | "propose">;

/** Tries until it has been applied. Rejects once the member stops. */
export async function publishSelf(
  server: Needs,
  forms: RequestForms,
  isStopping: () => boolean,
): Promise<void> {
  const { logger, memberID, clusterID } = server;
  const { name, clientURLs } = server.options;
  const fields = {
    "local-member-id": formatID(memberID),
    "local-member-attributes": `{Name:${name} ClientURLs:[${clientURLs.join(" ")}]}`,
  };
  const timeout = { "publish-timeout": formatDuration(requestTimeoutMs(server.options)) };
  for (;;) {
    try {
      // Without one nothing can be written, and questions about it would only fill the log.
      await server.leadership.known();
      if (isStopping()) throw new EtcdError("stopped");
      // A member that joins learns from the log who the others are.
      await readLinearizably(server);
      const form = await forms.choose();
      const { field, body } = attributesRequest(server, form, name, clientURLs);
      await server.propose(field, body);
      logger.info("published local member to cluster through raft", {
        ...fields,
        "cluster-id": formatID(clusterID),
        ...timeout,
      });
      return;
    } catch (error) {
      if (isStopping()) {
        logger.warn("stopped publish because server is stopping", { ...fields, ...timeout });
        throw error;
      }
      logger.warn("failed to publish local member to cluster through raft", {
        ...fields,
        ...timeout,
        error,
      });
    }
  }
}
