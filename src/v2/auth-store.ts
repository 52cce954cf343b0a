/**
 * Users and roles of the v2 API, kept as JSON below "/2" of the v2 store and changed through the log:
 * bytes and texts are etcd's, so that members of 3.5 and older serve the same users.
 */
import { EtcdError } from "../api/errors.ts";
import { Request } from "../api/gen/etcdserver.ts";
import { HasherBusyError, PasswordTooLongError } from "../env/secrets.ts";
import { compareUtf8, goJSON } from "../membership/index.ts";
import { PERMISSIONS_ROOT, type StoreEvent, V2_CODE, V2Error } from "../v2store/index.ts";
import { changedRole, changedRoles } from "./auth-changes.ts";
import {
  GUEST,
  GUEST_ROLE,
  isEqual,
  type Role,
  ROOT,
  ROOT_ROLE,
  roleFromJSON,
  type User,
  userFromJSON,
  withRootRole,
} from "./auth-records.ts";
import type { V2Backend } from "./backend.ts";
import { MessageError } from "./reply.ts";

/** Of new hashes; that of the v3 API is a setting, this one is fixed in etcd. */
const BCRYPT_COST = 10;

const FLAT = { isRecursive: false, isSorted: false };

/** All of it rejects or throws `MessageError`, `V2Error` or `EtcdError`. */
export class V2AuthStore {
  readonly #backend: V2Backend;
  /** The directories are there: they are made before the first change. */
  #isPrepared = false;

  constructor(backend: V2Backend) {
    this.#backend = backend;
  }

  get isEnabled(): boolean {
    const value = this.#localValue("/enabled");
    return value === "true";
  }

  users(): Promise<string[]> {
    return this.#names("/users/");
  }

