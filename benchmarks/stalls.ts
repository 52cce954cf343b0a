/**
 * How long others wait while one client sends requests whose cost is not their size: three members,
 * a victim that reads one key at each of them, and one such request after the other. Prints for
 * each the time it took, the victim's longest waits, and the elections that it cost.
 *
 *   node dist/benchmarks/stalls.js [--keys 500000] [--vs BINARY] [--only REGEXP] [--dir DIRECTORY]
 *
 * A linearizable read that comes after a write was committed must see it: its wait is at most the
 * time that applying the write takes.
 */
import { type ChildProcess, fork } from "node:child_process";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { compare, EtcdClient, op } from "../src/client/index.ts";
import { ServerCluster } from "./server-cluster.ts";
import type { ServerUnderTest } from "./server-process.ts";
import type { VictimReport } from "./stall-victim.ts";
import { inTurn, TRIAL_OPTIONS } from "./trial.ts";

const here = dirname(fileURLToPath(import.meta.url));
const MEMBERS = 3;
const KEYS_PER_TXN = 100;
const PARALLEL_TXNS = 8;
const VALUE_BYTES = 64;
const LEASE_KEYS = 100_000;
const LEASE_TTL = 3600;
const TIMEOUT_MS = 120_000;
const FLAGS = ["--max-concurrent-streams", "20000"];

interface World {
  readonly client: EtcdClient;
  readonly keys: number;
  readonly lease: bigint;
}

type Attack = (world: World) => Promise<unknown>;

const times = <T>(count: number, make: (i: number) => T): T[] =>
  Array.from({ length: count }, (_, i) => make(i));

/** In this order: the last ones take the keys away. */
const ATTACKS: Readonly<Record<string, Attack>> = {
  nothing: () => new Promise((done) => setTimeout(done, 2000)),
  "64 x 60 nested counts": ({ client }) => {
    const counts = times(60, () => op.get("", { fromKey: true, countOnly: true }));
    const nested = times(64, () => op.txn(client.kv.txn().do(...counts)));
    return client.kv
      .txn()
      .do(...nested)
      .commit();
  },
  "16 counts at an old revision": ({ client, keys }) => {
    const revision = 3 + Math.floor(keys / KEYS_PER_TXN);
    const options = { fromKey: true, countOnly: true, revision } as const;
    return client.kv
      .txn()
      .do(...times(16, () => op.get("k", options)))
      .commit();
  },
  "16 compares of all keys": ({ client }) => {
    const all = times(16, () => compare.version("k", { prefix: true }).greater(0));
    return client.kv
      .txn()
      .if(...all)
      .do(op.get("k"))
      .commit();
  },
  "all keys by value, 10 times": ({ client }) => {
    const order = { sortTarget: "value", sortOrder: "ascend" } as const;
    const options = { ...order, prefix: true, limit: 1 };
    return Promise.all(times(10, () => client.kv.get("k", options)));
  },
  "20 hashes of the history": ({ client }) =>
    Promise.all(times(20, () => client.maintenance.hashKV(0))),
  "20 hashes of the db": ({ client }) => Promise.all(times(20, () => client.maintenance.hash())),
  "20,000 member lists": ({ client }) =>
    Promise.all(times(20_000, () => client.cluster.memberList())),
  "20,000 watches": async ({ client }) => {
    const watchers = times(20_000, (i) => client.watch(`k${i}`, { startRevision: 1 }));
    await client.kv.get("k");
    await Promise.all(watchers.map((watcher) => watcher.cancel()));
  },
  "keys of a lease, 10 times": ({ client, lease }) =>
    Promise.all(times(10, () => client.lease.timeToLive(lease, { keys: true }))),
  "revocation of a lease": ({ client, lease }) => client.lease.revoke(lease),
  "transaction of 100 deletions": ({ client }) => {
    const parts = times(100, (i) => op.delete(`k9${i}`, { prefix: true }));
    return client.kv
      .txn()
      .do(...parts)
      .commit();
  },
  "deletion of all keys": ({ client }) => client.kv.delete("k", { prefix: true }),
};

async function load({ client, keys }: Omit<World, "lease">): Promise<bigint> {
  const value = "v".repeat(VALUE_BYTES);
  await client.kv.put("victim", value);
  const put = async (count: number, keyOf: (i: number) => string, lease: bigint) => {
    let next = 0;
    const worker = async (): Promise<void> => {
      while (next < count) {
        const first = next;
        next += KEYS_PER_TXN;
        const puts = times(KEYS_PER_TXN, (i) => op.put(keyOf(first + i), value + i, { lease }));
        await client.kv
          .txn()
          .do(...puts)
          .commit();
      }
    };
    await Promise.all(times(PARALLEL_TXNS, worker));
  };
  await put(keys, (i) => `k${String(i).padStart(8, "0").split("").reverse().join("")}`, 0n);
  const { ID } = await client.lease.grant(LEASE_TTL);
  await put(Math.min(LEASE_KEYS, keys), (i) => `lease${i}`, ID);
  return ID;
}

class Victim {
  readonly #process: ChildProcess;

  constructor(ports: readonly number[]) {
    const endpoints = ports.map((port) => `127.0.0.1:${port}`).join(",");
    this.#process = fork(join(here, "stall-victim.js"), [endpoints, "victim"]);
  }

  report(): Promise<VictimReport> {
    return new Promise((resolve) => {
      this.#process.once("message", (report) => resolve(report as VictimReport));
      this.#process.send("report");
    });
  }

  stop(): void {
    this.#process.kill();
  }
}

async function termOf(client: EtcdClient): Promise<number> {
  return (await client.maintenance.status()).raftTerm;
}

async function measure(server: ServerUnderTest, folder: string, keys: number, only: RegExp) {
  const cluster = await ServerCluster.prepare(server, folder, MEMBERS, FLAGS);
  await cluster.start();
  const { leader } = await cluster.roles();
  const endpoints = `127.0.0.1:${leader.port}`;
  const client = new EtcdClient({ endpoints, requestTimeoutMs: TIMEOUT_MS });
  const victim = new Victim(cluster.ports);
  try {
    const lease = await load({ client, keys });
    await cluster.settled();
    for (const [name, attack] of Object.entries(ATTACKS)) {
      if (!only.test(name)) continue;
      await victim.report();
      const term = await termOf(client);
      const cpu = cluster.usage().cpuSeconds;
      const start = performance.now();
      const outcome = await attack({ client, keys, lease }).then(
        () => "",
        (error: Error) => error.message,
      );
      const tookMs = performance.now() - start;
      await cluster.settled();
      const { serializableMs, linearizableMs } = await victim.report();
      const elections = (await termOf(client)) - term;
      const used = cluster.usage().cpuSeconds - cpu;
      const columns = [
        name.padEnd(32),
        server.label.padEnd(6),
        `${tookMs.toFixed(0)} ms`.padStart(9),
        `cpu ${used.toFixed(1)} s`.padStart(11),
        `serializable ${serializableMs.toFixed(0)} ms`.padStart(22),
        `linearizable ${linearizableMs.toFixed(0)} ms`.padStart(22),
        `elections ${elections}`,
        outcome,
      ];
      console.log(columns.join("  "));
    }
  } finally {
    victim.stop();
    client.close();
    await cluster.stop();
    cluster.removeData();
  }
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      keys: { type: "string", default: "500000" },
      only: { type: "string", default: "" },
      ...TRIAL_OPTIONS,
    },
  });
  await inTurn(values, (server, folder) =>
    measure(server, folder, Number(values.keys), new RegExp(values.only)),
  );
}

await main();
