import assert from "node:assert/strict";
import { test } from "node:test";
import { EtcdError } from "../api/errors.ts";
import { LEASE_BUCKET } from "../backend/types.ts";
import { bytesFromLatin1 } from "../base/bytes.ts";
import { Slice } from "../base/slice.ts";
import {
  Lessor,
  type LessorOptions,
  MAX_CHECKPOINTS_PER_ENTRY,
  MAX_LEASE_TTL,
  minimumLeaseTTL,
} from "./lessor.ts";
import { MemoryBackend } from "./testing/memory-backend.ts";

const MIN_TTL = minimumLeaseTTL(10, 100);

interface World {
  readonly backend: MemoryBackend;
  readonly lessor: Lessor;
  /** The key lists given to the store, one per revocation with keys. */
  readonly deletions: string[][];
}

function world(more: Partial<LessorOptions> = {}, backend = new MemoryBackend()): World {
  const deletions: string[][] = [];
  const lessor: Lessor = new Lessor({
    backend,
    minTTL: MIN_TTL,
    deleteKeys(keys) {
      deletions.push([...keys]);
      // As the store does: each deleted key is detached from its lease.
      for (const key of keys) lessor.detach(lessor.leaseOf(key), key);
    },
    ...more,
  });
  return { backend, lessor, deletions };
}

function fails(kind: string): (error: unknown) => boolean {
  return (error) => error instanceof EtcdError && error.kind === kind;
}

test("the minimum TTL is one and a half election timeouts in whole seconds", () => {
  assert.equal(minimumLeaseTTL(10, 100), 2);
  assert.equal(minimumLeaseTTL(10, 500), 8);
  assert.equal(minimumLeaseTTL(50, 100), 8);
});

test("a TTL below the minimum is raised, one above the maximum refused", () => {
  const { lessor } = world();
  assert.equal(lessor.grant(1n, 1, 0).ttl, MIN_TTL);
  assert.equal(lessor.grant(2n, -5, 0).ttl, MIN_TTL);
  assert.equal(lessor.grant(3n, MAX_LEASE_TTL, 0).ttl, MAX_LEASE_TTL);
  assert.throws(() => lessor.grant(4n, MAX_LEASE_TTL + 1, 0), fails("leaseTTLTooLarge"));
  assert.ok(!lessor.exists(4n));
});

test("a lease ID can be granted once, and never 0", () => {
  const { lessor } = world();
  lessor.grant(7n, 10, 0);
  assert.throws(() => lessor.grant(7n, 99, 0), fails("leaseExists"));
  assert.equal(lessor.lookup(7n)?.ttl, 10);
  assert.throws(() => lessor.grant(0n, 10, 0), fails("leaseNotFound"));
});

test("a grant is stored as etcd stores it and a revocation removes it", () => {
  const { backend, lessor } = world();
  lessor.grant(0x1234n, 60, 0);
  assert.deepEqual(backend.dump(LEASE_BUCKET), {
    "\0\0\0\0\0\0\x12\x34": "\x08\xb4\x24\x10\x3c",
  });
  lessor.revoke(0x1234n);
  assert.deepEqual(backend.dump(LEASE_BUCKET), {});
  assert.throws(() => lessor.revoke(0x1234n), fails("leaseNotFound"));
});

test("revoking deletes the attached keys together and in byte order", () => {
  const { lessor, deletions } = world();
  lessor.grant(1n, 10, 0);
  for (const key of ["b", "a\xff", "a", "\x80", "b"]) lessor.attach(1n, key);
  lessor.revoke(1n);
  assert.deepEqual(deletions, [["a", "a\xff", "b", "\x80"]]);
  assert.equal(lessor.attachedKeys, 0);
});

test("revoking a lease without keys asks for no deletion", () => {
  const { lessor, deletions } = world();
  lessor.grant(1n, 10, 0);
  lessor.revoke(1n);
  assert.deepEqual(deletions, []);
});

test("a key put with another lease moves there", () => {
  const { lessor, deletions } = world();
  lessor.grant(1n, 10, 0);
  lessor.grant(2n, 10, 0);
  lessor.attach(1n, "k");
  lessor.attach(2n, "k");
  assert.equal(lessor.leaseOf("k"), 2n);
  assert.deepEqual(lessor.lookup(1n)?.keys(), []);
  lessor.detach(1n, "k");
  assert.equal(lessor.leaseOf("k"), 2n, "a late detach from the old lease changes nothing");
  lessor.revoke(1n);
  assert.deepEqual(deletions, []);
  lessor.detach(2n, "k");
  assert.equal(lessor.leaseOf("k"), 0n);
  assert.throws(() => lessor.attach(99n, "k"), fails("leaseNotFound"));
});

