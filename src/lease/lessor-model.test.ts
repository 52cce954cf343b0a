/** The lessor against an obvious model: lists that are searched, times that are compared. */

import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { EtcdError } from "../api/errors.ts";
import { Lessor, MAX_LEASE_TTL } from "./lessor.ts";
import { MemoryBackend } from "./testing/memory-backend.ts";

interface ModelLease {
  id: bigint;
  ttl: number;
  remaining: number;
  expiry: number;
}

const MIN_TTL = 2;
const NEVER = Number.POSITIVE_INFINITY;

class Model {
  leases: ModelLease[] = [];
  keys: { key: string; id: bigint }[] = [];
  primary = false;

  find(id: bigint): ModelLease | undefined {
    return this.leases.find((lease) => lease.id === id);
  }

  keysOf(id: bigint): string[] {
    return this.keys
      .filter((entry) => entry.id === id)
      .map((entry) => entry.key)
      .sort();
  }
}

type Action =
  | { do: "grant"; id: bigint; ttl: number }
  | { do: "revoke" | "renew"; id: bigint }
  | { do: "attach" | "detach"; id: bigint; key: string }
  | { do: "checkpoint"; id: bigint; remaining: number }
  | { do: "promote" | "demote" | "restart" | "expire" }
  | { do: "wait"; ms: number };

const anID = fc.bigInt({ min: 1n, max: 6n });
const aKey = fc.constantFrom("a", "b", "c", "\xff");
const anAction: fc.Arbitrary<Action> = fc.oneof(
  fc.record({
    do: fc.constant("grant" as const),
    id: anID,
    ttl: fc.constantFrom(0, 2, 5, 600, MAX_LEASE_TTL),
  }),
  fc.record({ do: fc.constantFrom("revoke" as const, "renew" as const), id: anID }),
  fc.record({ do: fc.constantFrom("attach" as const, "detach" as const), id: anID, key: aKey }),
  fc.record({ do: fc.constant("checkpoint" as const), id: anID, remaining: fc.nat(100) }),
  fc.record({
    do: fc.constantFrom("promote", "demote", "restart", "expire"),
  }) as fc.Arbitrary<Action>,
  fc.record({ do: fc.constant("wait" as const), ms: fc.nat(4000) }),
);

class Pair {
  readonly model = new Model();
  readonly backend = new MemoryBackend();
  readonly deleted: string[] = [];
  lessor: Lessor = this.open();
  now = 0;

  open(): Lessor {
    const lessor: Lessor = new Lessor({
      backend: this.backend,
      minTTL: MIN_TTL,
      persistCheckpoints: () => true,
      deleteKeys: (keys) => {
        this.deleted.push(...keys);
        for (const key of keys) lessor.detach(lessor.leaseOf(key), key);
      },
    });
    return lessor;
  }

  run(action: Action): void {
    const { model } = this;
    switch (action.do) {
      case "grant":
        return this.grant(action.id, action.ttl);
      case "revoke":
        return this.revoke(action.id);
      case "renew":
        return this.renew(action.id);
      case "attach":
        if (model.find(action.id) === undefined) return;
        model.keys = model.keys.filter((entry) => entry.key !== action.key);
        model.keys.push({ key: action.key, id: action.id });
        return this.lessor.attach(action.id, action.key);
      case "detach":
        model.keys = model.keys.filter((e) => e.key !== action.key || e.id !== action.id);
        return this.lessor.detach(action.id, action.key);
      case "checkpoint": {
        const lease = model.find(action.id);
        if (lease !== undefined) lease.remaining = action.remaining;
        return this.lessor.checkpoint(action.id, action.remaining, this.now);
      }
      case "promote":
        model.primary = true;
        for (const lease of model.leases) {
          lease.expiry = this.now + 1000 + (lease.remaining || lease.ttl) * 1000;
        }
        return this.lessor.promote(this.now, 1000);
      case "demote":
        model.primary = false;
        for (const lease of model.leases) lease.expiry = NEVER;
        return this.lessor.demote();
      case "restart":
        model.primary = false;
        for (const lease of model.leases) lease.expiry = NEVER;
        this.lessor = this.open();
        for (const { id, key } of model.keys) this.lessor.attach(id, key);
        return;
      case "expire": {
        const expired = this.lessor.takeExpired(this.now);
        for (const id of expired) assert.ok((model.find(id)?.expiry ?? NEVER) <= this.now);
        for (const id of expired) this.revoke(id);
        for (const lease of model.leases) assert.ok(lease.expiry > this.now, "missed an expiry");
        return;
      }
      case "wait":
        this.now += action.ms;
    }
  }

  grant(id: bigint, ttl: number): void {
    if (this.model.find(id) !== undefined) {
      assert.throws(() => this.lessor.grant(id, ttl, this.now), EtcdError);
      return;
    }
    const actual = Math.max(ttl, MIN_TTL);
    const expiry = this.model.primary ? this.now + actual * 1000 : NEVER;
    this.model.leases.push({ id, ttl: actual, remaining: 0, expiry });
    assert.equal(this.lessor.grant(id, ttl, this.now).ttl, actual);
  }

  revoke(id: bigint): void {
    if (this.model.find(id) === undefined) {
      assert.throws(() => this.lessor.revoke(id), EtcdError);
      return;
    }
    const keys = this.model.keysOf(id);
    this.deleted.length = 0;
    this.lessor.revoke(id);
    assert.deepEqual(this.deleted, keys);
    this.model.leases = this.model.leases.filter((lease) => lease.id !== id);
    this.model.keys = this.model.keys.filter((entry) => entry.id !== id);
  }

  renew(id: bigint): void {
    const lease = this.model.find(id);
    const { kind } = this.lessor.renew(id, this.now);
    if (!this.model.primary) assert.equal(kind, "notPrimary");
    else if (lease === undefined) assert.equal(kind, "notFound");
    else if (lease.expiry <= this.now) assert.equal(kind, "expired");
    else {
      assert.equal(kind, "renewed");
      lease.expiry = this.now + lease.ttl * 1000;
    }
  }

  compare(): void {
    const expected = [...this.model.leases]
      .sort((a, b) => (a.expiry === b.expiry ? (a.id < b.id ? -1 : 1) : a.expiry - b.expiry))
      .map((lease) => [lease.id, lease.ttl, lease.remaining, lease.expiry]);
    const actual = this.lessor.leases();
    assert.deepEqual(
      actual.map((lease) => [lease.id, lease.ttl, lease.remainingTTL, lease.expiryMs]),
      expected,
    );
    for (const lease of actual) {
      assert.deepEqual(lease.keys(), this.model.keysOf(lease.id));
      assert.equal(lease.keyCount, lease.keys().length);
    }
    for (const key of ["a", "b", "c", "\xff"]) {
      assert.equal(this.lessor.leaseOf(key), this.model.keys.find((e) => e.key === key)?.id ?? 0n);
    }
    assert.equal(this.lessor.attachedKeys, this.model.keys.length);
  }
}

test("any sequence of grants, keys, renewals, expiries and restarts agrees with the model", () => {
  fc.assert(
    fc.property(fc.array(anAction, { maxLength: 60 }), (actions) => {
      const pair = new Pair();
      for (const action of actions) {
        pair.run(action);
        pair.compare();
      }
    }),
    { numRuns: 500 },
  );
});
