/** Messages of members and their upkeep, as npm `etcd3` hands them out. */
import type { AlarmAction, AlarmType, DowngradeAction } from "./enums.ts";
import type { Int64, IResponseHeader } from "./kv.ts";

export interface IMemberAddRequest {
  peerURLs?: readonly string[];
  isLearner?: boolean;
}

export interface IMember {
  ID: string;
  name: string;
  peerURLs: string[];
  clientURLs: string[];
  isLearner: boolean;
}

export interface IMemberAddResponse {
  header: IResponseHeader;
  member: IMember;
  members: IMember[];
}

export interface IMemberRemoveRequest {
  ID?: Int64;
}

export interface IMemberRemoveResponse {
  header: IResponseHeader;
  members: IMember[];
}

export interface IMemberUpdateRequest {
  ID?: Int64;
  peerURLs?: readonly string[];
}

export interface IMemberUpdateResponse {
  header: IResponseHeader;
  members: IMember[];
}

export interface IMemberListRequest {
  linearizable?: boolean;
}

export interface IMemberListResponse {
  header: IResponseHeader;
  members: IMember[];
}

export interface IMemberPromoteRequest {
  ID?: Int64;
}

export interface IMemberPromoteResponse {
  header: IResponseHeader;
  members: IMember[];
}

export interface IAlarmRequest {
  action?: AlarmAction | keyof typeof AlarmAction;
  memberID?: Int64;
  alarm?: AlarmType | keyof typeof AlarmType;
}

export interface IAlarmMember {
  memberID: string;
  alarm: keyof typeof AlarmType;
}

export interface IAlarmResponse {
  header: IResponseHeader;
  alarms: IAlarmMember[];
}

export interface IDowngradeInfo {
  enabled: boolean;
  targetVersion: string;
}

export interface IStatusResponse {
  header: IResponseHeader;
  version: string;
  dbSize: string;
  leader: string;
  raftIndex: string;
  raftTerm: string;
  raftAppliedIndex: string;
  errors: string[];
  dbSizeInUse: string;
  isLearner: boolean;
  storageVersion: string;
  dbSizeQuota: string;
  downgradeInfo: IDowngradeInfo;
}

export interface IDefragmentResponse {
  header: IResponseHeader;
}

export interface IHashResponse {
  header: IResponseHeader;
  hash: number;
}

export interface IHashKVRequest {
  revision?: Int64;
}

export interface IHashKVResponse {
  header: IResponseHeader;
  hash: number;
  compact_revision: string;
  hash_revision: string;
}

export interface ISnapshotResponse {
  header: IResponseHeader;
  remaining_bytes: string;
  blob: Buffer;
  version: string;
}

export interface IMoveLeaderRequest {
  targetID?: Int64;
}

export interface IMoveLeaderResponse {
  header: IResponseHeader;
}

export interface IDowngradeRequest {
  action?: DowngradeAction | keyof typeof DowngradeAction;
  version?: string;
}

export interface IDowngradeResponse {
  header: IResponseHeader;
  version: string;
}
