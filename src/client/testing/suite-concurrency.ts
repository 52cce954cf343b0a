/** Sessions, locks, elections and software transactions among several contenders, on any etcd. */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import {
  Election,
  electionLeader,
  type EtcdClient,
  type Isolation,
  Mutex,
  observeElection,
  op,
  Session,
  stm,
} from "../index.ts";
import { failure, soon, take } from "./check.ts";
import { Clients, type SuiteServer, type World } from "./world.ts";

export function concurrencySuite(world: World): void {
  const on = `on ${world.name}`;
  let server: SuiteServer;
  let clients: Clients;
  let client: EtcdClient;

  before(async () => {
    server = await world.startServer();
    clients = new Clients(server);
    client = clients.make();
  });
  after(async () => {
    clients[Symbol.dispose]();
    await server[Symbol.asyncDispose]();
  });

  /** Waits until `count` keys stand in the line of a lock or an election. */
  async function lineOf(name: string, count: number): Promise<void> {
    const watcher = client.watch(`${name}/`, { prefix: true });
    await watcher.created;
    const all = { prefix: true, countOnly: true };
    while ((await client.kv.get(`${name}/`, all)).count !== count) await take(watcher, 1);
    watcher.cancel();
  }

  test(`a session's keys vanish when it is closed, and stay when it is orphaned, ${on}`, async () => {
    const session = await Session.create(client, { ttl: 60 });
    await client.kv.put("session/a", "", { lease: session.leaseID });
    session.orphan();
    assert.equal((await client.kv.get("session/a")).count, 1);
    {
      await using heir = await Session.create(client, { leaseID: session.leaseID });
      assert.equal(heir.leaseID, session.leaseID);
    }
    assert.equal((await client.kv.get("session/a")).count, 0);
    await failure(Session.create(client, { leaseID: 404n }), "leaseNotFound");
  });

  test(`contenders for a lock hold it one after the other, in order, ${on}`, async () => {
    await client.kv.put("counter", "0");
    const tokens: number[] = [];
    const contend = async (): Promise<void> => {
      const own = clients.make();
      await using session = await Session.create(own);
      const mutex = new Mutex(session, "lock/counter");
      for (let i = 0; i < 4; i++) {
        await using held = await mutex.lock();
        tokens.push(held.revision);
        // Read and write apart: only the lock keeps others out.
        const { kv } = await own.kv.get("counter");
        const next = String(Number(kv?.valueText) + 1);
        const { succeeded } = await own.kv
          .txn()
          .if(held.isOwner())
          .do(op.put("counter", next))
          .commit();
        assert.equal(succeeded, true);
      }
    };
    await soon(Promise.all(Array.from({ length: 5 }, contend)), "all contenders");
    assert.equal((await client.kv.get("counter")).kv?.valueText, "20");
    assert.deepEqual(
      tokens,
      [...tokens].sort((a, b) => a - b),
    );
    assert.equal((await client.kv.get("lock/counter/", { prefix: true })).count, 0);
  });

  test(`a lock's key is its name and the lease in hex, as other clients have it, ${on}`, async () => {
    await using session = await Session.create(client);
    const mutex = await new Mutex(session, "lock/named").lock();
    const { kv } = await client.kv.get("lock/named/", { prefix: true });
    assert.equal(kv?.keyText, `lock/named/${session.leaseID.toString(16)}`);
    assert.equal(kv.keyText, mutex.key);
    assert.deepEqual([kv.lease, kv.createRevision], [session.leaseID, mutex.revision]);
    await mutex.unlock();
    assert.throws(() => mutex.isOwner(), { kind: "failedPrecondition" });
  });

  test(`a lock that is taken can be tried, waited for in vain, and then had, ${on}`, async () => {
    await using first = await Session.create(client);
    await using second = await Session.create(client);
    const held = await new Mutex(first, "lock/taken").lock();
    const wanted = new Mutex(second, "lock/taken");
    assert.equal(await wanted.tryLock(), false);
    await failure(wanted.lock({ timeoutMs: 30 }), "deadlineExceeded");
    const controller = new AbortController();
    const waiting = wanted.lock({ signal: controller.signal });
    await lineOf("lock/taken", 2);
    controller.abort(new Error("changed my mind"));
    await failure(waiting, "aborted");
    // Nothing of it is left in the line.
    await lineOf("lock/taken", 1);
    const patient = wanted.lock();
    await lineOf("lock/taken", 2);
    await held.unlock();
    await soon(patient, "the lock");
    assert.equal(await held.tryLock(), false);
    await wanted.unlock();
    assert.equal(await held.tryLock(), true);
  });

  test(`a lock passes on when its holder's lease is revoked, and the holder is told, ${on}`, async () => {
    const first = await Session.create(client, { ttl: 9 });
    await using second = await Session.create(client);
    const held = await new Mutex(first, "lock/lost").lock();
    const waiting = new Mutex(second, "lock/lost").lock();
    await lineOf("lock/lost", 2);
    await client.lease.revoke(first.leaseID);
    await soon(waiting, "the lock");
    const { succeeded } = await client.kv
      .txn()
      .if(held.isOwner())
      .do(op.put("guarded", "by a holder that is none"))
      .commit();
    assert.equal(succeeded, false);
    assert.equal((await soon(first.lost, "the loss")).kind, "leaseLost");
    await first.close();
  });

  test(`who waits with a lease that is gone does not get the lock, ${on}`, async () => {
    await using first = await Session.create(client);
    const second = await Session.create(client, { ttl: 60 });
    const held = await new Mutex(first, "lock/gone").lock();
    const waiting = new Mutex(second, "lock/gone").lock();
    await lineOf("lock/gone", 2);
    // The next renewal is 20 s away: only the check of the own key can notice.
    await client.lease.revoke(second.leaseID);
    await held.unlock();
    await failure(waiting, "leaseLost");
    second.orphan();
  });

  test(`candidates lead one after the other, in order, and observers see each, ${on}`, async () => {
    const sessions = await Promise.all([1, 2, 3].map(() => Session.create(clients.make())));
    const elections = sessions.map((session) => new Election(session, "elect/order"));
    const observer = observeElection(client, "elect/order");
    const firstSeen = take(observer, 1);
    await elections[0]!.campaign("a");
    assert.equal((await firstSeen)[0]?.valueText, "a");
    const second = elections[1]!.campaign("b");
    await lineOf("elect/order", 2);
    const third = elections[2]!.campaign("c");
    await lineOf("elect/order", 3);
    assert.equal((await elections[2]!.leader())?.valueText, "a");
    await elections[0]!.proclaim("a2");
    assert.equal((await take(observer, 1))[0]?.valueText, "a2");
    await failure(elections[1]!.proclaim("b2"), "notElected");
    await elections[0]!.resign();
    await soon(second, "leadership");
    assert.equal((await take(observer, 1))[0]?.valueText, "b");
    const { succeeded } = await client.kv
      .txn()
      .if(elections[1]!.isLeader())
      .do(op.put("guarded", "b"))
      .commit();
    assert.equal(succeeded, true);
    await sessions[1]!.close();
    await soon(third, "leadership");
    assert.equal((await take(observer, 1))[0]?.valueText, "c");
    assert.equal((await electionLeader(client, "elect/order"))?.valueText, "c");
    await sessions[2]!.close();
    await sessions[0]!.close();
    assert.equal(await electionLeader(client, "elect/order"), undefined);
    await observer.return();
  });

  test(`a candidacy that is given up leaves the line, ${on}`, async () => {
    await using first = await Session.create(client);
    await using second = await Session.create(client);
    const leading = new Election(first, "elect/up");
    await leading.campaign("x");
    await leading.campaign("y");
    assert.equal((await leading.leader())?.valueText, "y");
    await failure(
      new Election(second, "elect/up").campaign("z", { timeoutMs: 30 }),
      "deadlineExceeded",
    );
    await lineOf("elect/up", 1);
    const controller = new AbortController();
    const watching = leading.observe({ signal: controller.signal });
    await take(watching, 1);
    controller.abort();
    await failure(watching.next(), "aborted");
  });

  test(`transfers between accounts keep the sum, whoever interferes, ${on}`, async () => {
    const accounts = ["bank/a", "bank/b", "bank/c"];
    for (const account of accounts) await client.kv.put(account, "100");
    let runs = 0;
    const transfer = async (own: EtcdClient, from: string, to: string): Promise<void> => {
      await stm(own, async (txn) => {
        runs++;
        const [fromText, toText] = await Promise.all([txn.getText(from), txn.getText(to)]);
        txn.put(from, String(Number(fromText) - 1));
        txn.put(to, String(Number(toText) + 1));
        assert.equal(await txn.getText(from), String(Number(fromText) - 1));
      });
    };
    const work = [0, 1, 2].map(async (i) => {
      const own = clients.make();
      for (let n = 0; n < 10; n++) {
        await transfer(own, accounts[i]!, accounts[(i + 1) % 3]!);
      }
    });
    await soon(Promise.all(work), "all transfers");
    const sums = await stm(client, (txn) => Promise.all(accounts.map((key) => txn.getText(key))));
    assert.deepEqual(sums, ["100", "100", "100"]);
    assert.ok(runs >= 30);
  });

  /** Two doctors are on call; each goes off if the other stays. Returns who is left. */
  async function writeSkew(isolation: Isolation): Promise<string[]> {
    const name = `doctors/${isolation}`;
    await client.kv.put(`${name}/a`, "on");
    await client.kv.put(`${name}/b`, "on");
    let interfere: (() => Promise<unknown>) | undefined = () =>
      stm(client, async (txn) => {
        if ((await txn.getText(`${name}/a`)) === "on") txn.put(`${name}/b`, "off");
      });
    await stm(
      client,
      async (txn) => {
        const other = await txn.getText(`${name}/b`);
        const first = interfere;
        interfere = undefined;
        await first?.();
        if (other === "on") txn.put(`${name}/a`, "off");
      },
      { isolation },
    );
    const { kvs } = await client.kv.get(`${name}/`, { prefix: true });
    return kvs.filter(({ valueText }) => valueText === "on").map(({ keyText }) => keyText);
  }

  test(`isolation levels allow what they say and no more, ${on}`, async () => {
    assert.equal((await writeSkew("serializableSnapshot")).length, 1);
    assert.equal((await writeSkew("serializable")).length, 1);
    assert.equal((await writeSkew("repeatableReads")).length, 1);
    assert.equal((await writeSkew("readCommitted")).length, 0);
  });

  test(`a transaction reads one state, and its failure changes nothing, ${on}`, async () => {
    await client.kv.put("state/a", "1");
    await client.kv.put("state/b", "1");
    const seen: (string | undefined)[] = [];
    await stm(client, async (txn) => {
      seen.push(await txn.getText("state/a"));
      if (seen.length === 1) {
        await client.kv.txn().do(op.put("state/a", "2"), op.put("state/b", "2")).commit();
      }
      seen.push(await txn.getText("state/b"));
      txn.put("state/c", seen.at(-1) ?? "");
    });
    assert.deepEqual(seen, ["1", "1", "2", "2"].slice(0, seen.length));
    const thrown = stm(client, async (txn) => {
      txn.delete("state/a");
      assert.equal(await txn.get("state/a"), undefined);
      throw new Error("no");
    });
    await assert.rejects(thrown, /^Error: no$/);
    assert.equal((await client.kv.get("state/a")).kv?.valueText, "2");
    const counts = await stm(
      client,
      async (txn) => [await txn.revision("state/none"), await txn.getText("state/b")],
      { prefetch: ["state/b", "state/none"] },
    );
    assert.deepEqual(counts, [0, "2"]);
  });
}
