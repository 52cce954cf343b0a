/**
 * etcd's rules of users, roles and permissions in the plainest form: lists that are searched, sets
 * of keys that are counted out one by one, nothing merged and nothing remembered. What it answers
 * is compared with the store, with a member, and with what the simulated cluster did.
 *
 * Keys are latin1 strings. Refusals are kinds of `EtcdError`; undefined means that it is allowed.
 */
import type { ErrorKind } from "../../api/errors.ts";
import { Permission_Type } from "../../api/gen/auth.ts";
import { ROOT_ROLE, ROOT_USER, type Identity } from "../identity.ts";
import { sortAsGo } from "../pattern-sort.ts";

export interface ModelPermission {
  readonly type: Permission_Type;
  readonly key: string;
  /** As in requests: "" for the key alone, "\0" for everything from the key on. */
  readonly end: string;
}

export interface ModelUser {
  /** Undefined where none will do: the user has none, or it was changed to nothing. */
  readonly password: string | undefined;
  readonly noPassword: boolean;
  readonly roles: readonly string[];
}

export type AuthChange =
  | { readonly kind: "enable" }
  | { readonly kind: "disable" }
  /** Without a password, the user is one who can never have any. */
  | { readonly kind: "userAdd"; readonly name: string; readonly password: string | undefined }
  | { readonly kind: "userDelete"; readonly name: string }
  | { readonly kind: "userPassword"; readonly name: string; readonly password: string }
  | { readonly kind: "userGrant"; readonly name: string; readonly role: string }
  | { readonly kind: "userRevoke"; readonly name: string; readonly role: string }
  | { readonly kind: "roleAdd"; readonly name: string }
  | { readonly kind: "roleDelete"; readonly name: string }
  | { readonly kind: "roleGrant"; readonly name: string; readonly permission: ModelPermission }
  | {
      readonly kind: "roleRevoke";
      readonly name: string;
      readonly key: string;
      readonly end: string;
    };

export class AuthModel {
  enabled = false;
  revision = 1;
  readonly users = new Map<string, ModelUser>();
  readonly roles = new Map<string, readonly ModelPermission[]>();
  readonly #probes: readonly string[];

  /**
   * `bounds` has every key that ranges begin or end with. Between two neighbours of it, and of the
   * keys right behind them, all keys are alike: one of each kind is enough to count out a range.
   */
  constructor(bounds: readonly string[]) {
    const probes = new Set(bounds.flatMap((key) => [key, `${key}\0`]));
    probes.delete("");
    this.#probes = [...probes].sort();
  }

  /** As it is now; what is changed later does not change the copy. */
  copy(): AuthModel {
    const copy = new AuthModel(this.#probes);
    copy.enabled = this.enabled;
    copy.revision = this.revision;
    for (const [name, user] of this.users) copy.users.set(name, user);
    for (const [name, permissions] of this.roles) copy.roles.set(name, permissions);
    return copy;
  }

  /** An applied change by somebody who may administer. */
  change(change: AuthChange): ErrorKind | undefined {
    const refusal = this.#refusalOf(change);
    if (refusal === undefined) this.#carryOut(change);
    return refusal;
  }

  admin({ username }: Identity): ErrorKind | undefined {
    if (!this.enabled) return undefined;
    if (username === "") return "userEmpty";
    const user = this.users.get(username);
    if (user === undefined) return "userNotFound";
    return user.roles.includes(ROOT_ROLE) ? undefined : "permissionDenied";
  }

  access(
    { username, authRevision }: Identity,
    access: "read" | "write",
    key: string,
    end = "",
  ): ErrorKind | undefined {
    if (!this.enabled) return undefined;
    if (authRevision === 0) return "userEmpty";
    if (authRevision < this.revision) return "authOldRevision";
    const user = this.users.get(username);
    if (user === undefined) return "permissionDenied";
    if (user.roles.includes(ROOT_ROLE)) return undefined;
    const granted = user.roles
      .flatMap((role) => this.roles.get(role) ?? [])
      .filter(({ type }) => grants(type, access));
    const isGranted = (probe: string) => granted.some((one) => holds(one.key, one.end, probe));
    const asked = this.#probes.filter((probe) => holds(key, end, probe));
    // What holds no key is answered for as its begin is.
    return (asked.length > 0 ? asked : [key]).every(isGranted) ? undefined : "permissionDenied";
  }

  #refusalOf(change: AuthChange): ErrorKind | undefined {
    switch (change.kind) {
      case "enable": {
        const root = this.users.get(ROOT_USER);
        if (this.enabled) return undefined;
        if (root === undefined) return "rootUserNotExist";
        return root.roles.includes(ROOT_ROLE) ? undefined : "rootRoleNotExist";
      }
      case "disable":
        return undefined;
      case "userAdd":
        if (change.name === "") return "userEmpty";
        return this.users.has(change.name) ? "userExists" : undefined;
      case "userDelete":
        if (this.enabled && change.name === ROOT_USER) return "invalidAuthManagement";
        return this.#unknownUser(change.name);
      case "userPassword":
        return this.#unknownUser(change.name);
      case "userGrant":
        return (
          this.#unknownUser(change.name) ??
          (change.role === ROOT_ROLE ? undefined : this.#unknownRole(change.role))
        );
      case "userRevoke": {
        const { name, role } = change;
        if (this.enabled && name === ROOT_USER && role === ROOT_ROLE) {
          return "invalidAuthManagement";
        }
        const isGranted = this.users.get(name)?.roles.includes(role) === true;
        return this.#unknownUser(name) ?? (isGranted ? undefined : "roleNotGranted");
      }
      case "roleAdd":
        if (change.name === "") return "roleEmpty";
        return this.roles.has(change.name) ? "roleExists" : undefined;
      case "roleDelete":
        if (this.enabled && change.name === ROOT_ROLE) return "invalidAuthManagement";
        return this.#unknownRole(change.name);
      case "roleGrant": {
        const { key, end } = change.permission;
        const isRange = end === "" || end === "\0" || key < end;
        if (key === "" || !isRange) return "invalidAuthManagement";
        return this.#unknownRole(change.name);
      }
      case "roleRevoke": {
        const { name, key, end } = change;
        const isThere = this.roles.get(name)?.some((one) => one.key === key && one.end === end);
        return this.#unknownRole(name) ?? (isThere === true ? undefined : "permissionNotGranted");
      }
    }
  }

  /** What is allowed raises the revision, unless nothing is to be done. */
  #carryOut(change: AuthChange): void {
    if (change.kind === "enable") {
      this.enabled = true;
      return;
    }
    if (change.kind === "disable") {
      if (!this.enabled) return;
      this.enabled = false;
    } else if (change.kind === "userGrant") {
      const user = this.#user(change.name);
      if (user.roles.includes(change.role)) return;
      const roles = [...user.roles, change.role].sort();
      this.users.set(change.name, { ...user, roles });
    } else if (change.kind.startsWith("user")) this.#changeUser(change);
    else this.#changeRole(change);
    this.revision++;
  }

