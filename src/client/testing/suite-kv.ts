/** Keys, values, ranges and transactions, on any etcd. */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { type Compare, compare, type EtcdClient, type KeyValue, op } from "../index.ts";
import { failure } from "./check.ts";
import { Clients, type SuiteServer, type World } from "./world.ts";

const texts = (kvs: readonly KeyValue[]): string[] => kvs.map(String);

async function collect<T>(source: AsyncIterable<T>): Promise<T[]> {
  const items: T[] = [];
  for await (const item of source) items.push(item);
  return items;
}

export function kvSuite(world: World): void {
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

  test(`a value comes back as text, as bytes and as JSON, with its revisions, ${on}`, async () => {
    const { revision } = await client.kv.put("kv/a", '{"n":1}');
    const { kv } = await client.kv.get("kv/a");
    assert.equal(kv?.keyText, "kv/a");
    assert.deepEqual(kv.json(), { n: 1 });
    assert.deepEqual([kv.createRevision, kv.modRevision, kv.version], [revision, revision, 1]);
    const bytes = Uint8Array.of(0, 255, 128);
    const put = await client.kv.put(Uint8Array.of(0xff, 1), bytes, { prevKV: true });
    assert.equal(put.prevKV, undefined);
    const back = await client.kv.get(Uint8Array.of(0xff, 1));
    assert.deepEqual(Uint8Array.from(back.kv?.value ?? []), bytes);
    assert.equal((await client.kv.get("kv/none")).kv, undefined);
    const again = await client.kv.put("kv/a", "", { prevKV: true });
    assert.equal(again.prevKV?.valueText, '{"n":1}');
    const gone = await client.kv.delete("kv/a", { prevKV: true });
    assert.deepEqual([gone.deleted, gone.prevKVs[0]?.version], [1, 2]);
  });

  test(`ranges are chosen by prefix, by end and from a key on, ${on}`, async () => {
    for (const name of ["a", "b", "c"]) await client.kv.put(`range/${name}`, name);
    const prefix = await client.kv.get("range/", { prefix: true });
    assert.deepEqual(texts(prefix.kvs), ["range/a=a", "range/b=b", "range/c=c"]);
    const before = await client.kv.get("range/a", { rangeEnd: "range/c" });
    assert.deepEqual(texts(before.kvs), ["range/a=a", "range/b=b"]);
    const from = await client.kv.get("range/b", { fromKey: true, limit: 2 });
    assert.deepEqual(texts(from.kvs), ["range/b=b", "range/c=c"]);
    const all = await client.kv.get("", { prefix: true, countOnly: true });
    assert.ok(all.count >= 3);
    assert.deepEqual(all.kvs, []);
    await assert.rejects(client.kv.get("range/", { prefix: true, fromKey: true }), TypeError);
    const { deleted } = await client.kv.delete("range/", { prefix: true });
    assert.equal(deleted, 3);
  });

  test(`answers are limited, sorted, filtered and of an older revision as asked, ${on}`, async () => {
    const first = await client.kv.put("order/a", "3");
    await client.kv.put("order/b", "2");
    const third = await client.kv.put("order/c", "1");
    const last = await client.kv.put("order/a", "0");
    const get = (options: Parameters<EtcdClient["kv"]["get"]>[1]): Promise<string[]> =>
      client.kv.get("order/", { prefix: true, ...options }).then(({ kvs }) => texts(kvs));
    assert.deepEqual(await get({ sortTarget: "value" }), ["order/a=0", "order/c=1", "order/b=2"]);
    assert.deepEqual(await get({ sortOrder: "descend", limit: 1 }), ["order/c=1"]);
    assert.deepEqual(await get({ sortTarget: "modRevision", sortOrder: "descend", limit: 1 }), [
      "order/a=0",
    ]);
    assert.deepEqual(await get({ revision: third.revision, limit: 1 }), ["order/a=3"]);
    assert.deepEqual(await get({ minModRevision: last.revision }), ["order/a=0"]);
    assert.deepEqual(await get({ maxCreateRevision: first.revision }), ["order/a=0"]);
    assert.deepEqual(await get({ keysOnly: true, limit: 1 }), ["order/a="]);
    const limited = await client.kv.get("order/", { prefix: true, limit: 1, serializable: true });
    assert.deepEqual([limited.more, limited.count], [true, 3]);
  });

  test(`pages are of one revision although keys change between them, ${on}`, async () => {
    const keys = Array.from({ length: 25 }, (_, i) => `page/${String(i).padStart(2, "0")}`);
    for (const key of keys) await client.kv.put(key, "old");
    const seen: string[] = [];
    for await (const page of client.kv.pages("page/", { prefix: true, pageSize: 10 })) {
      seen.push(...texts(page.kvs));
      await client.kv.put("page/24", "new");
      await client.kv.delete("page/15");
      await client.kv.put("page/15b", "new");
    }
    assert.deepEqual(
      seen,
      keys.map((key) => `${key}=old`),
    );
    const newest = await collect(client.kv.iterate("page/", { prefix: true, pageSize: 1 }));
    assert.equal(newest.length, 25);
    assert.equal(newest.at(-1)?.valueText, "new");
    const none = await collect(client.kv.pages("page-none"));
    assert.deepEqual(
      none.map(({ kvs }) => kvs.length),
      [0],
    );
    const one = await collect(client.kv.iterate("page/00"));
    assert.deepEqual(texts(one), ["page/00=old"]);
  });

  test(`a walk whose revision is compacted says so, ${on}`, async () => {
    for (let i = 0; i < 3; i++) await client.kv.put(`gone/${i}`, "");
    const pages = client.kv.pages("gone/", { prefix: true, pageSize: 1 });
    await pages.next();
    const { revision } = await client.kv.put("gone/3", "");
    await client.kv.compact(revision);
    await failure(pages.next(), "compacted");
  });

  test(`a transaction carries out the branch that its conditions choose, ${on}`, async () => {
    const txn = client.kv
      .txn()
      .if(compare.missing("txn/a"), compare.version("txn/a").less(1))
      .do(op.put("txn/a", "1"), op.get("txn/a"))
      .otherwise(op.get("txn/a"), op.delete("txn/a", { prevKV: true }));
    const first = await txn.commit();
    assert.equal(first.succeeded, true);
    assert.deepEqual(
      first.responses.map(({ kind }) => kind),
      ["put", "get"],
    );
    assert.equal(first.get(1).kv?.valueText, "1");
    assert.throws(() => first.get(0), TypeError);
    const second = await txn.commit();
    assert.equal(second.succeeded, false);
    const [, deleted] = second.responses;
    assert.equal(deleted?.kind === "delete" && deleted.prevKVs[0]?.valueText, "1");
  });

  test(`every target can be compared in every way, and transactions nest, ${on}`, async () => {
    const { ID: lease } = await client.lease.grant(60);
    const { revision } = await client.kv.put("cmp/a", "m", { lease });
    const holds = async (...conditions: readonly Compare[]): Promise<boolean> =>
      (
        await client.kv
          .txn()
          .if(...conditions)
          .commit()
      ).succeeded;
    assert.equal(await holds(compare.value("cmp/a").equal("m")), true);
    assert.equal(
      await holds(compare.value("cmp/a").greater("l"), compare.value("cmp/a").less("n")),
      true,
    );
    assert.equal(await holds(compare.value("cmp/a").notEqual("m")), false);
    assert.equal(await holds(compare.value("cmp/none").notEqual("m")), false);
    assert.equal(await holds(compare.createRevision("cmp/a").equal(revision)), true);
    assert.equal(await holds(compare.modRevision("cmp/a").greater(revision)), false);
    assert.equal(await holds(compare.lease("cmp/a").equal(lease)), true);
    assert.equal(await holds(compare.exists("cmp/a"), compare.missing("cmp/b")), true);
    assert.equal(await holds(compare.version("cmp/", { prefix: true }).equal(1)), true);
    const inner = client.kv.txn().if(compare.exists("cmp/none")).otherwise(op.get("cmp/a"));
    const outer = await client.kv.txn().do(op.txn(inner), op.put("cmp/b", "")).commit();
    const [nested] = outer.responses;
    assert.ok(nested?.kind === "txn");
    assert.equal(nested.succeeded, false);
    assert.equal(nested.get(0).kv?.valueText, "m");
  });

  test(`the server's errors have their kind and code, and are no unknown outcomes, ${on}`, async () => {
    const refused = await failure(client.kv.put("", "x"), "emptyKey");
    assert.deepEqual([refused.code, refused.outcomeUnknown, refused.attempts], [3, false, 1]);
    assert.equal(refused.endpoint, server.endpoint);
    assert.equal(refused.message, "etcdserver: key is not provided");
    await failure(client.kv.get("a", { revision: 1_000_000 }), "futureRevision");
    await failure(client.kv.put("a", "", { lease: 12345n }), "leaseNotFound");
    await failure(client.kv.put("absent", "", { ignoreValue: true }), "keyNotFound");
    await failure(client.kv.txn().do(op.put("d", "1"), op.put("d", "2")).commit(), "duplicateKey");
  });

  test(`a key keeps its value or its lease when asked to, ${on}`, async () => {
    const { ID: lease } = await client.lease.grant(60);
    await client.kv.put("keep/a", "v", { lease });
    await client.kv.put("keep/a", "w", { ignoreLease: true });
    const { kv } = await client.kv.get("keep/a");
    assert.deepEqual([kv?.valueText, kv?.lease], ["w", lease]);
    await client.kv.put("keep/a", "", { ignoreValue: true });
    const after = (await client.kv.get("keep/a")).kv;
    assert.deepEqual([after?.valueText, after?.lease], ["w", 0n]);
  });

  test(`physical compaction is answered, and the history is gone, ${on}`, async () => {
    const { revision } = await client.kv.put("compact/a", "1");
    await client.kv.put("compact/a", "2");
    await client.kv.compact(revision + 1, { physical: true });
    await failure(client.kv.get("compact/a", { revision }), "compacted");
  });
}
