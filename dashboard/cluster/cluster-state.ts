/** The cluster as its members tell it: who is there, how far each is, and which alarms are raised. */
import { asApiError } from "../api/api-error.ts";
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
  /** Undefined: not known, as it takes a leader to ask for them. */
  readonly alarms: readonly Alarm[] | undefined;
  readonly revision: number;
}

interface AlarmsJson {
  readonly alarms?: readonly { readonly memberID?: string; readonly alarm?: string }[];
}

export async function clusterState(api: EtcdApi, options: CallOptions): Promise<ClusterState> {
  const { self, members } = await memberList(api, options);
  const own = await memberStatus(api, self, self, options);
  const { leader } = own;
  const [alarms, ...statuses] = await Promise.all([
    leader === "0" ? undefined : alarmsNow(api, options),
    ...members.map(({ id }) => {
      return id === self ? own : memberStatus(api, self, id, options).catch(() => undefined);
    }),
  ]);
  // A leader that hangs is not waited for twice.
  const answers = statuses[members.findIndex(({ id }) => id === leader)] !== undefined;
  const progress = answers ? await progressOf(api, self, leader, options) : [];
  return {
    self,
    leader,
    revision: own.revision,
    alarms,
    members: members.map((member, i) => ({
      member,
      status: statuses[i],
      progress: progress.find((each) => each.member === member.id),
    })),
  };
}

/** A cluster that has just lost its quorum is worth a look without them. */
async function alarmsNow(
  api: EtcdApi,
  options: CallOptions,
): Promise<readonly Alarm[] | undefined> {
  try {
    const body = { action: "GET" };
    const { alarms } = await api.call<AlarmsJson>("v3/maintenance/alarm", body, options);
    return (alarms ?? []).map(({ memberID, alarm = "NONE" }) => {
      return { member: hexOf(memberID), decimalId: memberID ?? "0", name: alarm };
    });
  } catch (error) {
    if (options.signal?.aborted === true || asApiError(error).kind !== "refused") throw error;
    return undefined;
  }
}
