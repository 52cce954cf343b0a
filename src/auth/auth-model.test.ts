/**
 * The store against a model that counts keys out one by one: users, roles, grants and revocations
 * in any order, and what comes of them. `TEST_SEED` repeats one seed.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { EtcdError, type ErrorKind } from "../api/errors.ts";
import { User } from "../api/gen/auth.ts";
import { AUTH_ROLES_BUCKET, AUTH_USERS_BUCKET } from "../backend/index.ts";
import { bytesFromLatin1, bytesFromUtf8, latin1FromBytes } from "../base/bytes.ts";
import { MemoryLogger, SeededRandom } from "../env/testing/index.ts";
import { MemoryBackend } from "../lease/testing/memory-backend.ts";
import { AuthStore } from "./auth-store.ts";
import type { Identity } from "./identity.ts";
import { keyRange } from "./key-ranges.ts";
import { type AuthChange, AuthModel } from "./testing/auth-model.ts";
import { RANGE_BOUNDS, randomChange, randomRange, USER_NAMES } from "./testing/random-auth.ts";

const STEPS = 250;
const DECISIONS_PER_STEP = 12;

function seeds(): readonly number[] {
  const { TEST_SEED: given } = process.env;
  return given === undefined ? Array.from({ length: 8 }, (_, i) => i + 1) : [Number(given)];
}

function openStore(backend: MemoryBackend): AuthStore {
  const hashPassword = (password: string): string => `hash of ${password}`;
  return new AuthStore({ backend, logger: new MemoryLogger(), hashPassword });
}

function refusalOf(run: () => void): ErrorKind | undefined {
  try {
    run();
    return undefined;
  } catch (error) {
    if (error instanceof EtcdError) return error.kind;
    throw error;
  }
}

function carryOut(store: AuthStore, change: AuthChange): void {
  const hashOf = (password: string) => bytesFromUtf8(`hash of ${password}`).toString("base64");
  switch (change.kind) {
    case "enable":
      return store.enable();
    case "disable":
      return store.disable();
    case "userAdd": {
      const { name, password = "" } = change;
      const options = { noPassword: change.password === undefined };
      return store.addUser({ name, password: "", hashedPassword: hashOf(password), options });
    }
    case "userDelete":
      return store.deleteUser(change);
    case "userPassword": {
      const { name, password } = change;
      const hashedPassword = password === "" ? "" : hashOf(password);
      return store.changePassword({ name, password: "", hashedPassword });
    }
    case "userGrant":
      return store.grantRole({ user: change.name, role: change.role });
    case "userRevoke":
      return store.revokeRole(change);
    case "roleAdd":
      return store.addRole(change);
    case "roleDelete":
      return store.deleteRole({ role: change.name });
    case "roleGrant": {
      const { type: permType, key, end } = change.permission;
      const perm = { permType, key: bytesFromLatin1(key), rangeEnd: bytesFromLatin1(end) };
      return store.grantPermission({ name: change.name, perm });
    }
    case "roleRevoke": {
      const { name: role, key, end } = change;
      const [keyBytes, rangeEnd] = [bytesFromLatin1(key), bytesFromLatin1(end)];
      return store.revokePermission({ role, key: keyBytes, rangeEnd });
    }
  }
}

/** What a client can be shown of the store, in the model's form. */
function stateOf(store: AuthStore): unknown {
  const users = store.userNames().map((name) => [name, store.rolesOf(name)]);
  const roles = store.roleNames().filter((name) => name !== "root");
  const permissions = roles.map((name) => [
    name,
    store.permissionsOf(name).map(({ permType: type, key, rangeEnd }) => {
      return { type, key: latin1FromBytes(key), end: latin1FromBytes(rangeEnd) };
    }),
  ]);
  return { enabled: store.enabled, revision: store.revision, users, permissions };
}

function stateOfModel({ enabled, revision, users, roles }: AuthModel): unknown {
  const names = [...users.keys()].sort();
  const permissions = [...roles.keys()].filter((name) => name !== "root").sort();
  return {
    enabled,
    revision,
    users: names.map((name) => [name, users.get(name)?.roles]),
    permissions: permissions.map((name) => [name, roles.get(name)]),
  };
}

test("users, roles and permissions do, and decide, what a model says that knows no merged ranges", () => {
  for (const seed of seeds()) {
    const random = new SeededRandom(seed);
    const model = new AuthModel(RANGE_BOUNDS);
    const backend = new MemoryBackend();
    let store = openStore(backend);
    const allowed = new Set<string>();
    for (let step = 0; step < STEPS; step++) {
      const at = `TEST_SEED=${seed}, step ${step}`;
      const change = randomChange(random, model);
      const expected = model.change(change);
      const refusal = refusalOf(() => carryOut(store, change));
      assert.equal(refusal, expected, `${at}: ${JSON.stringify(change)}`);
      assert.deepEqual(stateOf(store), stateOfModel(model), at);
      // What lies in the buckets says the same, whoever reads it.
      if (random.chance(0.05)) store = openStore(backend);
      for (let i = 0; i < DECISIONS_PER_STEP; i++) {
        const outcome = compareDecision(random, store, model, at);
        allowed.add(outcome ?? "allowed");
      }
    }
    const met = ["allowed", "authOldRevision", "permissionDenied", "userEmpty", "userNotFound"];
    assert.deepEqual([...allowed].sort(), met, `TEST_SEED=${seed} meets every outcome`);
  }
});

function compareDecision(
  random: SeededRandom,
  store: AuthStore,
  model: AuthModel,
  at: string,
): ErrorKind | undefined {
  const username = random.pick([...USER_NAMES, "", "nobody"]);
  const age = random.chance(0.1) ? 1 : 0;
  const authRevision = username === "" ? 0 : store.revision - age;
  const who: Identity = { username, authRevision };
  if (random.chance(0.1)) {
    const expected = model.admin(who);
    const found = refusalOf(() => store.requireAdmin(who));
    assert.equal(found, expected, `${at}: may ${username} administer?`);
    return expected;
  }
  const access = random.pick(["read", "write"] as const);
  const { key, end } = randomRange(random);
  const range = keyRange(bytesFromLatin1(key), bytesFromLatin1(end));
  const expected = model.access(who, access, key, end);
  const found = refusalOf(() => store.requireAccess(who, access, range));
  assert.equal(found, expected, `${at}: ${JSON.stringify({ who, access, key, end })}`);
  return expected;
}

test("a role that is gone is gone from the records of its users, and a user from the bucket", () => {
  const backend = new MemoryBackend();
  const store = openStore(backend);
  const model = new AuthModel(RANGE_BOUNDS);
  const random = new SeededRandom(5);
  for (let step = 0; step < STEPS; step++) {
    const change = randomChange(random, model);
    if (model.change(change) === undefined) carryOut(store, change);
    const users = Object.entries(backend.dump(AUTH_USERS_BUCKET));
    assert.deepEqual(users.map(([name]) => name).sort(), [...model.users.keys()].sort());
    for (const [name, record] of users) {
      assert.deepEqual(User.decode(bytesFromLatin1(record)).roles, model.users.get(name)?.roles);
    }
    const roles = Object.keys(backend.dump(AUTH_ROLES_BUCKET));
    assert.deepEqual(roles.sort(), [...model.roles.keys()].sort());
  }
});
