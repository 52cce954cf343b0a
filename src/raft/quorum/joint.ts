/** Decisions of two sets of voters at once (raft thesis 4.3): both majorities must agree. */
import type { Index, MemberID } from "../../base/ids.ts";
import {
  type AckedIndexes,
  majorityCommitted,
  majorityVote,
  type VoteResult,
  type Voters,
} from "./majority.ts";

/** Outside a membership change `outgoing` is empty and `incoming` decides alone. */
export interface JointVoters {
  readonly incoming: Voters;
  readonly outgoing: Voters;
}

export function jointCommitted(voters: JointVoters, acked: AckedIndexes): Index {
  const incoming = majorityCommitted(voters.incoming, acked);
  if (voters.outgoing.length === 0) return incoming;
  return Math.min(incoming, majorityCommitted(voters.outgoing, acked));
}

export function jointVote(voters: JointVoters, votes: ReadonlyMap<MemberID, boolean>): VoteResult {
  const incoming = majorityVote(voters.incoming, votes);
  const outgoing = majorityVote(voters.outgoing, votes);
  if (incoming === outgoing) return incoming;
  if (incoming === "VoteLost" || outgoing === "VoteLost") return "VoteLost";
  return "VotePending";
}

/** Everybody who votes in either set, ascending. */
export function allVoters(voters: JointVoters): Voters {
  if (voters.outgoing.length === 0) return voters.incoming;
  return sortedIDs(new Set([...voters.incoming, ...voters.outgoing]));
}

export function sortedIDs(ids: Iterable<MemberID>): MemberID[] {
  return [...ids].sort((a, b) => (a < b ? -1 : a > b ? 1 : 0));
}
