/**
 * What speaks for and against a change of the cluster, in words, before it is made. The server has the
 * last word; these are its rules and those of good sense, told beforehand.
 */
import type { Member, MemberStatus, Progress } from "../api/members.ts";
import { nameOf } from "../api/members.ts";

export interface Check {
  /** "stop": the server would refuse, or the cluster would stand still. */
  readonly verdict: "fine" | "warning" | "stop";
  readonly text: string;
}

/** What is known of a member now. */
export interface MemberNow {
  readonly member: Member;
  /** Undefined when it does not answer. */
  readonly status: MemberStatus | undefined;
  readonly progress: Progress | undefined;
}

/** As etcd: a learner may vote once it has so much of the leader's log. */
const READY_SHARE = 0.9;
/** Entries that a member may lack and still be thought to keep up. */
const NEAR_ENTRIES = 1000;

const fine = (text: string): Check => ({ verdict: "fine", text });
const warning = (text: string): Check => ({ verdict: "warning", text });
const stop = (text: string): Check => ({ verdict: "stop", text });

/** Votes that a decision needs. */
export function quorumOf(voters: number): number {
  return Math.floor(voters / 2) + 1;
}

function votersOf(all: readonly MemberNow[]): readonly MemberNow[] {
  return all.filter(({ member }) => !member.isLearner);
}

function answering(all: readonly MemberNow[]): readonly MemberNow[] {
  return all.filter(({ status }) => status !== undefined);
}

function leaderOf(all: readonly MemberNow[]): MemberNow | undefined {
  const leader = all.find(({ status }) => status !== undefined && status.leader !== "0")?.status;
  return all.find(({ member }) => member.id === leader?.leader);
}

function leaderCheck(all: readonly MemberNow[]): readonly Check[] {
  return leaderOf(all) === undefined
    ? [stop("There is no leader now, so nothing can be decided.")]
    : [];
}

/** After the change: is there a quorum among those that answer? */
function quorumCheck(voters: number, up: number): Check {
  const quorum = quorumOf(voters);
  const votes = `${voters} ${voters === 1 ? "member votes" : "members vote"} then, ${quorum} must agree`;
  if (up < quorum)
    return stop(`${votes}, and only ${up} would answer: the cluster would stand still.`);
  const spare = up - quorum;
  if (spare > 0) return fine(`${votes}; ${up} answer, so ${spare} may fail.`);
  return warning(`${votes}, and ${up} answer: no other member may fail.`);
}

export function removalChecks(all: readonly MemberNow[], target: MemberNow): readonly Check[] {
  const { member } = target;
  const checks = [...leaderCheck(all)];
  if (member.isLearner) {
    return [...checks, fine("It is a learner and has no vote: the others decide as before.")];
  }
  const others = votersOf(all).filter((each) => each.member.id !== member.id);
  if (others.length === 0) {
    return [...checks, stop("It is the only member that votes; without it there is no cluster.")];
  }
  checks.push(quorumCheck(others.length, answering(others).length));
  if (leaderOf(all)?.member.id === member.id) {
    checks.push(
      warning("It leads now. Move the leadership first, to save the others an election."),
    );
  }
  checks.push(
    warning(
      "It cannot come back with its data: it would have to join anew, with an empty directory.",
    ),
  );
  return checks;
}

export function additionChecks(
  all: readonly MemberNow[],
  peerURLs: readonly string[],
  asLearner: boolean,
): readonly Check[] {
  const checks = [...leaderCheck(all), ...urlChecks(all, peerURLs)];
  if (asLearner) {
    const learners = all.filter(({ member }) => member.isLearner).length;
    checks.push(
      fine("A learner has no vote: the others decide as before, while it copies the data."),
      learners === 0
        ? fine("There is no other learner. Members allow one unless --max-learners says more.")
        : warning(
            `There are ${learners} learners; members allow one unless --max-learners says more.`,
          ),
    );
    return checks;
  }
  const voters = votersOf(all);
  // It does not answer until it has been started.
  checks.push(quorumCheck(voters.length + 1, answering(voters).length));
  checks.push(
    warning("It votes at once, before it has the data. As a learner it would copy the data first."),
  );
  if (voters.length % 2 === 1) {
    checks.push(
      warning(
        `${voters.length + 1} voting members survive no more failures than ${voters.length}.`,
      ),
    );
  }
  return checks;
}

function urlChecks(all: readonly MemberNow[], peerURLs: readonly string[]): readonly Check[] {
  if (peerURLs.length === 0) return [stop("It needs a peer URL, at which the others reach it.")];
  return peerURLs.flatMap((url) => {
    if (!/^https?:\/\/[^/]+:\d+$/.test(url)) {
      return [stop(`${url} is no peer URL, such as http://10.0.0.4:2380.`)];
    }
    const owner = all.find(({ member }) => member.peerURLs.includes(url));
    return owner === undefined ? [] : [stop(`${url} is a peer URL of ${nameOf(owner.member)}.`)];
  });
}

export function promotionChecks(all: readonly MemberNow[], target: MemberNow): readonly Check[] {
  const checks = [...leaderCheck(all)];
  const leader = leaderOf(all);
  const last = leader?.progress?.match ?? leader?.status?.raftIndex;
  const match = target.progress?.match ?? target.status?.appliedIndex;
  if (target.status === undefined) checks.push(warning("It does not answer now."));
  if (last === undefined || match === undefined) {
    checks.push(warning("How much of the log it has is not known here; the leader will say."));
  } else if (match < last * READY_SHARE) {
    const share = Math.floor((match / last) * 100);
    checks.push(stop(`It has ${share} % of the leader's log; it needs 90 % before it may vote.`));
  } else {
    checks.push(fine(`It has entry ${match} of the ${last} of the leader's log.`));
  }
  const voters = votersOf(all);
  const up = answering(voters).length + (target.status === undefined ? 0 : 1);
  checks.push(quorumCheck(voters.length + 1, up));
  return checks;
}

export function transferChecks(all: readonly MemberNow[], target: MemberNow): readonly Check[] {
  const checks = [...leaderCheck(all)];
  const leader = leaderOf(all);
  if (target.member.isLearner) checks.push(stop("A learner cannot lead."));
  if (target.member.id === leader?.member.id) checks.push(stop("It leads already."));
  if (target.status === undefined) {
    checks.push(stop("It does not answer now."));
    return checks;
  }
  const missing = (leader?.status?.raftIndex ?? 0) - target.status.raftIndex;
  if (missing > NEAR_ENTRIES) {
    checks.push(warning(`It lacks ${missing} entries, which it must get first.`));
  } else checks.push(fine("It has the log, but for what is on its way."));
  checks.push(fine("Writes wait for a moment; none that was acknowledged is lost."));
  return checks;
}

export function isStopped(checks: readonly Check[]): boolean {
  return checks.some(({ verdict }) => verdict === "stop");
}
