/**
 * The named workloads. Each says how to load a server and which numbers come out; what they must
 * reach stands in `budgets.ts`.
 */
import type { ClosedLoopJob, LoadJob, LoadResult } from "./load/jobs.ts";
import type { RequestKind } from "./load/requests.ts";
import type { ServerCluster } from "./server-cluster.ts";
import {
  type MemberShape,
  type ProcessUsage,
  secureShape,
  type ServerProcess,
} from "./server-process.ts";

/** A load that goes on until it is stopped. */
export interface RunningJob {
  stop(): Promise<LoadResult>;
}

export interface WorkloadOptions {
  readonly seconds: number;
  /** Of the measurements that are long unless told otherwise. */
  readonly longSeconds: number;
  /** Keys of the workloads with many keys. */
  readonly keys: number;
  readonly runJob: (job: LoadJob) => Promise<LoadResult>;
  /** For jobs with the limit "stop". */
  readonly startJob: (job: LoadJob) => RunningJob;
}

export type Unit = "op/s" | "MB" | "ms" | "ms/s";

/** One number of one run. */
export interface Measurement {
  /** Name of the row it belongs to. */
  readonly row: string;
  readonly unit: Unit;
  readonly value: number;
  /** Present where the value is a throughput. */
  readonly result?: LoadResult;
  /** Of what the resident memory consists, where the value is that. */
  readonly memory?: MemorySplit;
}

export interface MemorySplit {
  /** Heap, buffers and stacks. */
  readonly anonymousMegabytes: number;
  /** Pages of mapped files: the program, its libraries, and the database where it is mapped. */
  readonly fileMegabytes: number;
}

interface AnyWorkload {
  readonly rows: readonly string[];
  /** Long runs are measured once per server. */
  readonly isLong: boolean;
  /** The row with the same load that it is compared with: their rounds alternate. */
  readonly besides?: string;
}

/** On one member. */
export interface MemberWorkload extends AnyWorkload {
  readonly kind: "member";
  /** What the member is like, with files of its own in `folder`. Default: a plain one. */
  readonly shape?: (folder: string) => Promise<MemberShape>;
  run(server: ServerProcess, options: WorkloadOptions): Promise<Measurement[]>;
}

/** On three members. */
export interface ClusterWorkload extends AnyWorkload {
  readonly kind: "cluster";
  /** Of every member. */
  readonly flags: readonly string[];
  run(cluster: ServerCluster, options: WorkloadOptions): Promise<Measurement[]>;
}

export type Workload = MemberWorkload | ClusterWorkload;

export const VALUE_BYTES = 256;
export const PUT = { kind: "put", valueBytes: VALUE_BYTES } as const;
const GET = { kind: "get", isSerializable: false } as const;
export const WARM_UP_SECONDS = 1;
/** Keys that the read and transaction workloads choose from. */
export const LOADED_KEYS = 10_000;
const RANGE_KEYS = 1000;
const WATCHERS = 1000;
const COLD_PUTS = 5000;
/** Of twenty requests: fourteen gets, four puts, a transaction and a range. */
const MIX: readonly RequestKind[] = [
  ...Array.from({ length: 4 }, (): RequestKind[] => [GET, GET, GET, PUT]).flat(),
  ...[GET, GET],
  { kind: "txn", valueBytes: VALUE_BYTES },
  { kind: "range", keys: 100, isSerializable: true },
];
/** Revisions after all workloads of many keys: the keys and two fifths of them once more. */
const OVERWRITTEN_SHARE = 0.4;

export type Loop = Omit<ClosedLoopJob, "kind" | "ports" | "warmUpSeconds" | "limit">;

/** `keys` are there before. */
export function throughput(
  row: string,
  loop: Loop,
  keys: number,
  isSecure = false,
): MemberWorkload {
  return {
    kind: "member",
    rows: [row],
    isLong: false,
    ...(isSecure && { shape: secureShape }),
    async run(server, { seconds, runJob }) {
      if (keys > 0) await loadKeys([server.port], keys, runJob);
      const result = await runJob({
        kind: "closedLoop",
        ports: [isSecure ? server.securePort : server.port],
        isSecure,
        warmUpSeconds: WARM_UP_SECONDS,
        limit: { seconds },
        ...loop,
      });
      return [{ row, unit: "op/s", value: result.operations / result.seconds, result }];
    },
  };
}

/** Puts keys from the first on, through the members in turn. */
export function loadKeys(
  ports: readonly number[],
  count: number,
  runJob: WorkloadOptions["runJob"],
): Promise<LoadResult> {
  return runJob({
    kind: "closedLoop",
    ports,
    connections: 50,
    streams: 10,
    request: PUT,
    firstKey: 0,
    keyCount: count,
    keyOrder: "sequential",
    warmUpSeconds: 0,
    limit: { requests: count },
  });
}

export const SAME_KEY = { firstKey: 0, keyCount: 1, keyOrder: "same" } as const;
export const LOADED = { firstKey: 0, keyCount: LOADED_KEYS, keyOrder: "random" } as const;

export const PUT_ONE_KEY: Loop = { connections: 100, streams: 10, request: PUT, ...SAME_KEY };
export const GET_RANDOM_KEY: Loop = {
  connections: 100,
  streams: 10,
  request: GET,
  ...LOADED,
};

const watchFanOut: MemberWorkload = {
  kind: "member",
  rows: ["watch-fan-out"],
  isLong: false,
  async run(server, { seconds, runJob }) {
    const result = await runJob({
      kind: "watch",
      port: server.port,
      connections: 10,
      watchers: WATCHERS,
      valueBytes: VALUE_BYTES,
      seconds,
    });
    const value = result.operations / result.seconds;
    return [{ row: "watch-fan-out", unit: "op/s", value, result }];
  },
};

