/**
 * The members as this node sees them: active configuration, progress of each member (meaningful on
 * a leader), and the votes of the running election (meaningful on a candidate).
 */
import type { ConfState } from "../api/gen/raft.ts";
import type { Index, MemberID } from "../base/ids.ts";
import { Inflights } from "./inflights.ts";
import type { Progress } from "./progress.ts";
import { type JointVoters, jointCommitted, jointVote } from "./quorum/joint.ts";
import type { AckedIndexes, VoteResult, Voters } from "./quorum/majority.ts";

/** All sets ascending. Invariants: `assertConfigInvariants` in confchange/changer.ts. */
export interface TrackerConfig extends JointVoters {
  readonly incoming: Voters;
  /** Non-empty exactly while the configuration is joint. */
  readonly outgoing: Voters;
  /** A joint configuration that the leader leaves by itself once it is applied. */
  readonly autoLeave: boolean;
  readonly learners: Voters;
  /** Voters of `outgoing` that turn into learners when the joint configuration is left. */
  readonly learnersNext: Voters;
}

const EMPTY_CONFIG: TrackerConfig = {
  incoming: [],
  outgoing: [],
  autoLeave: false,
  learners: [],
  learnersNext: [],
};

export class ProgressTracker implements AckedIndexes {
  config: TrackerConfig = EMPTY_CONFIG;
  /** Ascending by ID. A handful of members: scanning an array beats a map of bigints. */
  progress: readonly Progress[] = [];
  readonly votes: Map<MemberID, boolean> = new Map();
  readonly maxInflightMsgs: number;
  readonly maxInflightBytes: number;

  constructor(maxInflightMsgs: number, maxInflightBytes: number) {
    this.maxInflightMsgs = maxInflightMsgs;
    this.maxInflightBytes = maxInflightBytes;
  }

  newInflights(): Inflights {
    return new Inflights(this.maxInflightMsgs, this.maxInflightBytes);
  }

  find(id: MemberID): Progress | undefined {
    for (const progress of this.progress) {
      if (progress.id === id) return progress;
    }
    return undefined;
  }

  ackedIndex(voter: MemberID): Index | undefined {
    return this.find(voter)?.match;
  }

  /** The highest index that is on disk at a quorum. */
  committed(): Index {
    return jointCommitted(this.config, this);
  }

  /** Whether `id` decides everything alone. */
  isOnlyVoter(id: MemberID): boolean {
    const { incoming, outgoing } = this.config;
    return incoming.length === 1 && incoming[0] === id && outgoing.length === 0;
  }

  /** Whether a quorum was heard from since the flags were last cleared. */
  quorumActive(): boolean {
    const active = new Map<MemberID, boolean>();
    for (const progress of this.progress) {
      if (!progress.isLearner) active.set(progress.id, progress.recentActive);
    }
    return jointVote(this.config, active) === "VoteWon";
  }

  /** The first answer of a voter counts. */
  recordVote(id: MemberID, granted: boolean): void {
    if (!this.votes.has(id)) this.votes.set(id, granted);
  }

  tallyVotes(): { granted: number; rejected: number; result: VoteResult } {
    let granted = 0;
    let rejected = 0;
    for (const progress of this.progress) {
      if (progress.isLearner) continue;
      const vote = this.votes.get(progress.id);
      if (vote === true) granted++;
      else if (vote === false) rejected++;
    }
    return { granted, rejected, result: jointVote(this.config, this.votes) };
  }

  confState(): ConfState {
    const { incoming, outgoing, learners, learnersNext, autoLeave } = this.config;
    return {
      voters: [...incoming],
      learners: [...learners],
      votersOutgoing: [...outgoing],
      learnersNext: [...learnersNext],
      autoLeave,
    };
  }
}
