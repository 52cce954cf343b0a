/**
 * The membership as it was while the log is replayed whose effects the db already has. The db's own
 * membership is ahead of those entries, but whether a change was valid when it was first applied,
 * and so whether raft's configuration took it, depends on the membership of that time.
 */
import { type ConfChange, ConfChangeType } from "../api/gen/raft.ts";
import { utf8FromBytes } from "../base/bytes.ts";
import type { MemberID } from "../base/ids.ts";
import { EtcdError } from "../api/errors.ts";
import { type MembershipView, validateConfChange } from "./conf-change-rules.ts";
import { confChangeContextFromJSON, type Member, memberFromJSON } from "./member.ts";
import type { Membership } from "./membership.ts";

export class ReplayedMembership implements MembershipView {
  readonly #members = new Map<MemberID, Member>();
  readonly #removed: Set<MemberID>;
  readonly #maxLearners: number;

  /** `start`: the membership in the snapshot that the log begins behind. */
  constructor(start: Membership, maxLearners: number) {
    for (const member of start.members) this.#members.set(member.id, member);
    this.#removed = new Set(start.removedIDs);
    this.#maxLearners = maxLearners;
  }

  get members(): Member[] {
    return [...this.#members.values()];
  }

  member(id: MemberID): Member | undefined {
    return this.#members.get(id);
  }

  isRemoved(id: MemberID): boolean {
    return this.#removed.has(id);
  }

  /** False for a change that was refused when it was first applied. */
  apply(change: ConfChange): boolean {
    try {
      validateConfChange(this, change, this.#maxLearners);
    } catch (error) {
      if (!(error instanceof EtcdError)) throw error;
      return false;
    }
    this.#change(change);
    return true;
  }

  #change(change: ConfChange): void {
    const id = change.nodeId;
    if (change.type === ConfChangeType.ConfChangeRemoveNode) {
      this.#members.delete(id);
      this.#removed.add(id);
      return;
    }
    const text = utf8FromBytes(change.context);
    const known = this.#members.get(id);
    if (change.type === ConfChangeType.ConfChangeUpdateNode) {
      const { peerURLs } = memberFromJSON(text);
      if (known !== undefined) this.#members.set(id, { ...known, peerURLs });
      return;
    }
    const { member, isPromote } = confChangeContextFromJSON(text);
    if (!isPromote) this.#members.set(id, { ...member, id });
    else if (known !== undefined) this.#members.set(id, { ...known, isLearner: false });
  }
}
