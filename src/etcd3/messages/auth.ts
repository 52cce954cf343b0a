/** Messages of users and roles, as npm `etcd3` hands them out. */
import type { Permission } from "./enums.ts";
import type { IResponseHeader } from "./kv.ts";

export interface IAuthEnableResponse {
  header: IResponseHeader;
}

export interface IAuthDisableResponse {
  header: IResponseHeader;
}

export interface IAuthStatusResponse {
  header: IResponseHeader;
  enabled: boolean;
  authRevision: string;
}

export interface IAuthenticateRequest {
  name?: string;
  password?: string;
}

export interface IAuthenticateResponse {
  header: IResponseHeader;
  token: string;
}

export interface IUserAddOptions {
  no_password?: boolean;
}

export interface IAuthUserAddRequest {
  name?: string;
  password?: string;
  options?: IUserAddOptions;
  hashedPassword?: string;
}

export interface IAuthUserAddResponse {
  header: IResponseHeader;
}

export interface IAuthUserGetRequest {
  name?: string;
}

export interface IAuthUserGetResponse {
  header: IResponseHeader;
  roles: string[];
}

export interface IAuthUserListResponse {
  header: IResponseHeader;
  users: string[];
}

export interface IAuthUserDeleteRequest {
  name?: string;
}

export interface IAuthUserDeleteResponse {
  header: IResponseHeader;
}

export interface IAuthUserChangePasswordRequest {
  name?: string;
  password?: string;
  hashedPassword?: string;
}

export interface IAuthUserChangePasswordResponse {
  header: IResponseHeader;
}

export interface IAuthUserGrantRoleRequest {
  user?: string;
  role?: string;
}

export interface IAuthUserGrantRoleResponse {
  header: IResponseHeader;
}

export interface IAuthUserRevokeRoleRequest {
  name?: string;
  role?: string;
}

export interface IAuthUserRevokeRoleResponse {
  header: IResponseHeader;
}

export interface IAuthRoleAddRequest {
  name?: string;
}

export interface IAuthRoleAddResponse {
  header: IResponseHeader;
}

export interface IAuthRoleGetRequest {
  role?: string;
}

export interface IPermission {
  permType: keyof typeof Permission;
  key: Buffer;
  range_end: Buffer;
}

export interface IAuthRoleGetResponse {
  header: IResponseHeader;
  perm: IPermission[];
}

export interface IAuthRoleListResponse {
  header: IResponseHeader;
  roles: string[];
}

export interface IAuthRoleDeleteRequest {
  role?: string;
}

export interface IAuthRoleDeleteResponse {
  header: IResponseHeader;
}

export interface IAuthRoleGrantPermissionRequest {
  name?: string;
  perm?: IPermission;
}

export interface IAuthRoleGrantPermissionResponse {
  header: IResponseHeader;
}

export interface IAuthRoleRevokePermissionRequest {
  role?: string;
  key?: Buffer;
  range_end?: Buffer;
}

export interface IAuthRoleRevokePermissionResponse {
  header: IResponseHeader;
}
