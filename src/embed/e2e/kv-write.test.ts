/** The KV service's writes: put, delete, compaction, and what is refused. */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { TestMember } from "./harness.ts";
import { FROM_KEY, keys, pairs, prefixEnd, putOp, type RpcClient, text } from "./rpc-client.ts";

let member: TestMember;
let client: RpcClient;

before(async () => {
  member = await TestMember.start({ "max-request-bytes": 100_000 });
  client = member.client;
});
after(() => member.remove());

const EMPTY_KEY = { code: 3, message: "etcdserver: key is not provided" };
const KEY_NOT_FOUND = { code: 3, message: "etcdserver: key not found" };
const COMPACTED = { code: 11, message: "etcdserver: mvcc: required revision has been compacted" };
const FUTURE = { code: 11, message: "etcdserver: mvcc: required revision is a future revision" };

/** Runs calls that must fail and proves that they changed nothing. */
async function changingNothing(calls: () => Promise<void>): Promise<void> {
  const hash = async () => {
    const { hash, header } = await client.call("/etcdserverpb.Maintenance/HashKV", {});
    return [hash, header?.revision];
  };
  const before = await hash();
  await calls();
  assert.deepEqual(await hash(), before);
}

test("KV-10 put with prev_kv answers what it replaces", async () => {
  const first = await client.put("kv10", "1", { prevKv: true });
  assert.equal(first.prevKv, undefined);
  const second = await client.put("kv10", "2", { prevKv: true });
  assert.equal(text(second.prevKv?.value), "1");
  assert.equal(second.prevKv?.version, 1);
  assert.equal(second.prevKv?.modRevision, first.header?.revision);
  await client.deleteRange("kv10");
  assert.equal((await client.put("kv10", "3", { prevKv: true })).prevKv, undefined);
});

test("KV-11 ignore_value and ignore_lease keep what the key has", async () => {
  const { ID } = await client.grant(100);
  await client.put("kv11", "kept", { lease: ID });
  await client.put("kv11", "", { ignoreValue: true });
  let [kv] = (await client.range("kv11")).kvs;
  assert.deepEqual([text(kv?.value), kv?.lease, kv?.version], ["kept", 0n, 2]);
  await client.put("kv11", "new", { lease: ID });
  await client.put("kv11", "newer", { ignoreLease: true });
  [kv] = (await client.range("kv11")).kvs;
  assert.deepEqual([text(kv?.value), kv?.lease, kv?.version], ["newer", ID, 4]);
  await client.put("kv11", "", { ignoreLease: true, ignoreValue: true });
  [kv] = (await client.range("kv11")).kvs;
  assert.deepEqual([text(kv?.value), kv?.lease, kv?.version], ["newer", ID, 5]);
  await changingNothing(async () => {
    await assert.rejects(client.put("kv11", "x", { ignoreValue: true }), {
      code: 3,
      message: "etcdserver: value is provided",
    });
    await assert.rejects(client.put("kv11", "", { ignoreLease: true, lease: ID }), {
      code: 3,
      message: "etcdserver: lease is provided",
    });
    await assert.rejects(client.put("kv11-absent", "", { ignoreValue: true }), KEY_NOT_FOUND);
    await assert.rejects(client.put("kv11-absent", "x", { ignoreLease: true }), KEY_NOT_FOUND);
  });
});

test("KV-12 put attaches a lease, and a put without one detaches it", async () => {
  const { ID } = await client.grant(100);
  const attached = async () => {
    const request = { ID, keys: true };
    const reply = await client.call("/etcdserverpb.Lease/LeaseTimeToLive", request);
    return reply.keys.map(text);
  };
  await client.put("kv12", "1", { lease: ID });
  assert.deepEqual(await attached(), ["kv12"]);
  await client.put("kv12", "2");
  assert.deepEqual(await attached(), []);
  await client.put("kv12", "3", { lease: ID });
  await client.deleteRange("kv12");
  assert.deepEqual(await attached(), []);
  await changingNothing(async () => {
    await assert.rejects(client.put("kv12", "4", { lease: 0x7777n }), {
      code: 5,
      message: "etcdserver: requested lease not found",
    });
  });
});

test("KV-13 delete of one key and of a range, with the previous values", async () => {
  for (const key of ["a", "b", "c", "d"]) await client.put(`kv13/${key}`, key);
  const one = await client.deleteRange("kv13/a");
  assert.deepEqual([one.deleted, one.prevKvs], [1, []]);
  const before = one.header?.revision ?? 0;
  const two = await client.deleteRange("kv13/b", {
    rangeEnd: Buffer.from("kv13/d"),
    prevKv: true,
  });
  assert.equal(two.deleted, 2);
  assert.deepEqual(pairs(two.prevKvs), ["kv13/b=b", "kv13/c=c"]);
  assert.equal(two.header?.revision, before + 1, "one revision for all");
  const rest = await client.deleteRange("kv13/", { rangeEnd: prefixEnd("kv13/") });
  assert.equal(rest.deleted, 1);
  assert.equal((await client.range("kv13/", { rangeEnd: prefixEnd("kv13/") })).count, 0);
  await client.put("kv13/z", "");
  assert.equal((await client.deleteRange("kv13/z", { rangeEnd: FROM_KEY })).deleted, 1);
});

