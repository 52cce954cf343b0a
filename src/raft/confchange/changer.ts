/**
 * Computes the configuration that a membership change leads to, with the progress of its members.
 * The present configuration is never touched; a change that may not be made gives an error text.
 *
 * Simple changes alter at most one voter, so that majorities before and after overlap. Everything
 * else goes through a joint configuration (raft thesis 4.3): enter it, then leave it.
 */
import { type ConfChangeSingle, ConfChangeType } from "../../api/gen/raft.ts";
import { assert } from "../../base/assert.ts";
import type { Index, MemberID } from "../../base/ids.ts";
import { Progress } from "../progress.ts";
import { sortedIDs } from "../quorum/joint.ts";
import type { ProgressTracker, TrackerConfig } from "../tracker.ts";

export interface Configuration {
  readonly config: TrackerConfig;
  /** Ascending by ID; fresh objects. */
  readonly progress: readonly Progress[];
}

export type ChangeResult = Configuration | { readonly error: string };

/** One voter at most is added or removed; any number of learners. */
export function changeSimply(
  tracker: ProgressTracker,
  lastIndex: Index,
  changes: readonly ConfChangeSingle[],
): ChangeResult {
  const draft = new Draft(tracker, lastIndex);
  if (draft.outgoing.size > 0) {
    return { error: "can't apply simple config change in joint config" };
  }
  const error = draft.apply(changes);
  if (error !== undefined) return { error };
  if (differences(tracker.config.incoming, draft.incoming) > 1) {
    return { error: "more than one voter changed without entering joint config" };
  }
  return draft.finish();
}

/** From now on both the present voters and the changed ones must agree. */
export function enterJoint(
  tracker: ProgressTracker,
  lastIndex: Index,
  autoLeave: boolean,
  changes: readonly ConfChangeSingle[],
): ChangeResult {
  const draft = new Draft(tracker, lastIndex);
  if (draft.outgoing.size > 0) return { error: "config is already joint" };
  if (draft.incoming.size === 0) return { error: "can't make a zero-voter config joint" };
  draft.outgoing = new Set(draft.incoming);
  const error = draft.apply(changes);
  if (error !== undefined) return { error };
  draft.autoLeave = autoLeave;
  return draft.finish();
}

/** The incoming voters decide alone; members that are in no set any more are forgotten. */
export function leaveJoint(tracker: ProgressTracker, lastIndex: Index): ChangeResult {
  const draft = new Draft(tracker, lastIndex);
  if (draft.outgoing.size === 0) return { error: "can't leave a non-joint config" };
  draft.leaveJoint();
  return draft.finish();
}

class Draft {
  readonly incoming: Set<MemberID>;
  outgoing: Set<MemberID>;
  readonly learners: Set<MemberID>;
  readonly learnersNext: Set<MemberID>;
  autoLeave: boolean;
  readonly #progress = new Map<MemberID, Progress>();
  readonly #tracker: ProgressTracker;
  readonly #lastIndex: Index;

  constructor(tracker: ProgressTracker, lastIndex: Index) {
    const { config } = tracker;
    this.incoming = new Set(config.incoming);
    this.outgoing = new Set(config.outgoing);
    this.learners = new Set(config.learners);
    this.learnersNext = new Set(config.learnersNext);
    this.autoLeave = config.autoLeave;
    for (const progress of tracker.progress) this.#progress.set(progress.id, progress.clone());
    this.#tracker = tracker;
    this.#lastIndex = lastIndex;
  }

  /** Makes the changes in order, or returns what is wrong with them. */
  apply(changes: readonly ConfChangeSingle[]): string | undefined {
    for (const { type, nodeId } of changes) {
      // etcd zeroes the ID of a change that it has found invalid; the change still takes its turn.
      if (nodeId === 0n) continue;
      switch (type) {
        case ConfChangeType.ConfChangeAddNode:
          this.#makeVoter(nodeId);
          break;
        case ConfChangeType.ConfChangeAddLearnerNode:
          this.#makeLearner(nodeId);
          break;
        case ConfChangeType.ConfChangeRemoveNode:
          this.#remove(nodeId);
          break;
        case ConfChangeType.ConfChangeUpdateNode:
          break;
        default:
          return `unexpected conf type ${type}`;
      }
    }
    return this.incoming.size === 0 ? "removed all voters" : undefined;
  }

