/**
 * Applies committed membership changes: to raft's configuration always, to the membership unless
 * the entry is only being replayed and the backend already has it.
 */
import { EtcdError } from "../../api/errors.ts";
import {
  ConfChange,
  ConfChangeType,
  ConfChangeV2,
  type ConfState,
  type Entry,
  EntryType,
} from "../../api/gen/raft.ts";
import { utf8FromBytes } from "../../base/bytes.ts";
import { formatID, type MemberID } from "../../base/ids.ts";
import type { LogFields, Logger } from "../../env/index.ts";
import {
  type Cluster,
  confChangeContextFromJSON,
  internalText,
  memberFromJSON,
  memberText,
  type Membership,
  ReplayedMembership,
} from "../../membership/index.ts";
import { NO_MEMBER, type RawNode } from "../../raft/index.ts";
import type { MemberNodes } from "../../v2store/index.ts";

export interface AppliedConfChange {
  readonly confState: ConfState;
  /** True when this member was removed: it must stop. */
  readonly removedSelf: boolean;
  /** Why the change was not made; every member refuses it alike. */
  readonly error: EtcdError | undefined;
}

/** Hears of changes as they are made. */
export interface MembershipEvents {
  added(id: MemberID, peerURLs: readonly string[]): void;
  updated(id: MemberID, peerURLs: readonly string[]): void;
  removed(id: MemberID): void;
}

export interface ConfChangeApplierOptions {
  readonly node: RawNode;
  readonly cluster: Cluster;
  /** The membership where the log begins: for the entries whose effects the db has already. */
  readonly startMembership: Membership;
  readonly events: MembershipEvents;
  /** The membership in the v2 store, where that is kept: it follows replayed entries, too. */
  readonly v2members: MemberNodes | undefined;
  readonly logger: Logger;
}

export class ConfChangeApplier {
  readonly #node: RawNode;
  readonly #cluster: Cluster;
  #replayed: ReplayedMembership;
  readonly #events: MembershipEvents;
  readonly #v2members: MemberNodes | undefined;
  readonly #logger: Logger;

  constructor(options: ConfChangeApplierOptions) {
    this.#node = options.node;
    this.#cluster = options.cluster;
    this.#replayed = new ReplayedMembership(options.startMembership, this.#cluster.maxLearners);
    this.#events = options.events;
    this.#v2members = options.v2members;
    this.#logger = options.logger;
  }

  /** The log begins anew behind a snapshot with this membership. */
  replayFrom(membership: Membership): void {
    this.#replayed = new ReplayedMembership(membership, this.#cluster.maxLearners);
  }