  /** With the built-in role. */
  async roles(): Promise<string[]> {
    return [ROOT, ...(await this.#names("/roles/"))].sort(compareUtf8);
  }

  user(name: string): User {
    return parseUser(name, this.#localValue(`/users/${name}`));
  }

  role(name: string): Role {
    return name === ROOT ? ROOT_ROLE : parseRole(name, this.#localValue(`/roles/${name}`));
  }

  async #settledUser(name: string): Promise<User> {
    return parseUser(name, await this.#settledValue(`/users/${name}`));
  }

  async #settledRole(name: string): Promise<Role> {
    return name === ROOT ? ROOT_ROLE : parseRole(name, await this.#settledValue(`/roles/${name}`));
  }

  /**
   * Every request of a user brings the password: failures are limited as those of logins are, and
   * users wait in lines of their own. Rejects with `EtcdError` for who has failed too often.
   */
  async verifyPassword(
    { user, password = "" }: User,
    given: string,
    remote: string,
  ): Promise<boolean> {
    const { logins, passwords } = this.#backend;
    logins.check(user, remote);
    const turn = {
      lane: logins.laneOf(user, remote),
      admit: () => logins.check(user, remote),
    };
    const matches = await this.#busyIsRefused(passwords.verify(given, password, turn));
    if (matches) logins.succeeded(user, remote);
    else logins.failed(user, remote);
    return matches;
  }

  async createUser(given: User): Promise<User> {
    const user = withRootRole(given);
    const { user: name, password = "" } = user;
    if (password === "") {
      throw failure(400, `Cannot create user ${name} with an empty password`);
    }
    const stored: User = inOrder({ ...user, password: await this.#hash(password) });
    await this.#write(`/users/${name}`, stored, false, `User ${name} already exists.`);
    this.#backend.logger.info("created a user", { "user-name": name });
    return stored;
  }

  async createOrUpdateUser(user: User): Promise<{ readonly user: User; readonly isNew: boolean }> {
    if (await this.#userExists(user.user))
      return { user: await this.updateUser(user), isNew: false };
    return { user: await this.createUser(user), isNew: true };
  }

  async updateUser(change: User): Promise<User> {
    const { user: name, password = "" } = change;
    const old = await this.#settledUser(name);
    const hash = password === "" ? (old.password ?? "") : await this.#hash(password);
    const roles = changedRoles(old, change);
    const changed: User = { user: name, ...(hash === "" ? {} : { password: hash }), roles };
    if (isEqual(old, changed)) {
      throw failure(400, "User not updated. Use grant/revoke/password to update the user.");
    }
    await this.#write(`/users/${name}`, changed, true);
    this.#backend.logger.info("updated a user", { "user-name": name });
    return changed;
  }

  async deleteUser(name: string): Promise<void> {
    if (this.isEnabled && name === ROOT) {
      throw failure(403, "Cannot delete root user while auth is enabled.");
    }
    await this.#delete(`/users/${name}`, `User ${name} does not exist`);
    this.#backend.logger.info("deleted a user", { "user-name": name });
  }

  async createRole(role: Role): Promise<void> {
    refuseRoot(role.role);
    await this.#write(`/roles/${role.role}`, role, false, `Role ${role.role} already exists.`);
    this.#backend.logger.info("created a new role", { "role-name": role.role });
  }

  async updateRole(change: Role): Promise<Role> {
    refuseRoot(change.role);
    const old = await this.#settledRole(change.role);
    const changed = changedRole(old, change);
    if (isEqual(old, changed)) {
      throw failure(400, "Role not updated. Use grant/revoke to update the role.");
    }
    await this.#write(`/roles/${change.role}`, changed, true);
    this.#backend.logger.info("updated a new role", { "role-name": change.role });
    return changed;
  }

  async deleteRole(name: string): Promise<void> {
    refuseRoot(name);
    await this.#delete(`/roles/${name}`, `Role ${name} doesn't exist.`);
    this.#backend.logger.info("delete a new role", { "role-name": name });
  }

  async enable(): Promise<void> {
    const { logger } = this.#backend;
    if (this.isEnabled) throw failure(409, "already enabled");
    if (!(await this.#userExists(ROOT))) {
      throw failure(409, "No root user available, please create one");
    }
    if (!(await this.#roleExists(GUEST))) {
      logger.info("no guest role access found; creating default", { "role-name": GUEST });
      await this.createRole(GUEST_ROLE);
    }
    await this.#write("/enabled", true, true);
    logger.info("enabled auth");
  }

  async disable(): Promise<void> {
    if (!this.isEnabled) throw failure(409, "already disabled");
    await this.#write("/enabled", false, true);
    this.#backend.logger.info("disabled auth");
  }

  /** As in etcd, one that cannot be read counts as missing, too. */
  async #userExists(name: string): Promise<boolean> {
    return exists(this.#settledUser(name));
  }

  async #roleExists(name: string): Promise<boolean> {
    return exists(this.#settledRole(name));
  }

  #localValue(path: string): string | undefined {
    return this.#backend.keys.value(PERMISSIONS_ROOT + path);
  }

  async #settledValue(path: string): Promise<string | undefined> {
    const request = Request.create({ Method: "QGET", Path: PERMISSIONS_ROOT + path });
    try {
      return (await this.#backend.propose(request))?.node.value;
    } catch (error) {
      if (hasCode(error, V2_CODE.keyNotFound)) return undefined;
      throw error;
    }
  }

  async #names(path: string): Promise<string[]> {
    const event = await found(async () => this.#backend.keys.get(PERMISSIONS_ROOT + path, FLAT));
    const nodes = event?.node.nodes ?? [];
    return nodes.map(({ key }) => key.slice(key.lastIndexOf("/") + 1)).sort(compareUtf8);
  }

  async #write(
    path: string,
    value: User | Role | boolean,
    exists: boolean,
    whenThere?: string,
  ): Promise<void> {
    await this.#prepare();
    try {
      await this.#put(path, goJSON(value), exists);
    } catch (error) {
      if (whenThere === undefined || !hasCode(error, V2_CODE.keyExists)) throw error;
      throw failure(409, whenThere);
    }
  }

  async #delete(path: string, whenMissing: string): Promise<void> {
    await this.#prepare();
    const Path = PERMISSIONS_ROOT + path;
    try {
      await this.#backend.propose(Request.create({ Method: "DELETE", Path, PrevExist: true }));
    } catch (error) {
      if (!hasCode(error, V2_CODE.keyNotFound)) throw error;
      throw failure(404, whenMissing);
    }
  }

  async #prepare(): Promise<void> {
    if (this.#isPrepared) return;
    for (const path of ["", "/users/", "/roles/"]) await this.#putNew(path, undefined);
    await this.#putNew("/enabled", "false");
    this.#isPrepared = true;
  }

  /** Unless it is there. */
  async #putNew(path: string, value: string | undefined): Promise<void> {
    try {
      await this.#put(path, value, false);
    } catch (error) {
      if (!hasCode(error, V2_CODE.keyExists)) throw error;
    }
  }

  async #put(path: string, value: string | undefined, PrevExist: boolean): Promise<void> {
    const content = value === undefined ? { Dir: true } : { Val: value };
    const Path = PERMISSIONS_ROOT + path;
    await this.#backend.propose(Request.create({ Method: "PUT", Path, ...content, PrevExist }));
  }

  async #hash(password: string): Promise<string> {
    try {
      return await this.#busyIsRefused(this.#backend.passwords.hash(password, BCRYPT_COST));
    } catch (error) {
      if (!(error instanceof PasswordTooLongError)) throw error;
      throw new MessageError(500, "Internal Server Error");
    }
  }

  async #busyIsRefused<T>(work: Promise<T>): Promise<T> {
    try {
      return await work;
    } catch (error) {
      throw error instanceof HasherBusyError ? new EtcdError("tooManyRequests") : error;
    }
  }
}

/** The fields in the order in which they are stored. */
function inOrder({ user, password, roles }: User): User {
  return { user, ...(password === undefined ? {} : { password }), roles };
}

function parseUser(name: string, json: string | undefined): User {
  if (json === undefined) throw failure(404, `User ${name} does not exist.`);
  return withRootRole(stored(json, userFromJSON));
}

function parseRole(name: string, json: string | undefined): Role {
  if (json === undefined) throw failure(404, `Role ${name} does not exist.`);
  return stored(json, roleFromJSON);
}

/** What no member has written. */
function stored<T>(json: string, parse: (text: string) => T): T {
  try {
    return parse(json);
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    throw new MessageError(500, "Internal Server Error");
  }
}

function refuseRoot(role: string): void {
  if (role === ROOT) throw failure(403, `Cannot modify role ${role}: is root role.`);
}

function failure(status: number, text: string): MessageError {
  return new MessageError(status, `auth: ${text}`);
}

function hasCode(error: unknown, code: number): boolean {
  return error instanceof V2Error && error.code === code;
}

async function found(get: () => Promise<StoreEvent>): Promise<StoreEvent | undefined> {
  try {
    return await get();
  } catch (error) {
    if (hasCode(error, V2_CODE.keyNotFound)) return undefined;
    throw error;
  }
}

async function exists(record: Promise<User | Role>): Promise<boolean> {
  try {
    await record;
    return true;
  } catch (error) {
    if (error instanceof MessageError || error instanceof V2Error) return false;
    throw error;
  }
}
