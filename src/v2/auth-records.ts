/**
 * Users and roles of the v2 API as they are stored and sent. A list that nobody has given is null, as
 * Go writes it, and stays so.
 */
import { goJSON } from "../membership/index.ts";

export type Names = readonly string[] | null;

export interface User {
  readonly user: string;
  /** A bcrypt hash where it is stored; absent where it is shown. */
  readonly password?: string;
  readonly roles: Names;
  readonly grant?: readonly string[];
  readonly revoke?: readonly string[];
}

export interface Permissions {
  readonly kv: { readonly read: Names; readonly write: Names };
}

export interface Role {
  readonly role: string;
  readonly permissions: Permissions;
  readonly grant?: Permissions;
  readonly revoke?: Permissions;
}

export const ROOT = "root";
export const GUEST = "guest";

const EVERYTHING: Permissions = { kv: { read: ["/*"], write: ["/*"] } };

/** Built in: may do everything. */
export const ROOT_ROLE: Role = { role: ROOT, permissions: EVERYTHING };
/** What whoever does not say their name may do, until somebody decides otherwise. */
export const GUEST_ROLE: Role = { role: GUEST, permissions: EVERYTHING };

export function isEmptyPermissions(permissions: Permissions | undefined): boolean {
  if (permissions === undefined) return true;
  const { read, write } = permissions.kv;
  return (read ?? []).length === 0 && (write ?? []).length === 0;
}

export function isEqual(a: User | Role, b: User | Role): boolean {
  return goJSON(a) === goJSON(b);
}

/** The user `root` has the role of that name, whatever is stored. */
export function withRootRole(user: User): User {
  const roles = user.roles ?? [];
  return user.user !== ROOT || roles.includes(ROOT) ? user : { ...user, roles: [...roles, ROOT] };
}

/** Throws `SyntaxError`. Names of fields count in any case, as in Go. */
export function userFromJSON(text: string): User {
  const raw = fieldsOf(JSON.parse(text));
  const password = textIn(raw, "password");
  const grant = namesIn(raw, "grant") ?? [];
  const revoke = namesIn(raw, "revoke") ?? [];
  return {
    user: textIn(raw, "user"),
    ...(password === "" ? {} : { password }),
    roles: namesIn(raw, "roles"),
    ...(grant.length === 0 ? {} : { grant }),
    ...(revoke.length === 0 ? {} : { revoke }),
  };
}

/** Throws `SyntaxError`. */
export function roleFromJSON(text: string): Role {
  const raw = fieldsOf(JSON.parse(text));
  const grant = raw.get("grant") ?? null;
  const revoke = raw.get("revoke") ?? null;
  return {
    role: textIn(raw, "role"),
    permissions: permissionsOf(raw.get("permissions")),
    ...(grant === null ? {} : { grant: permissionsOf(grant) }),
    ...(revoke === null ? {} : { revoke: permissionsOf(revoke) }),
  };
}

type Fields = ReadonlyMap<string, unknown>;

function permissionsOf(raw: unknown): Permissions {
  const kv = fieldsOf(fieldsOf(raw).get("kv"));
  return { kv: { read: namesIn(kv, "read"), write: namesIn(kv, "write") } };
}

/** Null and missing are an object without fields, as in Go. */
function fieldsOf(raw: unknown): Fields {
  if (raw === null || raw === undefined) return new Map();
  if (typeof raw !== "object" || Array.isArray(raw)) throw new SyntaxError("it is no object");
  return new Map(Object.entries(raw).map(([name, value]) => [name.toLowerCase(), value]));
}

function textIn(fields: Fields, name: string): string {
  const value = fields.get(name) ?? "";
  if (typeof value !== "string") throw new SyntaxError(`${name} is no text`);
  return value;
}

function namesIn(fields: Fields, name: string): Names {
  const value = fields.get(name) ?? null;
  if (value === null) return null;
  if (!Array.isArray(value)) throw new SyntaxError(`${name} is no list`);
  return value.map((item: unknown) => {
    if (typeof item !== "string") throw new SyntaxError(`${name} is no list of texts`);
    return item;
  });
}
