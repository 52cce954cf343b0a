/** Namespaces, on any etcd: nothing of the prefix comes back, and nothing outside is reached. */
import assert from "node:assert/strict";
import { after, beforeEach, before, test } from "node:test";
import { compare, type EtcdClient, type KeyClient, Mutex, op, Session, stm } from "../index.ts";
import { failure, take } from "./check.ts";
import { Clients, type SuiteServer, type World } from "./world.ts";

export function namespaceSuite(world: World): void {
  const on = `on ${world.name}`;
  let server: SuiteServer;
  let clients: Clients;
  let client: EtcdClient;
  let own: KeyClient;

  before(async () => {
    server = await world.startServer();
    clients = new Clients(server);
    client = clients.make();
    own = client.namespace("ns/");
  });
  after(async () => {
    clients[Symbol.dispose]();
    await server[Symbol.asyncDispose]();
  });
  /** Neighbours before, at and behind the namespace, which nobody in it may see or touch. */
  const outside = ["a", "ns", "ns.", "ns/", "ns0", "z"];
  beforeEach(async () => {
    await client.kv.delete("", { prefix: true });
    for (const key of outside) await client.kv.put(key, "outside");
    for (const key of ["a", "b", "c"]) await own.kv.put(key, key.toUpperCase());
  });

  const keysOf = async (prefix: string): Promise<string[]> =>
    (await client.kv.get(prefix, { prefix: true })).kvs.map(({ keyText }) => keyText);

  test(`keys are written with the prefix and come back without, ${on}`, async () => {
    assert.deepEqual(await keysOf("ns/"), ["ns/", "ns/a", "ns/b", "ns/c"]);
    assert.equal((await own.kv.get("b")).kv?.toString(), "b=B");
    const put = await own.kv.put("b", "2", { prevKV: true });
    assert.equal(put.prevKV?.toString(), "b=B");
    const { deleted, prevKVs } = await own.kv.delete("b", { prevKV: true });
    assert.deepEqual([deleted, prevKVs.map(String)], [1, ["b=2"]]);
    await failure(own.kv.get(""), "emptyKey");
    await failure(own.kv.put("", "x"), "emptyKey");
    await failure(own.kv.txn().do(op.put("", "x")).commit(), "emptyKey");
  });

  test(`every kind of range ends with the namespace, ${on}`, async () => {
    const keys = async (key: string, options: object): Promise<string> =>
      (await own.kv.get(key, options)).kvs.map(({ keyText }) => keyText).join("");
    assert.equal(await keys("", { prefix: true }), "abc");
    assert.equal(await keys("", { fromKey: true }), "abc");
    assert.equal(await keys("b", { fromKey: true }), "bc");
    assert.equal(await keys("b", { prefix: true }), "b");
    assert.equal(await keys("a", { rangeEnd: "c" }), "ab");
    assert.equal(await keys("\xff", { fromKey: true }), "");
    const pages: string[] = [];
    for await (const kv of own.kv.iterate("", { prefix: true, pageSize: 1 })) pages.push(`${kv}`);
    assert.deepEqual(pages, ["a=A", "b=B", "c=C"]);
    assert.equal((await own.kv.delete("", { prefix: true })).deleted, 3);
    assert.deepEqual(await keysOf(""), outside);
  });

  test(`transactions are inside with all their levels, ${on}`, async () => {
    const inner = own.kv
      .txn()
      .if(compare.value("", { prefix: true }).notEqual("outside"))
      .do(op.get("b"), op.delete("c", { fromKey: true, prevKV: true }))
      .otherwise(op.put("wrong", ""));
    const txn = own.kv
      .txn()
      .if(compare.value("a").equal("A"), compare.missing("d"))
      .do(
        op.put("a", "2", { prevKV: true }),
        op.get("", { prefix: true, limit: 1 }),
        op.txn(inner),
      );
    for (const turn of ["first", "second"]) {
      // A transaction is made of values: it can be committed again.
      await own.kv.put("a", "A");
      await own.kv.put("c", "C");
      const { succeeded, responses } = await txn.commit();
      assert.equal(succeeded, true, turn);
      const [put, got, nested] = responses;
      assert.equal(put?.kind === "put" && put.prevKV?.toString(), "a=A");
      assert.equal(got?.kind === "get" && got.kv?.toString(), "a=2");
      assert.ok(nested?.kind === "txn" && nested.succeeded);
      assert.equal(nested.get(0).kv?.toString(), "b=B");
      const [, gone] = nested.responses;
      assert.deepEqual(gone?.kind === "delete" && gone.prevKVs.map(String), ["c=C"]);
    }
    assert.deepEqual(await keysOf(""), ["a", "ns", "ns.", "ns/", "ns/a", "ns/b", "ns0", "z"]);
  });

  test(`a watch yields what happens inside only, ${on}`, async () => {
    const watcher = own.watch("", { prefix: true, prevKV: true });
    const one = own.watch("a");
    await Promise.all([watcher.created, one.created]);
    for (const key of outside) await client.kv.put(key, "again");
    await client.kv.put("ns/a", "2");
    await client.kv.delete("ns/a");
    const events = (await take(watcher, 2)).flatMap((response) => response.events);
    assert.deepEqual(
      events.map(({ type, kv, prevKV }) => [type, String(kv), String(prevKV)]),
      [
        ["put", "a=2", "a=A"],
        ["delete", "a=", "a=2"],
      ],
    );
    assert.equal((await take(one, 1))[0]?.events[0]?.kv.keyText, "a");
    watcher.cancel();
    one.cancel();
  });

  test(`sessions, locks and software transactions work in it, and in one inside, ${on}`, async () => {
    const deeper = own.namespace("deep/");
    await using session = await Session.create(deeper, { ttl: 30 });
    const mutex = new Mutex(session, "lock");
    await mutex.lock();
    await deeper.kv.txn().if(mutex.isOwner()).do(op.put("guarded", "1")).commit();
    await stm(deeper, async (txn) => {
      txn.put("copy", (await txn.getText("guarded")) ?? "");
    });
    assert.equal((await client.kv.get("ns/deep/copy")).kv?.valueText, "1");
    const lockKeys = await keysOf("ns/deep/lock/");
    assert.equal(lockKeys.length, 1);
    await client.kv.put("z", "", { lease: session.leaseID });
    const { keys } = await deeper.lease.timeToLive(session.leaseID, { keys: true });
    assert.deepEqual(
      keys.map((key) => Buffer.from(key).toString()),
      [mutex.key],
    );
    await mutex.unlock();
    assert.deepEqual(await keysOf("ns/deep/lock/"), []);
  });
}
