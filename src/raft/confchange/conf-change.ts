/** Membership changes as data: the two message versions, their meaning, and their log entries. */
import {
  ConfChange,
  ConfChangeTransition,
  ConfChangeV2,
  type Entry,
  EntryType,
} from "../../api/gen/raft.ts";
import { AssertionError } from "../../base/assert.ts";
import { EMPTY_BYTES } from "../../base/bytes.ts";
import { newEntry } from "../messages.ts";

/** Version 1 changes one member; version 2 changes any number, through a joint configuration. */
export type AnyConfChange = ConfChange | ConfChangeV2;

export function asConfChangeV2(change: AnyConfChange): ConfChangeV2 {
  if ("changes" in change) return change;
  return {
    transition: ConfChangeTransition.ConfChangeTransitionAuto,
    changes: [{ type: change.type, nodeId: change.nodeId }],
    context: change.context,
  };
}

/** An empty automatic change asks to leave the joint configuration. */
export function leavesJoint(change: ConfChangeV2): boolean {
  return (
    change.transition === ConfChangeTransition.ConfChangeTransitionAuto &&
    change.changes.length === 0
  );
}

/**
 * How `change` enters a joint configuration: "autoLeave" (the leader leaves it by itself),
 * "explicit" (somebody must propose to leave it), or undefined for a change in one step.
 */
export function jointEntry(change: ConfChangeV2): "autoLeave" | "explicit" | undefined {
  switch (change.transition) {
    case ConfChangeTransition.ConfChangeTransitionAuto:
      return change.changes.length > 1 ? "autoLeave" : undefined;
    case ConfChangeTransition.ConfChangeTransitionJointImplicit:
      return "autoLeave";
    case ConfChangeTransition.ConfChangeTransitionJointExplicit:
      return "explicit";
    default:
      throw new AssertionError(`unknown conf change transition ${change.transition}`);
  }
}

/** The log entry that carries `change`; undefined is the short form of "leave joint". */
export function confChangeEntry(change: AnyConfChange | undefined): Entry {
  if (change === undefined) return newEntry(EntryType.EntryConfChangeV2, EMPTY_BYTES);
  return "changes" in change
    ? newEntry(EntryType.EntryConfChangeV2, ConfChangeV2.encode(change))
    : newEntry(EntryType.EntryConfChange, ConfChange.encode(change));
}

/** The membership change in `entry`, or undefined for an ordinary entry. */
export function confChangeOf(entry: Entry): AnyConfChange | undefined {
  switch (entry.type) {
    case EntryType.EntryConfChange:
      return ConfChange.decode(entry.data);
    case EntryType.EntryConfChangeV2:
      return ConfChangeV2.decode(entry.data);
    default:
      return undefined;
  }
}
