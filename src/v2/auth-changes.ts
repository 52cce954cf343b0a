/** What grants and revocations make of a user or role, with etcd's refusals. */
import { compareUtf8 } from "../membership/index.ts";
import type { Names, Permissions, Role, User } from "./auth-records.ts";
import { MessageError } from "./reply.ts";

/** Without the password, which is hashed elsewhere. Throws `MessageError`. */
export function changedRoles(old: User, { user, grant = [], revoke = [] }: User): string[] {
  const roles = new Set(old.roles ?? []);
  for (const role of grant) {
    if (roles.has(role)) throw conflict(`Granting duplicate role ${role} for user ${user}`);
    roles.add(role);
  }
  for (const role of revoke) {
    if (!roles.delete(role)) throw conflict(`Revoking ungranted role ${role} for user ${user}`);
  }
  return sorted(roles);
}

/** Throws `MessageError`. */
export function changedRole(old: Role, { grant, revoke }: Role): Role {
  let { permissions } = old;
  if (grant !== undefined) permissions = granted(permissions, grant);
  if (revoke !== undefined) permissions = revoked(permissions, revoke);
  return { role: old.role, permissions };
}

function granted({ kv }: Permissions, { kv: more }: Permissions): Permissions {
  const add = (names: Names, added: Names, kind: string): string[] => {
    const all = new Set(names ?? []);
    for (const name of added ?? []) {
      if (all.has(name)) throw conflict(`Granting duplicate ${kind} permission ${name}`);
      all.add(name);
    }
    return sorted(all);
  };
  return {
    kv: { read: add(kv.read, more.read, "read"), write: add(kv.write, more.write, "write") },
  };
}

/** What was not granted is passed over. */
function revoked({ kv }: Permissions, { kv: less }: Permissions): Permissions {
  const drop = (names: Names, dropped: Names): string[] =>
    sorted((names ?? []).filter((name) => dropped?.includes(name) !== true));
  return { kv: { read: drop(kv.read, less.read), write: drop(kv.write, less.write) } };
}

function sorted(names: Iterable<string>): string[] {
  return [...names].sort(compareUtf8);
}

function conflict(text: string): MessageError {
  return new MessageError(409, `auth: ${text}`);
}
