/** What a member costs before anybody asks it for anything: its start, and its memory. */
import type { ServerProcess } from "./server-process.ts";
import { loadKeys, type Measurement, type MemberWorkload, memoryRow } from "./workloads.ts";

/** Of the starts that are short; the median counts. */
const STARTS = 5;
const SOME_KEYS = 10_000;
const IDLE_SECONDS = 5;
/** So many that each has some hundred on its stream. */
const WATCH_CONNECTIONS = 100;
const MANY_WATCHERS = 50_000;
const WATCHERS_METRIC = "etcd_debugging_mvcc_watcher_total";
const WATCHED_VALUE_BYTES = 256;
const POLL_MS = 100;

const startRows = (name: string): [string, string] => [
  `start-to-ready-${name}`,
  `start-processor-time-${name}`,
];

/** From the start of the process to the first linearizable answer. */
async function measureStarts(
  server: ServerProcess,
  name: string,
  count: number,
  before: () => void,
): Promise<Measurement[]> {
  const walls: number[] = [];
  const costs: number[] = [];
  for (let i = 0; i < count; i++) {
    await server.stop();
    before();
    await server.start();
    walls.push(server.startMs);
    costs.push(server.usage().cpuSeconds * 1000);
  }
  const [wall, cost] = startRows(name);
  return [
    { row: wall, unit: "ms", value: middle(walls) },
    { row: cost, unit: "ms", value: middle(costs) },
  ];
}

function middle(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? 0;
}

/** `keysOf` tells how many keys there are, from `--keys`. */
function start(
  name: string,
  count: number,
  keysOf: (keys: number) => number,
  isLong: boolean,
): MemberWorkload {
  return {
    kind: "member",
    rows: startRows(name),
    isLong,
    async run(server, { keys, runJob }) {
      const wanted = keysOf(keys);
      if (wanted > 0) await loadKeys([server.port], wanted, runJob);
      return measureStarts(server, name, count, () => {
        if (wanted === 0) server.removeData();
      });
    },
  };
}

const idleMemory: MemberWorkload = {
  kind: "member",
  rows: ["idle-memory"],
  isLong: false,
  async run(server) {
    await new Promise((done) => setTimeout(done, IDLE_SECONDS * 1000));
    return [memoryRow("idle-memory", [server])];
  },
};

const manyWatchers: MemberWorkload = {
  kind: "member",
  rows: ["many-watchers", "many-watchers-memory"],
  isLong: true,
  async run(server, { seconds, runJob }) {
    const running = runJob({
      kind: "watch",
      port: server.port,
      connections: WATCH_CONNECTIONS,
      watchers: MANY_WATCHERS,
      keys: MANY_WATCHERS,
      valueBytes: WATCHED_VALUE_BYTES,
      seconds,
    });
    // Where the load fails, that is told and not this.
    running.catch(() => {});
    const all = untilWatched(server, MANY_WATCHERS);
    await Promise.race([all, running]);
    const memory = memoryRow("many-watchers-memory", [server]);
    const result = await running;
    const value = result.operations / result.seconds;
    return [{ row: "many-watchers", unit: "op/s", value, result }, memory];
  },
};

async function untilWatched(server: ServerProcess, count: number): Promise<void> {
  while (((await server.metric(WATCHERS_METRIC)) ?? 0) < count) {
    await new Promise((done) => setTimeout(done, POLL_MS));
  }
}

export const STANDING_WORKLOADS: readonly MemberWorkload[] = [
  start("empty", STARTS, () => 0, false),
  start("10k", STARTS, () => SOME_KEYS, false),
  start("many", 1, (keys) => keys, true),
  idleMemory,
  manyWatchers,
];
