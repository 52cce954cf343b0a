/**
 * Rebuilds a configuration from the `ConfState` of a snapshot by the same changes that a running
 * group makes, so that there is one set of rules. A joint state cannot be reached in one step:
 * first the outgoing voters are made the only ones, then the joint configuration is entered.
 */
import { type ConfChangeSingle, ConfChangeType, type ConfState } from "../../api/gen/raft.ts";
import { assert } from "../../base/assert.ts";
import type { Index, MemberID } from "../../base/ids.ts";
import { sortedIDs } from "../quorum/joint.ts";
import { ProgressTracker } from "../tracker.ts";
import { type ChangeResult, type Configuration, changeSimply, enterJoint } from "./changer.ts";

const { ConfChangeAddNode, ConfChangeAddLearnerNode, ConfChangeRemoveNode } = ConfChangeType;

/** The limits are those for the inflights windows of the new progress objects. */
export function restoreConfiguration(
  limits: { readonly maxInflightMsgs: number; readonly maxInflightBytes: number },
  lastIndex: Index,
  state: ConfState,
): Configuration {
  const tracker = new ProgressTracker(limits.maxInflightMsgs, limits.maxInflightBytes);
  const becomes = (result: ChangeResult): void => {
    assert(!("error" in result), `unable to restore config: ${"error" in result && result.error}`);
    tracker.config = result.config;
    tracker.progress = result.progress;
  };
  const incoming = [
    ...singles(ConfChangeRemoveNode, state.votersOutgoing),
    ...singles(ConfChangeAddNode, state.voters),
    ...singles(ConfChangeAddLearnerNode, state.learners),
    ...singles(ConfChangeAddLearnerNode, state.learnersNext),
  ];
  if (state.votersOutgoing.length === 0) {
    for (const change of incoming) becomes(changeSimply(tracker, lastIndex, [change]));
  } else {
    for (const change of singles(ConfChangeAddNode, state.votersOutgoing)) {
      becomes(changeSimply(tracker, lastIndex, [change]));
    }
    becomes(enterJoint(tracker, lastIndex, state.autoLeave, incoming));
  }
  return { config: tracker.config, progress: tracker.progress };
}

/** Whether two states name the same members in the same parts; the order does not matter. */
export function confStatesEqual(a: ConfState, b: ConfState): boolean {
  return (
    sameIDs(a.voters, b.voters) &&
    sameIDs(a.learners, b.learners) &&
    sameIDs(a.votersOutgoing, b.votersOutgoing) &&
    sameIDs(a.learnersNext, b.learnersNext) &&
    a.autoLeave === b.autoLeave
  );
}

function sameIDs(a: readonly MemberID[], b: readonly MemberID[]): boolean {
  const other = sortedIDs(b);
  return a.length === b.length && sortedIDs(a).every((id, i) => id === other[i]);
}

function singles(type: number, ids: readonly MemberID[]): ConfChangeSingle[] {
  return ids.map((nodeId) => ({ type, nodeId }));
}
