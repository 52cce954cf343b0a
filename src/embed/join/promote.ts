/** Gives a learner its vote as soon as it has caught up with the leader. */
import { formatID, type MemberID } from "../../base/ids.ts";
import { type EtcdClient, EtcdClientError } from "../../client/index.ts";
import type { Clock } from "../../env/clock.ts";
import type { Logger } from "../../env/logger.ts";
import { sleep } from "../../env/sleep.ts";

/** Between two questions whether it may be promoted; as cheap as any other request. */
const ASK_AGAIN_MS = 1000;

export interface PromoteDeps {
  readonly clock: Clock;
  readonly logger: Logger;
  /** No more questions when it is true: the member stops. */
  readonly isStopping: () => boolean;
}

/** Ends when the member has a vote, is none any more, or stops. Never rejects. */
export async function promoteWhenReady(
  client: EtcdClient,
  id: MemberID,
  { clock, logger, isStopping }: PromoteDeps,
): Promise<void> {
  const fields = { "local-member-id": formatID(id) };
  let last = "";
  while (!isStopping()) {
    try {
      await client.cluster.memberPromote(id);
      logger.info("this member has caught up, and has a vote now", fields);
      return;
    } catch (error) {
      if (!(error instanceof EtcdClientError)) throw error;
      // Somebody else was faster.
      if (error.kind === "memberNotLearner") return;
      if (error.kind === "memberNotFound") {
        logger.error("this member was removed before it had a vote", fields);
        return;
      }
      if (error.message !== last) {
        logger.info("this member has no vote yet", { ...fields, reason: error.message });
      }
      last = error.message;
    }
    await sleep(clock, ASK_AGAIN_MS);
  }
}
