/** The Lease service, as a client sees it. */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { TestMember } from "./harness.ts";
import {
  eventTexts,
  keys,
  prefixEnd,
  putOp,
  type RpcClient,
  text,
  withShortLease,
} from "./rpc-client.ts";
import { until } from "./wait.ts";

let member: TestMember;
let client: RpcClient;

before(async () => {
  member = await TestMember.start();
  client = member.client;
});
after(() => member.remove());

function timeToLive(ID: bigint, withKeys = false) {
  return client.call("/etcdserverpb.Lease/LeaseTimeToLive", { ID, keys: withKeys });
}

async function attached(ID: bigint): Promise<string[]> {
  return (await timeToLive(ID, true)).keys.map(text);
}

function revoke(ID: bigint) {
  return client.call("/etcdserverpb.Lease/LeaseRevoke", { ID });
}

async function leases(): Promise<bigint[]> {
  const reply = await client.call("/etcdserverpb.Lease/LeaseLeases", {});
  return reply.leases.map(({ ID }) => ID);
}

const NOT_FOUND = { code: 5, message: "etcdserver: requested lease not found" };

test("LEASE-01 the member chooses a positive id that tells where it comes from", async () => {
  const first = await client.grant(10);
  const second = await client.grant(10);
  assert.equal(first.TTL, 10);
  assert.equal(first.error, "");
  assert.ok(first.ID > 0n && second.ID > first.ID);
  const memberID = first.header?.memberId ?? 0n;
  assert.equal(first.ID >> 48n, memberID & 0x7fffn);
  assert.equal(first.header?.revision, await client.revision(), "a grant makes no revision");
});

test("LEASE-01 the client may choose the id", async () => {
  for (const ID of [1n, 0x7fff_ffff_ffff_ffffn, -5n]) {
    const reply = await client.grant(10, ID);
    assert.equal(reply.ID, ID);
    assert.equal((await timeToLive(ID)).grantedTTL, 10);
    await revoke(ID);
  }
});

test("LEASE-02 short times are raised to the minimum, too long ones refused", async () => {
  for (const ttl of [1, 0, -7]) assert.equal((await client.grant(ttl)).TTL, 2);
  assert.equal((await client.grant(3)).TTL, 3);
  const longest = await client.grant(9_000_000_000);
  assert.equal(longest.TTL, 9_000_000_000);
  const { grantedTTL, TTL } = await timeToLive(longest.ID);
  assert.equal(grantedTTL, 9_000_000_000);
  assert.ok(TTL > 8_999_999_990);
  await assert.rejects(client.grant(9_000_000_001), {
    code: 11,
    message: "etcdserver: too large lease TTL",
  });
});

test("LEASE-03 an id can be granted once", async () => {
  await client.grant(10, 303n);
  await assert.rejects(client.grant(10, 303n), {
    code: 9,
    message: "etcdserver: lease already exists",
  });
  assert.equal((await timeToLive(303n)).grantedTTL, 10);
});

test("LEASE-04 revocation deletes the attached keys at once, in one revision", async () => {
  const { ID } = await client.grant(100);
  for (const key of ["c", "a", "b"]) await client.put(`l04/${key}`, "", { lease: ID });
  const watch = client.watch();
  await watch.create("l04/", { rangeEnd: prefixEnd("l04/") });
  const before = await client.revision();
  const reply = await revoke(ID);
  assert.equal(reply.header?.revision, before + 1);
  const events = eventTexts(await watch.next());
  assert.deepEqual(
    events,
    ["a", "b", "c"].map((key) => `DELETE l04/${key}@${before + 1}`),
  );
  watch.close();
  await assert.rejects(revoke(ID), NOT_FOUND);
  await assert.rejects(revoke(0n), NOT_FOUND);
  assert.equal(await client.revision(), before + 1);
  const { ID: empty } = await client.grant(100);
  assert.equal((await revoke(empty)).header?.revision, before + 1, "no keys, no revision");
});

test("LEASE-05 keep-alives answer in order; an unknown lease has time 0", async () => {
  const { ID } = await client.grant(50);
  const stream = client.open("/etcdserverpb.Lease/LeaseKeepAlive");
  for (const id of [ID, 505n, ID]) stream.send({ ID: id });
  for (const [id, ttl] of [
    [ID, 50],
    [505n, 0],
    [ID, 50],
  ] as const) {
    const reply = await stream.next();
    assert.deepEqual([reply.ID, reply.TTL], [id, ttl]);
    assert.notEqual(reply.header?.memberId, 0n);
  }
  stream.raw.halfClose();
  assert.equal(await stream.failure(), undefined);
});

test("LEASE-05 a keep-alive gives the lease its whole time again", async () => {
  const { ID } = await client.grant(30);
  const low = await until(async () => {
    const { TTL } = await timeToLive(ID);
    return TTL <= 28 && TTL;
  }, "time to pass");
  const stream = client.open("/etcdserverpb.Lease/LeaseKeepAlive");
  const renewedAt = performance.now();
  stream.send({ ID });
  await stream.next();
  const { TTL } = await timeToLive(ID);
  const passed = Math.ceil((performance.now() - renewedAt) / 1000);
  assert.ok(TTL >= 30 - passed, `${TTL} of 30 after ${low}, and ${passed} s later`);
  stream.raw.cancel();
});

