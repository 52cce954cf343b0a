/**
 * Proposals that only make sense while this member leads, such as the end of a lease whose time
 * this member counted. An ordinary proposal that raft cannot take now waits and may go to the next
 * leader; that one has given the lease more time (etcd issue 15247).
 */
import { EtcdError } from "../../api/errors.ts";
import { NO_MEMBER } from "../../raft/index.ts";
import type { ServerContext } from "../context.ts";

export type ProposeAsLeaderNeeds = Pick<
  ServerContext,
  "auth" | "isLeader" | "propose" | "raftStatus"
>;

/** Rejects with `notLeader` when it cannot go into the log in this member's term. */
export function proposeAsLeader(
  server: ProposeAsLeaderNeeds,
  field: number,
  body: Uint8Array,
): Promise<unknown> {
  const isHandingOver = server.isLeader && server.raftStatus().leadTransferee !== NO_MEMBER;
  if (!server.isLeader || isHandingOver) return Promise.reject(new EtcdError("notLeader"));
  return server.propose(field, body, server.auth.ownIdentity);
}
