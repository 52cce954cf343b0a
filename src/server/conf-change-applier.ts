/**
 * Applies committed membership changes: to raft's configuration always, to the membership unless
 * the entry is only being replayed and the backend already has it.
 */
import { EtcdError } from "../api/errors.ts";
import {
  ConfChange,
  ConfChangeType,
  ConfChangeV2,
  type ConfState,
  type Entry,
  EntryType,
} from "../api/gen/raft.ts";
import { utf8FromBytes } from "../base/bytes.ts";
import { formatID, type MemberID } from "../base/ids.ts";
import type { Logger } from "../env/index.ts";
import {
  type Cluster,
  confChangeContextFromJSON,
  memberFromJSON,
  type ReplayedMembership,
} from "../membership/index.ts";
import { NO_MEMBER, type RawNode } from "../raft/index.ts";

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
  /** For the entries whose effects the db has already. */
  readonly replayed: ReplayedMembership;
  readonly events: MembershipEvents;
  readonly logger: Logger;
}

export class ConfChangeApplier {
  readonly #node: RawNode;
  readonly #cluster: Cluster;
  readonly #replayed: ReplayedMembership;
  readonly #events: MembershipEvents;
  readonly #logger: Logger;

  constructor(options: ConfChangeApplierOptions) {
    this.#node = options.node;
    this.#cluster = options.cluster;
    this.#replayed = options.replayed;
    this.#events = options.events;
    this.#logger = options.logger;
  }

  /** `isNew` is false for an entry that the backend already contains. */
  apply(entry: Entry, isNew: boolean): AppliedConfChange {
    if (entry.type === EntryType.EntryConfChangeV2) {
      const confState = this.#node.applyConfChange(ConfChangeV2.decode(entry.data), entry.index);
      return { confState, removedSelf: false, error: undefined };
    }
    const change = ConfChange.decode(entry.data);
    const error = isNew ? this.#refusalOf(change) : undefined;
    if (error !== undefined || (!isNew && !this.#replayed.apply(change))) {
      // Raft must hear of the entry all the same; without a node it changes nothing.
      const nothing = { ...change, nodeId: NO_MEMBER };
      const confState = this.#node.applyConfChange(nothing, entry.index);
      return { confState, removedSelf: false, error };
    }
    const confState = this.#node.applyConfChange(change, entry.index);
    const removedSelf = this.#applyToCluster(change, isNew);
    return { confState, removedSelf, error: undefined };
  }

  #refusalOf(change: ConfChange): EtcdError | undefined {
    try {
      this.#cluster.validate(change);
      return undefined;
    } catch (error) {
      if (!(error instanceof EtcdError)) throw error;
      this.#logger.error("Validation on configuration change failed", { error });
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
        this.#cluster.updateRaftAttributes(change.nodeId, { peerURLs }, persist);
        if (persist) this.#events.updated(change.nodeId, peerURLs);
        return false;
      }
      default:
        throw new Error(`unknown conf change type ${change.type}`);
    }
  }

  /** The context is the member; for a promotion it says so and only the learner flag changes. */
  #add(change: ConfChange, persist: boolean): void {
    const { member, isPromote } = confChangeContextFromJSON(utf8FromBytes(change.context));
    const fields = {
      "cluster-id": formatID(this.#cluster.id),
      "local-member-id": formatID(this.#cluster.localID),
    };
    if (isPromote) {
      this.#cluster.updateRaftAttributes(member.id, { isLearner: false }, persist);
      this.#logger.info("promote member", { ...fields, "promoted-member-id": formatID(member.id) });
      return;
    }
    this.#cluster.add(member, persist);
    if (persist) this.#events.added(member.id, member.peerURLs);
    this.#logger.info("added member", {
      ...fields,
      "added-peer-id": formatID(member.id),
      "added-peer-peer-urls": member.peerURLs,
      "added-peer-is-learner": member.isLearner,
    });
  }

  #remove(id: MemberID, persist: boolean): boolean {
    this.#cluster.remove(id, persist);
    if (persist) this.#events.removed(id);
    this.#logger.info("removed member", {
      "cluster-id": formatID(this.#cluster.id),
      "local-member-id": formatID(this.#cluster.localID),
      "removed-remote-peer-id": formatID(id),
    });
    return persist && id === this.#cluster.localID;
  }
}
