/** Deletions and compactions of very many keys, and what somebody else feels of them. */
import { EtcdClient } from "../src/client/index.ts";
import type { LoadResult } from "./load/jobs.ts";
import { startVictim, victimMeasurements, victimRows } from "./victim.ts";
import { loadKeys, type MemberWorkload } from "./workloads.ts";

const TIMEOUT_MS = 120_000;
/** Share of `--keys` that is swept away. */
const SWEPT_SHARE = 0.5;

type Sweep = (client: EtcdClient, keys: number) => Promise<void>;

/** `versions` of each key are there before. */
function sweeping(row: string, versions: number, sweep: Sweep): MemberWorkload {
  return {
    kind: "member",
    rows: [row, `${row}-processor-time`, ...victimRows(row)],
    isLong: true,
    async run(server, options) {
      const keys = Math.floor(options.keys * SWEPT_SHARE);
      for (let i = 0; i < versions; i++) await loadKeys([server.port], keys, options.runJob);
      await using client = new EtcdClient({
        endpoints: `127.0.0.1:${server.port}`,
        requestTimeoutMs: TIMEOUT_MS,
      });
      await client.kv.get("nothing");
      const victim = await startVictim(server, options);
      let felt: LoadResult | undefined;
      try {
        const cpuBefore = server.usage().cpuSeconds;
        const startMs = performance.now();
        await sweep(client, keys);
        const value = performance.now() - startMs;
        const cpuMs = (server.usage().cpuSeconds - cpuBefore) * 1000;
        felt = await victim.stop();
        return [
          { row, unit: "ms", value },
          { row: `${row}-processor-time`, unit: "ms", value: cpuMs },
          ...victimMeasurements(row, felt),
        ];
      } finally {
        if (felt === undefined) await victim.stop().catch(() => {});
      }
    },
  };
}

export const SWEEP_WORKLOADS: readonly MemberWorkload[] = [
  sweeping("delete-prefix", 1, async (client, keys) => {
    const { deleted } = await client.kv.delete("bench-0", { prefix: true });
    if (deleted !== keys) throw new Error(`${deleted} of ${keys} keys were deleted`);
  }),
  sweeping("compact", 2, async (client) => {
    const { header } = await client.kv.get("nothing");
    await client.kv.compact(header?.revision ?? 0, { physical: true });
  }),
];
