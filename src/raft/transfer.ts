/**
 * Handing leadership over (thesis 3.10): stop taking proposals, bring the target up to date, tell
 * it to campaign at once. Given up after an election timeout (in the leader's tick).
 */
import { MessageType } from "../api/gen/raft.ts";
import { formatID, type MemberID } from "../base/ids.ts";
import type { Progress } from "./progress.ts";
import type { Raft } from "./raft.ts";
import { sendAppend } from "./sending.ts";
import { NO_MEMBER } from "./types.ts";

export function handleTransferRequest(raft: Raft, target: MemberID, progress: Progress): void {
  const { logger, name, term } = raft;
  if (progress.isLearner) {
    logger.debug(`${name} is learner. Ignored transferring leadership`);
    return;
  }
  const to = formatID(target);
  const running = raft.leadTransferee;
  if (running === target) {
    logger.info(
      `${name} [term ${term}] transfer leadership to ${to} is in progress, ` +
        `ignores request to same node ${to}`,
    );
    return;
  }
  if (running !== NO_MEMBER) {
    raft.abortLeaderTransfer();
    logger.info(
      `${name} [term ${term}] abort previous transferring leadership to ${formatID(running)}`,
    );
  }
  if (target === raft.id) {
    logger.debug(`${name} is already leader. Ignored transferring leadership to self`);
    return;
  }
  logger.info(`${name} [term ${term}] starts to transfer leadership to ${to}`);
  // The transfer has one election timeout from now.
  raft.electionElapsed = 0;
  raft.leadTransferee = target;
  if (progress.match === raft.log.lastIndex()) {
    sendTimeoutNow(raft, target);
    logger.info(
      `${name} sends MsgTimeoutNow to ${to} immediately as ${to} already has up-to-date log`,
    );
  } else {
    sendAppend(raft, progress);
  }
}

export function sendTimeoutNow(raft: Raft, to: MemberID): void {
  raft.send(raft.message(MessageType.MsgTimeoutNow, to));
}
