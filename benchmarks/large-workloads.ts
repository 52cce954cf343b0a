/** The workloads of large things: values, pages, transactions and backups. */
import type { LoadJob } from "./load/jobs.ts";
import { startVictim, victimMeasurements, victimRows } from "./victim.ts";
import {
  loadKeys,
  type MemberWorkload,
  throughput,
  VALUE_BYTES,
  WARM_UP_SECONDS,
} from "./workloads.ts";

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

/** A load, and somebody who feels it. The processor time per operation is that of both. */
function withVictim(
  row: string,
  { keys, unit, isLong }: { keys: (all: number) => number; unit: "op/s" | "ms"; isLong: boolean },
  jobOf: (port: number, seconds: number) => LoadJob,
): MemberWorkload {
  return {
    kind: "member",
    rows: [row, ...victimRows(row)],
    isLong,
    async run(server, options) {
      await loadKeys([server.port], keys(options.keys), options.runJob);
      const victim = await startVictim(server, options);
      const result = await options.runJob(jobOf(server.port, options.seconds));
      const felt = await victim.stop();
      const value = unit === "ms" ? result.seconds * 1000 : result.operations / result.seconds;
      return [{ row, unit, value, result }, ...victimMeasurements(row, felt)];
    },
  };
}

const pages = withVictim(
  "pages",
  { keys: () => PAGED_KEYS, unit: "op/s", isLong: false },
  (port, seconds) => ({
    kind: "closedLoop",
    ports: [port],
    connections: 2,
    streams: 1,
    request: { kind: "range", keys: PAGE_KEYS, isSerializable: false },
    firstKey: 0,
    keyCount: PAGED_KEYS - PAGE_KEYS,
    keyOrder: "random",
    warmUpSeconds: WARM_UP_SECONDS,
    limit: { seconds },
  }),
);

const snapshotSave = withVictim(
  "snapshot-save",
  { keys: (all) => Math.floor(all * SAVED_SHARE), unit: "ms", isLong: true },
  (port) => ({ kind: "snapshot", port }),
);

export const LARGE_WORKLOADS: readonly MemberWorkload[] = [
  largeValues("large-values", "put"),
  largeValues("large-values-get", "get"),
  pages,
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
