/**
 * Majorities of one set of voters: which index a majority has acknowledged, and whether a vote is
 * decided. An empty set agrees with everything, which makes it neutral in a joint configuration.
 */
import type { Index, MemberID } from "../../base/ids.ts";

/** Voter IDs in ascending order, without repeats. */
export type Voters = readonly MemberID[];

/** What each voter has acknowledged; undefined when nothing was heard. */
export interface AckedIndexes {
  ackedIndex(voter: MemberID): Index | undefined;
}

export type VoteResult = "VotePending" | "VoteLost" | "VoteWon";

/** The highest index that a majority has acknowledged; Infinity for no voters. */
export function majorityCommitted(voters: Voters, acked: AckedIndexes): Index {
  const count = voters.length;
  if (count === 0) return Number.POSITIVE_INFINITY;
  if (count === 1) return acked.ackedIndex(voters[0] as MemberID) ?? 0;
  const sorted: number[] = [];
  for (const voter of voters) insertSorted(sorted, acked.ackedIndex(voter) ?? 0);
  // A majority of n is n/2+1 voters, so the answer is the (n/2+1)-th largest acknowledgement.
  return sorted[count - (Math.floor(count / 2) + 1)] as number;
}

/** Whether `votes` (true: granted) decide; voters that did not answer could still go either way. */
export function majorityVote(voters: Voters, votes: ReadonlyMap<MemberID, boolean>): VoteResult {
  if (voters.length === 0) return "VoteWon";
  let granted = 0;
  let missing = 0;
  for (const voter of voters) {
    const vote = votes.get(voter);
    if (vote === undefined) missing++;
    else if (vote) granted++;
  }
  const needed = Math.floor(voters.length / 2) + 1;
  if (granted >= needed) return "VoteWon";
  return granted + missing >= needed ? "VotePending" : "VoteLost";
}

/** Few voters: inserting beats a comparator sort and its callback. */
function insertSorted(sorted: number[], value: number): void {
  let at = sorted.length;
  sorted.push(value);
  while (at > 0 && (sorted[at - 1] as number) > value) {
    sorted[at] = sorted[at - 1] as number;
    at--;
  }
  sorted[at] = value;
}
