/** Clients of the services of etcd's API, one method for each RPC. */
import { EventEmitter } from "node:events";
import { METHODS } from "../client/index.ts";
import type { ServiceName } from "./call-table.ts";
import type { ConnectionPool, ICallable } from "./connection-pool.ts";
import { castError } from "./errors.ts";
import type * as auth from "./messages/auth.ts";
import type * as cluster from "./messages/cluster.ts";
import { fromMessage, toMessage } from "./messages/convert.ts";
import type * as kv from "./messages/kv.ts";
import type * as lease from "./messages/lease.ts";
import type { ICallOptions } from "./options.ts";

type WithRequest<Q, R> = (request: Q, options?: ICallOptions) => Promise<R>;
type WithoutRequest<R> = (options?: ICallOptions) => Promise<R>;

/** `has` calls a method with a message, `bare` one whose message is empty. */
function callsOf(calls: ICallable, service: ServiceName) {
  return {
    has:
      <Q extends object, R>(method: string): WithRequest<Q, R> =>
      (request, options) =>
        calls.exec(service, method, request, options) as Promise<R>,
    bare:
      <R>(method: string): WithoutRequest<R> =>
      (options) =>
        calls.exec(service, method, {}, options) as Promise<R>,
  };
}

export class KVClient {
  readonly range: WithRequest<kv.IRangeRequest, kv.IRangeResponse>;
  readonly put: WithRequest<kv.IPutRequest, kv.IPutResponse>;
  readonly deleteRange: WithRequest<kv.IDeleteRangeRequest, kv.IDeleteRangeResponse>;
  readonly txn: WithRequest<kv.ITxnRequest, kv.ITxnResponse>;
  readonly compact: WithRequest<kv.ICompactionRequest, kv.ICompactionResponse>;

  constructor(calls: ICallable) {
    const { has } = callsOf(calls, "KV");
    this.range = has("range");
    this.put = has("put");
    this.deleteRange = has("deleteRange");
    this.txn = has("txn");
    this.compact = has("compact");
  }
}

export class LeaseClient {
  readonly leaseGrant: WithRequest<lease.ILeaseGrantRequest, lease.ILeaseGrantResponse>;
  readonly leaseRevoke: WithRequest<lease.ILeaseRevokeRequest, lease.ILeaseRevokeResponse>;
  readonly leaseTimeToLive: WithRequest<
    lease.ILeaseTimeToLiveRequest,
    lease.ILeaseTimeToLiveResponse
  >;
  readonly leaseLeases: WithoutRequest<lease.ILeaseLeasesResponse>;

  constructor(calls: ICallable) {
    const { has, bare } = callsOf(calls, "Lease");
    this.leaseGrant = has("leaseGrant");
    this.leaseRevoke = has("leaseRevoke");
    this.leaseTimeToLive = has("leaseTimeToLive");
    this.leaseLeases = bare("leaseLeases");
  }
}

export class ClusterClient {
  readonly memberAdd: WithRequest<cluster.IMemberAddRequest, cluster.IMemberAddResponse>;
  readonly memberRemove: WithRequest<cluster.IMemberRemoveRequest, cluster.IMemberRemoveResponse>;
  readonly memberUpdate: WithRequest<cluster.IMemberUpdateRequest, cluster.IMemberUpdateResponse>;
  readonly memberList: WithRequest<cluster.IMemberListRequest, cluster.IMemberListResponse>;
  readonly memberPromote: WithRequest<
    cluster.IMemberPromoteRequest,
    cluster.IMemberPromoteResponse
  >;

  constructor(calls: ICallable) {
    const { has } = callsOf(calls, "Cluster");
    this.memberAdd = has("memberAdd");
    this.memberRemove = has("memberRemove");
    this.memberUpdate = has("memberUpdate");
    this.memberList = has("memberList");
    this.memberPromote = has("memberPromote");
  }
}

export class MaintenanceClient {
  readonly alarm: WithRequest<cluster.IAlarmRequest, cluster.IAlarmResponse>;
  readonly status: WithoutRequest<cluster.IStatusResponse>;
  readonly defragment: WithoutRequest<cluster.IDefragmentResponse>;
  readonly hash: WithoutRequest<cluster.IHashResponse>;
  readonly hashKV: WithRequest<cluster.IHashKVRequest, cluster.IHashKVResponse>;
  readonly moveLeader: WithRequest<cluster.IMoveLeaderRequest, cluster.IMoveLeaderResponse>;
  readonly downgrade: WithRequest<cluster.IDowngradeRequest, cluster.IDowngradeResponse>;
  readonly #pool: ConnectionPool;

