/** Who leads, from this member's side: a fast first election, handing over, why a request timed out. */
import { EtcdError } from "../../api/errors.ts";
import { formatDuration } from "../../base/go-text.ts";
import { formatID, type MemberID } from "../../base/ids.ts";
import type { Clock, Logger, PeerNetwork, Timer } from "../../env/index.ts";
import type { Cluster, Member } from "../../membership/index.ts";
import { NO_MEMBER, type RawNode } from "../../raft/index.ts";
import type { ServerOptions } from "../options.ts";

/** A leader whose last tick is older than this many intervals asks whether it still leads. */
const MAX_LATE_TICKS = 3;
/** How long a starting member waits for connections before its election clock is moved on. */
const PEER_WAIT_MS = 5000;
const PEER_POLL_MS = 50;

/** Of raft, its election clock and the transfer of leadership. */
export interface TransferringNode extends Pick<RawNode, "tickQuiesced" | "transferLeader"> {
  /** To whom, `NO_MEMBER` while there is none. */
  readonly raft: { readonly leadTransferee: MemberID };
}

export interface LeadershipOptions {
  readonly options: ServerOptions;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly memberID: MemberID;
  readonly cluster: Pick<Cluster, "members" | "votingMembers">;
  readonly network: Pick<PeerNetwork, "activeSinceMs">;
  readonly node: TransferringNode;
  readonly leader: () => MemberID;
  /** Lets raft act on what it was told. */
  readonly process: () => void;
  /** Resolves when the leader of this moment has confirmed that it leads. */
  readonly read: () => Promise<void>;
}

interface Transfer {
  readonly to: MemberID;
  /** Without a reason, it is done. */
  readonly end: (reason: EtcdError | undefined) => void;
}

export class Leadership {
  readonly #deps: LeadershipOptions;
  /** `Clock.nowMs` at which the present leader became known. */
  #electedMs = Number.NEGATIVE_INFINITY;
  /** The leader whose end was noticed; once is enough until another is elected. */
  #goneLeader: MemberID = NO_MEMBER;
  #transfers: Transfer[] = [];
  /** Who waits for a leader to be known. */
  readonly #awaitingLeader: (() => void)[] = [];
  #timer: Timer | undefined;
  #tickedMs: number | undefined;
  /** Pauses of this member, in each of which another one may have become leader unnoticed. */
  #pauses = 0;
  /** Pauses since which a quorum has confirmed that this member leads. */
  #settledPauses = 0;

  constructor(deps: LeadershipOptions) {
    this.#deps = deps;
  }

  stop(): void {
    this.#endWaitForLeader();
    this.#timer?.cancel();
    this.#endTransfers(() => new EtcdError("stopped"));
  }

  #endWaitForLeader(): void {
    for (const resolve of this.#awaitingLeader.splice(0)) resolve();
  }

