/**
 * What lives on when a token ends: by expiry, with a restart, when authentication is switched off
 * and on, and with another password. On any etcd since 3.5.
 *
 * The tokens of these servers live for a second. A kept lease with a TTL of five is renewed every
 * 1.7 seconds, so that whoever does something after each renewal has a token that has expired.
 */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import {
  type ClientEvent,
  compare,
  Election,
  type EtcdClient,
  METHODS,
  Mutex,
  op,
  Session,
} from "../index.ts";
import { RangeRequest } from "../../api/gen/rpc.ts";
import { failure, soon, take } from "./check.ts";
import { Clients, type SuiteServer, type World } from "./world.ts";

const ROOT = { username: "root", password: "root's" };
const ALICE = { username: "alice", password: "wonder" };
const LEASE_TTL_SECONDS = 5;

export function tokenSuite(world: World): void {
  const on = `on ${world.name}`;
  let server: SuiteServer;
  let clients: Clients;
  let root: EtcdClient;
  let alice: EtcdClient;
  /** Calls of alice that were sent again. */
  let repeated: string[];

  before(async () => {
    server = await world.startServer({ authTokenTtlSeconds: 1 });
    clients = new Clients(server);
    await enable(clients.make());
    root = clients.make({ credentials: ROOT });
    repeated = [];
    const onEvent = (event: ClientEvent): void => {
      if (event.kind === "retry") repeated.push(event.method);
    };
    alice = clients.make({ credentials: ALICE, onEvent });
  });
  after(async () => {
    clients[Symbol.dispose]();
    await server[Symbol.asyncDispose]();
  });

  async function enable({ auth }: EtcdClient): Promise<void> {
    for (const { username, password } of [ROOT, ALICE]) await auth.userAdd(username, password);
    await auth.roleAdd("root");
    await auth.userGrantRole("root", "root");
    await auth.roleAdd("own");
    await auth.roleGrantPermission("own", "readwrite", "a/", { prefix: true });
    await auth.userGrantRole("alice", "own");
    await auth.enable();
  }

  /** Another client's lease as a clock: each round begins with a token that has expired. */
  async function* roundsOf(count: number): AsyncGenerator<number, void, void> {
    const other = clients.make({ credentials: ROOT });
    const { ID } = await other.lease.grant(LEASE_TTL_SECONDS);
    const keepAlive = other.lease.keepAlive(ID);
    const renewals = keepAlive[Symbol.asyncIterator]();
    await take(renewals, 1);
    for (let round = 1; round <= count; round++) {
      await take(renewals, 1);
      yield round;
    }
    keepAlive.stop();
  }

  test(`calls, transactions and streams renew a token that has expired, ${on}`, async () => {
    await alice.kv.put("a/1", "0");
    const range = RangeRequest.create({ key: Buffer.from("a/1") });
    for await (const round of roundsOf(3)) {
      if (round === 1) {
        await alice.kv.put("a/1", "1");
      } else if (round === 2) {
        const txn = alice.kv.txn().if(compare.value("a/1").equal("1")).do(op.put("a/1", "2"));
        assert.equal((await txn.commit()).succeeded, true);
      } else {
        assert.equal((await alice.call(METHODS.range, range)).count, 1);
      }
      assert.ok(repeated.length <= round, `round ${round}: ${repeated}`);
    }
    // etcd looks for tokens that have expired once a second: some may have been there still.
    assert.ok(repeated.length >= 1, String(repeated));
  });

  test(`a snapshot is sent to who has a token that has expired, ${on}`, async () => {
    const reader = clients.make({ credentials: ROOT });
    await reader.kv.get("a/1");
    for await (const _ of roundsOf(1)) {
      let bytes = 0;
      for await (const blob of reader.maintenance.snapshot()) bytes += blob.length;
      assert.ok(bytes > 4096, `${bytes} bytes`);
    }
  });

  test(`watch, lease, lock and leadership live on when tokens expire, ${on}`, async () => {
    const watcher = alice.watch("a/seen");
    await soon(watcher.created, "creation");
    const session = await Session.create(alice, { ttl: LEASE_TTL_SECONDS });
    const mutex = await new Mutex(session, "a/lock").lock();
    const election = new Election(session, "a/leader");
    await election.campaign("first");
    // As many as would end a stream whose refusals were counted together.
    for await (const round of roundsOf(5)) {
      const guarded = alice.kv.txn().if(mutex.isOwner(), election.isLeader());
      const { succeeded } = await guarded.do(op.put("a/seen", String(round))).commit();
      assert.equal(succeeded, true, `round ${round}`);
    }
    const seen = await take(watcher, 5);
    const values = seen.flatMap(({ events }) => events.map(({ kv }) => kv.valueText));
    assert.deepEqual(values, ["1", "2", "3", "4", "5"]);
    assert.equal(session.signal.aborted, false);
    await election.proclaim("second");
    await mutex.unlock();
    await session.close();
    watcher.cancel();
  });

  test(`a watch whose token has expired outlives a change of users, ${on}`, async () => {
    const watcher = alice.watch("a/2");
    await soon(watcher.created, "creation");
    for await (const _ of roundsOf(1)) await root.auth.roleAdd("another");
    await root.kv.put("a/2", "after");
    const [response] = await take(watcher, 1);
    assert.equal(response?.events[0]?.kv.valueText, "after");
    watcher.cancel();
  });

  test(`session, watch and calls outlive the restart of the member, ${on}`, async () => {
    const session = await Session.create(alice, { ttl: 60 });
    const mutex = await new Mutex(session, "a/lock").lock();
    const watcher = alice.watch("a/3");
    await soon(watcher.created, "creation");
    await server.stop();
    await server.start();
    const answer = await alice.kv.txn().if(mutex.isOwner()).do(op.put("a/3", "after")).commit();
    assert.equal(answer.succeeded, true);
    const [response] = await take(watcher, 1);
    assert.equal(response?.events[0]?.kv.valueText, "after");
    await mutex.unlock();
    await session.close();
    watcher.cancel();
  });

  test(`they outlive that authentication is switched off and on, ${on}`, async () => {
    const session = await Session.create(alice, { ttl: LEASE_TTL_SECONDS });
    const watcher = alice.watch("a/4");
    await soon(watcher.created, "creation");
    for (const [i, change] of (["disable", "enable"] as const).entries()) {
      await root.auth[change]();
      for await (const _ of roundsOf(1)) await alice.kv.put("a/4", String(i));
      const [response] = await take(watcher, 1);
      assert.equal(response?.events[0]?.kv.valueText, String(i));
    }
    assert.equal(session.signal.aborted, false);
    await session.close();
    watcher.cancel();
  });

  test(`with another password, calls go on once the client has it too, ${on}`, async () => {
    const credentials = { ...ALICE };
    const client = clients.make({ credentials });
    await client.kv.put("a/5", "1");
    const session = await Session.create(client, { ttl: 60 });
    await root.auth.userChangePassword("alice", "new");
    await failure(client.kv.put("a/5", "2"), "authFailed");
    credentials.password = "new";
    await client.kv.put("a/5", "2");
    assert.equal(session.signal.aborted, false);
    await session.close();
    await root.auth.userChangePassword("alice", ALICE.password);
  });
}
