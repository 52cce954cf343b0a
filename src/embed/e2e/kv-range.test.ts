/** The KV service's reads, as a client sees them. */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { RangeRequest_SortOrder, RangeRequest_SortTarget } from "../../api/gen/rpc.ts";
import { OTHER_BINARY, TestMember } from "./harness.ts";
import { FROM_KEY, keys, pairs, prefixEnd, putOp, type RpcClient, text } from "./rpc-client.ts";

let member: TestMember;
let client: RpcClient;

before(async () => {
  member = await TestMember.start();
  client = member.client;
});
after(() => member.remove());

/** Puts keys one by one; returns the revision of each. */
async function putAll(...entries: readonly string[]): Promise<number[]> {
  const revisions: number[] = [];
  for (const entry of entries) {
    const [key = "", value = ""] = entry.split("=");
    revisions.push((await client.put(key, value)).header?.revision ?? 0);
  }
  return revisions;
}

test("KV-01 put and get of a single key", async () => {
  const before = await client.revision();
  const put = await client.put("kv01", "value");
  assert.equal(put.header?.revision, before + 1);
  assert.equal(put.prevKv, undefined);
  const got = await client.range("kv01");
  assert.equal(got.count, 1);
  assert.equal(got.more, false);
  const [kv] = got.kvs;
  assert.equal(text(kv?.key), "kv01");
  assert.equal(text(kv?.value), "value");
  assert.equal(kv?.createRevision, before + 1);
  assert.equal(kv?.modRevision, before + 1);
  assert.equal(kv?.version, 1);
  assert.equal(kv?.lease, 0n);
  const absent = await client.range("kv01-absent");
  assert.deepEqual([absent.count, absent.kvs, absent.more], [0, [], false]);
});

test("KV-01 keys and values are bytes: zero, high bytes and empty values", async () => {
  const key = Uint8Array.of(0xff, 0x00, 0x80, 0x0a);
  const value = Uint8Array.from({ length: 256 }, (_, i) => i);
  await client.put(key, value);
  const [kv] = (await client.range(key)).kvs;
  assert.deepEqual(Buffer.from(kv?.key ?? []), Buffer.from(key));
  assert.deepEqual(Buffer.from(kv?.value ?? []), Buffer.from(value));
  await client.put(key, "");
  assert.equal((await client.range(key)).kvs[0]?.value.length, 0);
});

test("KV-02 range [key, end), prefix, from a key on, and all keys", async () => {
  await putAll("kv02/a=1", "kv02/b=2", "kv02/c=3", "kv02/d=4");
  const range = async (key: string | Uint8Array, rangeEnd: Uint8Array | string) =>
    keys((await client.range(key, { rangeEnd: Buffer.from(rangeEnd) })).kvs);
  assert.deepEqual(await range("kv02/b", "kv02/d"), ["kv02/b", "kv02/c"]);
  assert.deepEqual(await range("kv02/bb", "kv02/cc"), ["kv02/c"]);
  assert.equal((await range("kv02/", prefixEnd("kv02/"))).length, 4);
  assert.deepEqual(
    (await range("kv02/c", FROM_KEY)).filter((key) => key.startsWith("kv02")),
    ["kv02/c", "kv02/d"],
  );
  const all = await client.range(FROM_KEY, { rangeEnd: FROM_KEY });
  assert.equal(all.count, all.kvs.length);
  assert.ok(keys(all.kvs).includes("kv02/a"));
  assert.deepEqual(await range("kv02/c", "kv02/b"), []);
  assert.deepEqual(await range("kv02/c", "kv02/c"), []);
});

test("KV-03 limit cuts, more says so, count is of the whole range", async () => {
  await putAll("kv03/a", "kv03/b", "kv03/c");
  const range = (limit: number) =>
    client.range("kv03/", { rangeEnd: prefixEnd("kv03/"), limit: limit });
  for (const [limit, found, more] of [
    [0, 3, false],
    [1, 1, true],
    [2, 2, true],
    [3, 3, false],
    [4, 3, false],
    [-1, 3, false],
  ] as const) {
    const reply = await range(limit);
    assert.deepEqual([reply.kvs.length, reply.more, reply.count], [found, more, 3], `${limit}`);
  }
});

const NAMES = {
  key: RangeRequest_SortTarget.KEY,
  version: RangeRequest_SortTarget.VERSION,
  create: RangeRequest_SortTarget.CREATE,
  mod: RangeRequest_SortTarget.MOD,
  value: RangeRequest_SortTarget.VALUE,
} as const;