  /** At every tick of raft. */
  ticked(): void {
    const nowMs = this.#deps.clock.nowMs();
    if (this.#tickedMs !== undefined && this.#isLate(nowMs)) this.#pauses++;
    this.#tickedMs = nowMs;
    if (this.#transfers.length > 0) this.#endHopelessTransfers();
  }

  /** False after a pause until `confirm` has settled what it meant. */
  get isActive(): boolean {
    return this.isActiveAt(this.#deps.clock.nowMs());
  }

  /** As `isActive`, for who knows the time of the clock. */
  isActiveAt(nowMs: number): boolean {
    return !this.#isLate(nowMs) && this.#pauses === this.#settledPauses;
  }

  /** No tick was seen for long, or none yet. */
  #isLate(nowMs: number): boolean {
    const tickedMs = this.#tickedMs ?? Number.NEGATIVE_INFINITY;
    return nowMs >= tickedMs + MAX_LATE_TICKS * this.#deps.options.heartbeatIntervalMs;
  }

  /**
   * Whether this member leads for sure. After a pause a quorum is asked, so that leases of a new
   * leader are neither renewed nor revoked by an old one (etcd issues 15247 and 17425).
   */
  async confirm(): Promise<boolean> {
    const { logger, memberID, leader, read } = this.#deps;
    if (leader() !== memberID) return false;
    if (this.isActive) return true;
    const pauses = this.#pauses;
    try {
      await read();
    } catch (error) {
      logger.warn("Failed to check current member's leadership", { error });
      return false;
    }
    const lead = leader();
    if (lead !== memberID) {
      logger.warn("Current member isn't a leader", {
        "local-member-id": formatID(memberID),
        "new-lead": formatID(lead),
      });
      return false;
    }
    // Not a pause since the question: that one needs a question of its own.
    this.#settledPauses = pauses;
    return true;
  }

  /**
   * A peer's process has ended. If it led, its followers need not wait for a whole election timeout:
   * they count it as passed, and stand for election after the random part that keeps them apart. A
   * leader that only this member cannot reach is safe: the others refuse their pre-votes.
   */
  gone(id: MemberID): void {
    const { leader, memberID, node, logger, options } = this.#deps;
    this.#endTransfers((to) => (to === id ? new EtcdError("unhealthy") : "goesOn"));
    if (id !== leader() || id === memberID || this.#goneLeader === id) return;
    this.#goneLeader = id;
    logger.info("the leader's process is gone; fast-forwarding election ticks", {
      "local-member-id": formatID(memberID),
      "leader-member-id": formatID(id),
      "forward-ticks": options.electionTicks,
    });
    node.tickQuiesced(options.electionTicks);
  }

  /** Settles once a leader is known, or the member stops. */
  known(): Promise<void> {
    if (this.#deps.leader() !== NO_MEMBER) return Promise.resolve();
    return new Promise((resolve) => this.#awaitingLeader.push(resolve));
  }

  /** The leader has changed. */
  changed(leader: MemberID): void {
    if (leader !== NO_MEMBER) {
      this.#endWaitForLeader();
      this.#electedMs = this.#deps.clock.nowMs();
      this.#goneLeader = NO_MEMBER;
    }
    if (leader === NO_MEMBER || leader === this.#deps.memberID) return;
    this.#endTransfers((to) => (to === leader ? undefined : new EtcdError("leaderChanged")));
  }

  /** To a member that does not answer any more, or that raft has given up. */
  #endHopelessTransfers(): void {
    const { network, node, leader, memberID } = this.#deps;
    this.#endTransfers((to) => {
      if (network.activeSinceMs(to) === undefined) return new EtcdError("unhealthy");
      const isGivenUp = leader() === memberID && node.raft.leadTransferee !== to;
      return isGivenUp ? new EtcdError("timeoutLeaderTransfer") : "goesOn";
    });
  }

  #endTransfers(outcomeOf: (to: MemberID) => EtcdError | undefined | "goesOn"): void {
    const transfers = this.#transfers;
    this.#transfers = [];
    for (const transfer of transfers) {
      const outcome = outcomeOf(transfer.to);
      if (outcome === "goesOn") this.#transfers.push(transfer);
      else transfer.end(outcome);
    }
  }

  /**
   * A restarted member of a cluster has waited long enough already: once others answer, its first
   * election comes two ticks later unless a leader is heard of.
   */
  advanceWhenConnected(): void {
    const { clock, logger } = this.#deps;
    const { electionTicks, initialElectionTickAdvance } = this.#deps.options;
    if (!initialElectionTickAdvance) {
      logger.info("skipping initial election tick advance", { "election-ticks": electionTicks });
      return;
    }
    logger.info("starting initial election tick advance", { "election-ticks": electionTicks });
    const untilMs = clock.nowMs() + PEER_WAIT_MS;
    const poll = (): void => {
      this.#timer = clock.setTimer(PEER_POLL_MS, () => {
        const active = this.#activeSince(Number.POSITIVE_INFINITY).length;
        if (active > 1) this.#advance(active);
        else if (clock.nowMs() < untilMs) poll();
      });
    };
    poll();
  }

