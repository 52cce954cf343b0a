/**
 * Users in clusters of both kinds: made at every member under every leader, with logins and tokens
 * that count at all of them, changes while a member is away, restarts and received databases. At
 * the end all members hold the same keys, users, roles and revision of users.
 */
import assert from "node:assert/strict";
import { generateKeyPairSync } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { until } from "../src/embed/e2e/wait.ts";
import { authRecords, passwordOf, UserSession } from "./auth-world.ts";
import { ClusterWorld } from "./cluster-world.ts";
import { type EtcdKind, type EtcdProcess, missing, versionOf } from "./harness.ts";
import { PATIENCE_MS } from "../src/base/testing/patience.ts";

const skip = missing("reference", "ours");
/** A member before 3.5 takes the password into the log, and each member makes a hash of its own. */
const sharesHashes = versionOf("reference")?.startsWith("3.4.") !== true;
/** More than etcd keeps for a member that is behind. */
const ENTRIES_BEHIND = 7000;
const PARALLEL = 32;

const scratch = mkdtempSync(join(tmpdir(), "etcd-mixed-auth-"));
after(() => rmSync(scratch, { recursive: true, force: true }));

const { publicKey, privateKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
const pub = join(scratch, "jwt.pub");
const priv = join(scratch, "jwt.key");
writeFileSync(pub, publicKey.export({ type: "spki", format: "pem" }));
writeFileSync(priv, privateKey.export({ type: "pkcs1", format: "pem" }));

const TOKENS = {
  simple: "simple",
  jwt: `jwt,pub-key=${pub},priv-key=${priv},sign-method=RS256,ttl=1h`,
} as const;

async function as<T>(
  member: EtcdProcess,
  user: string,
  use: (session: UserSession) => Promise<T>,
): Promise<T> {
  // etcd itself answers so while a member or its leader is new.
  using session = await until(
    () => UserSession.logIn(member, user).catch(() => undefined),
    `a login of ${user} at ${member.name}`,
    PATIENCE_MS,
  );
  return await use(session);
}

/** Hands leadership to the member at `place`; `ask` is a session of who may. */
async function lead(world: ClusterWorld, place: number): Promise<void> {
  const target = world.member(place);
  await until(
    async () => {
      const { leader, self } = await as(target, "root", async (session) => {
        const status = await session.call("/etcdserverpb.Maintenance/Status", {});
        return { leader: status.leader, self: status.header?.memberId };
      });
      if (leader === self) return true;
      for (const member of world.members) {
        const moved = await as(member, "root", (session) =>
          session
            .call("/etcdserverpb.Maintenance/MoveLeader", { targetID: self ?? 0n })
            .then(() => true)
            .catch(() => false),
        );
        if (moved) break;
      }
      return false;
    },
    `the leadership of ${target.name}`,
    PATIENCE_MS,
  );
}

/**
 * etcd's members wait for the entry before the login, not for the login: one that is behind knows a
 * token only a moment later. Ours wait.
 */
async function known(session: UserSession, key: string): Promise<void> {
  await until(
    () =>
      session.get(key).then(
        () => true,
        (error: unknown) => {
          if (!/invalid auth token/.test(String(error))) throw error;
          return false;
        },
      ),
    "a token to be known",
    PATIENCE_MS,
  );
}

/** Everybody's own keys are written and read, everybody else's are refused, at every member. */
async function assertRights(world: ClusterWorld, users: readonly string[]): Promise<void> {
  for (const [i, user] of users.entries()) {
    const first = world.member(i % world.members.length);
    using session = await UserSession.logIn(first, user);
    for (const member of world.members) {
      using here = await UserSession.open(member, session.token);
      if (member.kind === "reference") await known(here, `${user}/key`);
      const value = `${member.name} ${Date.now()}`;
      await here.put(`${user}/key`, value);
      assert.equal(await here.get(`${user}/key`), value);
      await assert.rejects(here.get("another"), /permission denied/);
      await assert.rejects(here.put("another", ""), /permission denied/);
      await assert.rejects(UserSession.logIn(member, user, ""), /authentication failed/);
      await assert.rejects(UserSession.logIn(member, user, "wrong"), /authentication failed/);
    }
  }
}

async function assertAgreement(world: ClusterWorld): Promise<void> {
  const revision = await as(world.member(0), "root", (root) => root.put("marker", "x"));
  const hashes: unknown[] = [];
  for (const member of world.members) {
    hashes.push(
      await as(member, "root", async (root) => {
        await root.get("marker");
        const { hash, compactRevision } = await root.call("/etcdserverpb.Maintenance/HashKV", {
          revision,
        });
        return { hash, compactRevision };
      }),
    );
  }
  for (const hash of hashes) assert.deepEqual(hash, hashes[0], "HashKV of the members");
  await Promise.all(world.members.map((member) => member.stop()));
  const [first, ...others] = await Promise.all(
    world.members.map(({ dataDir }) => authRecords(dataDir, sharesHashes)),
  );
  assert.ok(first !== undefined && first.length > 2);
  for (const other of others) assert.deepEqual(other, first, "the auth buckets of the members");
}

for (const kinds of [
  ["reference", "ours", "ours"],
  ["ours", "reference", "reference"],
] as const) {
  for (const [name, flag] of Object.entries(TOKENS)) {
    test(`${kinds.join(", ")} share users and ${name} tokens`, { skip }, async () => {
      await using world = await start(kinds, flag);
      const users: string[] = [];
      for (const [i, member] of world.members.entries()) {
        using session = await UserSession.open(member);
        await session.addUser(`early${i}`);
        users.push(`early${i}`);
      }
      {
        using session = await UserSession.open(world.member(1));
        await session.enableAuth();
      }
      for (const leader of world.members.keys()) {
        await lead(world, leader);
        for (const [i, member] of world.members.entries()) {
          const user = `user${leader}${i}`;
          await as(member, "root", (root) => root.addUser(user));
          users.push(user);
        }
        await assertRights(world, users.slice(-3));
        const away = (leader + 1) % world.members.length;
        await changeWithout(world, away, users);
      }
      await assertRights(world, users);
      await assertAgreement(world);
      await Promise.all(world.members.map((member) => member.start()));
      await assertRights(world, users);
      await assertAgreement(world);
    });
  }
}

async function start(kinds: readonly EtcdKind[], token: string): Promise<ClusterWorld> {
  const flags = [`--auth-token=${token}`, "--bcrypt-cost=4", "--snapshot-count=100"];
  return await ClusterWorld.start(kinds, flags);
}

/** While a member is away: another password, a right taken, a user and a role removed. */
async function changeWithout(world: ClusterWorld, away: number, users: string[]): Promise<void> {
  const gone = `gone${away}`;
  const name = `kept${away}`;
  const present = world.member((away + 1) % world.members.length);
  await as(present, "root", async (root) => {
    await root.addUser(gone);
    await root.addUser(name);
  });
  await world.member(away).stop();
  await as(present, "root", async (root) => {
    await root.call("/etcdserverpb.Auth/UserDelete", { name: gone });
    await root.call("/etcdserverpb.Auth/RoleDelete", { role: gone });
    const password = `${passwordOf(name)}, changed`;
    await root.call("/etcdserverpb.Auth/UserChangePassword", { name, password });
    await root.call("/etcdserverpb.Auth/UserRevokeRole", { name, role: name });
    await root.addUser(`meanwhile${away}`);
  });
  await world.member(away).start();
  users.push(`meanwhile${away}`);
  const back = world.member(away);
  await as(back, `meanwhile${away}`, async (session) => session.get(`meanwhile${away}/key`));
  await assert.rejects(UserSession.logIn(back, gone), /authentication failed/);
  await assert.rejects(UserSession.logIn(back, name), /authentication failed/);
  using changed = await UserSession.logIn(back, name, `${passwordOf(name)}, changed`);
  await assert.rejects(changed.get(`${name}/key`), /permission denied/);
}

test("users come with a database, both ways", { skip }, async () => {
  await using world = await start(["reference", "ours", "ours"], TOKENS.simple);
  {
    using session = await UserSession.open(world.member(1));
    await session.addUser("alice");
    await session.enableAuth();
  }
  const users = ["alice"];
  for (const away of [0, 1]) {
    await world.member(away).stop();
    const present = world.member(2);
    await as(present, "root", (root) => root.addUser(`during${away}`));
    users.push(`during${away}`);
    await as(present, "root", async (root) => {
      for (let i = 0; i < ENTRIES_BEHIND; i += PARALLEL) {
        await Promise.all(
          Array.from({ length: PARALLEL }, (_, k) => root.put(`bulk/${k}`, `${i}`)),
        );
      }
    });
    await world.member(away).start();
    await as(world.member(away), `during${away}`, (session) => session.put(`during${away}/x`, "y"));
  }
  await assertRights(world, users);
  await assertAgreement(world);
});
