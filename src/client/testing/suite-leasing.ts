/**
 * Leasing, on any etcd: what an owner reads costs the cluster nothing, and is never old, whoever
 * writes and whatever breaks.
 */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import {
  type ClientEvent,
  compare,
  type EtcdClient,
  type EtcdClientOptions,
  type KV,
  type Leasing,
  op,
} from "../index.ts";
import { failure, seededRandom, soon, take } from "./check.ts";
import { FaultyProxy } from "./faulty-proxy.ts";
import { Clients, type SuiteServer, type World } from "./world.ts";

interface Owner {
  readonly kv: KV;
  readonly leasing: Leasing;
  readonly client: EtcdClient;
  /** Calls to the cluster that `run` makes. */
  calls(run: () => Promise<unknown>): Promise<number>;
}

export function leasingSuite(world: World): void {
  const on = `on ${world.name}`;
  let server: SuiteServer;
  let clients: Clients;
  let client: EtcdClient;
  let made = 0;

  before(async () => {
    server = await world.startServer();
    clients = new Clients(server);
    client = clients.make();
  });
  after(async () => {
    clients[Symbol.dispose]();
    await server[Symbol.asyncDispose]();
  });

  /** Prefixes are each test's own. */
  const newPrefix = (): string => `leases${made++}/`;
  async function owner(prefix: string, options: EtcdClientOptions = {}, ttl = 30): Promise<Owner> {
    let count = 0;
    const onEvent = ({ kind }: ClientEvent): void => {
      if (kind === "call") count++;
    };
    const own = clients.make({ ...options, onEvent });
    const leasing = own.leasing(prefix, { ttl });
    await leasing.ready();
    const calls = async (run: () => Promise<unknown>): Promise<number> => {
      const earlier = count;
      await run();
      return count - earlier;
    };
    return { kv: leasing.kv, leasing, client: own, calls };
  }
  const textOf = async (kv: KV, key: string): Promise<string | undefined> =>
    (await kv.get(key)).kv?.valueText;

  test(`the second read of a key asks nobody, and both say the same, ${on}`, async () => {
    const { kv, calls, leasing } = await owner(newPrefix());
    await client.kv.put("once/a", "1");
    const [first, second] = [await kv.get("once/a"), await kv.get("once/a")];
    assert.equal(await calls(() => kv.get("once/a")), 0);
    assert.deepEqual(second.kv, first.kv);
    assert.equal(second.count, 1);
    assert.equal((await kv.get("once/a", { keysOnly: true })).kv?.valueText, "");
    const hidden = await kv.get("once/a", { minModRevision: first.revision + 100 });
    assert.deepEqual([hidden.kvs.length, hidden.count], [0, 1]);
    assert.deepEqual((await kv.get("once/a", { countOnly: true })).kvs, []);
    await kv.get("once/missing");
    assert.equal(await calls(() => kv.get("once/missing")), 0);
    assert.equal((await kv.get("once/missing")).count, 0);
    await leasing.close();
  });

  test(`ranges, old revisions and serializable reads own nothing, ${on}`, async () => {
    const prefix = newPrefix();
    const { kv, leasing } = await owner(prefix);
    const { revision } = await client.kv.put("range/a", "1");
    await kv.get("range/", { prefix: true });
    await kv.get("range/a", { revision });
    await kv.get("range/a", { serializable: true });
    assert.equal((await client.kv.get(prefix, { prefix: true })).count, 0);
    await kv.get("range/a");
    const { kvs } = await client.kv.get(prefix, { prefix: true });
    assert.deepEqual(
      kvs.map((each) => [each.keyText, each.valueText, each.lease !== 0n]),
      [[`${prefix}range/a`, "", true]],
    );
    await leasing.close();
    assert.equal((await client.kv.get(prefix, { prefix: true })).count, 0);
  });

  test(`what the owner writes it reads back exactly, without asking, ${on}`, async () => {
    const { kv, calls, leasing } = await owner(newPrefix());
    await kv.get("own/a");
    const same = async (): Promise<void> => {
      const own = await kv.get("own/a");
      assert.deepEqual(own.kv, (await client.kv.get("own/a")).kv);
    };
    const put = await kv.put("own/a", "1", { prevKV: true });
    assert.equal(put.prevKV, undefined);
    await same();
    assert.equal((await kv.put("own/a", "2", { prevKV: true })).prevKV?.valueText, "1");
    await same();
    assert.equal((await kv.delete("own/a", { prevKV: true })).prevKVs[0]?.valueText, "2");
    await same();
    await kv.txn().do(op.put("own/a", "3"), op.delete("own/b")).commit();
    await same();
    const nested = kv.txn().if(compare.missing("own/a")).otherwise(op.put("own/a", "4"));
    const outer = await kv.txn().do(op.txn(nested), op.get("own/a")).commit();
    assert.equal(outer.get(1).kv?.valueText, "4");
    await same();
    assert.equal(await calls(() => kv.get("own/a")), 0);
    await leasing.close();
  });

  test(`a writer elsewhere makes the owner leave, and nobody reads what is old, ${on}`, async () => {
    const prefix = newPrefix();
    const [one, two] = [await owner(prefix), await owner(prefix)];
    await one.kv.put("both/a", "1");
    assert.equal(await textOf(one.kv, "both/a"), "1");
    await two.kv.put("both/a", "2");
    assert.equal(await textOf(one.kv, "both/a"), "2");
    assert.equal(await textOf(two.kv, "both/a"), "2");
    assert.equal((await two.kv.delete("both/a")).deleted, 1);
    assert.equal(await textOf(one.kv, "both/a"), undefined);
    const txn = await one.kv.txn().if(compare.missing("both/a")).do(op.put("both/a", "3")).commit();
    assert.equal(txn.succeeded, true);
    assert.equal(await textOf(two.kv, "both/a"), "3");
    await Promise.all([one.leasing.close(), two.leasing.close()]);
  });

  test(`deleting a range asks all owners in it, and no others, ${on}`, async () => {
    const prefix = newPrefix();
    const [one, two] = [await owner(prefix), await owner(prefix)];
    const names = ["dir/a", "dir/b", "dir/c", "dir0"];
    for (const [i, name] of names.entries()) {
      await one.kv.put(name, "1");
      await (i % 2 === 0 ? one : two).kv.get(name);
    }
    assert.equal((await two.kv.delete("dir/", { prefix: true })).deleted, 3);
    for (const name of names.slice(0, 3)) {
      assert.equal(await textOf(one.kv, name), undefined);
      assert.equal(await textOf(two.kv, name), undefined);
    }
    assert.equal(await textOf(two.kv, "dir0"), "1");
    assert.equal(await two.calls(() => two.kv.get("dir0")), 0);
    await one.kv.put("dir0", "2");
    await one.kv
      .txn()
      .do(op.delete("dir", { fromKey: true }))
      .commit();
    assert.equal(await textOf(two.kv, "dir0"), undefined);
    await Promise.all([one.leasing.close(), two.leasing.close()]);
  });

  test(`a transaction that only reads owned keys asks nobody, ${on}`, async () => {
    const { kv, calls, leasing } = await owner(newPrefix());
    await kv.put("txn/a", "b");
    for (const key of ["txn/a", "txn/none"]) await kv.get(key);
    const modRevision = (await kv.get("txn/a")).kv?.modRevision ?? 0;
    const conditions = [
      compare.value("txn/a").equal("b"),
      compare.value("txn/a").less("a"),
      compare.value("txn/none").notEqual("x"),
      compare.version("txn/a").greater(0),
      compare.version("txn/none").equal(0),
      compare.createRevision("txn/a").notEqual(0),
      compare.modRevision("txn/a").less(modRevision),
      compare.lease("txn/a").equal(0n),
    ];
    for (const condition of conditions) {
      const run = (of: KV) =>
        of.txn().if(condition).do(op.get("txn/a")).otherwise(op.get("txn/none")).commit();
      const [own, other] = [await run(kv), await run(client.kv)];
      assert.equal(own.succeeded, other.succeeded);
      assert.deepEqual(own.get(0).kvs, other.get(0).kvs);
      assert.equal(await calls(() => run(kv)), 0);
    }
    const range = kv.txn().if(compare.version("txn/", { prefix: true }).greater(0));
    assert.equal(await calls(() => range.do(op.get("txn/a")).commit()), 1);
    await leasing.close();
  });

  test(`a key with a lease is not owned: it may vanish at any time, ${on}`, async () => {
    const { kv, leasing } = await owner(newPrefix());
    const { ID: lease } = await client.lease.grant(60);
    await client.kv.put("leased/a", "1", { lease });
    assert.equal(await textOf(kv, "leased/a"), "1");
    await kv.get("leased/b");
    await kv.put("leased/b", "1", { lease });
    assert.equal(await textOf(kv, "leased/b"), "1");
    await client.lease.revoke(lease);
    assert.equal(await textOf(kv, "leased/a"), undefined);
    assert.equal(await textOf(kv, "leased/b"), undefined);
    await leasing.close();
  });

  test(`without its session an owner asks again, and owns again later, ${on}`, async () => {
    const prefix = newPrefix();
    const one = await owner(prefix);
    await one.kv.put("lost/a", "1");
    await one.kv.get("lost/a");
    const [mark] = (await client.kv.get(prefix, { prefix: true })).kvs;
    assert.ok(mark !== undefined);
    const gone = client.watch(prefix, { prefix: true, startRevision: mark.modRevision + 1 });
    await client.lease.revoke(mark.lease);
    await take(gone, 1);
    gone.cancel();
    const two = await owner(prefix);
    // The first may still think that it owns the key until it has seen the end of its mark.
    await soon(
      (async () => {
        while ((await one.calls(() => one.kv.get("lost/a"))) === 0);
      })(),
      "the owner to see that it has lost the key",
    );
    await two.kv.put("lost/a", "2");
    assert.equal(await textOf(one.kv, "lost/a"), "2");
    await soon(
      (async () => {
        while ((await one.calls(() => one.kv.get("lost/a"))) > 0);
      })(),
      "the key to be owned again",
    );
    await Promise.all([one.leasing.close(), two.leasing.close()]);
  });

  test(`an owner that is cut off reads what it owns, until its session may have ended, ${on}`, async () => {
    const proxy = await FaultyProxy.start(server.endpoint);
    const prefix = newPrefix();
    const one = await owner(prefix, { endpoints: proxy.endpoint }, 2);
    await one.kv.put("cut/a", "1");
    await one.kv.get("cut/a");
    proxy.refuse();
    assert.equal(await textOf(one.kv, "cut/a"), "1");
    await failure(one.kv.get("cut/other", { timeoutMs: 100 }), "deadlineExceeded");
    const two = await owner(prefix);
    await two.kv.put("cut/a", "2");
    const error = await failure(one.kv.get("cut/a", { timeoutMs: 100 }), "deadlineExceeded");
    assert.match(error.message, /./);
    await proxy[Symbol.asyncDispose]();
    await two.leasing.close();
    one.client.close();
    await one.leasing.close();
  });

  test(`a write that cannot wait for the owner fails, and leaves everything as it was, ${on}`, async () => {
    const prefix = newPrefix();
    // An owner that does not answer: nobody watches its mark.
    const { ID: lease } = await client.lease.grant(60);
    await client.kv.put(`${prefix}wait/a`, "", { lease });
    const one = await owner(prefix);
    await failure(one.kv.put("wait/a", "1", { timeoutMs: 200 }), "deadlineExceeded");
    const abort = new AbortController();
    const mark = client.watch(`${prefix}wait/a`, { startRevision: 1, filters: ["noDelete"] });
    const waiting = one.kv.delete("wait/", { prefix: true, signal: abort.signal });
    // Made, and asked for: now the deletion waits for its end.
    await take(mark.events(), 2);
    mark.cancel();
    abort.abort();
    await failure(waiting, "aborted");
    assert.equal(await textOf(client.kv, "wait/a"), undefined);
    const later = one.kv.put("wait/a", "2");
    await client.lease.revoke(lease);
    await later;
    assert.equal(await textOf(one.kv, "wait/a"), "2");
    await one.leasing.close();
  });

  test(`in a namespace the marks are in it, too, ${on}`, async () => {
    const inside = client.namespace("leasing-ns/");
    const leasing = inside.leasing("own/");
    await leasing.ready();
    await leasing.kv.put("a", "1");
    await leasing.kv.get("a");
    const { kvs } = await client.kv.get("leasing-ns/", { prefix: true, keysOnly: true });
    assert.deepEqual(kvs.map(String), ["leasing-ns/a=", "leasing-ns/own/a="]);
    assert.equal((await leasing.kv.get("a")).kv?.keyText, "a");
    await leasing.close();
  });

  test(`owners at work on the same keys see one history, ${on}`, async () => {
    const prefix = newPrefix();
    const owners = await Promise.all([1, 2, 3].map(() => owner(prefix)));
    const random = seededRandom(7);
    const key = (): string => `shared/${Math.floor(random() * 3)}`;
    /** Of each key the newest revision that anybody has been told. */
    const told = new Map<string, number>();
    const step = async ({ kv }: Owner, at: string, kind: number, value: string): Promise<void> => {
      const least = told.get(at) ?? 0;
      let seen: number;
      if (kind < 0.6) {
        const { kv: found, revision } = await kv.get(at);
        seen = found?.modRevision ?? 0;
        const read = found?.modRevision ?? revision;
        assert.ok(read >= least, `${at}: read ${read}, knew ${least}`);
      } else if (kind < 0.9) seen = (await kv.put(at, value)).revision;
      else if (kind < 0.95) {
        const put = op.put(at, value);
        seen = (await kv.txn().do(op.get(at), put).commit()).revision;
      } else {
        const { deleted, revision } = await kv.delete(
          at,
          random() < 0.5 ? {} : { rangeEnd: `${at}\0` },
        );
        seen = deleted > 0 ? revision : 0;
      }
      told.set(at, Math.max(told.get(at) ?? 0, seen));
    };
    const work = async (own: Owner): Promise<void> => {
      for (let i = 0; i < 60; i++) await step(own, key(), random(), `${i}`);
    };
    await soon(Promise.all(owners.map(work)), "all owners to finish");
    for (const name of ["shared/0", "shared/1", "shared/2"]) {
      const { kv: last } = await client.kv.get(name);
      for (const { kv } of owners) assert.deepEqual((await kv.get(name)).kv, last);
    }
    await Promise.all(owners.map(({ leasing }) => leasing.close()));
  });
}
