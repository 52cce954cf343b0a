/** The RPCs that manage users and roles; see `methods.ts`. */
import * as rpc from "../api/gen/rpc.ts";
import type { RpcPath } from "../api/gen/services.ts";
import type { MessageType } from "../api/message-type.ts";
import type { RepeatRule, RpcMethod } from "./methods.ts";

function auth<Q, R>(
  name: string,
  repeat: RepeatRule,
  request: MessageType<Q>,
  response: MessageType<R>,
): RpcMethod<Q, R> {
  return { path: `/etcdserverpb.Auth/${name}` as RpcPath, request, response, repeat };
}

export const AUTH_METHODS = {
  enable: auth("AuthEnable", "write", rpc.AuthEnableRequest, rpc.AuthEnableResponse),
  disable: auth("AuthDisable", "write", rpc.AuthDisableRequest, rpc.AuthDisableResponse),
  status: auth("AuthStatus", "read", rpc.AuthStatusRequest, rpc.AuthStatusResponse),
  userAdd: auth("UserAdd", "write", rpc.AuthUserAddRequest, rpc.AuthUserAddResponse),
  userGet: auth("UserGet", "read", rpc.AuthUserGetRequest, rpc.AuthUserGetResponse),
  userList: auth("UserList", "read", rpc.AuthUserListRequest, rpc.AuthUserListResponse),
  userDelete: auth("UserDelete", "write", rpc.AuthUserDeleteRequest, rpc.AuthUserDeleteResponse),
  userChangePassword: auth(
    "UserChangePassword",
    "write",
    rpc.AuthUserChangePasswordRequest,
    rpc.AuthUserChangePasswordResponse,
  ),
  userGrantRole: auth(
    "UserGrantRole",
    "write",
    rpc.AuthUserGrantRoleRequest,
    rpc.AuthUserGrantRoleResponse,
  ),
  userRevokeRole: auth(
    "UserRevokeRole",
    "write",
    rpc.AuthUserRevokeRoleRequest,
    rpc.AuthUserRevokeRoleResponse,
  ),
  roleAdd: auth("RoleAdd", "write", rpc.AuthRoleAddRequest, rpc.AuthRoleAddResponse),
  roleGet: auth("RoleGet", "read", rpc.AuthRoleGetRequest, rpc.AuthRoleGetResponse),
  roleList: auth("RoleList", "read", rpc.AuthRoleListRequest, rpc.AuthRoleListResponse),
  roleDelete: auth("RoleDelete", "write", rpc.AuthRoleDeleteRequest, rpc.AuthRoleDeleteResponse),
  roleGrantPermission: auth(
    "RoleGrantPermission",
    "write",
    rpc.AuthRoleGrantPermissionRequest,
    rpc.AuthRoleGrantPermissionResponse,
  ),
  roleRevokePermission: auth(
    "RoleRevokePermission",
    "write",
    rpc.AuthRoleRevokePermissionRequest,
    rpc.AuthRoleRevokePermissionResponse,
  ),
} as const;