test("LEASE-07 time to live tells granted and remaining time, and keys when asked", async () => {
  const { ID } = await client.grant(60);
  await client.put("l07/b", "", { lease: ID });
  await client.put("l07/a", "", { lease: ID });
  const reply = await timeToLive(ID);
  assert.deepEqual([reply.ID, reply.grantedTTL, reply.keys], [ID, 60, []]);
  assert.ok(reply.TTL > 50 && reply.TTL <= 60);
  assert.deepEqual((await attached(ID)).sort(), ["l07/a", "l07/b"]);
  const unknown = await timeToLive(707n, true);
  assert.deepEqual([unknown.ID, unknown.TTL, unknown.grantedTTL, unknown.keys], [707n, -1, 0, []]);
  assert.ok((unknown.header?.revision ?? 0) > 0);
});

test("LEASE-08 the list of leases is in the order in which they end", async () => {
  const ids = [808n, 809n, 810n];
  for (const [index, ID] of ids.entries()) await client.grant(1000 * (3 - index), ID);
  const listed = (await leases()).filter((id) => ids.includes(id));
  assert.deepEqual(listed, [810n, 809n, 808n]);
  await revoke(809n);
  assert.deepEqual((await leases()).includes(809n), false);
});

test("LEASE-09 an expired lease goes with its keys, and not before its time; others stay", async () => {
  const { ID: long } = await client.grant(200);
  await client.put("l09/long", "", { lease: long });
  const attached = await withShortLease(client, (lease) => client.put("l09/short", "", { lease }));
  const { lease: short, grantedAtMs } = attached;
  const watch = client.watch();
  const startRevision = (attached.reply.header?.revision ?? 0) + 1;
  await watch.create("l09/", { rangeEnd: prefixEnd("l09/"), startRevision });
  const [event] = await watch.events(1);
  assert.match(event ?? "", /^DELETE l09\/short@/);
  assert.ok(client.connection.nowMs() - grantedAtMs >= 2000);
  assert.equal((await timeToLive(short)).TTL, -1);
  assert.equal((await leases()).includes(short), false);
  const rest = await client.range("l09/", { rangeEnd: prefixEnd("l09/") });
  assert.deepEqual(keys(rest.kvs), ["l09/long"]);
  await assert.rejects(client.put("l09/late", "", { lease: short }), NOT_FOUND);
  watch.close();
});

test("LEASE-13 a key belongs to the lease of its last put", async () => {
  const { ID: first } = await client.grant(100);
  const { ID: second } = await client.grant(100);
  await client.put("l13", "1", { lease: first });
  await client.put("l13", "2", { lease: second });
  assert.deepEqual(await attached(first), []);
  assert.deepEqual(await attached(second), ["l13"]);
  await revoke(first);
  assert.equal((await client.range("l13")).count, 1);
  await revoke(second);
  assert.equal((await client.range("l13")).count, 0);
});

test("a transaction attaches leases too", async () => {
  const { ID } = await client.grant(100);
  await client.txn({ success: [putOp("ltx/a", "", { lease: ID }), putOp("ltx/b")] });
  assert.deepEqual(await attached(ID), ["ltx/a"]);
});

test("LEASE-14 LEASE-10 a restart keeps leases and keys, and gives them their time again", async () => {
  const own = await TestMember.start();
  try {
    const { ID } = await own.client.grant(500);
    await own.client.put("l14", "", { lease: ID });
    const { ID: gone } = await own.client.grant(500);
    await own.client.call("/etcdserverpb.Lease/LeaseRevoke", { ID: gone });
    await withShortLease(own.client, (lease) => own.client.put("l14-short", "", { lease }));
    const begin = performance.now();
    await own.restart();
    const listed = await own.client.call("/etcdserverpb.Lease/LeaseLeases", {});
    const ids = listed.leases.map((lease) => lease.ID);
    assert.deepEqual([ids.includes(ID), ids.includes(gone)], [true, false]);
    const request = { ID, keys: true };
    const reply = await own.client.call("/etcdserverpb.Lease/LeaseTimeToLive", request);
    assert.equal(reply.grantedTTL, 500);
    const passed = Math.ceil((performance.now() - begin) / 1000);
    assert.ok(reply.TTL >= 500 - passed && reply.TTL <= 501, `${reply.TTL}`);
    assert.deepEqual(reply.keys.map(text), ["l14"]);
    await until(
      async () => (await own.client.range("l14-short")).count === 0,
      "the short lease to expire",
    );
    await own.client.call("/etcdserverpb.Lease/LeaseRevoke", { ID });
    assert.equal((await own.client.range("l14")).count, 0);
  } finally {
    await own.remove();
  }
});

test("LEASE-11 many leases that would end together are spread after a restart", async () => {
  const own = await TestMember.start();
  try {
    const grants = Array.from({ length: 2400 }, (_, i) => own.client.grant(1000, BigInt(i + 1)));
    await Promise.all(grants);
    const begin = performance.now();
    await own.restart();
    const replies = await Promise.all(
      grants.map((_, i) =>
        own.client.call("/etcdserverpb.Lease/LeaseTimeToLive", { ID: BigInt(i + 1) }),
      ),
    );
    const times = replies.map((reply) => reply.TTL);
    // The new leader gives each its whole time; what has passed since is the machine's.
    const passed = Math.ceil((performance.now() - begin) / 1000);
    assert.ok(Math.min(...times) >= 999 - passed, `${Math.min(...times)}`);
    assert.ok(Math.max(...times) - Math.min(...times) >= 2, "not all at once");
  } finally {
    await own.remove();
  }
});
