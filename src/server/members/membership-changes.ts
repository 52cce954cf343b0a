/**
 * Changes of the membership as operators ask for them: refused before they get into the log where
 * they would cost the cluster its quorum (`--strict-reconfig-check`), else proposed and awaited.
 * Each is checked when the one before it has come to its end, right before it is proposed. Whether
 * it makes sense at all is decided when its entry is applied, by every member alike.
 */
import { EtcdError, type ErrorKind } from "../../api/errors.ts";
import { ConfChange, ConfChangeType } from "../../api/gen/raft.ts";
import { bytesFromUtf8, utf8FromBytes } from "../../base/bytes.ts";
import { formatID, type MemberID } from "../../base/ids.ts";
import type { LogFields } from "../../env/index.ts";
import {
  internalText,
  memberText,
  type Member,
  membersFromJSON,
  memberToJSON,
  promotionToJSON,
  quorumOf,
  type StartedQuorum,
  startedAfterAddition,
  startedAfterPromotion,
  startedAfterRemoval,
} from "../../membership/index.ts";
import { askLeader, type AskLeaderNeeds, requestDeadlineMs } from "../consensus/ask-leader.ts";
import type { Counted, ServerContext } from "../context.ts";
import { pause } from "../consensus/pause.ts";
import { waitApplied, type WaitAppliedNeeds } from "../consensus/wait-applied.ts";
import { MAX_MEMBERS_BYTES } from "../limits.ts";
import type { MembersCounters } from "./members-metrics.ts";

/** etcd's HealthInterval: a connection counts once it has been there for this long. */
const HEALTH_INTERVAL_MS = 5000;
/** A learner may become a voter when it has this share of the leader's log. */
const READY_SHARE = 0.9;
/** Raft hears of applied entries at the end of a batch, mostly at once. */
const APPLIED_POLL_MS = 5;

/** Before a change is proposed again that met another one. */
const RETRY_PAUSE_MS = 50;

type Members = readonly Member[];

/** Who waits for the change: the call of a client, or a peer. */
export interface Asker {
  readonly cancelled: boolean;
}

export type MembershipChangesNeeds = AskLeaderNeeds &
  Counted<Pick<MembersCounters, "learnerPromoteFailures" | "learnerPromotions">> &
  WaitAppliedNeeds &
  Pick<
    ServerContext,
    | "appliedIndex"
    | "changeMembership"
    | "clusterID"
    | "leadership"
    | "membershipQueue"
    | "network"
    | "raftStatus"
  >;

class NotLeading extends Error {}

export class MembershipChanges {
  readonly #server: MembershipChangesNeeds;

  constructor(server: MembershipChangesNeeds) {
    this.#server = server;
  }

  /** Rejects with `memberNotEnoughStarted` or `unhealthy`, or when the change is not made. */
  add(member: Member, asker: Asker): Promise<Members> {
    const { ConfChangeAddLearnerNode, ConfChangeAddNode } = ConfChangeType;
    const change = {
      type: member.isLearner ? ConfChangeAddLearnerNode : ConfChangeAddNode,
      nodeId: member.id,
      context: bytesFromUtf8(memberToJSON(member)),
    };
    return this.#make(change, asker, () => this.#checkAddition(member));
  }

  /** Rejects with `memberNotEnoughStarted` or `unhealthy`, or when the change is not made. */
  remove(id: MemberID, asker: Asker): Promise<Members> {
    const change = { type: ConfChangeType.ConfChangeRemoveNode, nodeId: id };
    return this.#make(change, asker, () => this.#checkRemoval(id));
  }

  update(id: MemberID, peerURLs: readonly string[], asker: Asker): Promise<Members> {
    const member = { id, peerURLs, isLearner: false, name: "", clientURLs: [] };
    const change = {
      type: ConfChangeType.ConfChangeUpdateNode,
      nodeId: id,
      context: bytesFromUtf8(memberToJSON(member)),
    };
    return this.#make(change, asker, () => undefined);
  }

