/**
 * The membership as applied entries made it: members, removed ids, cluster version, downgrade.
 * Kept in memory and, unless an entry is only replayed, in the backend.
 *
 * Invariants: an id once removed is never a member again; the version changes only by entries.
 */
import {
  type Backend,
  CLUSTER_BUCKET,
  MEMBERS_BUCKET,
  MEMBERS_REMOVED_BUCKET,
} from "../backend/types.ts";
import { bytesFromUtf8, EMPTY_BYTES, utf8FromBytes } from "../base/bytes.ts";
import { type ClusterID, formatID, type MemberID } from "../base/ids.ts";
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

export class Cluster {
  readonly id: ClusterID;
  readonly localID: MemberID;
  readonly #backend: Backend;
  readonly #members = new Map<MemberID, Member>();
  readonly #removed = new Set<MemberID>();
  #version: string | undefined;
  #downgrade: DowngradeInfo = { enabled: false, targetVersion: "" };

  /** Reads what the backend holds. */
  constructor(options: {
    readonly id: ClusterID;
    readonly localID: MemberID;
    readonly backend: Backend;
  }) {
    this.id = options.id;
    this.localID = options.localID;
    this.#backend = options.backend;
    this.#load();
  }

  /** Sorted by id. */
  get members(): Member[] {
    return [...this.#members.values()].sort((a, b) => compareIDs(a.id, b.id));
  }

  get removedIDs(): MemberID[] {
    return [...this.#removed].sort(compareIDs);
  }

  get local(): Member | undefined {
    return this.#members.get(this.localID);
  }

  member(id: MemberID): Member | undefined {
    return this.#members.get(id);
  }

  isRemoved(id: MemberID): boolean {
    return this.#removed.has(id);
  }

  /** "major.minor.0", undefined until the leader has decided it. */
  get version(): string | undefined {
    return this.#version;
  }

  get downgrade(): DowngradeInfo {
    return this.#downgrade;
  }

  /** `persist` is false while an entry is replayed that the backend already contains. */
  add(member: Member, persist: boolean): void {
    this.#members.set(member.id, member);
    if (persist) this.#save(member);
  }

  remove(id: MemberID, persist: boolean): void {
    this.#members.delete(id);
    this.#removed.add(id);
    if (!persist) return;
    this.#backend.delete(MEMBERS_BUCKET, memberKey(id));
    this.#backend.put(MEMBERS_REMOVED_BUCKET, memberKey(id), REMOVED_MARK);
  }

  /** Changes the peer URLs or the learner flag of a known member. */
  updateRaftAttributes(
    id: MemberID,
    change: { readonly peerURLs?: readonly string[]; readonly isLearner?: boolean },
    persist: boolean,
  ): void {
    const member = this.#members.get(id);
    if (member !== undefined) this.add({ ...member, ...change }, persist);
  }

  /** Name and client URLs, published by the member itself. False for an unknown or removed id. */
  updateAttributes(
    id: MemberID,
    name: string,
    clientURLs: readonly string[],
    persist: boolean,
  ): boolean {
    const member = this.#members.get(id);
    if (member === undefined) return false;
    this.add({ ...member, name, clientURLs }, persist);
    return true;
  }

  setVersion(version: string, persist: boolean): void {
    this.#version = version;
    if (persist) this.#backend.put(CLUSTER_BUCKET, CLUSTER_VERSION_KEY, bytesFromUtf8(version));
  }

  setDowngrade(downgrade: DowngradeInfo, persist: boolean): void {
    this.#downgrade = downgrade;
    if (!persist) return;
    const json = goJSON({
      "target-version": downgrade.targetVersion,
      enabled: downgrade.enabled,
    });
    this.#backend.put(CLUSTER_BUCKET, DOWNGRADE_KEY, bytesFromUtf8(json));
  }

  #save(member: Member): void {
    this.#backend.put(MEMBERS_BUCKET, memberKey(member.id), bytesFromUtf8(memberToJSON(member)));
  }

  #load(): void {
    this.#backend.scan(MEMBERS_BUCKET, EMPTY_BYTES, undefined, (_key, value) => {
      const member = memberFromJSON(utf8FromBytes(value));
      this.#members.set(member.id, member);
      return true;
    });
    this.#backend.scan(MEMBERS_REMOVED_BUCKET, EMPTY_BYTES, undefined, (key) => {
      this.#removed.add(BigInt(`0x${utf8FromBytes(key)}`));
      return true;
    });
    const version = this.#backend.get(CLUSTER_BUCKET, CLUSTER_VERSION_KEY);
    if (version !== undefined) this.#version = utf8FromBytes(version);
    const downgrade = this.#backend.get(CLUSTER_BUCKET, DOWNGRADE_KEY);
    if (downgrade !== undefined) this.#downgrade = parseDowngrade(utf8FromBytes(downgrade));
  }
}

function memberKey(id: MemberID): Uint8Array {
  return bytesFromUtf8(formatID(id));
}

function parseDowngrade(text: string): DowngradeInfo {
  const raw = JSON.parse(text) as { "target-version"?: unknown; enabled?: unknown };
  const target = raw["target-version"];
  return {
    enabled: raw.enabled === true,
    targetVersion: typeof target === "string" ? target : "",
  };
}