test("only the primary renews, and a renewal gives the granted TTL anew", () => {
  const { lessor } = world();
  lessor.grant(1n, 10, 0);
  assert.deepEqual(lessor.renew(1n, 0), { kind: "notPrimary" });
  lessor.promote(0, 1000);
  assert.equal(lessor.lookup(1n)?.expiryMs, 11_000);
  assert.deepEqual(lessor.renew(1n, 5_000), { kind: "renewed", ttl: 10 });
  assert.equal(lessor.lookup(1n)?.expiryMs, 15_000);
  assert.deepEqual(lessor.renew(2n, 0), { kind: "notFound" });
});

test("remaining time is cut to whole seconds and goes negative when overdue", () => {
  const { lessor } = world();
  lessor.promote(0, 0);
  const lease = lessor.grant(1n, 10, 0);
  assert.equal(lessor.remainingSeconds(lease, 1), 9);
  assert.equal(lessor.remainingSeconds(lease, 9_999), 0);
  assert.equal(lessor.remainingSeconds(lease, 12_500), -2);
  lessor.demote();
  assert.equal(lessor.remainingSeconds(lease, 0), Number.POSITIVE_INFINITY);
});

test("an expired lease cannot be renewed; the renewal waits for its revocation", () => {
  const { lessor } = world();
  lessor.promote(0, 0);
  lessor.grant(1n, 10, 0);
  assert.deepEqual(lessor.renew(1n, 10_000), { kind: "expired" });
  let settled = 0;
  lessor.onSettled(1n, () => settled++);
  lessor.onSettled(1n, () => settled++);
  assert.equal(settled, 0);
  lessor.revoke(1n);
  assert.equal(settled, 2);
  assert.deepEqual(lessor.renew(1n, 10_001), { kind: "notFound" });
  lessor.onSettled(1n, () => settled++);
  assert.equal(settled, 3, "a lease that is gone is settled at once");
});

test("renewals that wait are released when leadership is lost", () => {
  const { lessor } = world();
  lessor.promote(0, 0);
  lessor.grant(1n, 10, 0);
  let settled = 0;
  lessor.onSettled(1n, () => settled++);
  lessor.demote();
  assert.equal(settled, 1);
  assert.deepEqual(lessor.renew(1n, 99_999), { kind: "notPrimary" });
});

test("expired leases are handed out by age, at most 500 a scan, and again after three seconds", () => {
  const { lessor } = world();
  lessor.promote(0, 0);
  for (let i = 1; i <= 700; i++) lessor.grant(BigInt(i), i + 1, 0);
  assert.deepEqual(lessor.takeExpired(1_999), []);
  assert.deepEqual(lessor.takeExpired(3_000), [1n, 2n]);
  assert.deepEqual(lessor.takeExpired(3_000), []);
  const late = 800_000;
  assert.equal(lessor.takeExpired(late).length, 500);
  assert.equal(lessor.takeExpired(late).length, 200);
  assert.equal(lessor.takeExpired(late).length, 0);
  lessor.revoke(1n);
  assert.equal(lessor.takeExpired(late + 2_999).length, 0);
  const again = lessor.takeExpired(late + 3_000, 1000);
  assert.equal(again.length, 699);
  assert.ok(!again.includes(1n));
});

test("nothing expires on a member that is not the primary", () => {
  const { lessor } = world();
  lessor.grant(1n, 2, 0);
  assert.deepEqual(lessor.takeExpired(1e9), []);
  lessor.promote(0, 0);
  lessor.demote();
  assert.deepEqual(lessor.takeExpired(1e9), []);
  assert.equal(lessor.nextExpiryMs, Number.POSITIVE_INFINITY);
});

test("a new primary extends every lease", () => {
  const { lessor } = world();
  lessor.grant(1n, 10, 0);
  lessor.grant(2n, 20, 0);
  lessor.promote(100_000, 1_000);
  assert.equal(lessor.lookup(1n)?.expiryMs, 111_000);
  assert.equal(lessor.lookup(2n)?.expiryMs, 121_000);
});

test("a thousand and more leases expire at no more than 750 a second after promotion", () => {
  const { lessor } = world();
  for (let i = 1; i <= 5000; i++) lessor.grant(BigInt(i), 10 + (i % 3), 0);
  lessor.promote(0, 0);
  const expiries = lessor.leases().map((lease) => lease.expiryMs);
  for (let i = 750; i < expiries.length; i++) {
    assert.ok((expiries[i] as number) - (expiries[i - 750] as number) >= 1000);
  }
  assert.ok((expiries[0] as number) >= 10_000);
  assert.ok((expiries[4999] as number) <= 10_000 + 8_000);
});