  /** `isNew` is false for an entry that the backend already contains. */
  apply(entry: Entry, isNew: boolean): AppliedConfChange {
    if (entry.type === EntryType.EntryConfChangeV2) {
      const confState = this.#node.applyConfChange(ConfChangeV2.decode(entry.data), entry.index);
      return { confState, removedSelf: false, error: undefined };
    }
    const change = ConfChange.decode(entry.data);
    const impossible = this.#node.confChangeObjection(change, entry.index);
    if (impossible !== undefined) {
      // Such as the removal of the last voter, which only a forged entry asks for.
      this.#logger.error("Validation on configuration change failed", { error: impossible });
      return { ...this.#skip(change, entry), error: new EtcdError("unhealthy") };
    }
    const error = isNew ? this.#refusalOf(change) : undefined;
    if (error !== undefined || (!isNew && !this.#replayed.apply(change))) {
      // Whoever is no member has no vote either, whatever an older configuration says.
      const isOfStranger =
        change.type === ConfChangeType.ConfChangeRemoveNode &&
        change.nodeId !== this.#cluster.localID;
      if (!isOfStranger) return { ...this.#skip(change, entry), error };
      const confState = this.#node.applyConfChange(change, entry.index);
      return { confState, removedSelf: false, error };
    }
    const confState = this.#node.applyConfChange(change, entry.index);
    const removedSelf = this.#applyToCluster(change, isNew);
    return { confState, removedSelf, error: undefined };
  }

  /** Raft must hear of the entry all the same; without a node it changes nothing. */
  #skip(change: ConfChange, { index }: Entry): Omit<AppliedConfChange, "error"> {
    const confState = this.#node.applyConfChange({ ...change, nodeId: NO_MEMBER }, index);
    return { confState, removedSelf: false };
  }

  #refusalOf(change: ConfChange): EtcdError | undefined {
    try {
      this.#cluster.validate(change);
      return undefined;
    } catch (error) {
      if (!(error instanceof EtcdError)) throw error;
      this.#logger.error("Validation on configuration change failed", {
        shouldApplyV3: true,
        error: internalText(error),
      });
      return error;
    }
  }

  /** True when this member was removed. */
  #applyToCluster(change: ConfChange, persist: boolean): boolean {
    switch (change.type) {
      case ConfChangeType.ConfChangeAddNode:
      case ConfChangeType.ConfChangeAddLearnerNode:
        this.#add(change, persist);
        return false;
      case ConfChangeType.ConfChangeRemoveNode:
        return this.#remove(change.nodeId, persist);
      case ConfChangeType.ConfChangeUpdateNode: {
        const { peerURLs } = memberFromJSON(utf8FromBytes(change.context));
        const known = this.#cluster.member(change.nodeId);
        this.#cluster.updateRaftAttributes(change.nodeId, { peerURLs }, persist);
        this.#v2members?.change(change.nodeId, { peerURLs });
        if (persist) this.#events.updated(change.nodeId, peerURLs);
        this.#log(persist ? "updated member" : "ignored already updated member", {
          "updated-remote-peer-id": formatID(change.nodeId),
          "updated-remote-peer-urls": peerURLs,
          "updated-remote-peer-is-learner": known?.isLearner ?? false,
        });
        return false;
      }
      default:
        throw new Error(`unknown conf change type ${change.type}`);
    }
  }

  /** The context is the member; for a promotion it says so and only the learner flag changes. */
  #add(change: ConfChange, persist: boolean): void {
    const { member, isPromote } = confChangeContextFromJSON(utf8FromBytes(change.context));
    if (isPromote) {
      this.#promote(member.id, persist);
      return;
    }
    this.#cluster.add(member, persist);
    this.#v2members?.add(member);
    if (persist) this.#events.added(member.id, member.peerURLs);
    this.#log(persist ? "added member" : "ignore already added member", {
      "added-peer-id": formatID(member.id),
      "added-peer-peer-urls": member.peerURLs,
      "added-peer-is-learner": member.isLearner,
    });
  }

  /** A promotion that some releases of 3.5 lost (etcd issue 19557) is made good when replayed. */
  #promote(id: MemberID, persist: boolean): void {
    const known = this.#cluster.member(id);
    this.#cluster.updateRaftAttributes(id, { isLearner: false }, persist);
    this.#v2members?.change(id, { isLearner: false });
    const fields = { "promoted-member-id": formatID(id) };
    if (persist) this.#log("promote member", fields);
    else if (known === undefined) {
      this.#log("Skipped forcibly promoting non-existent member in v3store", fields);
    } else if (known.isLearner) {
      this.#logger.info("Forcibly apply member promotion request in v3store", {
        member: memberText({ ...known, isLearner: false }),
      });
    } else this.#log("ignore already promoted member in v3store", fields);
  }

  #remove(id: MemberID, persist: boolean): boolean {
    const known = this.#cluster.member(id);
    this.#cluster.remove(id, persist);
    this.#v2members?.remove(id);
    if (persist) this.#events.removed(id);
    const removed = { "removed-remote-peer-id": formatID(id) };
    if (!persist) this.#log("ignore already removed member", removed);
    else {
      this.#log("removed member", {
        ...removed,
        "removed-remote-peer-urls": known?.peerURLs ?? [],
        "removed-remote-peer-is-learner": known?.isLearner ?? false,
      });
    }
    return persist && id === this.#cluster.localID;
  }

  /** In etcd's words; an entry that is only replayed has its effect in the db already. */
  #log(message: string, fields: LogFields): void {
    this.#logger.info(message, {
      "cluster-id": formatID(this.#cluster.id),
      "local-member-id": formatID(this.#cluster.localID),
      ...fields,
    });
  }
}
