/** Messages of keys, transactions and watches, as npm `etcd3` hands them out. */
import type {
  CompareResult,
  CompareTarget,
  EventType,
  FilterType,
  SortOrder,
  SortTarget,
} from "./enums.ts";

/** A 64-bit integer in a request. In answers it is decimal text. */
export type Int64 = string | number | bigint;

export interface IRangeRequest {
  key?: Buffer;
  range_end?: Buffer;
  limit?: Int64;
  revision?: Int64;
  sort_order?: SortOrder | keyof typeof SortOrder;
  sort_target?: SortTarget | keyof typeof SortTarget;
  serializable?: boolean;
  keys_only?: boolean;
  count_only?: boolean;
  min_mod_revision?: Int64;
  max_mod_revision?: Int64;
  min_create_revision?: Int64;
  max_create_revision?: Int64;
}

export interface IResponseHeader {
  cluster_id: string;
  member_id: string;
  revision: string;
  raft_term: string;
}

export interface IKeyValue {
  key: Buffer;
  create_revision: string;
  mod_revision: string;
  version: string;
  value: Buffer;
  lease: string;
}

export interface IRangeResponse {
  header: IResponseHeader;
  kvs: IKeyValue[];
  more: boolean;
  count: string;
}

export interface IPutRequest {
  key?: Buffer;
  value?: Buffer;
  lease?: Int64;
  prev_kv?: boolean;
  ignore_value?: boolean;
  ignore_lease?: boolean;
}

export interface IPutResponse {
  header: IResponseHeader;
  /** Null when it was not asked for, or when there was none. */
  prev_kv: IKeyValue | null;
}

export interface IDeleteRangeRequest {
  key?: Buffer;
  range_end?: Buffer;
  prev_kv?: boolean;
}

export interface IDeleteRangeResponse {
  header: IResponseHeader;
  deleted: string;
  prev_kvs: IKeyValue[];
}

export interface ICompare {
  result?: CompareResult | keyof typeof CompareResult;
  target?: CompareTarget | keyof typeof CompareTarget;
  key?: Buffer;
  version?: Int64;
  create_revision?: Int64;
  mod_revision?: Int64;
  value?: Buffer;
  lease?: Int64;
  range_end?: Buffer;
}

export interface IRequestOp {
  request_range?: IRangeRequest;
  request_put?: IPutRequest;
  request_delete_range?: IDeleteRangeRequest;
  request_txn?: ITxnRequest;
}

export interface ITxnRequest {
  compare?: readonly ICompare[];
  success?: readonly IRequestOp[];
  failure?: readonly IRequestOp[];
}

export interface IResponseOp {
  /** Only that of the operation is there; the type is that of npm `etcd3`. */
  response_range: IRangeResponse;
  response_put: IPutResponse;
  response_delete_range: IDeleteRangeResponse;
  response_txn: ITxnResponse;
}

export interface ITxnResponse {
  header: IResponseHeader;
  succeeded: boolean;
  responses: IResponseOp[];
}

export interface ICompactionRequest {
  revision?: Int64;
  physical?: boolean;
}

export interface ICompactionResponse {
  header: IResponseHeader;
}

export interface IWatchCreateRequest {
  key?: Buffer;
  range_end?: Buffer;
  start_revision?: Int64;
  progress_notify?: boolean;
  filters?: readonly (FilterType | keyof typeof FilterType)[];
  prev_kv?: boolean;
  watch_id?: Int64;
  fragment?: boolean;
}

export interface IEvent {
  type: keyof typeof EventType;
  kv: IKeyValue;
  /** Null when it was not asked for, or when there was none. */
  prev_kv: IKeyValue | null;
}

export interface IWatchResponse {
  header: IResponseHeader;
  watch_id: string;
  created: boolean;
  canceled: boolean;
  compact_revision: string;
  cancel_reason: string;
  fragment: boolean;
  events: IEvent[];
}
