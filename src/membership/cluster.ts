/**
 * The membership as applied entries made it: members, removed ids, cluster version, downgrade.
 * Held in the backend, with a copy in memory.
 *
 * An entry that is only replayed, because the backend holds its effect already (and that of later
 * ones), changes nothing: every method that takes `persist` returns at once when it is false.
 *
 * Invariants: an id once removed is never a member again; the version changes only by entries.
 */
import type { ConfChange } from "../api/gen/raft.ts";
import {
  type Backend,
  CLUSTER_BUCKET,
  MEMBERS_BUCKET,
  MEMBERS_REMOVED_BUCKET,
  type Reader,
} from "../backend/index.ts";
import { bytesFromUtf8, EMPTY_BYTES, utf8FromBytes } from "../base/bytes.ts";
import { type ClusterID, formatID, type MemberID } from "../base/ids.ts";
import {
  DEFAULT_MAX_LEARNERS,
  type MembershipView,
  validateConfChange,
} from "./conf-change-rules.ts";
import { compareIDs } from "./ids.ts";
import { goJSON, type Member, memberFromJSON, memberToJSON } from "./member.ts";

export interface DowngradeInfo {
  readonly enabled: boolean;
  /** Such as "3.5.0"; empty when not enabled. */
  readonly targetVersion: string;
}

const CLUSTER_VERSION_KEY = bytesFromUtf8("clusterVersion");
const DOWNGRADE_KEY = bytesFromUtf8("downgrade");
const REMOVED_MARK = bytesFromUtf8("removed");
const NO_DOWNGRADE: DowngradeInfo = { enabled: false, targetVersion: "" };

interface Membership {
  readonly members: Map<MemberID, Member>;
  readonly removed: Set<MemberID>;
  version: string | undefined;
  downgrade: DowngradeInfo;
}

export class Cluster implements MembershipView {
  readonly id: ClusterID;
  readonly localID: MemberID;
  readonly #backend: Backend;
  readonly maxLearners: number;
  #state: Membership;

  /** Reads what the backend holds. */
  constructor(options: {
    readonly id: ClusterID;
    readonly localID: MemberID;
    readonly backend: Backend;
    /** `--max-learners`; default 1. */
    readonly maxLearners?: number;
  }) {
    this.id = options.id;
    this.localID = options.localID;
    this.#backend = options.backend;
    this.maxLearners = options.maxLearners ?? DEFAULT_MAX_LEARNERS;
    this.#state = loadMembership(options.backend);
  }

  /**
   * Reads the membership of another db, which is about to take the place of the backend's; nothing
   * changes until the returned function is called. Throws when a record is damaged.
   */
  prepareReload(reader: Reader): () => void {
    const state = loadMembership(reader);
    return () => {
      this.#state = state;
    };
  }