test("KV-04 every sort order with every sort target", async () => {
  await putAll("kv04/a=z", "kv04/b=x", "kv04/c=y", "kv04/b=w", "kv04/a=z", "kv04/b=x");
  const ascending = {
    key: ["a", "b", "c"],
    version: ["c", "a", "b"],
    create: ["a", "b", "c"],
    mod: ["c", "a", "b"],
    value: ["b", "c", "a"],
  } as const;
  for (const [name, sortTarget] of Object.entries(NAMES)) {
    const expected = ascending[name as keyof typeof NAMES].map((key) => `kv04/${key}`);
    const sorted = async (sortOrder: number, limit = 0) =>
      keys(
        (
          await client.range("kv04/", {
            rangeEnd: prefixEnd("kv04/"),
            sortOrder,
            sortTarget,
            limit,
          })
        ).kvs,
      );
    const { NONE, ASCEND, DESCEND } = RangeRequest_SortOrder;
    const descending = [...expected].reverse();
    assert.deepEqual(await sorted(ASCEND), expected, name);
    assert.deepEqual(await sorted(DESCEND), descending, name);
    assert.deepEqual(await sorted(NONE), expected, `${name}, without an order`);
    assert.deepEqual(await sorted(ASCEND, 2), expected.slice(0, 2), `${name}, limited`);
    assert.deepEqual(await sorted(DESCEND, 2), descending.slice(0, 2), `${name}, limited`);
  }
});

test("KV-05 keys_only drops values, count_only drops everything", async () => {
  await putAll("kv05/a=1", "kv05/b=2");
  const range = { rangeEnd: prefixEnd("kv05/") };
  const keysOnly = await client.range("kv05/", { ...range, keysOnly: true });
  assert.deepEqual(pairs(keysOnly.kvs), ["kv05/a=", "kv05/b="]);
  assert.equal(keysOnly.kvs[0]?.version, 1);
  assert.ok((keysOnly.kvs[0]?.modRevision ?? 0) > 0);
  const countOnly = await client.range("kv05/", { ...range, countOnly: true });
  assert.deepEqual([countOnly.kvs, countOnly.count, countOnly.more], [[], 2, false]);
  const both = await client.range("kv05/", { ...range, countOnly: true, limit: 1 });
  assert.deepEqual([both.kvs, both.count, both.more], [[], 2, false]);
});

test("KV-06 a read at an old revision sees the past, its header the present", async () => {
  const [first = 0, second = 0] = await putAll("kv06=1", "kv06=2");
  await client.deleteRange("kv06");
  const now = await client.revision();
  const at = async (revision: number) => {
    const reply = await client.range("kv06", { revision });
    assert.equal(reply.header?.revision, now);
    return pairs(reply.kvs);
  };
  assert.deepEqual(await at(first - 1), []);
  assert.deepEqual(await at(first), ["kv06=1"]);
  assert.deepEqual(await at(second), ["kv06=2"]);
  assert.deepEqual(await at(second + 1), []);
  assert.deepEqual(await at(0), []);
  assert.deepEqual(await at(-5), []);
});

test("KV-07 compacted and future revisions are refused", async () => {
  const [first = 0, second = 0] = await putAll("kv07=1", "kv07=2");
  await client.compact(second);
  await assert.rejects(client.range("kv07", { revision: first }), {
    code: 11,
    message: "etcdserver: mvcc: required revision has been compacted",
  });
  assert.deepEqual(pairs((await client.range("kv07", { revision: second })).kvs), ["kv07=2"]);
  await assert.rejects(client.range("kv07", { revision: second + 100 }), {
    code: 11,
    message: "etcdserver: mvcc: required revision is a future revision",
  });
});