  #advance(active: number): void {
    const { logger, memberID, node, leader } = this.#deps;
    const { electionTicks, heartbeatIntervalMs } = this.#deps.options;
    if (leader() !== NO_MEMBER) return;
    const ticks = electionTicks - 2;
    logger.info("initialized peer connections; fast-forwarding election ticks", {
      "local-member-id": formatID(memberID),
      "forward-ticks": ticks,
      "forward-duration": formatDuration(ticks * heartbeatIntervalMs),
      "election-ticks": electionTicks,
      "election-timeout": formatDuration(electionTicks * heartbeatIntervalMs),
      "active-remote-members": active,
    });
    node.tickQuiesced(ticks);
  }

  /**
   * Hands leadership to a voting member. Resolves when it leads. Rejects with `unhealthy` as soon as
   * it does not answer any more, with `leaderChanged` when another one leads, and with
   * `timeoutLeaderTransfer` when raft gives it up, after an election timeout, or after `timeoutMs`.
   */
  transfer(to: MemberID, timeoutMs: number): Promise<void> {
    const { clock, logger, memberID, node, process } = this.#deps;
    const local = { "local-member-id": formatID(memberID) };
    logger.info("leadership transfer starting", {
      ...local,
      "current-leader-member-id": formatID(memberID),
      "transferee-member-id": formatID(to),
    });
    const startMs = clock.nowMs();
    return new Promise((resolve, reject) => {
      const transfer: Transfer = {
        to,
        end: (reason) => {
          timer.cancel();
          if (reason !== undefined) {
            reject(reason);
            return;
          }
          logger.info("leadership transfer finished", {
            ...local,
            "old-leader-member-id": formatID(memberID),
            "new-leader-member-id": formatID(to),
            took: formatDuration(clock.nowMs() - startMs),
          });
          resolve();
        },
      };
      const timer = clock.setTimer(timeoutMs, () => {
        this.#transfers = this.#transfers.filter((one) => one !== transfer);
        reject(new EtcdError("timeoutLeaderTransfer"));
      });
      this.#transfers.push(transfer);
      node.transferLeader(to);
      process();
    });
  }

  /**
   * For a leader that stops: a cluster should not have to notice that its leader has gone. Members
   * that stop at the same time are passed over, each as soon as it is seen to be gone.
   */
  async handOver(timeoutMs: number): Promise<void> {
    if (!this.#mayHandOver()) return;
    const { logger, memberID, leader } = this.#deps;
    const tried = new Set<MemberID>();
    do {
      const to = this.longestConnected(tried);
      let failure = new EtcdError("unhealthy");
      if (to !== undefined) {
        tried.add(to);
        try {
          await this.transfer(to, timeoutMs);
          return;
        } catch (error) {
          if (!(error instanceof EtcdError)) throw error;
          failure = error;
        }
      }
      const fields = { "local-member-id": formatID(memberID), error: failure };
      logger.warn("leadership transfer failed", fields);
      if (to === undefined) return;
    } while (leader() === memberID);
  }

  /** Whether a member that stops has something to hand over, and somebody to take it. */
  #mayHandOver(): boolean {
    const { cluster, leader, memberID, logger } = this.#deps;
    const leads = leader() === memberID;
    if (leads && cluster.votingMembers.length > 1) return true;
    const why = leads ? " for single voting member cluster" : "; local server is not leader";
    logger.info(`skipped leadership transfer${why}`, {
      "local-member-id": formatID(memberID),
      "current-leader-member-id": formatID(leader()),
    });
    return false;
  }

  /** Of the voting members but `except`, the one that has answered for the longest time, if any. */
  longestConnected(except: ReadonlySet<MemberID>): MemberID | undefined {
    const { network, cluster, memberID } = this.#deps;
    let longest: { readonly id: MemberID; readonly sinceMs: number } | undefined;
    for (const { id } of cluster.votingMembers) {
      const isChoice = id !== memberID && !except.has(id);
      const sinceMs = isChoice ? network.activeSinceMs(id) : undefined;
      if (sinceMs === undefined) continue;
      if (longest === undefined || sinceMs < longest.sinceMs) longest = { id, sinceMs };
    }
    return longest?.id;
  }

  /** How many of the members, with this one, have been connected since before `sinceMs`. */
  countConnectedSince(sinceMs: number, members: readonly Member[]): number {
    const { memberID } = this.#deps;
    return members.filter(({ id }) => id === memberID || this.#isConnectedSince(id, sinceMs))
      .length;
  }

  /** True when a quorum, with this member, has been connected since before `sinceMs`. */
  isConnectedToQuorumSince(sinceMs: number, members: readonly Member[]): boolean {
    const voting = members.filter((member) => !member.isLearner);
    return this.countConnectedSince(sinceMs, voting) >= Math.floor(voting.length / 2) + 1;
  }

  /** What etcd tells a client whose request, begun at `startMs`, was not answered in time. */
  timeoutError(startMs: number): EtcdError {
    const { options, leader, memberID, cluster } = this.#deps;
    const lostMs = this.#electedMs - 2 * options.electionTicks * options.heartbeatIntervalMs;
    if (startMs > lostMs && startMs < this.#electedMs) {
      return new EtcdError("timeoutDueToLeaderFail");
    }
    const lead = leader();
    if (lead === memberID) {
      if (!this.isConnectedToQuorumSince(startMs, cluster.members)) {
        return new EtcdError("timeoutDueToConnectionLost");
      }
    } else if (lead !== NO_MEMBER && !this.#isConnectedSince(lead, startMs)) {
      return new EtcdError("timeoutDueToConnectionLost");
    }
    return new EtcdError("timeout");
  }

  #isConnectedSince(id: MemberID, sinceMs: number): boolean {
    const activeMs = this.#deps.network.activeSinceMs(id);
    return activeMs !== undefined && activeMs < sinceMs;
  }

  #activeSince(sinceMs: number): MemberID[] {
    const { cluster, memberID } = this.#deps;
    const others = cluster.members.filter(({ id }) => id !== memberID);
    return others.map(({ id }) => id).filter((id) => this.#isConnectedSince(id, sinceMs));
  }
}