test("fewer than a thousand leases are not spread", () => {
  const { lessor } = world();
  for (let i = 1; i < 1000; i++) lessor.grant(BigInt(i), 10, 0);
  lessor.promote(0, 0);
  assert.ok(lessor.leases().every((lease) => lease.expiryMs === 10_000));
});

test("the list starts with the lease that expires next", () => {
  const { lessor } = world();
  lessor.promote(0, 0);
  lessor.grant(1n, 30, 0);
  lessor.grant(2n, 10, 0);
  lessor.grant(3n, 20, 0);
  assert.deepEqual(
    lessor.leases().map((lease) => lease.id),
    [2n, 3n, 1n],
  );
});

test("leases survive a restart with their TTL, and their keys come back by attaching", () => {
  const { backend, lessor } = world();
  lessor.grant(5n, 100, 0);
  lessor.grant(0x7fffffffffffffffn, 3, 0);
  const again = world({ minTTL: 5 }, backend).lessor;
  assert.equal(again.size, 2);
  assert.equal(again.lookup(5n)?.ttl, 100);
  assert.equal(again.lookup(0x7fffffffffffffffn)?.ttl, 5, "the minimum applies to old leases too");
  assert.equal(again.isPrimary, false);
  again.attach(5n, "k");
  again.restore();
  assert.equal(again.leaseOf("k"), 0n);
  assert.equal(again.size, 2);
});

test("the leases of another db are loaded aside, with their keys, and taken over at once", () => {
  const leader = world({ persistCheckpoints: () => true });
  for (let id = 1n; id <= 9n; id++) leader.lessor.grant(id, 100, 0);
  leader.lessor.checkpoint(4n, 30, 0);
  const { lessor } = world({ minTTL: 120 });
  lessor.grant(50n, 200, 0);
  lessor.attach(50n, "old");
  lessor.promote(0, 0);
  let settled = 0;
  lessor.onSettled(50n, () => settled++);
  const steps = lessor.loadSteps(leader.backend, 2);
  let pauses = 0;
  let step = steps.next();
  for (; step.done !== true; step = steps.next()) pauses++;
  assert.ok(pauses >= 4);
  const table = step.value;
  table.attach(4n, "k");
  assert.throws(() => table.attach(50n, "k"), fails("leaseNotFound"));
  assert.deepEqual([lessor.size, lessor.leaseOf("old"), settled], [1, 50n, 0]);
  lessor.adopt(table);
  assert.deepEqual([lessor.size, lessor.attachedKeys, settled], [9, 1, 1]);
  assert.deepEqual([lessor.leaseOf("old"), lessor.leaseOf("k")], [0n, 4n]);
  assert.equal(lessor.lookup(4n)?.ttl, 120, "the minimum is this member's");
  assert.equal(lessor.nextExpiryMs, Number.POSITIVE_INFINITY);
  lessor.promote(0, 0);
  assert.equal(lessor.lookup(4n)?.expiryMs, 30_000, "a checkpoint counts");
  lessor.revoke(4n);
  assert.equal(lessor.leaseOf("k"), 0n);
});

test("a damaged lease record is named", () => {
  const backend = new MemoryBackend();
  backend.put(LEASE_BUCKET, bytesFromLatin1("\0\0\0\0\0\0\0\x09"), bytesFromLatin1("\x08"));
  assert.throws(() => world({}, backend), /record of lease 0000000000000009 is damaged/);
});

test("long leases are checkpointed every five minutes with the time they have left", () => {
  const { lessor } = world({ checkpoints: true });
  lessor.promote(0, 0);
  lessor.grant(1n, 3600, 0);
  lessor.grant(2n, 300, 0);
  assert.deepEqual(lessor.takeDueCheckpoints(299_999), []);
  assert.deepEqual(lessor.takeDueCheckpoints(300_000), [{ ID: 1n, remainingTTL: 3300 }]);
  assert.deepEqual(lessor.takeDueCheckpoints(300_000), []);
  lessor.checkpoint(1n, 3300, 300_100);
  assert.deepEqual(lessor.takeDueCheckpoints(600_100), [{ ID: 1n, remainingTTL: 3000 }]);
});