test("KV-08 filters by least and greatest mod and create revision", async () => {
  const [a = 0, b = 0, c = 0] = await putAll("kv08/a", "kv08/b", "kv08/c");
  const [d = 0] = await putAll("kv08/a");
  const rangeEnd = prefixEnd("kv08/");
  const found = async (filters: object) => {
    const reply = await client.range("kv08/", { rangeEnd, ...filters });
    assert.equal(reply.count, 3);
    return keys(reply.kvs).map((key) => key.slice(-1));
  };
  assert.deepEqual(await found({ minModRevision: c }), ["a", "c"]);
  assert.deepEqual(await found({ maxModRevision: c }), ["b", "c"]);
  assert.deepEqual(await found({ minModRevision: b, maxModRevision: c }), ["b", "c"]);
  assert.deepEqual(await found({ minCreateRevision: b }), ["b", "c"]);
  assert.deepEqual(await found({ maxCreateRevision: b }), ["a", "b"]);
  assert.deepEqual(await found({ minModRevision: d, maxCreateRevision: a }), ["a"]);
  assert.deepEqual(await found({ minModRevision: c, limit: 1 }), ["a"]);
});

test("KV-09 serializable and linearizable reads see what was acknowledged", async () => {
  await client.put("kv09", "1");
  for (const serializable of [true, false]) {
    assert.deepEqual(pairs((await client.range("kv09", { serializable })).kvs), ["kv09=1"]);
  }
});

test("KV-29 the response header names cluster, member, revision and term", async () => {
  const { header } = await client.put("kv29");
  const status = await client.call("/etcdserverpb.Maintenance/Status", {});
  assert.notEqual(header?.clusterId, 0n);
  assert.equal(header?.clusterId, status.header?.clusterId);
  assert.equal(header?.memberId, status.header?.memberId);
  assert.equal(header?.memberId, status.leader);
  assert.equal(header?.revision, status.header?.revision);
  assert.equal(header?.raftTerm, status.raftTerm);
  assert.ok((header?.raftTerm ?? 0) >= 2);
});

test("KV-25 KV-30 a missing key comes before a bad sort option", async () => {
  await assert.rejects(client.range("", { sortOrder: 9 }), {
    code: 3,
    message: "etcdserver: key is not provided",
  });
  for (const bad of [{ sortOrder: 3 }, { sortOrder: -1 }, { sortTarget: 5 }, { sortTarget: -1 }]) {
    await assert.rejects(client.range("k", bad), {
      code: 3,
      message: "etcdserver: invalid sort option",
    });
  }
});

test("a range of many megabytes arrives whole and in order", async () => {
  const value = "x".repeat(100_000);
  for (let i = 0; i < 60; i++) await client.put(`big/${String(i).padStart(3, "0")}`, value);
  const reply = await client.range("big/", { rangeEnd: prefixEnd("big/") });
  assert.equal(reply.kvs.length, 60);
  assert.deepEqual(keys(reply.kvs), keys(reply.kvs).toSorted());
  assert.ok(reply.kvs.every((kv) => kv.value.length === value.length));
});

test(
  "KV-31 RangeStream sends a range in pieces of one revision",
  {
    skip: OTHER_BINARY !== undefined && "etcd 3.6 has no RangeStream",
  },
  async () => {
    const ops = Array.from({ length: 100 }, (_, i) => String(i).padStart(3, "0"));
    for (let round = 0; round < 3; round++) {
      await client.txn({
        success: ops.map((name) => putOp(`kv31/${round}${name}`, "v".repeat(4000))),
      });
    }
    const rangeEnd = prefixEnd("kv31/");
    const stream = client.open("/etcdserverpb.KV/RangeStream");
    stream.send({ key: Buffer.from("kv31/"), rangeEnd });
    stream.raw.halfClose();
    assert.equal(await stream.failure(), undefined);
    const pieces = stream.inbox.drain().map((piece) => piece.rangeResponse);
    assert.ok(pieces.length > 1, "more than one piece");
    const found = pieces.flatMap((piece) => keys(piece?.kvs ?? []));
    const whole = await client.range("kv31/", { rangeEnd });
    assert.deepEqual(found, keys(whole.kvs));
    const last = pieces.at(-1);
    assert.equal(last?.count, 300);
    assert.equal(last?.more, false);
    assert.equal(last?.header?.revision, whole.header?.revision);
    assert.ok(pieces.slice(0, -1).every((piece) => piece?.header === undefined));
    for (const [request, message] of [
      [{ sortOrder: 2 }, "RangeStream does not support custom sort orders"],
      [{ minModRevision: 2 }, "RangeStream does not support revision filters"],
    ] as const) {
      const refused = client.open("/etcdserverpb.KV/RangeStream");
      refused.send({ key: Buffer.from("k"), ...request });
      refused.raw.halfClose();
      const error = await refused.failure();
      assert.deepEqual([error?.code, error?.message], [12, message]);
    }
  },
);