  constructor(pool: ConnectionPool) {
    this.#pool = pool;
    const { has, bare } = callsOf(pool, "Maintenance");
    this.alarm = has("alarm");
    this.status = bare("status");
    this.defragment = bare("defragment");
    this.hash = bare("hash");
    this.hashKV = has("hashKV");
    this.moveLeader = has("moveLeader");
    this.downgrade = has("downgrade");
  }

  /** The db in pieces: events "data" with each, then "end", or "error". */
  async snapshot(): Promise<ResponseStream<cluster.ISnapshotResponse>> {
    const { request, response } = METHODS.snapshot;
    const stream = new ResponseStream<cluster.ISnapshotResponse>();
    const received = this.#pool.client.receive(
      METHODS.snapshot,
      toMessage(request, {}),
      (answer) => {
        stream.emit("data", fromMessage(response, answer) as cluster.ISnapshotResponse);
      },
      { signal: stream.stopping.signal },
    );
    received.then(
      () => stream.emit("end"),
      (error: unknown) => {
        if (!stream.stopping.signal.aborted) stream.emit("error", castError(error, "Maintenance"));
      },
    );
    return stream;
  }
}

interface StreamEvents<R> {
  data: [R];
  end: [];
  error: [Error];
}

/** Answers as they come, from the next turn of the event loop on. */
export class ResponseStream<R> extends EventEmitter {
  readonly stopping = new AbortController();

  override on<K extends keyof StreamEvents<R>>(
    event: K,
    handler: (...args: StreamEvents<R>[K]) => void,
  ): this {
    return super.on(event, handler as (...args: unknown[]) => void);
  }

  cancel(): void {
    this.stopping.abort();
  }
}

export class AuthClient {
  readonly authEnable: WithoutRequest<auth.IAuthEnableResponse>;
  readonly authDisable: WithoutRequest<auth.IAuthDisableResponse>;
  readonly authStatus: WithoutRequest<auth.IAuthStatusResponse>;
  readonly authenticate: WithRequest<auth.IAuthenticateRequest, auth.IAuthenticateResponse>;
  readonly userAdd: WithRequest<auth.IAuthUserAddRequest, auth.IAuthUserAddResponse>;
  readonly userGet: WithRequest<auth.IAuthUserGetRequest, auth.IAuthUserGetResponse>;
  readonly userList: WithoutRequest<auth.IAuthUserListResponse>;
  readonly userDelete: WithRequest<auth.IAuthUserDeleteRequest, auth.IAuthUserDeleteResponse>;
  readonly userChangePassword: WithRequest<
    auth.IAuthUserChangePasswordRequest,
    auth.IAuthUserChangePasswordResponse
  >;
  readonly userGrantRole: WithRequest<
    auth.IAuthUserGrantRoleRequest,
    auth.IAuthUserGrantRoleResponse
  >;
  readonly userRevokeRole: WithRequest<
    auth.IAuthUserRevokeRoleRequest,
    auth.IAuthUserRevokeRoleResponse
  >;
  readonly roleAdd: WithRequest<auth.IAuthRoleAddRequest, auth.IAuthRoleAddResponse>;
  readonly roleGet: WithRequest<auth.IAuthRoleGetRequest, auth.IAuthRoleGetResponse>;
  readonly roleList: WithoutRequest<auth.IAuthRoleListResponse>;
  readonly roleDelete: WithRequest<auth.IAuthRoleDeleteRequest, auth.IAuthRoleDeleteResponse>;
  readonly roleGrantPermission: WithRequest<
    auth.IAuthRoleGrantPermissionRequest,
    auth.IAuthRoleGrantPermissionResponse
  >;
  readonly roleRevokePermission: WithRequest<
    auth.IAuthRoleRevokePermissionRequest,
    auth.IAuthRoleRevokePermissionResponse
  >;

  constructor(calls: ICallable) {
    const { has, bare } = callsOf(calls, "Auth");
    this.authEnable = bare("authEnable");
    this.authDisable = bare("authDisable");
    this.authStatus = bare("authStatus");
    this.authenticate = has("authenticate");
    this.userAdd = has("userAdd");
    this.userGet = has("userGet");
    this.userList = bare("userList");
    this.userDelete = has("userDelete");
    this.userChangePassword = has("userChangePassword");
    this.userGrantRole = has("userGrantRole");
    this.userRevokeRole = has("userRevokeRole");
    this.roleAdd = has("roleAdd");
    this.roleGet = has("roleGet");
    this.roleList = bare("roleList");
    this.roleDelete = has("roleDelete");
    this.roleGrantPermission = has("roleGrantPermission");
    this.roleRevokePermission = has("roleRevokePermission");
  }
}
