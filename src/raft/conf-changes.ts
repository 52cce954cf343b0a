/**
 * Membership changes in a running member: which may be proposed, what applying one does, and
 * leaving a joint configuration. How a new configuration is computed is in confchange/.
 */
import {
  type ConfChangeV2,
  type ConfState,
  type Entry,
  EntryType,
  MessageType,
} from "../api/gen/raft.ts";
import { AssertionError } from "../base/assert.ts";
import { EMPTY_BYTES } from "../base/bytes.ts";
import { maybeCommit } from "./acknowledgements.ts";
import {
  type ChangeResult,
  changeSimply,
  type Configuration,
  enterJoint,
  leaveJoint,
} from "./confchange/changer.ts";
import {
  type AnyConfChange,
  asConfChangeV2,
  confChangeEntry,
  confChangeOf,
  jointEntry,
  leavesJoint,
} from "./confchange/conf-change.ts";
import { describeConfChange, formatConfig } from "./format.ts";
import type { Raft } from "./raft.ts";
import { answerConfirmedReads, releaseEarlyReads } from "./reads.ts";
import { broadcastAppend, maybeSendAppend } from "./sending.ts";
import { NO_MEMBER } from "./types.ts";

/**
 * Looks at proposed entries before they enter the log. A membership change that must not be made
 * now turns into an empty ordinary entry in place, so that its proposer sees it go by.
 */
export function checkConfChanges(raft: Raft, entries: readonly Entry[]): void {
  for (let i = 0; i < entries.length; i++) {
    const entry = entries[i] as Entry;
    if (entry.type === EntryType.EntryNormal) continue;
    const change = confChangeOf(entry);
    if (change === undefined) continue;
    const objection = objectionTo(raft, change);
    if (objection === undefined || raft.disableConfChangeValidation) {
      raft.pendingConfIndex = raft.log.lastIndex() + i + 1;
      continue;
    }
    raft.logger.info(
      `${raft.name} ignoring conf change ${describeConfChange(change)} ` +
        `at config ${formatConfig(raft.tracker.config)}: ${objection}`,
    );
    entry.type = EntryType.EntryNormal;
    entry.data = EMPTY_BYTES;
  }
}

function objectionTo(raft: Raft, change: AnyConfChange): string | undefined {
  const isJoint = raft.tracker.config.outgoing.length > 0;
  const v2 = asConfChangeV2(change);
  if (raft.pendingConfIndex > raft.log.applied) {
    return (
      `possible unapplied conf change at index ${raft.pendingConfIndex} ` +
      `(applied to ${raft.log.applied})`
    );
  }
  if (isJoint && !leavesJoint(v2)) return "must transition out of joint config first";
  if (!isJoint && v2.changes.length === 0) {
    return "not in joint state; refusing empty conf change";
  }
  // Nothing is pending, so the change will meet the present configuration. One that cannot be
  // applied would stop every member that has it in its log.
  const result = compute(raft, v2);
  return "error" in result ? result.error : undefined;
}

/** Why a committed change cannot be made, which every member finds alike; undefined if it can. */
export function objectionToApplying(raft: Raft, change: AnyConfChange): string | undefined {
  const result = compute(raft, asConfChangeV2(change));
  return "error" in result ? result.error : undefined;
}

/** Makes the configuration of a committed change the active one; throws if it cannot be. */
export function applyConfChange(raft: Raft, change: AnyConfChange): ConfState {
  const result = compute(raft, asConfChangeV2(change));
  if ("error" in result) throw new AssertionError(result.error);
  return switchToConfig(raft, result);
}

function compute(raft: Raft, change: ConfChangeV2): ChangeResult {
  const { tracker } = raft;
  const lastIndex = raft.log.lastIndex();
  if (leavesJoint(change)) return leaveJoint(tracker, lastIndex);
  const joint = jointEntry(change);
  return joint === undefined
    ? changeSimply(tracker, lastIndex, change.changes)
    : enterJoint(tracker, lastIndex, joint === "autoLeave", change.changes);
}

/** Replaces the active configuration; on a leader also does what became possible through it. */
export function switchToConfig(raft: Raft, next: Configuration): ConfState {
  const { tracker } = raft;
  tracker.config = next.config;
  tracker.progress = next.progress;
  raft.logger.info(`${raft.name} switched to configuration ${formatConfig(tracker.config)}`);
  const state = tracker.confState();
  const own = tracker.find(raft.id);
  raft.isLearner = own?.isLearner === true;
  if (raft.state !== "StateLeader") return state;
  if (own === undefined || raft.isLearner) {
    // Else it leads on without a vote until the change has reached the others (thesis 4.2.2).
    if (raft.stepDownOnRemoval) raft.becomeFollower(raft.term, NO_MEMBER);
    return state;
  }
  if (state.voters.length === 0) return state;

  if (maybeCommit(raft)) {
    // Fewer voters may make more entries committed.
    releaseEarlyReads(raft);
    broadcastAppend(raft);
  } else {
    // New members need not wait for the next heartbeat.
    for (const progress of tracker.progress) {
      if (progress.id !== raft.id) maybeSendAppend(raft, progress, false);
    }
  }
  answerConfirmedReads(raft);
  const { incoming, outgoing } = tracker.config;
  const transferee = raft.leadTransferee;
  if (!incoming.includes(transferee) && !outgoing.includes(transferee)) {
    raft.abortLeaderTransfer();
  }
  return state;
}

/** The leader proposes to leave a joint configuration that says so, once it has applied it. */
export function leaveJointIfApplied(raft: Raft): void {
  const { config } = raft.tracker;
  if (!config.autoLeave || raft.state !== "StateLeader") return;
  if (raft.log.applied < raft.pendingConfIndex) return;
  const proposal = raft.message(MessageType.MsgProp, NO_MEMBER);
  proposal.from = NO_MEMBER;
  proposal.entries = [confChangeEntry(undefined)];
  const error = raft.step(proposal);
  if (error === undefined) {
    raft.logger.info(
      `initiating automatic transition out of joint configuration ${formatConfig(config)}`,
    );
  } else {
    raft.logger.debug(
      "not initiating automatic transition out of joint configuration " +
        `${formatConfig(config)}: ${error.message}`,
    );
  }
}