  /** Sorted by id. */
  get members(): Member[] {
    return [...this.#state.members.values()].sort((a, b) => compareIDs(a.id, b.id));
  }

  /** Sorted by id. */
  get votingMembers(): Member[] {
    return this.members.filter((member) => !member.isLearner);
  }

  get removedIDs(): MemberID[] {
    return [...this.#state.removed].sort(compareIDs);
  }

  get local(): Member | undefined {
    return this.#state.members.get(this.localID);
  }

  /** Asked for at every request. */
  get isLocalLearner(): boolean {
    return this.#state.members.get(this.localID)?.isLearner === true;
  }

  member(id: MemberID): Member | undefined {
    return this.#state.members.get(id);
  }

  isRemoved(id: MemberID): boolean {
    return this.#state.removed.has(id);
  }

  /** "major.minor.0", undefined until the leader has decided it. */
  get version(): string | undefined {
    return this.#state.version;
  }

  get downgrade(): DowngradeInfo {
    return this.#state.downgrade;
  }

  /** Undefined if no member, or more than one, has the name. */
  memberByName(name: string): Member | undefined {
    const named = this.members.filter((member) => member.name === name);
    return named.length === 1 ? named[0] : undefined;
  }

  /**
   * Whether a committed change may still be applied; all members decide alike. Throws
   * `memberNotFound`, `memberExists`, `peerURLExists`, `memberNotLearner` or `tooManyLearners`;
   * the entry is then skipped.
   */
  validate(change: ConfChange): void {
    validateConfChange(this, change, this.maxLearners);
  }

  add(member: Member, persist: boolean): void {
    if (persist) this.#save(member);
  }

  /** Takes a member out of the db as if it had never been added; it may be added again. */
  forget(id: MemberID): void {
    this.#state.members.delete(id);
    this.#backend.delete(MEMBERS_BUCKET, memberKey(id));
  }

  remove(id: MemberID, persist: boolean): void {
    if (!persist) return;
    this.#state.members.delete(id);
    this.#state.removed.add(id);
    this.#backend.delete(MEMBERS_BUCKET, memberKey(id));
    this.#backend.put(MEMBERS_REMOVED_BUCKET, memberKey(id), REMOVED_MARK);
  }

  /** Changes the peer URLs or the learner flag of a known member. */
  updateRaftAttributes(
    id: MemberID,
    change: { readonly peerURLs?: readonly string[]; readonly isLearner?: boolean },
    persist: boolean,
  ): void {
    const member = this.#state.members.get(id);
    if (member === undefined) return;
    // Some releases of 3.5 lost promotions (etcd issue 19557), so a replayed one is made good.
    const isLostPromotion = change.isLearner === false && member.isLearner;
    if (persist) this.#save({ ...member, ...change });
    else if (isLostPromotion) this.#save({ ...member, isLearner: false });
  }

  /** Name and client URLs, published by the member itself. False for an unknown or removed id. */
  updateAttributes(
    id: MemberID,
    name: string,
    clientURLs: readonly string[],
    persist: boolean,
  ): boolean {
    const member = this.#state.members.get(id);
    if (member === undefined) return false;
    if (persist) this.#save({ ...member, name, clientURLs });
    return true;
  }

  setVersion(version: string, persist: boolean): void {
    if (!persist) return;
    this.#state.version = version;
    this.#backend.put(CLUSTER_BUCKET, CLUSTER_VERSION_KEY, bytesFromUtf8(version));
  }

  setDowngrade(downgrade: DowngradeInfo, persist: boolean): void {
    if (!persist) return;
    this.#state.downgrade = downgrade;
    const json = goJSON({
      "target-version": downgrade.targetVersion,
      enabled: downgrade.enabled,
    });
    this.#backend.put(CLUSTER_BUCKET, DOWNGRADE_KEY, bytesFromUtf8(json));
  }

  #save(member: Member): void {
    this.#state.members.set(member.id, member);
    this.#backend.put(MEMBERS_BUCKET, memberKey(member.id), bytesFromUtf8(memberToJSON(member)));
  }
}

function memberKey(id: MemberID): Uint8Array {
  return bytesFromUtf8(formatID(id));
}

function loadMembership(reader: Reader): Membership {
  const members = new Map<MemberID, Member>();
  reader.scan(MEMBERS_BUCKET, EMPTY_BYTES, undefined, (_key, value) => {
    const member = memberFromJSON(utf8FromBytes(value));
    members.set(member.id, member);
    return true;
  });
  const removed = new Set<MemberID>();
  reader.scan(MEMBERS_REMOVED_BUCKET, EMPTY_BYTES, undefined, (key) => {
    removed.add(BigInt(`0x${utf8FromBytes(key)}`));
    return true;
  });
  const version = reader.get(CLUSTER_BUCKET, CLUSTER_VERSION_KEY);
  const downgrade = reader.get(CLUSTER_BUCKET, DOWNGRADE_KEY);
  return {
    members,
    removed,
    version: version === undefined ? undefined : utf8FromBytes(version),
    downgrade: downgrade === undefined ? NO_DOWNGRADE : parseDowngrade(utf8FromBytes(downgrade)),
  };
}

function parseDowngrade(text: string): DowngradeInfo {
  const raw = JSON.parse(text) as { "target-version"?: unknown; enabled?: unknown };
  const target = raw["target-version"];
  return {
    enabled: raw.enabled === true,
    targetVersion: typeof target === "string" ? target : "",
  };
}