  /**
   * Only the leader knows how far a learner is: others ask it. Rejects with `memberNotFound`,
   * `memberNotLearner`, `learnerNotReady` or `memberNotEnoughStarted`. The token is the caller's.
   */
  promote(id: MemberID, token: string | undefined, asker: Asker): Promise<Members> {
    return askLeader(this.#server, {
      here: () => this.#promoteHere(id, asker),
      there: (url, timeoutMs) => this.#promoteThere(id, token, url, timeoutMs),
    });
  }

  #checkAddition(member: Member): void {
    const { options, cluster, leadership, clock } = this.#server;
    if (!options.strictReconfigCheck) return;
    const fields = { "requested-member-add": memberText(member) };
    if (!member.isLearner && !this.#isReady("add", startedAfterAddition(cluster.members))) {
      throw this.#refuse(
        "memberNotEnoughStarted",
        "member add request; not enough healthy members",
        fields,
      );
    }
    const voting = cluster.votingMembers;
    if (voting.length === 1) return;
    const active = leadership.countConnectedSince(clock.nowMs() - HEALTH_INTERVAL_MS, voting);
    // The new member counts as one that does not answer.
    if (active >= quorumOf(voting.length + 1)) return;
    throw this.#refuse(
      "unhealthy",
      "member add request; local member has not been connected to majority peers, " +
        "reconfigure breaks active quorum",
      fields,
    );
  }

  #checkRemoval(id: MemberID): void {
    const { options, cluster, leadership, clock, network, memberID } = this.#server;
    if (!options.strictReconfigCheck || cluster.member(id)?.isLearner === true) return;
    if (!this.#isReady("remove", startedAfterRemoval(cluster.members, id))) {
      throw this.#refuse(
        "memberNotEnoughStarted",
        "member remove request; not enough healthy members",
        { "requested-member-remove-id": formatID(id) },
      );
    }
    // Who does not answer is not part of the quorum that works.
    if (id !== memberID && network.activeSinceMs(id) === undefined) return;
    const voting = cluster.votingMembers;
    const active = leadership.countConnectedSince(clock.nowMs() - HEALTH_INTERVAL_MS, voting);
    if (active - 1 >= quorumOf(voting.length - 1)) return;
    throw this.#refuse(
      "unhealthy",
      "member remove request; local member has not been connected to all peers, " +
        "reconfigure breaks active quorum",
      { "requested-member-remove": formatID(id), "active-peers": active },
    );
  }

  /** Undefined when this member does not lead any more. */
  async #promoteHere(id: MemberID, asker: Asker): Promise<Members | undefined> {
    const { counters } = this.#server;
    const change = {
      type: ConfChangeType.ConfChangeAddNode,
      nodeId: id,
      context: bytesFromUtf8(promotionToJSON(id)),
    };
    try {
      await waitApplied(this.#server);
      const members = await this.#make(change, asker, () => this.#checkPromotion(id));
      counters.learnerPromotions.add();
      return members;
    } catch (error) {
      if (error instanceof NotLeading) return undefined;
      counters.learnerPromoteFailures.of(internalText(error)).add();
      throw error;
    }
  }

  /** Throws what speaks against the promotion, or `NotLeading`. */
  #checkPromotion(id: MemberID): void {
    const { options, cluster, logger, memberID } = this.#server;
    const { progress } = this.#server.raftStatus();
    const own = progress.find((one) => one.id === memberID);
    if (own === undefined) throw new NotLeading();
    const learner = progress.find((one) => one.id === id);
    if (learner === undefined) throw new EtcdError("memberNotFound");
    const share = learner.match / own.match;
    if (share < READY_SHARE) {
      logger.error("rejecting promote learner: learner is not ready", {
        "learner-ready-percent": share,
        "ready-percent-threshold": READY_SHARE,
      });
      throw new EtcdError("learnerNotReady");
    }
    if (
      options.strictReconfigCheck &&
      !this.#isReady("promote", startedAfterPromotion(cluster.members))
    ) {
      const fields = { "requested-member-remove-id": formatID(id) };
      throw this.#refuse(
        "memberNotEnoughStarted",
        "member promote request; not enough healthy members",
        fields,
      );
    }
  }

  async #promoteThere(
    id: MemberID,
    token: string | undefined,
    url: string,
    timeoutMs: number,
  ): Promise<Members | undefined> {
    const { status, body } = await this.#server.network.request({
      url,
      method: "POST",
      path: `/members/promote/${id}`,
      headers: token === undefined ? {} : { authorization: token },
      timeoutMs,
      limitBytes: MAX_MEMBERS_BYTES,
    });
    const text = utf8FromBytes(body);
    if (status === 404) throw new EtcdError("memberNotFound");
    if (status === 412) {
      for (const kind of ["learnerNotReady", "memberNotLearner"] as const) {
        if (text.includes(internalText(new EtcdError(kind)))) throw new EtcdError(kind);
      }
    }
    if (status === 200) {
      try {
        return membersFromJSON(text);
      } catch (error) {
        if (!(error instanceof SyntaxError)) throw error;
      }
    }
    this.#server.logger.debug("the leader did not promote a member", { status, answer: text });
    return undefined;
  }

  /** Rejects with what `check` throws. */
  #make(change: Partial<ConfChange>, asker: Asker, check: () => void): Promise<Members> {
    const deadlineMs = requestDeadlineMs(this.#server);
    return this.#server.membershipQueue.run(async () => {
      const { clock, stopSignal } = this.#server;
      for (;;) {
        if (stopSignal.aborted) throw new EtcdError("stopped");
        // Who has gone would not expect it any more.
        if (asker.cancelled || clock.nowMs() >= deadlineMs) throw new EtcdError("timeout");
        check();
        const members = await this.#propose(change);
        if (members !== undefined) return members;
        await pause(clock, RETRY_PAUSE_MS, stopSignal);
      }
    });
  }

  /** Undefined when a change that another member proposed was under way. */
  async #propose(change: Partial<ConfChange>): Promise<Members | undefined> {
    const { logger, memberID } = this.#server;
    let members: Members | undefined;
    try {
      members = await this.#server.changeMembership(ConfChange.create(change));
    } finally {
      await this.#raftKnows();
    }
    if (members === undefined) return undefined;
    logger.info("applied a configuration change through raft", {
      "local-member-id": formatID(memberID),
      "raft-conf-change": nameOf(change.type ?? 0),
      "raft-conf-change-node-id": formatID(change.nodeId ?? 0n),
    });
    return members;
  }

  /** Until then raft would drop the next change without a word (etcd issue 15528). */
  async #raftKnows(): Promise<void> {
    const { clock, stopSignal, appliedIndex } = this.#server;
    while (this.#server.raftStatus().applied < appliedIndex && !stopSignal.aborted) {
      await pause(clock, APPLIED_POLL_MS, stopSignal);
    }
  }

  #isReady(change: string, { isReady, started, quorum }: StartedQuorum): boolean {
    const { logger, memberID, clusterID } = this.#server;
    if (isReady) return true;
    logger.warn(`rejecting member ${change}; started member will be less than quorum`, {
      "number-of-started-member": started,
      quorum,
      "cluster-id": formatID(clusterID),
      "local-member-id": formatID(memberID),
    });
    return false;
  }

  #refuse(kind: ErrorKind, what: string, fields: LogFields): EtcdError {
    const { logger, memberID } = this.#server;
    const error = new EtcdError(kind);
    logger.warn(`rejecting ${what}`, {
      "local-member-id": formatID(memberID),
      ...fields,
      error,
    });
    return error;
  }
}

function nameOf(type: number): string {
  return Object.entries(ConfChangeType).find(([, value]) => value === type)?.[0] ?? String(type);
}
