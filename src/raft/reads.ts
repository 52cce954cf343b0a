/** Linearizable reads on the leader (thesis 6.4): when they may be answered, and with what. */
import { type Message, MessageType } from "../api/gen/raft.ts";
import type { Index } from "../base/ids.ts";
import type { Raft } from "./raft.ts";
import { broadcastHeartbeat } from "./sending.ts";
import { NO_MEMBER } from "./types.ts";

export function handleReadIndex(raft: Raft, request: Message): void {
  if (request.entries.length === 0) return;
  if (!committedInOwnTerm(raft)) {
    // Until an entry of its own term is committed, a leader does not know what is committed. A
    // member alone must wait too: its stored commit index may lag behind what it acknowledged.
    raft.readsBeforeFirstCommit.push(request);
  } else if (raft.tracker.isOnlyVoter(raft.id) || raft.readOnly === "leaseBased") {
    answer(raft, request, raft.log.committed);
  } else {
    raft.reads.add(request, raft.log.committed);
    raft.reads.acknowledge(raft.id, raft.reads.heartbeatContext());
    broadcastHeartbeat(raft);
  }
}

/** Called when the commit index has moved. */
export function releaseEarlyReads(raft: Raft): void {
  if (raft.readsBeforeFirstCommit.length === 0) return;
  if (!committedInOwnTerm(raft)) {
    raft.logger.error(
      "pending MsgReadIndex should be released only after first commit in current term",
    );
    return;
  }
  const requests = raft.readsBeforeFirstCommit;
  raft.readsBeforeFirstCommit = [];
  for (const request of requests) handleReadIndex(raft, request);
}

/** Called when a voter echoed a heartbeat, and when the voters have changed. */
export function answerConfirmedReads(raft: Raft): void {
  for (const { request, index } of raft.reads.takeConfirmed(raft.tracker.config)) {
    answer(raft, request, index);
  }
}

function answer(raft: Raft, request: Message, index: Index): void {
  if (request.from === NO_MEMBER || request.from === raft.id) {
    const requestContext = request.entries[0]?.data;
    if (requestContext !== undefined) raft.readStates.push({ index, requestContext });
    return;
  }
  const response = raft.message(MessageType.MsgReadIndexResp, request.from);
  response.index = index;
  response.entries = request.entries;
  raft.send(response);
}

function committedInOwnTerm(raft: Raft): boolean {
  return raft.log.matchTerm(raft.term, raft.log.committed);
}
