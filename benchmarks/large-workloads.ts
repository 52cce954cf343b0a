/** The workloads of large things: values, pages, transactions and backups. */
import type { LoadJob } from "./load/jobs.ts";
import { loadKeys, type MemberWorkload, throughput, VALUE_BYTES } from "./workloads.ts";

const LARGE_VALUE_BYTES = 1_000_000;
/** Few, so that the database stays small beside the puts. */
const LARGE_KEYS = 32;
const LARGE_CONNECTIONS = 4;
const PAGE_KEYS = 10_000;
const PAGED_KEYS = 100_000;
/** Etcd's default limit. */
const TXN_PUTS = 128;
/** Share of `--keys` that a backup has; each brings some 300 bytes. */
const SAVED_SHARE = 0.5;

function largeValues(row: string, operation: "put" | "get"): MemberWorkload {
  const jobOf = (port: number, seconds: number): LoadJob => ({
    kind: "largeValues",
    port,
    connections: LARGE_CONNECTIONS,
    operation,
    valueBytes: LARGE_VALUE_BYTES,
    keys: LARGE_KEYS,
    seconds,
  });
  return {
    kind: "member",
    rows: [row],
    isLong: false,
    async run(server, { seconds, runJob }) {
      if (operation === "get")
        await runJob({ ...jobOf(server.port, 1), operation: "put" } as LoadJob);
      const result = await runJob(jobOf(server.port, seconds));
      return [{ row, unit: "op/s", value: result.operations / result.seconds, result }];
    },
  };
}

const snapshotSave: MemberWorkload = {
  kind: "member",
  rows: ["snapshot-save"],
  isLong: true,
  async run(server, { keys, runJob }) {
    await loadKeys([server.port], Math.floor(keys * SAVED_SHARE), runJob);
    const result = await runJob({ kind: "snapshot", port: server.port });
    return [{ row: "snapshot-save", unit: "ms", value: result.seconds * 1000, result }];
  },
};

export const LARGE_WORKLOADS: readonly MemberWorkload[] = [
  largeValues("large-values", "put"),
  largeValues("large-values-get", "get"),
  throughput(
    "pages",
    {
      connections: 2,
      streams: 1,
      request: { kind: "range", keys: PAGE_KEYS, isSerializable: false },
      firstKey: 0,
      keyCount: PAGED_KEYS - PAGE_KEYS,
      keyOrder: "random",
    },
    PAGED_KEYS,
  ),
  throughput(
    "txn-128",
    {
      connections: 10,
      streams: 2,
      request: { kind: "puts", puts: TXN_PUTS, valueBytes: VALUE_BYTES },
      firstKey: 0,
      keyCount: PAGE_KEYS,
      keyOrder: "random",
    },
    0,
  ),
  snapshotSave,
];