test("KV-14 a delete that finds nothing makes no revision", async () => {
  const revision = await client.revision();
  const reply = await client.deleteRange("kv14", { rangeEnd: prefixEnd("kv14") });
  assert.equal(reply.deleted, 0);
  assert.equal(reply.header?.revision, revision);
  assert.equal(await client.revision(), revision);
});

test("KV-24 a deleted key starts anew", async () => {
  await client.put("kv24", "1");
  await client.put("kv24", "2");
  await client.deleteRange("kv24");
  const { header } = await client.put("kv24", "3");
  const [kv] = (await client.range("kv24")).kvs;
  assert.equal(kv?.version, 1);
  assert.equal(kv?.createRevision, header?.revision);
  assert.equal(kv?.modRevision, header?.revision);
});

test("KV-25 an empty key is refused by every request, before other checks", async () => {
  await changingNothing(async () => {
    await assert.rejects(client.range(""), EMPTY_KEY);
    await assert.rejects(client.put("", "x", { ignoreValue: true }), EMPTY_KEY);
    await assert.rejects(client.put("", "x", { lease: 99n, ignoreLease: true }), EMPTY_KEY);
    await assert.rejects(client.deleteRange(""), EMPTY_KEY);
    await assert.rejects(client.deleteRange("", { rangeEnd: FROM_KEY }), EMPTY_KEY);
    await assert.rejects(client.txn({ success: [putOp("")] }), EMPTY_KEY);
  });
});

test("KV-26 a request over --max-request-bytes is refused; one just under it is not", async () => {
  await changingNothing(async () => {
    await assert.rejects(client.put("kv26", "x".repeat(100_000)), {
      code: 3,
      message: "etcdserver: request is too large",
    });
  });
  await client.put("kv26", "x".repeat(99_000));
  assert.equal((await client.range("kv26")).kvs[0]?.value.length, 99_000);
});

test("KV-26 a message over the gRPC limit is refused by its length alone", async () => {
  await changingNothing(async () => {
    await assert.rejects(client.put("kv26", "x".repeat(700_000)), (error: unknown) => {
      const { code, message } = error as { code: number; message: string };
      assert.equal(code, 8);
      assert.match(message, /^grpc: received message larger than max \(\d+ vs\. 624288\)$/);
      return true;
    });
  });
  await client.put("kv26", "the connection still works");
});

test("KV-27 compaction drops what later revisions replaced and keeps the rest", async () => {
  await client.put("kv27/a", "1");
  await client.put("kv27/a", "2");
  await client.put("kv27/b", "1");
  const { header } = await client.deleteRange("kv27/b");
  const revision = header?.revision ?? 0;
  await client.put("kv27/c", "1");
  const reply = await client.compact(revision, true);
  assert.equal(reply.header?.revision, revision + 1);
  const rangeEnd = prefixEnd("kv27/");
  const at = async (wanted: number) =>
    pairs((await client.range("kv27/", { rangeEnd, revision: wanted })).kvs);
  assert.deepEqual(await at(revision), ["kv27/a=2"]);
  assert.deepEqual(await at(0), ["kv27/a=2", "kv27/c=1"]);
  await assert.rejects(at(revision - 1), COMPACTED);
  const hash = await client.call("/etcdserverpb.Maintenance/HashKV", {});
  assert.equal(hash.compactRevision, revision);
});

test("KV-28 compaction of a compacted, past or future revision", async () => {
  await client.put("kv28", "1");
  const revision = await client.revision();
  await client.compact(revision);
  await changingNothing(async () => {
    await assert.rejects(client.compact(revision), COMPACTED);
    await assert.rejects(client.compact(revision - 1), COMPACTED);
    await assert.rejects(client.compact(0), COMPACTED);
    await assert.rejects(client.compact(-1), COMPACTED);
    await assert.rejects(client.compact(revision + 1), FUTURE);
  });
  const { header } = await client.put("kv28", "2");
  await client.compact(header?.revision ?? 0);
});

test("keys_only, prev_kv and history agree over many keys", async () => {
  const names = Array.from({ length: 300 }, (_, i) => `many/${String(i).padStart(4, "0")}`);
  await Promise.all(names.map((name) => client.put(name, `1 ${name}`)));
  const between = await client.revision();
  await Promise.all(names.map((name) => client.put(name, `2 ${name}`)));
  const rangeEnd = prefixEnd("many/");
  const old = await client.range("many/", { rangeEnd, revision: between });
  assert.deepEqual(
    pairs(old.kvs),
    names.map((name) => `${name}=1 ${name}`),
  );
  const gone = await client.deleteRange("many/", { rangeEnd, prevKv: true });
  assert.deepEqual(keys(gone.prevKvs), names);
  assert.ok(gone.prevKvs.every((kv) => kv.version === 2));
});
