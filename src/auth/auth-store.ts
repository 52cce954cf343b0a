/**
 * Users, roles and permissions: the part of the state machine that says who may do what.
 *
 * Every change is an applied log entry and has the same effect on every member: nothing here looks
 * at time or chance. All of it is held in memory and written through to etcd's buckets, byte for
 * byte. `revision` grows with every change and stands in each log entry, so that what was checked
 * before a change is not carried out after it.
 *
 * Texts, order of checks and the log lines are etcd's (`server/auth`).
 */
import { EtcdError } from "../api/errors.ts";
import { type Permission, Permission_Type, Role, User } from "../api/gen/auth.ts";
import type {
  AuthRoleAddRequest,
  AuthRoleDeleteRequest,
  AuthRoleGrantPermissionRequest,
  AuthRoleRevokePermissionRequest,
  AuthUserAddRequest,
  AuthUserChangePasswordRequest,
  AuthUserDeleteRequest,
  AuthUserGrantRoleRequest,
  AuthUserRevokeRoleRequest,
} from "../api/gen/rpc.ts";
import type { Backend, Reader } from "../backend/index.ts";
import { bytesFromUtf8, compareBytes, EMPTY_BYTES, utf8FromBytes } from "../base/bytes.ts";
import type { Logger } from "../env/logger.ts";
import {
  type AuthRecords,
  deleteRole,
  deleteUser,
  loadAuthRecords,
  saveEnabled,
  saveRevision,
  saveRole,
  saveUser,
} from "./auth-records.ts";
import { type Identity, ROOT_ROLE, ROOT_USER } from "./identity.ts";
import type { KeyRange } from "./key-ranges.ts";
import { grantPermission, revokePermission, withoutRole, withRole } from "./role-edits.ts";
import { UserPermissions } from "./user-permissions.ts";

export interface AuthStoreOptions {
  readonly backend: Backend;
  readonly logger: Logger;
  /**
   * Hashes the password of a log entry that a member older than 3.5 wrote in clear. Such members
   * hash when they apply, each with a salt of its own.
   */
  readonly hashPassword: (password: string) => string;
}

/** Told of what ends logins. */
export interface AuthEvents {
  enabled(): void;
  disabled(): void;
  /** The user was deleted or got another password. */
  userInvalidated(username: string): void;
  /** What users may do has changed, or is looked at from now on. */
  permissionsChanged(): void;
}

/** What a user may read or write. */
export type Access = "read" | "write";

export class AuthStore {
  readonly #backend: Backend;
  readonly #logger: Logger;
  readonly #hashPassword: (password: string) => string;
  #users: Map<string, User>;
  #roles: Map<string, Role>;
  #enabled: boolean;
  #revision: number;
  /** Built when first asked for; a change of users or roles drops all of it. */
  readonly #permissions = new Map<string, UserPermissions>();
  /** Set by who keeps the tokens. */
  events: AuthEvents | undefined;

  /** Reads the buckets. Throws `AuthRecordError` for damaged records. */
  constructor(options: AuthStoreOptions) {
    this.#backend = options.backend;
    this.#logger = options.logger;
    this.#hashPassword = options.hashPassword;
    const { users, roles, enabled, revision } = loadAuthRecords(options.backend);
    this.#users = users;
    this.#roles = roles;
    this.#enabled = enabled;
    this.#revision = revision;
    // etcd writes the first revision when it opens a new database, before any entry.
    if (revision === 0) this.#commitRevision();
  }

  get enabled(): boolean {
    return this.#enabled;
  }

  /** Grows with every change; at least 1. */
  get revision(): number {
    return this.#revision;
  }

  /**
   * Reads the records of another db, which is about to take the place of the backend's; nothing
   * changes until the returned function is called. Throws when a record is damaged.
   */
  prepareReload(reader: Reader): () => void {
    const records = loadAuthRecords(reader);
    return () => this.#adopt(records);
  }

