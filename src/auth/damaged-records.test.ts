/** What a damaged or foreign db may say of users and roles: a clear refusal, and nobody let in. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { EtcdError } from "../api/errors.ts";
import { Permission, Permission_Type, Role, User } from "../api/gen/auth.ts";
import {
  AUTH_BUCKET,
  AUTH_ROLES_BUCKET,
  AUTH_USERS_BUCKET,
  type Bucket,
} from "../backend/index.ts";
import { bytesFromLatin1, bytesFromUtf8 } from "../base/bytes.ts";
import { MemoryLogger } from "../env/testing/index.ts";
import { MemoryBackend } from "../lease/testing/memory-backend.ts";
import { AuthStore } from "./auth-store.ts";
import { keyRange } from "./key-ranges.ts";

function userRecord(name: string, ...roles: string[]): Uint8Array {
  return User.encode(User.create({ name: bytesFromUtf8(name), roles }));
}

function roleRecord(name: string, ...permissions: [type: number, key: string, end: string][]) {
  const keyPermission = permissions.map(([type, key, end]) => {
    const range = { key: bytesFromLatin1(key), rangeEnd: bytesFromLatin1(end) };
    return Permission.create({ permType: type as Permission_Type, ...range });
  });
  return Role.encode(Role.create({ name: bytesFromUtf8(name), keyPermission }));
}

type Records = readonly (readonly [Bucket, string, Uint8Array])[];

/** A db with authentication on, root, and what is given in the place of what it had. */
function openWith(...records: Records): AuthStore {
  const backend = new MemoryBackend();
  const whole: Records = [
    [AUTH_BUCKET, "authEnabled", Uint8Array.of(1)],
    [AUTH_BUCKET, "authRevision", Uint8Array.of(0, 0, 0, 0, 0, 0, 0, 9)],
    [AUTH_USERS_BUCKET, "root", userRecord("root", "root")],
    [AUTH_USERS_BUCKET, "ann", userRecord("ann", "r")],
    [AUTH_ROLES_BUCKET, "r", roleRecord("r", [Permission_Type.READ, "a", "c"])],
  ];
  for (const [bucket, key, value] of [...whole, ...records]) {
    backend.put(bucket, bytesFromUtf8(key), value);
  }
  const hashPassword = (password: string): string => password;
  return new AuthStore({ backend, logger: new MemoryLogger(), hashPassword });
}

const READER = userRecord("ann", "r");
const ROLE = roleRecord("r", [Permission_Type.READ, "a", "c"]);
const DAMAGE: Readonly<Record<string, readonly [Bucket, string, Uint8Array, RegExp]>> = {
  "an empty flag": [AUTH_BUCKET, "authEnabled", new Uint8Array(0), /"authEnabled".*0 nor 1/],
  "a long flag": [AUTH_BUCKET, "authEnabled", Uint8Array.of(1, 1), /"authEnabled".*0 nor 1/],
  "a flag of 2": [AUTH_BUCKET, "authEnabled", Uint8Array.of(2), /"authEnabled".*0 nor 1/],
  "no bytes of a revision": [AUTH_BUCKET, "authRevision", new Uint8Array(0), /has not 8 bytes/],
  "a short revision": [AUTH_BUCKET, "authRevision", Uint8Array.of(1), /has not 8 bytes/],
  "a huge revision": [AUTH_BUCKET, "authRevision", new Uint8Array(8).fill(255), /out of range/],
  "a user of another name": [AUTH_USERS_BUCKET, "ann", userRecord("root"), /another name/],
  "an empty user": [AUTH_USERS_BUCKET, "ann", new Uint8Array(0), /another name/],
  "roles out of order": [AUTH_USERS_BUCKET, "ann", userRecord("ann", "z", "root"), /not in order/],
  "a role twice": [AUTH_USERS_BUCKET, "ann", userRecord("ann", "r", "r"), /not in order/],
  "a role of another name": [AUTH_ROLES_BUCKET, "r", roleRecord("root"), /another name/],
};

test("a damaged record refuses the start and is named", () => {
  for (const [name, [bucket, key, value, message]] of Object.entries(DAMAGE)) {
    assert.throws(() => openWith([bucket, key, value]), { name: "AuthRecordError", message }, name);
  }
});

test("a record that is cut off refuses the start, wherever it is cut", () => {
  for (const [bucket, key, record] of [
    [AUTH_USERS_BUCKET, "ann", READER],
    [AUTH_ROLES_BUCKET, "r", ROLE],
  ] as const) {
    const name = {
      name: "AuthRecordError",
      message: new RegExp(`"${key}" of bucket "${bucket.name}"`),
    };
    // Cut between two fields it is whole, with fewer rights.
    const boundaries = [3 + key.length - 1];
    for (let length = 0; length < record.length; length++) {
      if (boundaries.includes(length)) continue;
      assert.throws(() => openWith([bucket, key, record.subarray(0, length)]), name, `${length}`);
    }
  }
});

/** What ann may do, as "read a", "write z"; and whether she administers. */
function rightsOf(store: AuthStore): string[] {
  const who = { username: "ann", authRevision: store.revision };
  const may = (run: () => void): boolean => {
    try {
      run();
      return true;
    } catch (error) {
      if (error instanceof EtcdError) return false;
      throw error;
    }
  };
  const asked = (["read", "write"] as const).flatMap((access) =>
    ["a", "z"]
      .filter((key) =>
        may(() =>
          store.requireAccess(who, access, keyRange(bytesFromUtf8(key), bytesFromUtf8(""))),
        ),
      )
      .map((key) => `${access} ${key}`),
  );
  return may(() => store.requireAdmin(who)) ? [...asked, "administer"] : asked;
}

test("what reads well but makes no sense grants nothing", () => {
  const role = (...permissions: Parameters<typeof roleRecord>[1][]): Records => [
    [AUTH_ROLES_BUCKET, "r", roleRecord("r", ...permissions)],
  ];
  const user = (...roles: string[]): Records => [
    [AUTH_USERS_BUCKET, "ann", userRecord("ann", ...roles)],
  ];
  const table: Record<string, [Records, string[]]> = {
    "as it should be": [[], ["read a"]],
    "a kind of permission that does not exist": [role([7, "a", "c"]), []],
    "a range whose end is before its begin": [role([2, "c", "a"]), []],
    "all keys from the empty one": [role([2, "", "\0"]), []],
    "a role that is not there": [user("missing"), []],
    "one role that is not there": [user("missing", "r"), ["read a"]],
    "no roles": [user(), []],
  };
  for (const [name, [records, rights]] of Object.entries(table)) {
    assert.deepEqual(rightsOf(openWith(...records)), rights, name);
  }
});

test("without root, nobody administers, and who could read still reads", () => {
  const store = openWith([AUTH_USERS_BUCKET, "root", userRecord("root")]);
  const root = { username: "root", authRevision: store.revision };
  assert.throws(() => store.requireAdmin(root), { kind: "permissionDenied" });
  assert.throws(() => store.requireAdmin({ username: "", authRevision: 0 }), { kind: "userEmpty" });
  assert.deepEqual(rightsOf(store), ["read a"]);
});
