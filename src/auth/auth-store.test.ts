import assert from "node:assert/strict";
import { test } from "node:test";
import { type ErrorKind, EtcdError } from "../api/errors.ts";
import { Permission_Type, User } from "../api/gen/auth.ts";
import {
  AuthRoleGrantPermissionRequest,
  AuthUserAddRequest,
  AuthUserChangePasswordRequest,
} from "../api/gen/rpc.ts";
import { AUTH_BUCKET, AUTH_ROLES_BUCKET, AUTH_USERS_BUCKET } from "../backend/index.ts";
import { bytesFromLatin1, bytesFromUtf8 } from "../base/bytes.ts";
import { MemoryLogger } from "../env/testing/index.ts";
import { MemoryBackend } from "../lease/testing/memory-backend.ts";
import { AuthStore } from "./auth-store.ts";
import { type Identity, NOBODY } from "./identity.ts";
import { keyRange } from "./key-ranges.ts";

function open(backend = new MemoryBackend()): { store: AuthStore; backend: MemoryBackend } {
  const logger = new MemoryLogger();
  const hashPassword = (password: string): string => `hash of ${password}`;
  return { store: new AuthStore({ backend, logger, hashPassword }), backend };
}

function kindOf(run: () => void): ErrorKind | "ok" {
  try {
    run();
    return "ok";
  } catch (error) {
    if (error instanceof EtcdError) return error.kind;
    throw error;
  }
}

const HASH = Buffer.from("$2a$10$hash").toString("base64");

function addUser(store: AuthStore, name: string, ...roles: string[]): void {
  store.addUser(AuthUserAddRequest.create({ name, hashedPassword: HASH }));
  for (const role of roles) store.grantRole({ user: name, role });
}

function grant(store: AuthStore, role: string, key: string, end: string, permType: number): void {
  const perm = { key: bytesFromLatin1(key), rangeEnd: bytesFromLatin1(end), permType };
  store.grantPermission(AuthRoleGrantPermissionRequest.create({ name: role, perm }));
}

/** Authentication on, and a user "reader" that may read [a, c) and write "w". */
function enabled(): { store: AuthStore; backend: MemoryBackend; reader: Identity } {
  const { store, backend } = open();
  addUser(store, "root", "root");
  store.addRole({ name: "readers" });
  grant(store, "readers", "a", "c", Permission_Type.READ);
  grant(store, "readers", "w", "", Permission_Type.WRITE);
  addUser(store, "reader", "readers");
  store.enable();
  return { store, backend, reader: { username: "reader", authRevision: store.revision } };
}

function range(key: string, end = ""): ReturnType<typeof keyRange> {
  return keyRange(bytesFromLatin1(key), bytesFromLatin1(end));
}

test("a new database starts at revision 1, and each change adds one", () => {
  const { store, backend } = open();
  assert.equal(store.revision, 1);
  assert.deepEqual(
    backend.get(AUTH_BUCKET, bytesFromUtf8("authRevision")),
    Uint8Array.of(0, 0, 0, 0, 0, 0, 0, 1),
  );
  addUser(store, "ann");
  store.addRole({ name: "r" });
  store.grantRole({ user: "ann", role: "r" });
  assert.equal(store.revision, 4);
  // A role that the user has already changes nothing.
  store.grantRole({ user: "ann", role: "r" });
  assert.equal(store.revision, 4);
});

test("records have etcd's bytes, and are found again by another member", () => {
  const { store, backend } = enabled();
  const stored = backend.get(AUTH_USERS_BUCKET, bytesFromUtf8("reader"));
  const user = {
    name: bytesFromUtf8("reader"),
    password: bytesFromUtf8("$2a$10$hash"),
    roles: ["readers"],
    options: { noPassword: false },
  };
  assert.deepEqual(Buffer.from(stored ?? []), Buffer.from(User.encode(user)));
  assert.deepEqual(backend.get(AUTH_BUCKET, bytesFromUtf8("authEnabled")), Uint8Array.of(1));
  const again = open(backend).store;
  assert.equal(again.enabled, true);
  assert.equal(again.revision, store.revision);
  assert.deepEqual(again.userNames(), ["reader", "root"]);
  const asked = { username: "reader", authRevision: again.revision };
  assert.equal(
    kindOf(() => again.requireAccess(asked, "read", range("a", "c"))),
    "ok",
  );
});

test("authentication needs the user root with the role root", () => {
  const { store } = open();
  assert.equal(
    kindOf(() => store.enable()),
    "rootUserNotExist",
  );
  addUser(store, "root");
  assert.equal(
    kindOf(() => store.enable()),
    "rootRoleNotExist",
  );
  store.grantRole({ user: "root", role: "root" });
  assert.equal(
    kindOf(() => store.enable()),
    "ok",
  );
});

test("while it is on, root can lose neither itself nor its role", () => {
  const { store } = enabled();
  const refusals = [
    () => store.deleteUser({ name: "root" }),
    () => store.deleteRole({ role: "root" }),
    () => store.revokeRole({ name: "root", role: "root" }),
  ];
  for (const refusal of refusals) assert.equal(kindOf(refusal), "invalidAuthManagement");
  store.disable();
  assert.equal(
    kindOf(() => store.revokeRole({ name: "root", role: "root" })),
    "ok",
  );
});

