/** Which expired leases are revoked, when, and which are not after all. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { LeaseRevokeRequest } from "../../api/gen/rpc.ts";
import type { LeaseID } from "../../base/ids.ts";
import { MemoryLogger, VirtualClock } from "../../env/testing/index.ts";
import { LeaseExpirer } from "./lease-expirer.ts";

/** A lessor that hands out every expired lease at each scan. */
function world() {
  const clock = new VirtualClock();
  const logger = new MemoryLogger();
  const expired = new Set<LeaseID>();
  const state = { leads: true, counted: 0 };
  const proposed: { readonly id: LeaseID; readonly done: () => void }[] = [];
  const expirer = new LeaseExpirer({
    clock,
    logger,
    expired: {
      add: () => {
        state.counted++;
      },
    },
    takeExpired: (_now, limit) => [...expired].slice(0, limit),
    isExpired: (id) => expired.has(id),
    confirmLeadership: async () => state.leads,
    proposeAsLeader: (_field, body) =>
      new Promise<void>((done) => {
        proposed.push({ id: LeaseRevokeRequest.decode(body).ID, done });
      }),
    onScan: () => undefined,
  });
  expirer.start();
  /** One scan, and what follows from it. */
  const scan = async () => {
    clock.advance(500);
    await new Promise((resolve) => setImmediate(resolve));
  };
  return { expirer, expired, state, proposed, scan, logger };
}

const ids = (proposed: readonly { readonly id: LeaseID }[]) => proposed.map(({ id }) => id);

test("a lease whose revocation is under way is not revoked a second time", async () => {
  const w = world();
  w.expired.add(1n);
  for (let i = 0; i < 10; i++) await w.scan();
  assert.deepEqual(ids(w.proposed), [1n]);
  w.proposed[0]?.done();
  await w.scan();
  await w.scan();
  assert.equal(w.state.counted, 1);
  assert.deepEqual(ids(w.proposed), [1n, 1n], "it still exists, so it is tried again");
});

test("sixteen revocations are under way at a time", async () => {
  const w = world();
  for (let id = 1n; id <= 20n; id++) w.expired.add(id);
  await w.scan();
  assert.equal(w.proposed.length, 16);
  w.proposed[0]?.done();
  await new Promise((resolve) => setImmediate(resolve));
  assert.equal(w.proposed.length, 17);
});

test("a lease that was renewed or granted anew while it waited its turn is left alone", async () => {
  const w = world();
  for (let id = 1n; id <= 17n; id++) w.expired.add(id);
  await w.scan();
  w.expired.delete(17n);
  w.proposed[0]?.done();
  await w.scan();
  assert.equal(ids(w.proposed).includes(17n), false);
});

test("a member that cannot prove that it leads revokes nothing", async () => {
  const w = world();
  w.expired.add(1n);
  w.state.leads = false;
  await w.scan();
  assert.deepEqual(w.proposed, []);
  assert.ok(
    w.logger
      .messages()
      .includes("Ignore the lease revoking request because current member isn't a leader"),
  );
  w.state.leads = true;
  await w.scan();
  assert.deepEqual(ids(w.proposed), [1n]);
});
