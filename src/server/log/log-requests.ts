/**
 * One row for each request that the log may hold: its name in etcd's metrics, how its body is
 * decoded, and whose it must be to be applied. Tied to `RaftField`: a field without a row does not
 * compile, and neither does a row without an applier (`apply/applier.ts`).
 */
import {
  ClusterMemberAttrSetRequest,
  ClusterVersionSetRequest,
  DowngradeInfoSetRequest,
} from "../../api/gen/membership.ts";
import { InternalAuthenticateRequest } from "../../api/gen/raft-internal.ts";
import {
  AlarmRequest,
  AuthDisableRequest,
  AuthEnableRequest,
  AuthRoleAddRequest,
  AuthRoleDeleteRequest,
  AuthRoleGetRequest,
  AuthRoleGrantPermissionRequest,
  AuthRoleListRequest,
  AuthRoleRevokePermissionRequest,
  AuthStatusRequest,
  AuthUserAddRequest,
  AuthUserChangePasswordRequest,
  AuthUserDeleteRequest,
  AuthUserGetRequest,
  AuthUserGrantRoleRequest,
  AuthUserListRequest,
  AuthUserRevokeRoleRequest,
  CompactionRequest,
  DeleteRangeRequest,
  LeaseCheckpointRequest,
  LeaseGrantRequest,
  LeaseRevokeRequest,
  PutRequest,
  RangeRequest,
  TxnRequest,
} from "../../api/gen/rpc.ts";
import type { MessageType } from "../../api/message-type.ts";
import type { Identity, RequestPermissions } from "../../auth/index.ts";
import { RaftField } from "./raft-request.ts";

/** Throws `EtcdError` when this identity must not have the request applied. */
export type Authorize<T> = (
  permissions: RequestPermissions,
  identity: Identity,
  request: T,
) => void;

export interface LogRequest<T> {
  /** As etcd's metrics and log call it. */
  readonly name: string;
  readonly codec: MessageType<T>;
  readonly authorize: Authorize<T>;
}

export type LogRequestName = Exclude<keyof typeof RaftField, "v2">;

function row<T>(name: string, codec: MessageType<T>, authorize: Authorize<T>): LogRequest<T> {
  return { name, codec, authorize };
}

/** What members ask on their own behalf, and what was decided when the request came in. */
const anybody = (): void => undefined;
const admin: Authorize<unknown> = (permissions, identity) => permissions.checkAdmin(identity);

export const LOG_REQUESTS = {
  range: row("Range", RangeRequest, (allow, who, request) => allow.checkRange(who, request)),
  put: row("Put", PutRequest, (allow, who, request) => allow.checkPut(who, request)),
  deleteRange: row("DeleteRange", DeleteRangeRequest, (allow, who, request) =>
    allow.checkDeleteRange(who, request),
  ),
  txn: row("Txn", TxnRequest, (allow, who, request) => allow.checkTxn(who, request)),
  compaction: row("Compaction", CompactionRequest, anybody),
  leaseGrant: row("LeaseGrant", LeaseGrantRequest, anybody),
  leaseRevoke: row("LeaseRevoke", LeaseRevokeRequest, (allow, who, { ID }) =>
    allow.checkLeaseWrite(who, ID),
  ),
  leaseCheckpoint: row("LeaseCheckpoint", LeaseCheckpointRequest, anybody),
  alarm: row("Alarm", AlarmRequest, anybody),
  authEnable: row("AuthEnable", AuthEnableRequest, admin),
  authDisable: row("AuthDisable", AuthDisableRequest, admin),
  authenticate: row("Authenticate", InternalAuthenticateRequest, anybody),
  authStatus: row("AuthStatus", AuthStatusRequest, admin),
  authUserAdd: row("AuthUserAdd", AuthUserAddRequest, admin),
  authUserDelete: row("AuthUserDelete", AuthUserDeleteRequest, admin),
  authUserGet: row("AuthUserGet", AuthUserGetRequest, anybody),
  authUserChangePassword: row("AuthUserChangePassword", AuthUserChangePasswordRequest, admin),
  authUserGrantRole: row("AuthUserGrantRole", AuthUserGrantRoleRequest, admin),
  authUserRevokeRole: row("AuthUserRevokeRole", AuthUserRevokeRoleRequest, admin),
  authUserList: row("AuthUserList", AuthUserListRequest, admin),
  authRoleList: row("AuthRoleList", AuthRoleListRequest, admin),
  authRoleAdd: row("AuthRoleAdd", AuthRoleAddRequest, admin),
  authRoleDelete: row("AuthRoleDelete", AuthRoleDeleteRequest, admin),
  authRoleGet: row("AuthRoleGet", AuthRoleGetRequest, anybody),
  authRoleGrantPermission: row("AuthRoleGrantPermission", AuthRoleGrantPermissionRequest, admin),
  authRoleRevokePermission: row("AuthRoleRevokePermission", AuthRoleRevokePermissionRequest, admin),
  clusterVersionSet: row("ClusterVersionSet", ClusterVersionSetRequest, anybody),
  clusterMemberAttrSet: row("ClusterMemberAttrSet", ClusterMemberAttrSetRequest, anybody),
  downgradeInfoSet: row("DowngradeInfoSet", DowngradeInfoSetRequest, anybody),
} as const satisfies { readonly [Name in LogRequestName]: unknown };

/** The request that a row of this name decodes. */
export type RequestNamed<Name extends LogRequestName> =
  (typeof LOG_REQUESTS)[Name]["codec"] extends MessageType<infer T> ? T : never;

const BY_FIELD: ReadonlyMap<number, LogRequest<unknown>> = new Map(
  (Object.keys(LOG_REQUESTS) as LogRequestName[]).map((name) => [
    RaftField[name],
    LOG_REQUESTS[name] as LogRequest<unknown>,
  ]),
);

/** Throws on a field that this version cannot apply, so that no member leaves out what others do. */
export function logRequestOf(field: number): LogRequest<unknown> {
  const found = BY_FIELD.get(field);
  if (found === undefined) {
    throw new Error(`the log holds a request that this version cannot apply (field ${field})`);
  }
  return found;
}

/** Decodes the request of a field; its bytes borrow `data`. Throws as `logRequestOf` does. */
export function decodeRequestBody(
  field: number,
  data: Uint8Array,
  start: number,
  end: number,
): unknown {
  return logRequestOf(field).codec.decode(data, start, end);
}
