/** Messages of leases, as npm `etcd3` hands them out. */
import type { Int64, IResponseHeader } from "./kv.ts";

export interface ILeaseGrantRequest {
  TTL?: Int64;
  ID?: Int64;
}

export interface ILeaseGrantResponse {
  header: IResponseHeader;
  ID: string;
  TTL: string;
  error: string;
}

export interface ILeaseRevokeRequest {
  ID?: Int64;
}

export interface ILeaseRevokeResponse {
  header: IResponseHeader;
}

export interface ILeaseKeepAliveResponse {
  header: IResponseHeader;
  ID: string;
  TTL: string;
}

export interface ILeaseTimeToLiveRequest {
  ID?: Int64;
  keys?: boolean;
}

export interface ILeaseTimeToLiveResponse {
  header: IResponseHeader;
  ID: string;
  TTL: string;
  grantedTTL: string;
  keys: Buffer[];
}

export interface ILeaseStatus {
  ID: string;
}

export interface ILeaseLeasesResponse {
  header: IResponseHeader;
  leases: ILeaseStatus[];
}
