/**
 * What a leader knows about one member's log, and how it sends to it:
 *
 * - probe: the match is unknown; one message per round trip, sent from `next`.
 * - replicate: the match is known; messages are pipelined within the inflights window.
 * - snapshot: the needed entries are compacted away; nothing is sent until the snapshot is in.
 */
import { assert } from "../base/assert.ts";
import type { Index, MemberID } from "../base/ids.ts";
import type { Inflights } from "./inflights.ts";

export type ProgressState = "StateProbe" | "StateReplicate" | "StateSnapshot";

export class Progress {
  readonly id: MemberID;
  /** Highest index known to be replicated there. Invariant: match < next. */
  match: Index = 0;
  /** First index to send next. In replicate state it runs ahead of the acknowledgements. */
  next: Index;
  /**
   * Highest commit index sent along so far. Invariant: at most the commit index that the member
   * will have after all messages arrived. Lets the leader tell when a bare commit update is due.
   */
  sentCommit: Index = 0;
  state: ProgressState = "StateProbe";
  /** In snapshot state: index of the snapshot under way, else 0. */
  pendingSnapshot: Index = 0;
  /** Heard from within the present election timeout; the basis of check-quorum. */
  recentActive = false;
  /** No more appends until something is heard: probe sent, or window full. */
  appendPaused = false;
  /** Used in replicate state. */
  readonly inflights: Inflights;
  isLearner: boolean;

  constructor(id: MemberID, next: Index, inflights: Inflights, isLearner: boolean) {
    this.id = id;
    this.next = next;
    this.inflights = inflights;
    this.isLearner = isLearner;
  }

  /** A copy for a new configuration. The inflights window moves along: its messages are out. */
  clone(): Progress {
    const copy = new Progress(this.id, this.next, this.inflights, this.isLearner);
    copy.match = this.match;
    copy.sentCommit = this.sentCommit;
    copy.state = this.state;
    copy.pendingSnapshot = this.pendingSnapshot;
    copy.recentActive = this.recentActive;
    copy.appendPaused = this.appendPaused;
    return copy;
  }

  /** Forgets everything but identity and learner status, at a change of term or role. */
  reset(match: Index, next: Index): void {
    this.#enter("StateProbe");
    this.match = match;
    this.next = next;
    this.sentCommit = 0;
    this.recentActive = false;
  }

  becomeProbe(): void {
    // After a snapshot that arrived, go on behind it; otherwise behind what is known to match.
    const resume = this.state === "StateSnapshot" ? this.pendingSnapshot : 0;
    this.#enter("StateProbe");
    this.#setNextBack(Math.max(this.match, resume) + 1);
  }

  becomeReplicate(): void {
    this.#enter("StateReplicate");
    this.next = this.match + 1;
  }

  becomeSnapshot(index: Index): void {
    this.#enter("StateSnapshot");
    this.pendingSnapshot = index;
    this.next = index + 1;
    this.sentCommit = index;
  }

  /** Accounts for an append message with `count` entries of `bytes` that leaves now. */
  sentEntries(count: number, bytes: number): void {
    assert(this.state !== "StateSnapshot", "sending append in unhandled state StateSnapshot");
    if (this.state === "StateProbe") {
      if (count > 0) this.appendPaused = true;
      return;
    }
    if (count > 0) {
      this.next += count;
      this.inflights.add(this.next - 1, bytes);
    }
    this.appendPaused = this.inflights.full;
  }

  /** Whether a message that carries only the commit index would tell the member anything new. */
  canBumpCommit(commit: Index): boolean {
    // The member can commit no further than the entries that were sent to it.
    return commit > this.sentCommit && this.sentCommit < this.next - 1;
  }

  /** An acknowledgement up to `index`. False when it is old news. */
  maybeUpdate(index: Index): boolean {
    if (index <= this.match) return false;
    this.match = index;
    this.next = Math.max(this.next, index + 1);
    this.appendPaused = false;
    return true;
  }

  /**
   * A rejection of the append after `rejected`; the member suggests that its log could match at
   * `hint`. False when the rejection is stale (reordered or duplicated on the way).
   */
  maybeDecreaseTo(rejected: Index, hint: Index): boolean {
    if (this.state === "StateReplicate") {
      if (rejected <= this.match) return false;
      this.#setNextBack(this.match + 1);
      return true;
    }
    if (this.next - 1 !== rejected) return false;
    this.#setNextBack(Math.max(Math.min(rejected, hint + 1), this.match + 1));
    this.appendPaused = false;
    return true;
  }

  get paused(): boolean {
    return this.state === "StateSnapshot" || this.appendPaused;
  }

  #enter(state: ProgressState): void {
    this.appendPaused = false;
    this.pendingSnapshot = 0;
    this.state = state;
    this.inflights.reset();
  }

  /** Commit indexes sent with messages behind `next` may be lost with them. */
  #setNextBack(next: Index): void {
    this.next = next;
    this.sentCommit = Math.min(this.sentCommit, next - 1);
  }
}
