/** Users, roles, permissions, and tokens that are renewed by themselves, on any etcd. */
import assert from "node:assert/strict";
import { after, before, type TestContext, test } from "node:test";
import type { EtcdClient } from "../index.ts";
import { failure, isUnimplemented, soon, take } from "./check.ts";
import { Clients, type SuiteServer, type World } from "./world.ts";

const ROOT = { username: "root", password: "root's" };
const ALICE = { username: "alice", password: "wonder" };

export function authSuite(world: World): void {
  const on = `on ${world.name}`;
  let server: SuiteServer;
  let clients: Clients;
  let open: EtcdClient;
  let root: EtcdClient;
  let alice: EtcdClient;
  let missing = false;

  before(async () => {
    server = await world.startServer();
    clients = new Clients(server);
    open = clients.make();
    root = clients.make({ credentials: ROOT });
    alice = clients.make({ credentials: ALICE });
    missing = await isUnimplemented(open.auth.userGet("nobody"));
  });
  after(async () => {
    clients[Symbol.dispose]();
    await server[Symbol.asyncDispose]();
  });

  /** The tests build upon each other: authentication stays enabled. */
  function authTest(name: string, run: () => Promise<void>): void {
    test(`${name}, ${on}`, async (t: TestContext) => {
      if (missing) t.skip(`${world.name} has no users`);
      else await run();
    });
  }

  authTest("users and roles are added, looked at and removed", async () => {
    const { auth } = open;
    await auth.userAdd("root", ROOT.password);
    await auth.roleAdd("root");
    await auth.userGrantRole("root", "root");
    await auth.userAdd("alice", "old");
    await auth.userChangePassword("alice", ALICE.password);
    await auth.roleAdd("reader");
    await auth.roleGrantPermission("reader", "read", "a/", { prefix: true });
    await auth.roleGrantPermission("reader", "readwrite", "a/own");
    await auth.userGrantRole("alice", "reader");
    assert.deepEqual((await auth.userGet("alice")).roles, ["reader"]);
    assert.deepEqual((await auth.userList()).users.toSorted(), ["alice", "root"]);
    const { perm } = await auth.roleGet("reader");
    assert.deepEqual(
      perm.map(({ permType, key }) => [permType, String(key)]),
      [
        [0, "a/"],
        [2, "a/own"],
      ],
    );
    await auth.roleAdd("spare");
    await auth.roleGrantPermission("spare", "write", "x");
    await auth.roleRevokePermission("spare", "x");
    await auth.userAdd("bob", "", { noPassword: true });
    await auth.userGrantRole("bob", "spare");
    await auth.userRevokeRole("bob", "spare");
    await auth.roleDelete("spare");
    await auth.userDelete("bob");
    assert.deepEqual((await auth.roleList()).roles.toSorted(), ["reader", "root"]);
    await failure(auth.userAdd("alice", "x"), "userExists");
    await failure(auth.roleGet("spare"), "roleNotFound");
    await failure(auth.authenticate("alice", ALICE.password), "authNotEnabled");
  });

  authTest("a client with credentials works before they are asked for, and after", async () => {
    await root.kv.put("a/1", "1");
    assert.equal((await alice.kv.get("a/1")).kv?.valueText, "1");
    await root.auth.enable();
    assert.equal((await alice.kv.get("a/1")).kv?.valueText, "1");
    await root.kv.put("b/1", "1");
  });

  authTest("who may not is told so", async () => {
    await failure(open.kv.get("a/1"), "userEmpty");
    await alice.kv.put("a/own", "mine");
    await failure(alice.kv.put("a/1", "2"), "permissionDenied");
    await failure(alice.kv.get("b/1"), "permissionDenied");
    await failure(alice.auth.userList(), "permissionDenied");
    await failure(alice.watch("b/1").created, "permissionDenied");
    const liar = clients.make({ credentials: { ...ALICE, password: "wrong" } });
    const refused = await failure(liar.kv.put("a/own", "x"), "authFailed");
    assert.equal(refused.outcomeUnknown, false);
    await failure(liar.watch("a/1").created, "authFailed");
    assert.ok((await open.auth.authenticate("alice", ALICE.password)).length > 0);
  });

  authTest("changes of users and roles disturb nobody's calls and watches", async () => {
    const watcher = alice.watch("a/", { prefix: true });
    await soon(watcher.created, "creation");
    for (let i = 0; i < 3; i++) {
      // Every change makes all tokens old.
      await root.auth.roleGrantPermission("reader", "read", `c/${i}`);
      await root.kv.put(`c/${i}`, String(i));
      assert.equal((await alice.kv.get(`c/${i}`)).kv?.valueText, String(i));
      const late = alice.watch(`c/${i}`, { startRevision: 1 });
      assert.equal((await take(late, 1))[0]?.events[0]?.kv.valueText, String(i));
      late.cancel();
      await root.kv.put("a/1", `round ${i}`);
    }
    const seen = await take(watcher, 3);
    assert.deepEqual(
      seen.flatMap(({ events }) => events.map(({ kv }) => kv.valueText)),
      ["round 0", "round 1", "round 2"],
    );
    watcher.cancel();
  });

  authTest("tokens that a restarted server has forgotten are replaced", async () => {
    const watcher = alice.watch("a/1");
    await soon(watcher.created, "creation");
    const { ID } = await alice.lease.grant(60);
    const keepAlive = alice.lease.keepAlive(ID);
    const renewals = keepAlive[Symbol.asyncIterator]();
    await take(renewals, 1);
    await server.stop();
    await server.start();
    await root.kv.put("a/1", "after");
    const [response] = await take(watcher, 1);
    assert.equal(response?.events[0]?.kv.valueText, "after");
    await alice.kv.put("a/own", "after");
    await take(renewals, 1);
    keepAlive.stop();
    watcher.cancel();
  });

  authTest("without authentication nobody needs credentials again", async () => {
    await root.auth.disable();
    await open.kv.get("a/1");
    await alice.kv.get("b/1");
  });
}
