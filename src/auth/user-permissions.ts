/** What one user may read and write: the union of what the user's roles grant. */
import { Permission_Type, type Role, type User } from "../api/gen/auth.ts";
import { ROOT_ROLE } from "./identity.ts";
import { type KeyRange, KeyRangeSet, keyRange } from "./key-ranges.ts";

export class UserPermissions {
  readonly #isRoot: boolean;
  readonly #read: KeyRangeSet;
  readonly #write: KeyRangeSet;

  /** Roles that do not exist grant nothing, as etcd passes over them. */
  constructor(user: User, roles: ReadonlyMap<string, Role>) {
    this.#isRoot = user.roles.includes(ROOT_ROLE);
    const read: KeyRange[] = [];
    const write: KeyRange[] = [];
    for (const name of user.roles) {
      for (const { permType, key, rangeEnd } of roles.get(name)?.keyPermission ?? []) {
        const range = keyRange(key, rangeEnd);
        const grantsBoth = permType === Permission_Type.READWRITE;
        if (grantsBoth || permType === Permission_Type.READ) read.push(range);
        if (grantsBoth || permType === Permission_Type.WRITE) write.push(range);
      }
    }
    this.#read = new KeyRangeSet(read);
    this.#write = new KeyRangeSet(write);
  }

  allows(access: "read" | "write", range: KeyRange): boolean {
    return this.#isRoot || this.#keys(access).covers(range);
  }

  allowsKey(access: "read" | "write", key: string): boolean {
    return this.#isRoot || this.#keys(access).has(key);
  }

  #keys(access: "read" | "write"): KeyRangeSet {
    return access === "read" ? this.#read : this.#write;
  }
}
