/**
 * Which membership changes are allowed. Two sets of rules: the validity of a committed change,
 * which every member decides alike when it applies the entry, and the leader's readiness rules,
 * which keep a careless reconfiguration from losing the quorum (`--strict-reconfig-check`).
 */

import { EtcdError, type ErrorKind } from "../api/errors.ts";
import { type ConfChange, ConfChangeType } from "../api/gen/raft.ts";
import { utf8FromBytes } from "../base/bytes.ts";
import type { MemberID } from "../base/ids.ts";
import { confChangeContextFromJSON, isStarted, type Member, memberFromJSON } from "./member.ts";

/** What the rules look at. */
export interface MembershipView {
  readonly members: readonly Member[];
  isRemoved(id: MemberID): boolean;
  member(id: MemberID): Member | undefined;
}

/** etcd's default of `--max-learners`. */
export const DEFAULT_MAX_LEARNERS = 1;

/** The one of the rules below that is meant for this change; throws what it throws. */
export function validateConfChange(
  view: MembershipView,
  change: ConfChange,
  maxLearners: number,
): void {
  const context = (): string => utf8FromBytes(change.context);
  switch (change.type) {
    case ConfChangeType.ConfChangeAddNode:
    case ConfChangeType.ConfChangeAddLearnerNode: {
      const { member, isPromote } = confChangeContextFromJSON(context());
      if (isPromote) return checkPromotion(view, change.nodeId);
      return checkAddition(view, { ...member, id: change.nodeId }, maxLearners);
    }
    case ConfChangeType.ConfChangeRemoveNode:
      return checkRemoval(view, change.nodeId);
    case ConfChangeType.ConfChangeUpdateNode:
      return checkUpdate(view, change.nodeId, memberFromJSON(context()).peerURLs);
    default:
      throw new Error(`unknown conf change type ${change.type}`);
  }
}

/** Throws `memberNotFound`, `memberExists`, `peerURLExists` or `tooManyLearners`. */
function checkAddition(view: MembershipView, member: Member, maxLearners: number): void {
  refuseRemoved(view, member.id);
  if (view.member(member.id) !== undefined) throw new EtcdError("memberExists");
  refuseTakenURLs(view, member.id, member.peerURLs);
  if (!member.isLearner) return;
  const learners = view.members.filter((other) => other.isLearner).length;
  if (learners + 1 > maxLearners) throw new EtcdError("tooManyLearners");
}

/** Throws `memberNotFound` or `memberNotLearner`. */
function checkPromotion(view: MembershipView, id: MemberID): void {
  if (!knownMember(view, id).isLearner) throw new EtcdError("memberNotLearner");
}

/** Throws `memberNotFound`. */
function checkRemoval(view: MembershipView, id: MemberID): void {
  knownMember(view, id);
}

/** Throws `memberNotFound` or `peerURLExists`. A member may keep its own URLs. */
function checkUpdate(view: MembershipView, id: MemberID, peerURLs: readonly string[]): void {
  knownMember(view, id);
  refuseTakenURLs(view, id, peerURLs);
}

/** How many voting members would have started after a change, and how many it would take. */
export interface StartedQuorum {
  readonly isReady: boolean;
  readonly started: number;
  readonly quorum: number;
}

/** Whether enough members have started for one more voting member. */
export function startedAfterAddition(members: readonly Member[]): StartedQuorum {
  const voting = members.filter((member) => !member.isLearner);
  const started = voting.filter(isStarted).length;
  const quorum = quorumOf(voting.length + 1);
  // A cluster of one may grow to two, although both are then needed: the way to restore a cluster.
  const isRestoring = started === 1 && voting.length === 1;
  return { isReady: isRestoring || started >= quorum, started, quorum };
}

/** Whether those that remain without `id` still have a quorum of started members. */
export function startedAfterRemoval(members: readonly Member[], id: MemberID): StartedQuorum {
  const remaining = members.filter((member) => !member.isLearner && member.id !== id);
  const started = remaining.filter(isStarted).length;
  const quorum = quorumOf(remaining.length);
  return { isReady: started >= quorum, started, quorum };
}

/** As for an addition, but the learner already runs and counts as started. */
export function startedAfterPromotion(members: readonly Member[]): StartedQuorum {
  const voting = members.filter((member) => !member.isLearner);
  const started = voting.filter(isStarted).length + 1;
  const quorum = quorumOf(voting.length + 1);
  return { isReady: started >= quorum, started, quorum };
}

/** How many of so many voting members decide. */
export function quorumOf(votingMembers: number): number {
  return Math.floor(votingMembers / 2) + 1;
}

function refuseRemoved(view: MembershipView, id: MemberID): void {
  if (view.isRemoved(id)) throw new EtcdError("memberNotFound", { removed: true });
}

function knownMember(view: MembershipView, id: MemberID): Member {
  refuseRemoved(view, id);
  const member = view.member(id);
  if (member === undefined) throw new EtcdError("memberNotFound");
  return member;
}

function refuseTakenURLs(view: MembershipView, id: MemberID, peerURLs: readonly string[]): void {
  for (const other of view.members) {
    if (other.id === id) continue;
    if (peerURLs.some((url) => other.peerURLs.includes(url))) throw new EtcdError("peerURLExists");
  }
}

/** Texts of the errors below as members tell each other, and as metrics show them. */
const INTERNAL_TEXTS: Readonly<Partial<Record<ErrorKind, string>>> = {
  memberNotFound: "membership: ID not found",
  memberNotLearner: "membership: can only promote a learner member",
};

/** What etcd calls an error between members, where clients see other words. */
export function internalText(error: unknown): string {
  if (!(error instanceof EtcdError)) return String(error);
  return INTERNAL_TEXTS[error.kind] ?? error.message;
}
