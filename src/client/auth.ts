/** Users, roles and permissions. Answers are etcd's messages, with etcd's field names. */
import { Permission, Permission_Type, UserAddOptions } from "../api/gen/auth.ts";
import * as rpc from "../api/gen/rpc.ts";
import { optionNames } from "../base/known-options.ts";
import { AUTH_METHODS } from "./auth-methods.ts";
import { RANGE_OPTIONS, type RangeOptions, toKeyRange } from "./bytes.ts";
import type { Caller } from "./caller.ts";
import { type Bytes, CALL_OPTIONS, type CallOptions } from "./options.ts";

const PERMISSION_TYPES = {
  read: Permission_Type.READ,
  write: Permission_Type.WRITE,
  readwrite: Permission_Type.READWRITE,
} as const;

export type PermissionName = keyof typeof PERMISSION_TYPES;

export interface UserAddCallOptions extends CallOptions {
  /** The user can only be known by the common name of a client certificate. Default false. */
  readonly noPassword?: boolean | undefined;
}

const USER_ADD_OPTIONS = optionNames<UserAddCallOptions>({ ...CALL_OPTIONS, noPassword: true });
const GRANT_OPTIONS = optionNames<RangeOptions & CallOptions>({
  ...CALL_OPTIONS,
  ...RANGE_OPTIONS,
});

export class Auth {
  readonly #caller: Caller;

  constructor(caller: Caller) {
    this.#caller = caller;
  }

  /** Needs a user root that has the role root; from then on calls need credentials. */
  enable(options: CallOptions = {}): Promise<rpc.AuthEnableResponse> {
    return this.#caller.unary(AUTH_METHODS.enable, rpc.AuthEnableRequest.create(), options);
  }

  disable(options: CallOptions = {}): Promise<rpc.AuthDisableResponse> {
    return this.#caller.unary(AUTH_METHODS.disable, rpc.AuthDisableRequest.create(), options);
  }

  /** Since etcd 3.5. */
  status(options: CallOptions = {}): Promise<rpc.AuthStatusResponse> {
    return this.#caller.unary(AUTH_METHODS.status, rpc.AuthStatusRequest.create(), options);
  }

  /** A token for these credentials; the client itself gets and renews its own. */
  authenticate(username: string, password: string, options: CallOptions = {}): Promise<string> {
    return this.#caller.authenticate({ username, password }, options);
  }

  userAdd(
    name: string,
    password: string,
    options: UserAddCallOptions = {},
  ): Promise<rpc.AuthUserAddResponse> {
    const request = rpc.AuthUserAddRequest.create({
      name,
      password,
      options: UserAddOptions.create({ noPassword: options.noPassword ?? false }),
    });
    const { userAdd } = AUTH_METHODS;
    return this.#caller.unary(userAdd, request, options, userAdd.repeat, USER_ADD_OPTIONS);
  }

  userGet(name: string, options: CallOptions = {}): Promise<rpc.AuthUserGetResponse> {
    const request = rpc.AuthUserGetRequest.create({ name });
    return this.#caller.unary(AUTH_METHODS.userGet, request, options);
  }

  userList(options: CallOptions = {}): Promise<rpc.AuthUserListResponse> {
    return this.#caller.unary(AUTH_METHODS.userList, rpc.AuthUserListRequest.create(), options);
  }

  userDelete(name: string, options: CallOptions = {}): Promise<rpc.AuthUserDeleteResponse> {
    const request = rpc.AuthUserDeleteRequest.create({ name });
    return this.#caller.unary(AUTH_METHODS.userDelete, request, options);
  }

  userChangePassword(
    name: string,
    password: string,
    options: CallOptions = {},
  ): Promise<rpc.AuthUserChangePasswordResponse> {
    const request = rpc.AuthUserChangePasswordRequest.create({ name, password });
    return this.#caller.unary(AUTH_METHODS.userChangePassword, request, options);
  }

  userGrantRole(
    user: string,
    role: string,
    options: CallOptions = {},
  ): Promise<rpc.AuthUserGrantRoleResponse> {
    const request = rpc.AuthUserGrantRoleRequest.create({ user, role });
    return this.#caller.unary(AUTH_METHODS.userGrantRole, request, options);
  }

  userRevokeRole(
    name: string,
    role: string,
    options: CallOptions = {},
  ): Promise<rpc.AuthUserRevokeRoleResponse> {
    const request = rpc.AuthUserRevokeRoleRequest.create({ name, role });
    return this.#caller.unary(AUTH_METHODS.userRevokeRole, request, options);
  }

  roleAdd(name: string, options: CallOptions = {}): Promise<rpc.AuthRoleAddResponse> {
    const request = rpc.AuthRoleAddRequest.create({ name });
    return this.#caller.unary(AUTH_METHODS.roleAdd, request, options);
  }

  roleGet(role: string, options: CallOptions = {}): Promise<rpc.AuthRoleGetResponse> {
    const request = rpc.AuthRoleGetRequest.create({ role });
    return this.#caller.unary(AUTH_METHODS.roleGet, request, options);
  }

  roleList(options: CallOptions = {}): Promise<rpc.AuthRoleListResponse> {
    return this.#caller.unary(AUTH_METHODS.roleList, rpc.AuthRoleListRequest.create(), options);
  }

  roleDelete(role: string, options: CallOptions = {}): Promise<rpc.AuthRoleDeleteResponse> {
    const request = rpc.AuthRoleDeleteRequest.create({ role });
    return this.#caller.unary(AUTH_METHODS.roleDelete, request, options);
  }

  /** Lets users with this role read, write or both what the key or range names. */
  roleGrantPermission(
    role: string,
    permission: PermissionName,
    key: Bytes,
    options: RangeOptions & CallOptions = {},
  ): Promise<rpc.AuthRoleGrantPermissionResponse> {
    const perm = Permission.create({
      permType: PERMISSION_TYPES[permission],
      ...toKeyRange(key, options),
    });
    const request = rpc.AuthRoleGrantPermissionRequest.create({ name: role, perm });
    const { roleGrantPermission: method } = AUTH_METHODS;
    return this.#caller.unary(method, request, options, method.repeat, GRANT_OPTIONS);
  }

  roleRevokePermission(
    role: string,
    key: Bytes,
    options: RangeOptions & CallOptions = {},
  ): Promise<rpc.AuthRoleRevokePermissionResponse> {
    const request = rpc.AuthRoleRevokePermissionRequest.create({
      role,
      ...toKeyRange(key, options),
    });
    const { roleRevokePermission: method } = AUTH_METHODS;
    return this.#caller.unary(method, request, options, method.repeat, GRANT_OPTIONS);
  }
}
