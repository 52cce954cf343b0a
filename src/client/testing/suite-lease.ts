/** Leases and keeping them alive, on any etcd. */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { VirtualClock } from "../../env/testing/index.ts";
import type { EtcdClient } from "../index.ts";
import { failure, soon, take } from "./check.ts";
import { FaultyProxy } from "./faulty-proxy.ts";
import { Clients, type SuiteServer, type World } from "./world.ts";

export function leaseSuite(world: World): void {
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

  test(`a lease is granted, listed, looked at and revoked with its keys, ${on}`, async () => {
    const granted = await client.lease.grant(60);
    assert.equal(granted.TTL, 60);
    await client.kv.put("lease/a", "", { lease: granted.ID });
    const { leases } = await client.lease.leases();
    assert.ok(leases.some(({ ID }) => ID === granted.ID));
    const left = await client.lease.timeToLive(granted.ID, { keys: true });
    assert.deepEqual([left.grantedTTL, left.keys.map(String)], [60, ["lease/a"]]);
    await client.lease.revoke(granted.ID);
    assert.equal((await client.kv.get("lease/a")).count, 0);
    assert.equal((await client.lease.timeToLive(granted.ID)).TTL, -1);
    await failure(client.lease.revoke(granted.ID), "leaseNotFound");
  });

  test(`a lease has the id that was asked for, once, ${on}`, async () => {
    const { ID } = await client.lease.grant(60, { leaseID: 0x7eadn });
    assert.equal(ID, 0x7eadn);
    await failure(client.lease.grant(60, { leaseID: 0x7eadn }), "leaseExists");
    assert.equal((await client.lease.keepAliveOnce(ID)).TTL, 60);
    await client.lease.revoke(ID);
    await failure(client.lease.keepAliveOnce(ID), "leaseNotFound");
  });

  test(`a lease is renewed every third of its TTL, ${on}`, async () => {
    const clock = new VirtualClock();
    const own = clients.make({ clock });
    const { ID } = await client.lease.grant(30);
    const keepAlive = own.lease.keepAlive(ID);
    const renewals = keepAlive[Symbol.asyncIterator]();
    await take(renewals, 1);
    for (let i = 0; i < 3; i++) {
      const next = take(renewals, 1);
      clock.advance(9_999);
      clock.advance(1);
      assert.equal((await next)[0]?.TTL, 30);
    }
    keepAlive.stop();
    assert.equal((await renewals.next()).done, true);
    assert.equal(keepAlive.signal.aborted, false);
  });

  test(`a kept lease whose server says that it is gone is lost, ${on}`, async () => {
    const clock = new VirtualClock();
    const own = clients.make({ clock });
    const { ID } = await client.lease.grant(30);
    const keepAlive = own.lease.keepAlive(ID);
    const renewals = keepAlive[Symbol.asyncIterator]();
    await take(renewals, 1);
    await client.lease.revoke(ID);
    clock.advance(10_000);
    const error = await soon(keepAlive.lost, "the loss");
    assert.equal(error.kind, "leaseLost");
    assert.equal(keepAlive.signal.reason, error);
    await failure(renewals.next(), "leaseLost");
  });

  test(`a kept lease without answers is lost after its TTL, not before, ${on}`, async () => {
    await using proxy = await FaultyProxy.start(server.endpoint);
    const clock = new VirtualClock();
    const own = clients.make({ clock, endpoints: proxy.endpoint, keepaliveIntervalMs: 1e9 });
    const { ID } = await client.lease.grant(30);
    const keepAlive = own.lease.keepAlive(ID);
    await take(keepAlive[Symbol.asyncIterator](), 1);
    proxy.holdAnswers();
    clock.advance(29_999);
    assert.equal(keepAlive.signal.aborted, false);
    clock.advance(1);
    assert.equal((await soon(keepAlive.lost, "the loss")).kind, "leaseLost");
  });

  test(`a kept lease survives cut connections and a restart of the server, ${on}`, async () => {
    await using own = await world.startServer();
    using ownClients = new Clients(own);
    await using proxy = await FaultyProxy.start(own.endpoint);
    const keeping = ownClients.make({ endpoints: proxy.endpoint });
    const { ID } = await keeping.lease.grant(60);
    await keeping.kv.put("kept", "", { lease: ID });
    const keepAlive = keeping.lease.keepAlive(ID);
    const renewals = keepAlive[Symbol.asyncIterator]();
    await take(renewals, 1);
    proxy.cut();
    // A new stream renews at once, long before a third of the TTL.
    await take(renewals, 1);
    await own.stop();
    await own.start();
    await take(renewals, 1);
    assert.equal((await keeping.kv.get("kept")).kv?.lease, ID);
    assert.equal(keepAlive.signal.aborted, false);
    keepAlive.stop();
  });

  test(`leases of one client share a stream, and one lease may be kept twice, ${on}`, async () => {
    const own = clients.make();
    const ids = await Promise.all([1, 2, 3].map(async () => (await own.lease.grant(60)).ID));
    const kept = [...ids, ids[0]!].map((id) => own.lease.keepAlive(id));
    const firsts = kept.slice(0, 3).map((each) => take(each[Symbol.asyncIterator](), 1));
    const answers = await Promise.all(firsts);
    assert.deepEqual(
      answers.map(([answer]) => answer?.ID),
      ids,
    );
    kept[0]?.stop();
    own.close();
    const error = await soon(kept[3]!.lost, "the loss");
    assert.match(error.message, /can no longer be renewed: the client is closed/);
  });
}
