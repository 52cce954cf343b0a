/**
 * Applies committed membership changes: to raft's configuration always, to the membership in
 * memory always, and to the backend unless the entry is only being replayed.
 */
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
import { type Cluster, memberFromJSON } from "../membership/index.ts";
import type { RawNode } from "../raft/index.ts";

export interface AppliedConfChange {
  readonly confState: ConfState;
  /** True when this member was removed: it must stop. */
  readonly removedSelf: boolean;
}

export class ConfChangeApplier {
  readonly #node: RawNode;
  readonly #cluster: Cluster;
  readonly #logger: Logger;

  constructor(node: RawNode, cluster: Cluster, logger: Logger) {
    this.#node = node;
    this.#cluster = cluster;
    this.#logger = logger;
  }

  apply(entry: Entry, persist: boolean): AppliedConfChange {
    if (entry.type === EntryType.EntryConfChangeV2) {
      const confState = this.#node.applyConfChange(ConfChangeV2.decode(entry.data));
      return { confState, removedSelf: false };
    }
    const change = ConfChange.decode(entry.data);
    const confState = this.#node.applyConfChange(change);
    return { confState, removedSelf: this.#applyToCluster(change, persist) };
  }

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
        return false;
      }
      default:
        throw new Error(`unknown conf change type ${change.type}`);
    }
  }

  /** The context is the member; for a promotion it says so and only the learner flag changes. */
  #add(change: ConfChange, persist: boolean): void {
    const text = utf8FromBytes(change.context);
    const member = memberFromJSON(text);
    const isPromotion = (JSON.parse(text) as { isPromote?: unknown }).isPromote === true;
    const fields = {
      "cluster-id": formatID(this.#cluster.id),
      "local-member-id": formatID(this.#cluster.localID),
    };
    if (isPromotion) {
      this.#cluster.updateRaftAttributes(member.id, { isLearner: false }, persist);
      this.#logger.info("promote member", { ...fields, "promoted-member-id": formatID(member.id) });
      return;
    }
    // The name in the context is the initial configuration's; a member is named once it publishes.
    this.#cluster.add(this.#cluster.member(member.id) ?? member, persist);
    this.#logger.info("added member", {
      ...fields,
      "added-peer-id": formatID(member.id),
      "added-peer-peer-urls": member.peerURLs,
      "added-peer-is-learner": member.isLearner,
    });
  }

  #remove(id: MemberID, persist: boolean): boolean {
    this.#cluster.remove(id, persist);
    this.#logger.info("removed member", {
      "cluster-id": formatID(this.#cluster.id),
      "local-member-id": formatID(this.#cluster.localID),
      "removed-remote-peer-id": formatID(id),
    });
    return id === this.#cluster.localID;
  }
}
