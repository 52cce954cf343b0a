/**
 * Data directories and snapshots with users between a reference etcd and ours: whoever could log in
 * can log in, with the same rights, and users made by one are users of the other.
 */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { authRecords, passwordOf, UserSession } from "./auth-world.ts";
import { type EtcdKind, type EtcdProcess, missing, repositoryRoot, startEtcd } from "./harness.ts";
import { PATIENCE_MS } from "../src/base/testing/patience.ts";

const REFERENCE_CTL = process.env.ETCDCTL ?? "etcdctl";
const PEER_URL = "http://127.0.0.1:2380";
const FLAGS = [
  `--initial-advertise-peer-urls=${PEER_URL}`,
  `--initial-cluster=default=${PEER_URL}`,
  "--bcrypt-cost=4",
];

const scratch = mkdtempSync(join(tmpdir(), "etcd-auth-exchange-"));
after(() => rmSync(scratch, { recursive: true, force: true }));

function missingEtcdctl(): string | false {
  const run = spawnSync(REFERENCE_CTL, ["version"]);
  return run.error === undefined ? false : `${REFERENCE_CTL} does not run`;
}

const skip = missing("ours", "reference") || missingEtcdctl();

/** Runs `use` with a member on a directory, and ends it as told. */
async function serve<T>(
  kind: EtcdKind,
  dataDir: string,
  signal: NodeJS.Signals,
  use: (etcd: EtcdProcess) => Promise<T>,
): Promise<T> {
  await using etcd = await startEtcd({ kind, dataDir, flags: FLAGS });
  try {
    return await use(etcd);
  } finally {
    await etcd.stop(signal);
  }
}

/** `users` may use what begins with their name and nothing else; nobody may do anything. */
async function assertRights(etcd: EtcdProcess, users: readonly string[]): Promise<void> {
  using nobody = await UserSession.open(etcd);
  await assert.rejects(nobody.get("x"), /user name is empty/);
  await assert.rejects(UserSession.logIn(etcd, "gone"), /authentication failed/);
  for (const user of users) {
    await assert.rejects(UserSession.logIn(etcd, user, "wrong"), /authentication failed/);
    await assert.rejects(UserSession.logIn(etcd, user, ""), /authentication failed/);
    using session = await UserSession.logIn(etcd, user);
    await session.put(`${user}/key`, user);
    assert.equal(await session.get(`${user}/key`), user);
    await assert.rejects(session.get("another"), /permission denied/);
  }
  using root = await UserSession.logIn(etcd, "root");
  const { users: known } = await root.call("/etcdserverpb.Auth/UserList", {});
  assert.deepEqual(known.toSorted(), [...users, "passwordless", "root"].toSorted());
}

async function begin(etcd: EtcdProcess): Promise<void> {
  using session = await UserSession.open(etcd);
  await session.addUser("first");
  await session.addUser("gone");
  await session.call("/etcdserverpb.Auth/UserAdd", {
    name: "passwordless",
    options: { noPassword: true },
  });
  await session.enableAuth();
  using root = await UserSession.logIn(etcd, "root");
  await root.call("/etcdserverpb.Auth/UserDelete", { name: "gone" });
}

/** A new user, and an old one with another password and back. */
async function change(etcd: EtcdProcess, user: string): Promise<void> {
  using root = await UserSession.logIn(etcd, "root");
  await root.addUser(user);
  for (const password of ["another", passwordOf("first")]) {
    await root.call("/etcdserverpb.Auth/UserChangePassword", { name: "first", password });
  }
}

for (const signal of ["SIGTERM", "SIGKILL"] as const) {
  for (const from of ["reference", "ours"] as const) {
    test(
      `users of a directory of ${from} go to the other and back, ended by ${signal}`,
      { skip },
      async () => {
        const dataDir = join(scratch, `${from}-${signal}`);
        const users = ["first"];
        await serve(from, dataDir, signal, begin);
        const to = from === "ours" ? "reference" : "ours";
        for (const [round, kind] of ([to, from, to, from] as const).entries()) {
          await serve(kind, dataDir, signal, async (etcd) => {
            await assertRights(etcd, users);
            await change(etcd, `user${round}`);
            users.push(`user${round}`);
            await assertRights(etcd, users);
          });
        }
      },
    );
  }
}

function run(program: string, ...args: string[]): string {
  const { PATH = "" } = process.env;
  const { status, stdout, stderr } = spawnSync(program, args, {
    encoding: "utf8",
    env: { PATH, HOME: scratch, ETCDCTL_API: "3", ETCD_NODE: process.execPath },
    timeout: PATIENCE_MS,
  });
  assert.equal(status, 0, `${program} ${args.join(" ")}: ${stderr}`);
  return stdout;
}

const OUR_CTL = join(repositoryRoot, "bin", "etcdctl");
const OUR_UTL = join(repositoryRoot, "bin", "etcdutl");
/** Whose snapshot, restored by what, served by whom. */
const WAYS = [
  [OUR_CTL, REFERENCE_CTL, "ours"],
  [OUR_CTL, OUR_UTL, "reference"],
  [REFERENCE_CTL, OUR_UTL, "ours"],
  [REFERENCE_CTL, REFERENCE_CTL, "reference"],
] as const;

for (const from of ["ours", "reference"] as const) {
  test(
    `users come with a snapshot of ${from}, whoever takes and restores it`,
    { skip },
    async () => {
      const source = join(scratch, `source-${from}`);
      const fileOf = (tool: string): string => `${source}-${tool === OUR_CTL ? 1 : 2}.db`;
      await serve(from, source, "SIGTERM", async (etcd) => {
        await begin(etcd);
        const endpoint = `--endpoints=${etcd.clientUrl}`;
        const save = ["snapshot", "save"] as const;
        for (const tool of [OUR_CTL, REFERENCE_CTL]) {
          run(tool, endpoint, "--user", `root:${passwordOf("root")}`, ...save, fileOf(tool));
        }
        assert.notEqual(spawnSync(OUR_CTL, [endpoint, ...save, `${source}.x`]).status, 0);
      });
      for (const [i, [saver, restorer, to]] of WAYS.entries()) {
        const file = fileOf(saver);
        const status = ["snapshot", "status", file] as const;
        assert.equal(run(OUR_CTL, ...status), run(REFERENCE_CTL, ...status));
        run(OUR_UTL, "verify", file);
        const dataDir = `${source}-restored-${i}`;
        const where = [
          `--data-dir=${dataDir}`,
          `--initial-cluster=default=${PEER_URL}`,
          `--initial-advertise-peer-urls=${PEER_URL}`,
        ];
        run(restorer, "snapshot", "restore", file, ...where);
        assert.deepEqual(await authRecords(dataDir), await authRecords(source));
        await serve(to, dataDir, "SIGTERM", async (etcd) => {
          await assertRights(etcd, ["first"]);
          await change(etcd, "later");
          await assertRights(etcd, ["first", "later"]);
        });
      }
    },
  );
}
