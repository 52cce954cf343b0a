/** A classic bug, found from a seed: the holder of a lock that has lost it without noticing. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { Mutex, Session } from "../client/index.ts";
import { type SimulatedProcess, type SimulatedWorld, SimulationError, simulate } from "./index.ts";

/** Something beside etcd that a lock is to protect, such as a file on a server. */
class Storage {
  value = 0;
  #newest = 0;
  #isFenced: boolean;

  constructor(isFenced: boolean) {
    this.#isFenced = isFenced;
  }

  read(token: number): number {
    this.#check(token);
    return this.value;
  }

  write(value: number, token: number): void {
    this.#check(token);
    this.value = value;
  }

  #check(token: number): void {
    if (!this.#isFenced) return;
    if (token < this.#newest) throw new Error("somebody else has the lock by now");
    this.#newest = token;
  }
}

const ROUNDS = 3;

/** Adds one to the storage under a lock, several times. What fails is tried again. */
async function work(process: SimulatedProcess, storage: Storage): Promise<void> {
  const client = process.client();
  for (let done = 0; done < ROUNDS; ) {
    try {
      await using session = await Session.create(client, { ttl: 5 });
      const mutex = new Mutex(session, "lock");
      await mutex.lock();
      const value = storage.read(mutex.revision);
      await process.clock.sleep("1s");
      storage.write(value + 1, mutex.revision);
      done++;
    } catch {
      await process.clock.sleep("1s");
    }
  }
}

function scenario(isFenced: boolean): (world: SimulatedWorld) => Promise<void> {
  return async (world) => {
    const storage = new Storage(isFenced);
    const names = ["anna", "ben"];
    await Promise.all(names.map((name) => world.process(name, (own) => work(own, storage))));
    assert.equal(storage.value, names.length * ROUNDS);
  };
}

test("a lock without fencing loses an update in some seed, which repeats", async () => {
  const faults = ["standstill"] as const;
  const error = await simulate(40, scenario(false), { faults }).catch((reason: unknown) => reason);
  assert.ok(error instanceof SimulationError, `found nothing: ${String(error)}`);
  assert.match(error.message, new RegExp(`^seed ${error.seed}: .*\\n[^]*repeat it with simulate`));
  assert.match(error.faults.join(), /(?:anna|ben) stands still/);
  await assert.rejects(simulate([error.seed], scenario(false), { faults }), {
    message: error.message,
  });
  await simulate([error.seed], scenario(true), { faults });
});

test("with fencing every update counts, whatever goes wrong with the cluster", async () => {
  await simulate(2, scenario(true));
});

test("a process that throws fails its seed, and so does one that never ends", async () => {
  await assert.rejects(
    simulate([3], async (world) => {
      await world.process("a", async () => {
        throw new Error("no idea");
      });
    }),
    { name: "SimulationError", message: /^seed 3: no idea\n/ },
  );
  await assert.rejects(
    simulate([1], () => new Promise(() => undefined), { limit: "20s", faults: [] }),
    { message: /has not ended after 20s of its time/ },
  );
});

test("options and faults that do not exist are told by name", async () => {
  const nothing = async (): Promise<void> => undefined;
  await assert.rejects(simulate(1, nothing, { faultz: [] } as object), {
    message: 'simulate has no option "faultz"; did you mean "faults"?',
  });
  await assert.rejects(simulate(1, nothing, { faults: ["earthquake" as "kill"] }), {
    message: /^simulate: no fault is named "earthquake"; there are standstill, kill, /,
  });
  await assert.rejects(simulate(1, nothing, { faults: "kill" as never }), {
    message: "simulate: faults are a list of their names",
  });
  await assert.rejects(simulate(1, undefined as never), {
    message: "simulate: the scenario is a function",
  });
});

test("seeds that are none are refused, as nothing would run", async () => {
  for (const seeds of [0, -1, 1.5, [], [0.5], "3" as never]) {
    await assert.rejects(
      simulate(seeds, async () => undefined),
      {
        name: "TypeError",
        message: /^simulate: seeds are their number or a list of whole numbers/,
      },
    );
  }
});

test("a scenario that throws nothing in particular has failed all the same", async () => {
  const scenario = () => Promise.reject(undefined);
  const error: unknown = await simulate([1], scenario, { faults: [] }).catch((reason) => reason);
  assert.ok(error instanceof SimulationError);
  assert.equal(error.cause, undefined);
  assert.match(error.message, /^seed 1: undefined/);
});
