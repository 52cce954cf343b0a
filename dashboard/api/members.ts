/** Members, and questions to one of them: a browser may ask only the member that its page came from. */
import type { CallOptions, EtcdApi } from "./etcd-api.ts";
import type { HeaderJson } from "./kv.ts";

export interface Member {
  /** In hexadecimal, as etcd shows it. */
  readonly id: string;
  /** As the API writes it. */
  readonly decimalId: string;
  /** "" until it has started. */
  readonly name: string;
  readonly peerURLs: readonly string[];
  readonly clientURLs: readonly string[];
  readonly isLearner: boolean;
}

export interface MemberList {
  /** The member that served this page. */
  readonly self: string;
  readonly members: readonly Member[];
}

interface MemberListJson {
  readonly header?: HeaderJson;
  readonly members?: readonly {
    readonly ID?: string;
    readonly name?: string;
    readonly peerURLs?: readonly string[];
    readonly clientURLs?: readonly string[];
    readonly isLearner?: boolean;
  }[];
}

export interface MemberStatus {
  readonly version: string;
  readonly dbBytes: number;
  readonly dbInUseBytes: number;
  readonly quotaBytes: number;
  /** In hexadecimal; "0" without one. */
  readonly leader: string;
  readonly raftTerm: number;
  readonly raftIndex: number;
  readonly appliedIndex: number;
  readonly revision: number;
  readonly isLearner: boolean;
  readonly errors: readonly string[];
}

interface StatusJson {
  readonly header?: HeaderJson;
  readonly version?: string;
  readonly dbSize?: string;
  readonly dbSizeInUse?: string;
  readonly dbSizeQuota?: string;
  readonly leader?: string;
  readonly raftTerm?: string;
  readonly raftIndex?: string;
  readonly raftAppliedIndex?: string;
  readonly isLearner?: boolean;
  readonly errors?: readonly string[];
}

/** How far a member's log is, as the leader sees it. */
export interface Progress {
  readonly member: string;
  readonly isLearner: boolean;
  readonly match: number;
  readonly state: "probe" | "replicate" | "snapshot";
  readonly recentActive: boolean;
}

export function hexOf(decimal: string | undefined): string {
  return BigInt(decimal ?? "0").toString(16);
}

export async function memberList(api: EtcdApi, options: CallOptions = {}): Promise<MemberList> {
  // Without a quorum there is still something to show.
  const body = { linearizable: false };
  const json = await api.call<MemberListJson>("v3/cluster/member/list", body, options);
  const members = (json.members ?? []).map((member) => ({
    id: hexOf(member.ID),
    decimalId: member.ID ?? "0",
    name: member.name ?? "",
    peerURLs: member.peerURLs ?? [],
    clientURLs: member.clientURLs ?? [],
    isLearner: member.isLearner ?? false,
  }));
  return { self: hexOf(json.header?.member_id), members };
}

/** The path by which a member is asked: through the one that served this page. */
export function pathAt(self: string, id: string, path: string): string {
  return id === self ? path : `dashboard/api/members/${id}/${path}`;
}

export async function memberStatus(
  api: EtcdApi,
  self: string,
  id: string,
  options: CallOptions = {},
): Promise<MemberStatus> {
  const path = pathAt(self, id, "v3/maintenance/status");
  const json = await api.call<StatusJson>(path, {}, options);
  return {
    version: json.version ?? "",
    dbBytes: Number(json.dbSize ?? 0),
    dbInUseBytes: Number(json.dbSizeInUse ?? 0),
    quotaBytes: Number(json.dbSizeQuota ?? 0),
    leader: hexOf(json.leader),
    raftTerm: Number(json.raftTerm ?? 0),
    raftIndex: Number(json.raftIndex ?? 0),
    appliedIndex: Number(json.raftAppliedIndex ?? 0),
    revision: Number(json.header?.revision ?? 0),
    isLearner: json.isLearner ?? false,
    errors: json.errors ?? [],
  };
}

/** Empty where the leader is no server of ours, or the user may not ask. */
export async function progressOf(
  api: EtcdApi,
  self: string,
  leader: string,
  options: CallOptions = {},
): Promise<readonly Progress[]> {
  try {
    const path = pathAt(self, leader, "dashboard/api/progress");
    const { progress } = await api.get<{ readonly progress?: readonly Progress[] }>(path, options);
    return progress ?? [];
  } catch (error) {
    if (options.signal?.aborted === true) throw error;
    return [];
  }
}

export function nameOf({ name, id }: Member): string {
  return name === "" ? id : name;
}