const leaseKeepAlive: MemberWorkload = {
  kind: "member",
  rows: ["lease-keep-alive"],
  isLong: false,
  async run(server, { seconds, runJob }) {
    const result = await runJob({
      kind: "keepAlive",
      port: server.port,
      connections: 50,
      streams: 10,
      seconds,
    });
    const value = result.operations / result.seconds;
    return [{ row: "lease-keep-alive", unit: "op/s", value, result }];
  },
};

/** What a member does before its code is compiled. */
const putCold: MemberWorkload = {
  kind: "member",
  rows: ["put-cold"],
  isLong: false,
  async run(server, { runJob }) {
    const result = await runJob({
      kind: "closedLoop",
      ports: [server.port],
      connections: 1,
      streams: 1,
      request: PUT,
      ...SAME_KEY,
      warmUpSeconds: 0,
      limit: { requests: COLD_PUTS },
    });
    return [{ row: "put-cold", unit: "op/s", value: result.operations / result.seconds, result }];
  },
};

const handshakes: MemberWorkload = {
  kind: "member",
  rows: ["tls-handshakes"],
  isLong: false,
  shape: secureShape,
  async run(server, { seconds, runJob }) {
    const result = await runJob({
      kind: "handshakes",
      port: server.securePort,
      connections: 16,
      seconds,
    });
    const value = result.operations / result.seconds;
    return [{ row: "tls-handshakes", unit: "op/s", value, result }];
  },
};

export const MEGABYTE = 1e6;

/** Resident memory; the mean over the members. */
export function memoryRow(row: string, members: readonly ServerProcess[]): Measurement {
  const all = members.map((member) => member.usage());
  const mean = (read: (usage: ProcessUsage) => number): number =>
    all.reduce((sum, usage) => sum + read(usage), 0) / all.length / MEGABYTE;
  return {
    row,
    unit: "MB",
    value: mean(({ residentBytes }) => residentBytes),
    memory: {
      anonymousMegabytes: mean(({ anonymousBytes }) => anonymousBytes),
      fileMegabytes: mean(({ fileBytes }) => fileBytes),
    },
  };
}

const manyKeys: MemberWorkload = {
  kind: "member",
  rows: [
    "put-distinct-keys",
    "memory-after-puts",
    "memory-after-reads",
    "restart",
    "restart-processor-time",
    "memory-after-restart",
  ],
  isLong: true,
  async run(server, { keys, runJob }) {
    const measured: Measurement[] = [];
    const resident = (row: string): void => {
      measured.push(memoryRow(row, [server]));
    };
    const puts = await loadKeys([server.port], keys, runJob);
    const value = puts.operations / puts.seconds;
    measured.push({ row: "put-distinct-keys", unit: "op/s", value, result: puts });
    resident("memory-after-puts");
    await readAll(server, keys, runJob);
    resident("memory-after-reads");
    await loadKeys([server.port], Math.floor(keys * OVERWRITTEN_SHARE), runJob);
    await server.stop();
    await server.start();
    measured.push({ row: "restart", unit: "ms", value: server.startMs });
    const cpuMs = server.usage().cpuSeconds * 1000;
    measured.push({ row: "restart-processor-time", unit: "ms", value: cpuMs });
    resident("memory-after-restart");
    return measured;
  },
};

function readAll(
  server: ServerProcess,
  keys: number,
  runJob: WorkloadOptions["runJob"],
): Promise<LoadResult> {
  return runJob({
    kind: "closedLoop",
    ports: [server.port],
    connections: 10,
    streams: 2,
    request: { kind: "get", isSerializable: true },
    firstKey: 0,
    keyCount: keys,
    keyOrder: "sequential",
    warmUpSeconds: 0,
    limit: { requests: keys },
  });
}

export const MEMBER_WORKLOADS: readonly MemberWorkload[] = [
  throughput("put-same-key", PUT_ONE_KEY, 0),
  throughput("put-one-by-one", { connections: 1, streams: 1, request: PUT, ...SAME_KEY }, 0),
  putCold,
  throughput("get-linearizable", GET_RANDOM_KEY, LOADED_KEYS),
  throughput("get-one-by-one", { ...GET_RANDOM_KEY, connections: 1, streams: 1 }, LOADED_KEYS),
  throughput(
    "get-serializable",
    { connections: 100, streams: 10, request: { kind: "get", isSerializable: true }, ...LOADED },
    LOADED_KEYS,
  ),
  throughput(
    "range-1000-keys",
    {
      connections: 10,
      streams: 2,
      request: { kind: "range", keys: RANGE_KEYS, isSerializable: false },
      firstKey: 0,
      keyCount: LOADED_KEYS - RANGE_KEYS,
      keyOrder: "random",
    },
    LOADED_KEYS,
  ),
  throughput(
    "txn-compare-put",
    { connections: 50, streams: 4, request: { kind: "txn", valueBytes: VALUE_BYTES }, ...LOADED },
    LOADED_KEYS,
  ),
  throughput("mixed", { connections: 50, streams: 4, request: MIX, ...LOADED }, LOADED_KEYS),
  throughput("put-tls", PUT_ONE_KEY, 0, true),
  throughput("get-tls", GET_RANDOM_KEY, LOADED_KEYS, true),
  handshakes,
  watchFanOut,
  leaseKeepAlive,
  manyKeys,
];