test("a checkpoint counts at the next promotion and is cleared by the next renewal", () => {
  const { lessor } = world({ checkpoints: true });
  lessor.promote(0, 0);
  lessor.grant(1n, 3600, 0);
  lessor.checkpoint(1n, 3300, 300_000);
  lessor.demote();
  lessor.promote(1_000_000, 1_000);
  assert.equal(lessor.lookup(1n)?.expiryMs, 1_000_000 + 3_301_000);
  assert.deepEqual(lessor.renew(1n, 1_000_000), { kind: "clearCheckpoint" });
  lessor.checkpoint(1n, 0, 1_000_000);
  assert.deepEqual(lessor.renew(1n, 1_000_000), { kind: "renewed", ttl: 3600 });
  assert.equal(lessor.lookup(1n)?.expiryMs, 1_000_000 + 3_600_000);
});

test("without checkpoints a renewal gives the granted TTL in spite of an old checkpoint", () => {
  const { lessor } = world();
  lessor.grant(1n, 3600, 0);
  lessor.checkpoint(1n, 10, 0);
  lessor.promote(0, 0);
  assert.equal(lessor.lookup(1n)?.expiryMs, 10_000);
  assert.deepEqual(lessor.renew(1n, 0), { kind: "renewed", ttl: 3600 });
  assert.equal(lessor.lookup(1n)?.expiryMs, 3_600_000);
});

test("checkpoints are persisted when the cluster allows it, and only then", () => {
  let allowed = false;
  const { backend, lessor } = world({ persistCheckpoints: () => allowed });
  lessor.grant(1n, 3600, 0);
  lessor.checkpoint(1n, 100, 0);
  assert.equal(world({}, backend).lessor.lookup(1n)?.remainingTTL, 0);
  allowed = true;
  lessor.checkpoint(1n, 100, 0);
  assert.equal(world({}, backend).lessor.lookup(1n)?.remainingTTL, 100);
  lessor.checkpoint(42n, 100, 0);
  assert.ok(!lessor.exists(42n), "a checkpoint of a revoked lease is ignored");
});

test("one entry holds at most a thousand checkpoints", () => {
  const { lessor } = world({ checkpoints: true });
  lessor.promote(0, 0);
  for (let i = 1; i <= 1500; i++) lessor.grant(BigInt(i), 3600, 0);
  assert.equal(lessor.takeDueCheckpoints(400_000).length, MAX_CHECKPOINTS_PER_ENTRY);
  assert.equal(lessor.takeDueCheckpoints(400_000).length, 500);
});

test("a promotion in slices gives what one in one go gives, and a demotion amid it ends it", () => {
  const whole = world().lessor;
  const sliced = world().lessor;
  const count = 2500;
  for (let i = 1; i <= count; i++) {
    whole.grant(BigInt(i), 10 + (i % 7), 0);
    sliced.grant(BigInt(i), 10 + (i % 7), 0);
  }
  whole.promote(0, 1000);
  const slice = new Slice(100);
  const promotion = sliced.promoteInSteps(() => 0, 1000, slice);
  for (let pauses = 0; promotion.next().done !== true; pauses++) {
    assert.deepEqual([sliced.isPrimary, sliced.takeExpired(1e9)], [false, []]);
    assert.equal(sliced.renew(1n, 0).kind, "notPrimary");
    slice.refill();
    assert.ok(pauses < count);
  }
  assert.ok(sliced.isPrimary);
  const expiries = (lessor: Lessor) => lessor.leases().map(({ id, expiryMs }) => [id, expiryMs]);
  assert.deepEqual(expiries(sliced), expiries(whole));

  sliced.demote();
  const second = sliced.promoteInSteps(() => 0, 1000, slice);
  second.next();
  sliced.demote();
  slice.refill();
  while (second.next().done !== true) slice.refill();
  assert.ok(!sliced.isPrimary);
  assert.equal(sliced.nextExpiryMs, Number.POSITIVE_INFINITY);
});

test("a revocation in slices deletes the keys in byte order, and then the lease goes", () => {
  const { lessor, backend } = world();
  lessor.grant(1n, 10, 0);
  const keys = Array.from({ length: 2500 }, (_, i) => `k${(i * 7919) % 2503}`);
  for (const key of keys) lessor.attach(1n, key);
  const slice = new Slice(100);
  let deleted: readonly string[] = [];
  const revocation = lessor.revokeInSteps(1n, slice, function* (sorted) {
    deleted = sorted;
    yield;
    assert.ok(lessor.exists(1n));
  });
  while (revocation.next().done !== true) slice.refill();
  assert.deepEqual(deleted, [...keys].sort());
  assert.deepEqual([lessor.exists(1n), lessor.attachedKeys], [false, 0]);
  let records = 0;
  backend.scan(LEASE_BUCKET, bytesFromLatin1(""), undefined, () => {
    records++;
    return true;
  });
  assert.equal(records, 0);
});
