/**
 * Changes of single records, as etcd makes them: a user's roles stand in byte order, a role's
 * permissions in the order of their keys, those of one key as etcd's sort leaves them. Each
 * function answers a new record and leaves the one given alone; undefined means that there is
 * nothing to change.
 */
import type { Permission, Role, User } from "../api/gen/auth.ts";
import { bytesFromUtf8, compareBytes, equalBytes } from "../base/bytes.ts";
import { sortAsGo } from "./pattern-sort.ts";

export function withRole(user: User, role: string): User | undefined {
  if (user.roles.includes(role)) return undefined;
  const roles = [...user.roles, role].sort((a, b) =>
    compareBytes(bytesFromUtf8(a), bytesFromUtf8(b)),
  );
  return { ...user, roles };
}

export function withoutRole(user: User, role: string): User | undefined {
  const roles = user.roles.filter((each) => each !== role);
  return roles.length === user.roles.length ? undefined : { ...user, roles };
}

/**
 * Adds a permission, or changes the type of the one on the same range. etcd compares with the first
 * permission on the same key only, so that a second range of that key may be listed twice.
 */
export function grantPermission(role: Role, granted: Permission): Role {
  const permissions = role.keyPermission;
  const found = permissions.findIndex(({ key }) => compareBytes(key, granted.key) >= 0);
  const same = permissions[found];
  if (same !== undefined && isSameRange(same, granted.key, granted.rangeEnd)) {
    const updated = { ...same, permType: granted.permType };
    return { ...role, keyPermission: permissions.with(found, updated) };
  }
  const keyPermission = [...permissions, granted];
  sortAsGo(keyPermission, (one, other) => compareBytes(one.key, other.key) < 0);
  return { ...role, keyPermission };
}

export function revokePermission(
  role: Role,
  key: Uint8Array,
  rangeEnd: Uint8Array,
): Role | undefined {
  const kept = role.keyPermission.filter((each) => !isSameRange(each, key, rangeEnd));
  return kept.length === role.keyPermission.length ? undefined : { ...role, keyPermission: kept };
}

function isSameRange(permission: Permission, key: Uint8Array, rangeEnd: Uint8Array): boolean {
  return equalBytes(permission.key, key) && equalBytes(permission.rangeEnd, rangeEnd);
}