test("what does not exist, or exists already, is named", () => {
  const { store } = enabled();
  const table: [() => void, ErrorKind][] = [
    [() => addUser(store, ""), "userEmpty"],
    [() => addUser(store, "reader"), "userExists"],
    [() => store.deleteUser({ name: "x" }), "userNotFound"],
    [() => store.rolesOf("x"), "userNotFound"],
    [() => store.addRole({ name: "" }), "roleEmpty"],
    [() => store.addRole({ name: "readers" }), "roleExists"],
    [() => store.deleteRole({ role: "x" }), "roleNotFound"],
    [() => store.grantRole({ user: "x", role: "readers" }), "userNotFound"],
    [() => store.grantRole({ user: "reader", role: "x" }), "roleNotFound"],
    [() => store.revokeRole({ name: "root", role: "readers" }), "roleNotGranted"],
    [() => grant(store, "x", "a", "", 0), "roleNotFound"],
    [() => grant(store, "readers", "", "", 0), "invalidAuthManagement"],
    [() => grant(store, "readers", "b", "a", 0), "invalidAuthManagement"],
    [() => grant(store, "readers", "b", "b", 0), "invalidAuthManagement"],
    [
      () => store.grantPermission(AuthRoleGrantPermissionRequest.create({ name: "readers" })),
      "permissionNotGiven",
    ],
    [
      () =>
        store.revokePermission({
          role: "readers",
          key: bytesFromLatin1("a"),
          rangeEnd: bytesFromLatin1("b"),
        }),
      "permissionNotGranted",
    ],
  ];
  const before = store.revision;
  for (const [run, kind] of table) assert.equal(kindOf(run), kind, String(run));
  assert.equal(store.revision, before);
});

test("only what is granted may be read or written", () => {
  const { store, reader } = enabled();
  const allowed = (access: "read" | "write", key: string, end?: string): ErrorKind | "ok" =>
    kindOf(() => store.requireAccess(reader, access, range(key, end)));
  assert.equal(allowed("read", "a"), "ok");
  assert.equal(allowed("read", "a", "c"), "ok");
  assert.equal(allowed("read", "a", "\0"), "permissionDenied");
  assert.equal(allowed("write", "a"), "permissionDenied");
  assert.equal(allowed("write", "w"), "ok");
  assert.equal(allowed("read", "w"), "permissionDenied");
  const root = { username: "root", authRevision: store.revision };
  assert.equal(
    kindOf(() => store.requireAccess(root, "write", range("\0", "\0"))),
    "ok",
  );
});

test("an identity from before a change, or of nobody, is refused", () => {
  const { store, reader } = enabled();
  const check = (identity: Identity): ErrorKind | "ok" =>
    kindOf(() => store.requireAccess(identity, "read", range("a")));
  assert.equal(check(NOBODY), "userEmpty");
  assert.equal(check({ username: "gone", authRevision: store.revision }), "permissionDenied");
  store.addRole({ name: "other" });
  assert.equal(check(reader), "authOldRevision");
  store.disable();
  assert.equal(check(NOBODY), "ok");
});

test("a role that is deleted is taken from its users", () => {
  const { store, backend } = enabled();
  store.deleteRole({ role: "readers" });
  assert.deepEqual(store.rolesOf("reader"), []);
  assert.equal(backend.get(AUTH_ROLES_BUCKET, bytesFromUtf8("readers")), undefined);
  const now = { username: "reader", authRevision: store.revision };
  assert.equal(
    kindOf(() => store.requireAccess(now, "read", range("a"))),
    "permissionDenied",
  );
});

test("a permission on the same range changes its type; roles keep the order of keys", () => {
  const { store } = open();
  store.addRole({ name: "r" });
  grant(store, "r", "m", "", Permission_Type.READ);
  grant(store, "r", "a", "b", Permission_Type.READ);
  grant(store, "r", "m", "", Permission_Type.READWRITE);
  const listed = store.permissionsOf("r").map(({ key, permType }) => [String(key), permType]);
  assert.deepEqual(listed, [
    ["a", Permission_Type.READ],
    ["m", Permission_Type.READWRITE],
  ]);
});

test("passwords are kept as the hash that came with the request", () => {
  const { store } = open();
  const passwordOf = (name: string): string => String(store.user(name)?.password);
  addUser(store, "ann");
  assert.equal(passwordOf("ann"), "$2a$10$hash");
  // A member of 3.4 logs the password itself.
  store.addUser(AuthUserAddRequest.create({ name: "old", password: "secret" }));
  assert.equal(passwordOf("old"), "hash of secret");
  store.addUser(AuthUserAddRequest.create({ name: "cn", options: { noPassword: true } }));
  store.changePassword(AuthUserChangePasswordRequest.create({ name: "cn", hashedPassword: HASH }));
  assert.equal(passwordOf("cn"), "");
  const bad = AuthUserAddRequest.create({ name: "bad", hashedPassword: "%%%" });
  assert.equal(
    kindOf(() => store.addUser(bad)),
    "noPasswordUser",
  );
});

test("another database takes the place of users, roles and logins", () => {
  const { store } = open();
  const events: string[] = [];
  store.events = {
    enabled: () => events.push("enabled"),
    disabled: () => events.push("disabled"),
    userInvalidated: () => events.push("invalidated"),
    permissionsChanged: () => events.push("changed"),
  };
  const other = enabled();
  const adopt = store.prepareReload(other.backend);
  assert.equal(store.enabled, false);
  adopt();
  assert.equal(store.enabled, true);
  assert.equal(store.revision, other.store.revision);
  assert.deepEqual(events, ["enabled", "changed"]);
});
