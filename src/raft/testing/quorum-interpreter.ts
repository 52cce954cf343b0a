/**
 * Transcripts about quorums: `committed` (what a set of voters has committed, given what each has
 * acknowledged) and `vote` (how an election stands). `cfgj` names the second half of a joint
 * configuration, `zero` an empty one. Identities that must hold are checked on the way; where one
 * does not, the output says so.
 */
import type { Index, MemberID } from "../../base/ids.ts";
import { describeQuorum, formatIndex } from "./format.ts";
import { allVoters, jointCommitted, jointVote, sortedIDs } from "../quorum/joint.ts";
import {
  type AckedIndexes,
  majorityCommitted,
  majorityVote,
  type Voters,
} from "../quorum/majority.ts";
import type { Interpreter, TranscriptCommand } from "./datadriven.ts";

export const QUORUM_COMMANDS: readonly string[] = ["committed", "vote"];

export class QuorumInterpreter implements Interpreter {
  run(command: TranscriptCommand): string {
    const listed = valuesOf(command, "cfg").map(BigInt);
    const listedJoint = valuesOf(command, "cfgj")
      .filter((id) => id !== "zero")
      .map(BigInt);
    const isJoint = command.args.some((arg) => arg.key === "cfgj");
    const voters = sortedIDs(new Set(listed));
    const joint = sortedIDs(new Set(listedJoint));
    const answers = valuesOf(command, command.name === "vote" ? "votes" : "idx");
    const order = [...new Set([...listed, ...listedJoint])];
    if (order.length !== answers.length) {
      const known = order.map((id) => `${id}:{}`).join(" ");
      const given = answers.join(" ");
      return `error: mismatched input (explicit or _) for voters map[${known}]: [${given}]`;
    }
    const given = new Map<MemberID, string>();
    order.forEach((id, i) => {
      if (answers[i] !== "_") given.set(id, answers[i] as string);
    });
    if (command.name === "vote") return vote(voters, isJoint ? joint : undefined, given);
    const acked = new Map([...given].map(([id, text]) => [id, Number(text)]));
    return isJoint ? committedJointly(voters, joint, acked) : committedByMajority(voters, acked);
  }
}

function vote(
  voters: Voters,
  joint: Voters | undefined,
  given: ReadonlyMap<MemberID, string>,
): string {
  const votes = new Map([...given].map(([id, text]) => [id, text === "y"]));
  if (joint === undefined) return `${majorityVote(voters, votes)}\n`;
  const result = jointVote({ incoming: voters, outgoing: joint }, votes);
  const swapped = jointVote({ incoming: joint, outgoing: voters }, votes);
  return `${objection(result, swapped, "symmetry")}${result}\n`;
}

function committedByMajority(voters: Voters, acked: ReadonlyMap<MemberID, Index>): string {
  const lookup = indexesOf(acked);
  const index = majorityCommitted(voters, lookup);
  let text = describeQuorum(voters, lookup);
  text += objection(index, committedByCounting(voters, acked), "alternative computation");
  const zero = jointCommitted({ incoming: voters, outgoing: [] }, lookup);
  text += objection(index, zero, "zero-joint quorum");
  const self = jointCommitted({ incoming: voters, outgoing: voters }, lookup);
  text += objection(index, self, "self-joint quorum");
  for (const [id, own] of acked) {
    if (own >= index) continue;
    // What a voter behind the committed index says makes no difference.
    for (const changed of [own - 1, 0]) {
      const overlaid = majorityCommitted(voters, indexesOf(new Map(acked).set(id, changed)));
      text += objection(index, overlaid, `overlaying ${id}->${changed}`);
    }
  }
  return `${text}${formatIndex(index)}\n`;
}

function committedJointly(
  voters: Voters,
  joint: Voters,
  acked: ReadonlyMap<MemberID, Index>,
): string {
  const lookup = indexesOf(acked);
  const config = { incoming: voters, outgoing: joint };
  const index = jointCommitted(config, lookup);
  const swapped = jointCommitted({ incoming: joint, outgoing: voters }, lookup);
  return (
    describeQuorum(allVoters(config), lookup) +
    objection(index, swapped, "symmetry") +
    `${formatIndex(index)}\n`
  );
}

/** The definition taken literally: the highest index that a majority has reached. */
export function committedByCounting(voters: Voters, acked: ReadonlyMap<MemberID, Index>): Index {
  if (voters.length === 0) return Number.POSITIVE_INFINITY;
  let best = 0;
  for (const candidate of acked.values()) {
    const reached = voters.filter((id) => (acked.get(id) ?? 0) >= candidate).length;
    if (reached > voters.length / 2) best = Math.max(best, candidate);
  }
  return best;
}

function indexesOf(acked: ReadonlyMap<MemberID, Index>): AckedIndexes {
  return { ackedIndex: (id) => acked.get(id) };
}

function objection<T>(result: T, alternative: T, via: string): string {
  return Object.is(result, alternative) ? "" : `${alternative} <-- via ${via}\n`;
}

function valuesOf(command: TranscriptCommand, key: string): readonly string[] {
  return command.args.find((arg) => arg.key === key)?.values ?? [];
}
