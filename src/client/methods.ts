/**
 * The RPCs that the client uses: path, codecs, and what may be done when the fate of a sent call
 * is unknown. Kept apart from the table of all services, which loads every codec.
 */
import * as rpc from "../api/gen/rpc.ts";
import type { RpcPath } from "../api/gen/services.ts";
import type { MessageType } from "../api/message-type.ts";

/**
 * - read: changes nothing; repeated at will.
 * - repeatable: changes something, and doing it twice leaves the same as doing it once.
 * - write: never sent again unless the first was certainly not processed.
 */
export type RepeatRule = "read" | "repeatable" | "write";

export interface RpcMethod<Q, R> {
  readonly path: RpcPath;
  readonly request: MessageType<Q>;
  readonly response: MessageType<R>;
  readonly repeat: RepeatRule;
}

function method<Q, R>(
  path: RpcPath,
  repeat: RepeatRule,
  request: MessageType<Q>,
  response: MessageType<R>,
): RpcMethod<Q, R> {
  return { path, request, response, repeat };
}

/** A lease that nobody knows of expires by itself: granting twice does no harm. */
export const METHODS = {
  range: method("/etcdserverpb.KV/Range", "read", rpc.RangeRequest, rpc.RangeResponse),
  rangeStream: method(
    "/etcdserverpb.KV/RangeStream",
    "read",
    rpc.RangeRequest,
    rpc.RangeStreamResponse,
  ),
  put: method("/etcdserverpb.KV/Put", "write", rpc.PutRequest, rpc.PutResponse),
  deleteRange: method(
    "/etcdserverpb.KV/DeleteRange",
    "write",
    rpc.DeleteRangeRequest,
    rpc.DeleteRangeResponse,
  ),
  txn: method("/etcdserverpb.KV/Txn", "write", rpc.TxnRequest, rpc.TxnResponse),
  compact: method(
    "/etcdserverpb.KV/Compact",
    "write",
    rpc.CompactionRequest,
    rpc.CompactionResponse,
  ),
  watch: method("/etcdserverpb.Watch/Watch", "read", rpc.WatchRequest, rpc.WatchResponse),

  leaseGrant: method(
    "/etcdserverpb.Lease/LeaseGrant",
    "repeatable",
    rpc.LeaseGrantRequest,
    rpc.LeaseGrantResponse,
  ),
  leaseRevoke: method(
    "/etcdserverpb.Lease/LeaseRevoke",
    "repeatable",
    rpc.LeaseRevokeRequest,
    rpc.LeaseRevokeResponse,
  ),
  leaseKeepAlive: method(
    "/etcdserverpb.Lease/LeaseKeepAlive",
    "repeatable",
    rpc.LeaseKeepAliveRequest,
    rpc.LeaseKeepAliveResponse,
  ),
  leaseTimeToLive: method(
    "/etcdserverpb.Lease/LeaseTimeToLive",
    "read",
    rpc.LeaseTimeToLiveRequest,
    rpc.LeaseTimeToLiveResponse,
  ),
  leaseLeases: method(
    "/etcdserverpb.Lease/LeaseLeases",
    "read",
    rpc.LeaseLeasesRequest,
    rpc.LeaseLeasesResponse,
  ),

  memberAdd: method(
    "/etcdserverpb.Cluster/MemberAdd",
    "write",
    rpc.MemberAddRequest,
    rpc.MemberAddResponse,
  ),
  memberRemove: method(
    "/etcdserverpb.Cluster/MemberRemove",
    "write",
    rpc.MemberRemoveRequest,
    rpc.MemberRemoveResponse,
  ),
  memberUpdate: method(
    "/etcdserverpb.Cluster/MemberUpdate",
    "write",
    rpc.MemberUpdateRequest,
    rpc.MemberUpdateResponse,
  ),
  memberList: method(
    "/etcdserverpb.Cluster/MemberList",
    "read",
    rpc.MemberListRequest,
    rpc.MemberListResponse,
  ),
  memberPromote: method(
    "/etcdserverpb.Cluster/MemberPromote",
    "write",
    rpc.MemberPromoteRequest,
    rpc.MemberPromoteResponse,
  ),

  alarm: method("/etcdserverpb.Maintenance/Alarm", "write", rpc.AlarmRequest, rpc.AlarmResponse),
  status: method("/etcdserverpb.Maintenance/Status", "read", rpc.StatusRequest, rpc.StatusResponse),
  defragment: method(
    "/etcdserverpb.Maintenance/Defragment",
    "write",
    rpc.DefragmentRequest,
    rpc.DefragmentResponse,
  ),
  hash: method("/etcdserverpb.Maintenance/Hash", "read", rpc.HashRequest, rpc.HashResponse),
  hashKV: method("/etcdserverpb.Maintenance/HashKV", "read", rpc.HashKVRequest, rpc.HashKVResponse),
  snapshot: method(
    "/etcdserverpb.Maintenance/Snapshot",
    "read",
    rpc.SnapshotRequest,
    rpc.SnapshotResponse,
  ),
  moveLeader: method(
    "/etcdserverpb.Maintenance/MoveLeader",
    "write",
    rpc.MoveLeaderRequest,
    rpc.MoveLeaderResponse,
  ),
  downgrade: method(
    "/etcdserverpb.Maintenance/Downgrade",
    "write",
    rpc.DowngradeRequest,
    rpc.DowngradeResponse,
  ),
  authenticate: method(
    "/etcdserverpb.Auth/Authenticate",
    "read",
    rpc.AuthenticateRequest,
    rpc.AuthenticateResponse,
  ),
} as const;