  #changeUser(change: AuthChange): void {
    if (change.kind === "userAdd") {
      const { name, password } = change;
      this.users.set(name, { password, noPassword: password === undefined, roles: [] });
    } else if (change.kind === "userDelete") this.users.delete(change.name);
    else if (change.kind === "userPassword") {
      const user = this.#user(change.name);
      const isNone = user.noPassword || change.password === "";
      this.users.set(change.name, { ...user, password: isNone ? undefined : change.password });
    } else if (change.kind === "userRevoke") this.#takeRole(change.name, change.role);
  }

  #changeRole(change: AuthChange): void {
    if (change.kind === "roleAdd") this.roles.set(change.name, []);
    else if (change.kind === "roleDelete") {
      this.roles.delete(change.name);
      for (const name of this.users.keys()) this.#takeRole(name, change.name);
    } else if (change.kind === "roleGrant") {
      const permissions = this.roles.get(change.name) ?? [];
      this.roles.set(change.name, withPermission(permissions, change.permission));
    } else if (change.kind === "roleRevoke") {
      const permissions = this.roles.get(change.name) ?? [];
      const isOther = ({ key, end }: ModelPermission) => key !== change.key || end !== change.end;
      this.roles.set(change.name, permissions.filter(isOther));
    }
  }

  #takeRole(name: string, role: string): void {
    const user = this.#user(name);
    this.users.set(name, { ...user, roles: user.roles.filter((each) => each !== role) });
  }

  #user(name: string): ModelUser {
    const user = this.users.get(name);
    if (user === undefined) throw new Error(`no user ${name}`);
    return user;
  }

  #unknownUser(name: string): ErrorKind | undefined {
    return this.users.has(name) ? undefined : "userNotFound";
  }

  #unknownRole(name: string): ErrorKind | undefined {
    return this.roles.has(name) ? undefined : "roleNotFound";
  }
}

/** True if the range that `key` and `end` of a request mean has the key in it. */
function holds(key: string, end: string, probe: string): boolean {
  if (end === "") return probe === key;
  return probe >= key && (end === "\0" || probe < end);
}

function grants(type: Permission_Type, access: "read" | "write"): boolean {
  if (type === Permission_Type.READWRITE) return true;
  return type === (access === "read" ? Permission_Type.READ : Permission_Type.WRITE);
}

/**
 * Ordered by key, those of one key as Go's sort leaves them. The first one with the same key is
 * changed if it has the same end, too.
 */
function withPermission(
  permissions: readonly ModelPermission[],
  granted: ModelPermission,
): readonly ModelPermission[] {
  const first = permissions.findIndex(({ key }) => key === granted.key);
  if (permissions[first]?.end === granted.end) return permissions.with(first, granted);
  const all = [...permissions, granted];
  sortAsGo(all, (one, other) => one.key < other.key);
  return all;
}