  #adopt({ enabled, revision, users, roles }: AuthRecords): void {
    const wasEnabled = this.#enabled;
    this.#users = users;
    this.#roles = roles;
    this.#enabled = enabled;
    this.#revision = revision;
    this.#permissions.clear();
    if (enabled && !wasEnabled) this.events?.enabled();
    else if (!enabled && wasEnabled) this.events?.disabled();
    this.events?.permissionsChanged();
  }

  enable(): void {
    if (this.#enabled) {
      this.#logger.info("authentication is already enabled; ignored auth enable request");
      return;
    }
    const root = this.#users.get(ROOT_USER);
    if (root === undefined) throw new EtcdError("rootUserNotExist");
    if (!root.roles.includes(ROOT_ROLE)) throw new EtcdError("rootRoleNotExist");
    saveEnabled(this.#backend, true);
    this.#enabled = true;
    this.events?.enabled();
    this.events?.permissionsChanged();
    this.#logger.info("enabled authentication");
  }

  disable(): void {
    if (!this.#enabled) return;
    saveEnabled(this.#backend, false);
    this.#commitRevision();
    this.#enabled = false;
    this.events?.disabled();
    this.#logger.info("disabled authentication");
  }

  addUser(request: AuthUserAddRequest): void {
    const { name, options } = request;
    if (name.length === 0) throw new EtcdError("userEmpty");
    if (this.#users.has(name)) throw new EtcdError("userExists");
    const password = options?.noPassword === true ? EMPTY_BYTES : this.#passwordOf(request);
    this.#putUser(
      User.create({
        name: bytesFromUtf8(name),
        password,
        options: options ?? { noPassword: false },
      }),
    );
    this.#logger.info("added a user", { "user-name": name });
  }

  deleteUser({ name }: AuthUserDeleteRequest): void {
    if (this.#enabled && name === ROOT_USER) {
      this.#logger.error("cannot delete 'root' user", { "user-name": name });
      throw new EtcdError("invalidAuthManagement");
    }
    const user = this.#mustUser(name);
    this.#users.delete(name);
    deleteUser(this.#backend, user);
    this.#changed();
    this.events?.userInvalidated(name);
    this.#logger.info("deleted a user", { "user-name": name, "user-roles": user.roles });
  }

  changePassword(request: AuthUserChangePasswordRequest): void {
    const { name } = request;
    const user = this.#mustUser(name);
    const keepsNone = user.options?.noPassword === true;
    this.#putUser({ ...user, password: keepsNone ? EMPTY_BYTES : this.#passwordOf(request) });
    this.events?.userInvalidated(name);
    const fields = { "user-name": name, "user-roles": user.roles };
    this.#logger.info("changed a password of a user", fields);
  }

  grantRole({ user: name, role }: AuthUserGrantRoleRequest): void {
    const user = this.#mustUser(name);
    if (role !== ROOT_ROLE) this.#mustRole(role);
    const granted = withRole(user, role);
    if (granted === undefined) {
      this.#logger.warn("ignored grant role request to a user", {
        "user-name": name,
        "user-roles": user.roles,
        "duplicate-role-name": role,
      });
      return;
    }
    this.#putUser(granted);
    this.#logger.info("granted a role to a user", {
      "user-name": name,
      "user-roles": granted.roles,
      "added-role-name": role,
    });
  }

  revokeRole({ name, role }: AuthUserRevokeRoleRequest): void {
    if (this.#enabled && name === ROOT_USER && role === ROOT_ROLE) {
      this.#logger.error("'root' user cannot revoke 'root' role", {
        "user-name": name,
        "role-name": role,
      });
      throw new EtcdError("invalidAuthManagement");
    }
    const user = this.#mustUser(name);
    const revoked = withoutRole(user, role);
    if (revoked === undefined) throw new EtcdError("roleNotGranted");
    this.#putUser(revoked);
    this.#logger.info("revoked a role from a user", {
      "user-name": name,
      "old-user-roles": user.roles,
      "new-user-roles": revoked.roles,
      "revoked-role-name": role,
    });
  }

  addRole({ name }: AuthRoleAddRequest): void {
    if (name.length === 0) throw new EtcdError("roleEmpty");
    if (this.#roles.has(name)) throw new EtcdError("roleExists");
    this.#putRole(Role.create({ name: bytesFromUtf8(name) }));
    this.#logger.info("created a role", { "role-name": name });
  }

  /** Takes the role from its users too. */
  deleteRole({ role: name }: AuthRoleDeleteRequest): void {
    if (this.#enabled && name === ROOT_ROLE) {
      this.#logger.error("cannot delete 'root' role", { "role-name": name });
      throw new EtcdError("invalidAuthManagement");
    }
    const role = this.#mustRole(name);
    this.#roles.delete(name);
    deleteRole(this.#backend, role);
    for (const user of this.#users.values()) {
      const without = withoutRole(user, name);
      if (without !== undefined) this.#storeUser(without);
    }
    this.#changed();
    this.#logger.info("deleted a role", { "role-name": name });
  }

  grantPermission({ name, perm }: AuthRoleGrantPermissionRequest): void {
    if (perm === undefined) throw new EtcdError("permissionNotGiven");
    if (!isValidRange(perm.key, perm.rangeEnd)) throw new EtcdError("invalidAuthManagement");
    this.#putRole(grantPermission(this.#mustRole(name), perm));
    this.#logger.info("granted/updated a permission to a user", {
      "user-name": name,
      "permission-name": permissionName(perm.permType),
      key: utf8FromBytes(perm.key),
      "range-end": utf8FromBytes(perm.rangeEnd),
    });
  }

  revokePermission({ role: name, key, rangeEnd }: AuthRoleRevokePermissionRequest): void {
    const revoked = revokePermission(this.#mustRole(name), key, rangeEnd);
    if (revoked === undefined) throw new EtcdError("permissionNotGranted");
    this.#putRole(revoked);
    this.#logger.info("revoked a permission on range", {
      "role-name": name,
      key: utf8FromBytes(key),
      "range-end": utf8FromBytes(rangeEnd),
    });
  }

  /** The roles of a user. Throws `userNotFound`. */
  rolesOf(name: string): readonly string[] {
    return this.#mustUser(name).roles;
  }

  userNames(): string[] {
    return inByteOrder(this.#users.keys());
  }

  roleNames(): string[] {
    return inByteOrder(this.#roles.keys());
  }

  /** The permissions of a role; the role root, once it exists, has one on every key. */
  permissionsOf(name: string): readonly Permission[] {
    const role = this.#mustRole(name);
    return name === ROOT_ROLE ? [ROOT_PERMISSION] : role.keyPermission;
  }

  /** The record that a password is checked against; undefined for an unknown user. */
  user(name: string): User | undefined {
    return this.#users.get(name);
  }

  hasRole(username: string, role: string): boolean {
    return this.#users.get(username)?.roles.includes(role) === true;
  }

  /** True when everything is allowed: authentication is off, or the user has the role root. */
  isAdmin({ username }: Identity): boolean {
    return !this.#enabled || this.hasRole(username, ROOT_ROLE);
  }

  /** Refuses whoever may not administer; allows everybody while authentication is off. */
  requireAdmin({ username }: Identity): void {
    if (!this.#enabled) return;
    if (username === "") throw new EtcdError("userEmpty");
    const user = this.#users.get(username);
    if (user === undefined) throw new EtcdError("userNotFound");
    if (!user.roles.includes(ROOT_ROLE)) throw new EtcdError("permissionDenied");
  }

  /** Refuses who may not read, or write, every key of the range. */
  requireAccess(identity: Identity, access: Access, range: KeyRange): void {
    if (!this.#enabled) return;
    const permissions = this.#permissionsOf(identity, range.begin);
    if (!permissions.allows(access, range)) throw new EtcdError("permissionDenied");
  }

  /** Refuses who may not read, or write, the key (latin1). */
  requireKeyAccess(identity: Identity, access: Access, key: string): void {
    if (!this.#enabled) return;
    const permissions = this.#permissionsOf(identity, key);
    if (!permissions.allowsKey(access, key)) throw new EtcdError("permissionDenied");
  }

  #permissionsOf({ username, authRevision }: Identity, key: string): UserPermissions {
    if (authRevision === 0) throw new EtcdError("userEmpty");
    if (authRevision < this.#revision) {
      this.#logger.warn("request auth revision is less than current node auth revision", {
        "current node auth revision": this.#revision,
        "request auth revision": authRevision,
        "request key": key,
        error: "auth: revision in header is old",
      });
      throw new EtcdError("authOldRevision");
    }
    return this.#permissions.get(username) ?? this.#collectPermissions(username);
  }

  #collectPermissions(username: string): UserPermissions {
    const user = this.#users.get(username);
    if (user === undefined) {
      const fields = { "user-name": username };
      this.#logger.error("cannot find a user for permission check", fields);
      throw new EtcdError("permissionDenied");
    }
    const permissions = new UserPermissions(user, this.#roles);
    this.#permissions.set(username, permissions);
    return permissions;
  }

  #passwordOf(request: { readonly password: string; readonly hashedPassword: string }): Uint8Array {
    const { password, hashedPassword } = request;
    if (password !== "" && hashedPassword === "")
      return bytesFromUtf8(this.#hashPassword(password));
    if (!STANDARD_BASE64.test(hashedPassword)) throw new EtcdError("noPasswordUser");
    return Buffer.from(hashedPassword, "base64");
  }

  #mustUser(name: string): User {
    const user = this.#users.get(name);
    if (user === undefined) throw new EtcdError("userNotFound");
    return user;
  }

  #mustRole(name: string): Role {
    const role = this.#roles.get(name);
    if (role === undefined) throw new EtcdError("roleNotFound");
    return role;
  }

  #storeUser(user: User): void {
    this.#users.set(utf8FromBytes(user.name), user);
    saveUser(this.#backend, user);
  }

  #putUser(user: User): void {
    this.#storeUser(user);
    this.#changed();
  }

  #putRole(role: Role): void {
    this.#roles.set(utf8FromBytes(role.name), role);
    saveRole(this.#backend, role);
    this.#changed();
  }

  #changed(): void {
    this.#permissions.clear();
    this.#commitRevision();
    this.events?.permissionsChanged();
  }

  #commitRevision(): void {
    this.#revision++;
    saveRevision(this.#backend, this.#revision);
  }
}

/** What `role get root` shows: every key. */
const ROOT_PERMISSION: Permission = {
  permType: Permission_Type.READWRITE,
  key: EMPTY_BYTES,
  rangeEnd: Uint8Array.of(0),
};

/** As Go's base64.StdEncoding takes it. */
const STANDARD_BASE64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/;

/** A single key, or a range that is not empty; "\0" as its end means without an end. */
function isValidRange(key: Uint8Array, rangeEnd: Uint8Array): boolean {
  if (key.length === 0) return false;
  if (rangeEnd.length === 0) return true;
  const isOpen = rangeEnd.length === 1 && rangeEnd[0] === 0;
  return isOpen || compareBytes(key, rangeEnd) < 0;
}

function permissionName(type: Permission_Type): string {
  return Object.entries(Permission_Type).find(([, value]) => value === type)?.[0] ?? "";
}

function inByteOrder(names: Iterable<string>): string[] {
  return [...names].sort((a, b) => compareBytes(bytesFromUtf8(a), bytesFromUtf8(b)));
}
