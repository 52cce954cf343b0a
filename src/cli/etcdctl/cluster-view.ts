/** Views of answers about members, endpoints, alarms and versions. */
import {
  AlarmResponse,
  AlarmType,
  DowngradeResponse,
  HashKVResponse,
  MemberAddResponse,
  MemberListResponse,
  MoveLeaderResponse,
  ResponseHeader,
  StatusResponse,
} from "../../api/gen/rpc.ts";
import type { MemberID } from "../../base/ids.ts";
import { humanizeBytes } from "../../base/go-text.ts";
import { quote } from "../../base/go-quote.ts";
import { type JsonValue, messageJson } from "./go-json.ts";
import { headerFields, messageForms } from "./header-view.ts";
import type { Table, View } from "./view.ts";

/** "%x". */
function hexID(id: bigint): string {
  return id.toString(16);
}

/** "%16x". */
export function wideID(id: bigint): string {
  return id.toString(16).padStart(16);
}

function rowsView(table: () => Table): Pick<View, "simple" | "table"> {
  return {
    simple: (out) => {
      for (const row of table().rows) out.line(row.join(", "));
    },
    table,
  };
}

export function membersView(response: MemberListResponse): View {
  return {
    ...messageForms(MemberListResponse, response),
    ...rowsView(() => ({
      headings: ["ID", "Status", "Name", "Peer Addrs", "Client Addrs", "Is Learner"],
      rows: response.members.map((member) => [
        hexID(member.ID),
        member.name === "" ? "unstarted" : "started",
        member.name,
        member.peerURLs.join(","),
        member.clientURLs.join(","),
        String(member.isLearner),
      ]),
    })),
    fields: (out) => {
      headerFields(out, response.header);
      for (const member of response.members) {
        out.idField("ID", member.ID);
        out.field("Name", quote(member.name));
        for (const url of member.peerURLs) out.field("PeerURL", quote(url));
        for (const url of member.clientURLs) out.field("ClientURL", quote(url));
        out.field("IsLearner", member.isLearner);
        out.line("");
      }
    },
    json: (out) => (out.hex ? hexMembers(response) : messageJson(MemberListResponse, response)),
  };
}

/** With --hex, ids are strings. */
function hexMembers({ header, members }: MemberListResponse): JsonValue {
  const { clusterId, memberId, raftTerm } = header ?? ResponseHeader.create();
  const listed = members.map(({ ID, name, peerURLs, clientURLs }) => ({
    ID: hexID(ID),
    name,
    peerURLs,
    clientURLs: clientURLs.length === 0 ? null : clientURLs,
  }));
  return {
    header: { cluster_id: hexID(clusterId), member_id: hexID(memberId), raft_term: raftTerm },
    ...(listed.length === 0 ? {} : { members: listed }),
  };
}

export function memberAddView(
  response: MemberAddResponse,
  memberName: string,
  peerUrls: string,
): View {
  const { member, members, header } = response;
  const id = member?.ID ?? 0n;
  const as = member?.isLearner === true ? "as learner " : "";
  const cluster = members.flatMap((each) =>
    each.peerURLs.map((url) => `${each.ID === id ? memberName : each.name}=${url}`),
  );
  return {
    ...messageForms(MemberAddResponse, response),
    simple: (out) => {
      out.line(`Member ${wideID(id)} added ${as}to cluster ${wideID(header?.clusterId ?? 0n)}`);
      out.line("");
      out.line(`ETCD_NAME=${quote(memberName)}`);
      out.line(`ETCD_INITIAL_CLUSTER=${quote(cluster.join(","))}`);
      out.line(`ETCD_INITIAL_ADVERTISE_PEER_URLS=${quote(peerUrls)}`);
      out.line('ETCD_INITIAL_CLUSTER_STATE="existing"');
    },
  };
}

export interface Health {
  readonly endpoint: string;
  readonly health: boolean;
  /** A duration as Go prints it. */
  readonly took: string;
  readonly error: string;
}

/** `onUnhealthy` gets the lines for standard error. */
export function healthView(list: readonly Health[], onUnhealthy: (line: string) => void): View {
  return {
    simple: (out) => {
      for (const { endpoint, took, error } of list) {
        if (error === "") {
          out.line(`${endpoint} is healthy: successfully committed proposal: took = ${took}`);
        } else {
          onUnhealthy(`${endpoint} is unhealthy: failed to commit proposal: ${error}\n`);
        }
      }
    },
    fields: (out) => {
      for (const { endpoint, health, took, error } of list) {
        out.field("Endpoint", quote(endpoint));
        out.field("Health", health);
        out.field("Took", took);
        out.field("Error", error);
        out.line("");
      }
    },
    json: () => list.map(({ error, ...rest }) => (error === "" ? rest : { ...rest, error })),
    table: () => ({
      headings: ["endpoint", "health", "took", "error"],
      rows: list.map(({ endpoint, health, took, error }) => [
        endpoint,
        String(health),
        took,
        error,
      ]),
    }),
  };
}

export interface EndpointAnswer<T> {
  readonly endpoint: string;
  readonly answer: T;
}