  leaveJoint(): void {
    for (const id of this.learnersNext) {
      this.learners.add(id);
      const progress = this.#progress.get(id);
      if (progress !== undefined) progress.isLearner = true;
    }
    this.learnersNext.clear();
    for (const id of this.outgoing) {
      if (!this.incoming.has(id) && !this.learners.has(id)) this.#progress.delete(id);
    }
    this.outgoing.clear();
    this.autoLeave = false;
  }

  finish(): Configuration {
    const config: TrackerConfig = {
      incoming: sortedIDs(this.incoming),
      outgoing: sortedIDs(this.outgoing),
      autoLeave: this.autoLeave,
      learners: sortedIDs(this.learners),
      learnersNext: sortedIDs(this.learnersNext),
    };
    assertConfigInvariants(config, this.#progress);
    const progress = sortedIDs(this.#progress.keys()).map((id) => this.#progress.get(id));
    return { config, progress: progress as Progress[] };
  }

  #makeVoter(id: MemberID): void {
    const progress = this.#progress.get(id);
    if (progress === undefined) {
      this.#addMember(id, false);
      return;
    }
    progress.isLearner = false;
    this.learners.delete(id);
    this.learnersNext.delete(id);
    this.incoming.add(id);
  }

  #makeLearner(id: MemberID): void {
    const progress = this.#progress.get(id);
    if (progress === undefined) {
      this.#addMember(id, true);
      return;
    }
    if (progress.isLearner) return;
    this.#remove(id);
    this.#progress.set(id, progress);
    // A voter of the outgoing side goes on voting there, so it turns into a learner only later.
    if (this.outgoing.has(id)) {
      this.learnersNext.add(id);
    } else {
      progress.isLearner = true;
      this.learners.add(id);
    }
  }

  #remove(id: MemberID): void {
    if (!this.#progress.has(id)) return;
    this.incoming.delete(id);
    this.learners.delete(id);
    this.learnersNext.delete(id);
    if (!this.outgoing.has(id)) this.#progress.delete(id);
  }

  #addMember(id: MemberID, isLearner: boolean): void {
    (isLearner ? this.learners : this.incoming).add(id);
    const next = Math.max(this.#lastIndex, 1);
    const progress = new Progress(id, next, this.#tracker.newInflights(), isLearner);
    // Counts as heard from, or a check-quorum right after the change could depose the leader.
    progress.recentActive = true;
    this.#progress.set(id, progress);
  }
}

/** What holds for every configuration; a violation is a bug here, not a user's mistake. */
function assertConfigInvariants(
  config: TrackerConfig,
  progress: ReadonlyMap<MemberID, Progress>,
): void {
  const { incoming, outgoing, learners, learnersNext } = config;
  for (const id of [...incoming, ...outgoing, ...learners, ...learnersNext]) {
    assert(progress.has(id), `no progress for ${id}`);
  }
  for (const id of learnersNext) {
    assert(outgoing.includes(id), `${id} is in LearnersNext, but not Voters[1]`);
    assert(!isLearner(id), `${id} is in LearnersNext, but is already marked as learner`);
  }
  for (const id of learners) {
    assert(!outgoing.includes(id), `${id} is in Learners and Voters[1]`);
    assert(!incoming.includes(id), `${id} is in Learners and Voters[0]`);
    assert(isLearner(id), `${id} is in Learners, but is not marked as learner`);
  }
  if (outgoing.length === 0) {
    assert(learnersNext.length === 0, "LearnersNext must be empty when not joint");
    assert(!config.autoLeave, "AutoLeave must be false when not joint");
  }

  function isLearner(id: MemberID): boolean {
    return progress.get(id)?.isLearner === true;
  }
}

function differences(before: readonly MemberID[], after: ReadonlySet<MemberID>): number {
  const removed = before.filter((id) => !after.has(id)).length;
  return removed + after.size - (before.length - removed);
}
