/** The cluster as its members tell it: who is there, how far each is, and which alarms are raised. */
import type { CallOptions, EtcdApi } from "../api/etcd-api.ts";
import { hexOf, memberList, memberStatus, progressOf } from "../api/members.ts";
import type { MemberNow } from "./checks.ts";

export interface Alarm {
  readonly member: string;
  readonly decimalId: string;
  /** "NOSPACE", "CORRUPT". */
  readonly name: string;
}

export interface ClusterState {
  readonly self: string;
  /** In hexadecimal; "0" without one. */
  readonly leader: string;
  readonly members: readonly MemberNow[];
  readonly alarms: readonly Alarm[];
  readonly revision: number;
}

interface AlarmsJson {
  readonly alarms?: readonly { readonly memberID?: string; readonly alarm?: string }[];
}

export async function clusterState(api: EtcdApi, options: CallOptions): Promise<ClusterState> {
  const { self, members } = await memberList(api, options);
  const [alarms, own, ...statuses] = await Promise.all([
    api.call<AlarmsJson>("v3/maintenance/alarm", { action: "GET" }, options),
    memberStatus(api, self, self, options),
    ...members.map(({ id }) => memberStatus(api, self, id, options).catch(() => undefined)),
  ]);
  const { leader } = own;
  const known = members.some(({ id }) => id === leader);
  const progress = known ? await progressOf(api, self, leader, options) : [];
  return {
    self,
    leader,
    revision: own.revision,
    alarms: (alarms.alarms ?? []).map(({ memberID, alarm = "NONE" }) => {
      return { member: hexOf(memberID), decimalId: memberID ?? "0", name: alarm };
    }),
    members: members.map((member, i) => ({
      member,
      status: statuses[i],
      progress: progress.find((each) => each.member === member.id),
    })),
  };
}