const STATUS_HEADINGS = [
  "endpoint",
  "ID",
  "version",
  "storage version",
  "db size",
  "in use",
  "percentage not in use",
  "quota",
  "is leader",
  "is learner",
  "raft term",
  "raft index",
  "raft applied index",
  "errors",
  "downgrade target version",
  "downgrade enabled",
];

function statusRow({ endpoint, answer }: EndpointAnswer<StatusResponse>): string[] {
  const { header, dbSize, dbSizeInUse, downgradeInfo } = answer;
  const id = header?.memberId ?? 0n;
  const inUsePercent = dbSize === 0 ? 0 : Math.trunc((dbSizeInUse * 100) / dbSize);
  return [
    endpoint,
    hexID(id),
    answer.version,
    answer.storageVersion,
    humanizeBytes(dbSize),
    humanizeBytes(dbSizeInUse),
    `${100 - inUsePercent}%`,
    humanizeBytes(answer.dbSizeQuota),
    String(answer.leader === id),
    String(answer.isLearner),
    String(answer.raftTerm),
    String(answer.raftIndex),
    String(answer.raftAppliedIndex),
    answer.errors.join(", "),
    downgradeInfo?.targetVersion ?? "",
    String(downgradeInfo?.enabled ?? false),
  ];
}

export function statusView(list: readonly EndpointAnswer<StatusResponse>[]): View {
  return {
    ...rowsView(() => ({ headings: STATUS_HEADINGS, rows: list.map(statusRow) })),
    fields: (out) => {
      for (const { endpoint, answer } of list) {
        headerFields(out, answer.header);
        out.field("Version", quote(answer.version));
        out.field("StorageVersion", quote(answer.storageVersion));
        out.field("DBSize", answer.dbSize);
        out.field("DBSizeInUse", answer.dbSizeInUse);
        out.field("DBSizeQuota", answer.dbSizeQuota);
        out.field("Leader", answer.leader);
        out.field("IsLearner", answer.isLearner);
        out.field("RaftIndex", answer.raftIndex);
        // The member's own term; the header's is the one of its answer.
        out.field("RaftTerm", answer.raftTerm);
        out.field("RaftAppliedIndex", answer.raftAppliedIndex);
        out.field("Errors", `[${answer.errors.join(" ")}]`);
        out.field("Endpoint", quote(endpoint));
        out.field("DowngradeTargetVersion", quote(answer.downgradeInfo?.targetVersion ?? ""));
        out.field("DowngradeEnabled", answer.downgradeInfo?.enabled ?? false);
        out.line("");
      }
    },
    json: () => endpointsJson("Status", list, (answer) => messageJson(StatusResponse, answer)),
  };
}

function endpointsJson<T>(
  name: string,
  list: readonly EndpointAnswer<T>[],
  json: (answer: T) => JsonValue,
): JsonValue {
  if (list.length === 0) return null;
  return list.map(({ endpoint, answer }) => ({ Endpoint: endpoint, [name]: json(answer) }));
}

export function hashView(list: readonly EndpointAnswer<HashKVResponse>[]): View {
  return {
    ...rowsView(() => ({
      headings: ["endpoint", "hash", "hash_revision"],
      rows: list.map(({ endpoint, answer }) => [
        endpoint,
        String(answer.hash),
        String(answer.hashRevision),
      ]),
    })),
    fields: (out) => {
      for (const { endpoint, answer } of list) {
        headerFields(out, answer.header);
        out.field("Endpoint", quote(endpoint));
        out.field("Hash", answer.hash);
        out.field("HashRevision", answer.hashRevision);
        out.line("");
      }
    },
    json: () => endpointsJson("HashKV", list, (answer) => messageJson(HashKVResponse, answer)),
  };
}

const ALARM_NAMES: Readonly<Record<number, string>> = {
  [AlarmType.NONE]: "NONE",
  [AlarmType.NOSPACE]: "NOSPACE",
  [AlarmType.CORRUPT]: "CORRUPT",
};

export function alarmName(alarm: number): string {
  return ALARM_NAMES[alarm] ?? String(alarm);
}

export function alarmsView(response: AlarmResponse): View {
  return {
    ...messageForms(AlarmResponse, response),
    simple: (out) => {
      for (const { memberID, alarm } of response.alarms) {
        const id = memberID === 0n ? "" : `memberID:${memberID} `;
        out.line(`${id}${alarm === AlarmType.NONE ? "" : `alarm:${alarmName(alarm)} `}`);
      }
    },
    fields: (out) => {
      headerFields(out, response.header);
      for (const { memberID, alarm } of response.alarms) {
        out.idField("MemberID", memberID);
        out.field("AlarmType", alarmName(alarm));
        out.line("");
      }
    },
  };
}

export function moveLeaderView(
  leader: MemberID,
  target: MemberID,
  response: MoveLeaderResponse,
): View {
  return {
    simple: (out) => out.line(`Leadership transferred from ${hexID(leader)} to ${hexID(target)}`),
    ...messageForms(MoveLeaderResponse, response),
  };
}

export function downgradeView(action: string, response: DowngradeResponse): View {
  return {
    simple: (out) => out.line(`Downgrade ${action} success, cluster version ${response.version}`),
    ...messageForms(DowngradeResponse, response),
  };
}
