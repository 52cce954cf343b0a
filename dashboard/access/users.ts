/** Users, roles and what they grant, from and to the JSON of the API. */
import type { Grant } from "../../src/insight/access.ts";
import { prefixSpan } from "../../src/insight/key-span.ts";
import { fromBase64, latin1 } from "../api/bytes.ts";
import type { CallOptions, EtcdApi } from "../api/etcd-api.ts";
import { shownLatin1 } from "../api/latin1.ts";

export interface User {
  readonly name: string;
  readonly roles: readonly string[];
}

export interface Permission extends Grant {
  /** As the API has it, in base64. */
  readonly key: string;
  readonly rangeEnd: string;
}

export interface Role {
  readonly name: string;
  readonly permissions: readonly Permission[];
}

export interface AccessState {
  readonly isEnabled: boolean;
  readonly users: readonly User[];
  readonly roles: readonly Role[];
  /** Users and roles that are not shown. */
  readonly left: number;
}

/** Users and roles that are asked for one by one. */
const SHOWN = 200;
/** Questions at a time. */
const AT_ONCE = 8;

interface PermissionJson {
  readonly permType?: "READ" | "WRITE" | "READWRITE";
  readonly key?: string;
  readonly range_end?: string;
}

const ACCESS = { READ: "read", WRITE: "write", READWRITE: "readwrite" } as const;

export async function accessState(api: EtcdApi, options: CallOptions): Promise<AccessState> {
  const [status, users, roles] = await Promise.all([
    api.call<{ readonly enabled?: boolean }>("v3/auth/status", {}, options),
    api.call<{ readonly users?: readonly string[] }>("v3/auth/user/list", {}, options),
    api.call<{ readonly roles?: readonly string[] }>("v3/auth/role/list", {}, options),
  ]);
  const userNames = users.users ?? [];
  const roleNames = roles.roles ?? [];
  return {
    isEnabled: status.enabled ?? false,
    users: await each(userNames.slice(0, SHOWN), (name) => userOf(api, name, options)),
    roles: await each(roleNames.slice(0, SHOWN), (name) => roleOf(api, name, options)),
    left: Math.max(0, userNames.length - SHOWN) + Math.max(0, roleNames.length - SHOWN),
  };
}

async function each<T>(names: readonly string[], ask: (name: string) => Promise<T>): Promise<T[]> {
  const all: T[] = [];
  for (let at = 0; at < names.length; at += AT_ONCE) {
    all.push(...(await Promise.all(names.slice(at, at + AT_ONCE).map(ask))));
  }
  return all;
}

async function userOf(api: EtcdApi, name: string, options: CallOptions): Promise<User> {
  const answer = await api.call<{ readonly roles?: readonly string[] }>(
    "v3/auth/user/get",
    { name },
    options,
  );
  return { name, roles: answer.roles ?? [] };
}

async function roleOf(api: EtcdApi, name: string, options: CallOptions): Promise<Role> {
  const answer = await api.call<{ readonly perm?: readonly PermissionJson[] }>(
    "v3/auth/role/get",
    { role: name },
    options,
  );
  return { name, permissions: (answer.perm ?? []).map((each) => permissionOf(name, each)) };
}

export function permissionOf(role: string, json: PermissionJson): Permission {
  const { permType = "READ", key = "", range_end: rangeEnd = "" } = json;
  const begin = latin1(fromBase64(key));
  const end = latin1(fromBase64(rangeEnd));
  const isOpen = end === "\0";
  const span = { begin, end: end === "" ? `${begin}\0` : isOpen ? "" : end };
  return { role, access: ACCESS[permType], span, key, rangeEnd };
}

/** "the key a", "all keys that begin with a", "all keys" … */
export function spanText({ span }: Pick<Grant, "span">): string {
  const { begin, end } = span;
  const shown = shownLatin1(begin);
  if (end === `${begin}\0`) return shown;
  if (end === "") return begin === "\0" ? "all keys" : `${shown} and all behind it`;
  if (end === prefixSpan(begin).end) return `${shown}*`;
  return `${shown} up to ${shownLatin1(end)}`;
}
