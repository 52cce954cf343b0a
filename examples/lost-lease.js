/**
 * Why a lock alone is not enough. Two processes add to a counter under a lock. One that stands still
 * for longer than its lease lasts (a long collection of garbage, a machine that is moved) has lost
 * the lock when it goes on, does not know it, and writes over what the other has written meanwhile.
 *
 * The simulator finds a run in which that happens; the same seed shows it again. It needs no server.
 *
 *     node examples/lost-lease.js naive       # finds a seed for which an update is lost
 *     node examples/lost-lease.js naive 1     # runs that seed alone
 *     node examples/lost-lease.js fenced      # passes all seeds
 */
import assert from "node:assert/strict";
import { Mutex, op, Session } from "etcd-ts/client";
import { simulate, SimulationError } from "etcd-ts/testing";

const SEEDS = 40;
const ROUNDS = 3;

const WRITES = {
  naive: (client, _mutex, value) => client.kv.put("counter", value),

  // etcd compares the create revision of the lock's key: each holder has one of its own, the
  // fencing token. It refuses the write of a holder that is none any more.
  fenced: async (client, mutex, value) => {
    const txn = client.kv.txn().if(mutex.isOwner()).do(op.put("counter", value));
    const { succeeded } = await txn.commit();
    if (!succeeded) throw new Error("the lock was lost; nothing was written");
  },
};

/** Adds one to the counter, several times. What fails is tried again. */
async function addUp(process, write) {
  const client = process.client();
  for (let done = 0; done < ROUNDS; ) {
    let session;
    try {
      session = await Session.create(client, { ttl: 5 });
      const mutex = await new Mutex(session, "lock").lock();
      const { kv } = await client.kv.get("counter");
      // The work. Here it may stand still for longer than its lease lasts.
      await process.clock.sleep("1s");
      await write(client, mutex, String(Number(kv?.valueText ?? "0") + 1));
      done++;
    } catch {
      // The lock is lost, or etcd out of reach: once more.
      await process.clock.sleep("1s");
    } finally {
      // Which fails where the lease is gone already.
      await session?.close().catch(() => undefined);
    }
  }
}

/** Each change of the counter must be the one before plus one. */
function scenario(write) {
  return async (world) => {
    const names = ["anna", "ben"];
    await Promise.all(names.map((name) => world.process(name, (own) => addUp(own, write))));
    const values = world.etcd.history("counter").map(({ value }) => Number(value));
    const isCounted = values.every((value, i) => value === i + 1);
    assert.ok(isCounted, `the counter went ${values.join(", ")}`);
  };
}

const [kind = "", seed] = process.argv.slice(2);
const write = WRITES[kind];
if (write === undefined) {
  console.error("usage: lost-lease.js naive|fenced [SEED]");
  process.exit(2);
}
try {
  const seeds = seed === undefined ? SEEDS : [Number(seed)];
  await simulate(seeds, scenario(write), { faults: ["standstill"] });
  console.log("no update was lost");
} catch (error) {
  if (!(error instanceof SimulationError)) throw error;
  console.log(error.message);
  process.exitCode = 1;
}
