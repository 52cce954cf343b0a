/** The named workloads of three members on one machine. */
import { FirstWrite } from "./load/first-write.ts";
import { Histogram } from "./load/histogram.ts";
import type { ClosedLoopJob, LoadResult } from "./load/jobs.ts";
import { type ServerCluster, untilCaughtUp } from "./server-cluster.ts";
import type { ServerProcess } from "./server-process.ts";
import {
  type ClusterWorkload,
  LOADED,
  LOADED_KEYS,
  loadKeys,
  type Measurement,
  memoryRow,
  PUT,
  SAME_KEY,
  type WorkloadOptions,
  VALUE_BYTES,
} from "./workloads.ts";

const FAILOVERS = 20;
/**
 * Longer than with one member: three cold processes share the processors with the threads that
 * compile them, and one put after the other brings them only some thousand calls in a second.
 */
const WARM_UP_SECONDS = 6;
/** Small, so that writes of seconds leave the log of a follower behind. */
const SNAPSHOT_COUNT = 10_000;
/**
 * Keys written while the follower is away, as a share of `--keys`: enough for a db of some size, and
 * never fewer than some snapshots and the entries that are kept behind one.
 */
const MISSED_SHARE = 0.2;
const MIN_MISSED_WRITES = 60_000;
/** Etcd's name; without the metric it is not known whether a snapshot was sent. */
const RECEIVED_SNAPSHOTS = "etcd_network_snapshot_receive_success";

type Loop = Omit<ClosedLoopJob, "kind" | "ports" | "warmUpSeconds" | "limit">;

/** Through these members. */
type Choice = (cluster: ServerCluster) => Promise<readonly ServerProcess[]>;

const allMembers: Choice = async (cluster) => cluster.members;
const theLeader: Choice = async (cluster) => [(await cluster.roles()).leader];
const oneFollower: Choice = async (cluster) => (await cluster.roles()).followers.slice(0, 1);

function throughput(row: string, loop: Loop, choose: Choice, needsKeys: boolean): ClusterWorkload {
  return {
    kind: "cluster",
    rows: [row],
    isLong: false,
    flags: [],
    async run(cluster, { seconds, runJob }) {
      if (needsKeys) {
        await loadKeys(cluster.ports, LOADED_KEYS, runJob);
        await cluster.settled();
      }
      const members = await choose(cluster);
      const result = await runJob({
        kind: "closedLoop",
        ports: members.map(({ port }) => port),
        warmUpSeconds: WARM_UP_SECONDS,
        limit: { seconds },
        ...loop,
      });
      return [{ row, unit: "op/s", value: result.operations / result.seconds, result }];
    },
  };
}

const failover: ClusterWorkload = {
  kind: "cluster",
  rows: ["failover"],
  isLong: true,
  flags: [],
  async run(cluster) {
    const times: number[] = [];
    for (let i = 0; i < FAILOVERS; i++) times.push(await failOver(cluster));
    return [{ row: "failover", unit: "ms", value: median(times), result: resultOf(times) }];
  },
};

/** Milliseconds from the kill to the first write; leaves the cluster complete again. */
async function failOver(cluster: ServerCluster): Promise<number> {
  await cluster.settled();
  const { leader, followers } = await cluster.roles();
  const write = new FirstWrite(
    followers.map(({ port }) => port),
    VALUE_BYTES,
  );
  try {
    await write.ready();
    const startMs = performance.now();
    await leader.kill();
    return await write.first(startMs);
  } finally {
    write.close();
    await leader.start();
  }
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  const [low = 0, high = 0] = sorted.slice(middle - 1, middle + 1);
  return sorted.length % 2 === 0 ? (low + high) / 2 : (sorted[middle] ?? 0);
}

function resultOf(times: readonly number[]): LoadResult {
  const histogram = new Histogram();
  for (const ms of times) histogram.record(ms);
  const seconds = times.reduce((sum, ms) => sum + ms, 0) / 1000;
  return { operations: times.length, errors: 0, seconds, latency: histogram.summary() };
}

const manyKeys: ClusterWorkload = {
  kind: "cluster",
  rows: ["cluster-put-distinct-keys", "cluster-memory-leader", "cluster-memory-follower"],
  isLong: true,
  flags: [],
  async run(cluster, { keys, runJob }) {
    const puts = await loadKeys(cluster.ports, keys, runJob);
    await cluster.settled();
    const { leader, followers } = await cluster.roles();
    const value = puts.operations / puts.seconds;
    return [
      { row: "cluster-put-distinct-keys", unit: "op/s", value, result: puts },
      memoryRow("cluster-memory-leader", [leader]),
      memoryRow("cluster-memory-follower", followers),
    ];
  },
};

const catchUp: ClusterWorkload = {
  kind: "cluster",
  rows: ["catch-up", "catch-up-p99-before", "catch-up-p99-meanwhile"],
  isLong: true,
  flags: ["--snapshot-count", String(SNAPSHOT_COUNT)],
  async run(cluster, options) {
    const { leader, followers } = await cluster.roles();
    const follower = followers[0];
    if (follower === undefined) throw new Error("the cluster has no follower");
    const quiet = leaderLoad(leader, options);
    await new Promise((done) => setTimeout(done, options.seconds * 1000));
    const before = await quiet.stop();
    await follower.stop();
    const others = cluster.members.filter((member) => member !== follower);
    await loadKeys(
      others.map(({ port }) => port),
      Math.max(MIN_MISSED_WRITES, Math.floor(options.keys * MISSED_SHARE)),
      options.runJob,
    );
    const busy = leaderLoad(leader, options);
    const startMs = performance.now();
    follower.launch();
    await untilCaughtUp(follower, leader);
    const caughtUpMs = performance.now() - startMs;
    const meanwhile = await busy.stop();
    await warnWithoutSnapshot(follower);
    return [
      { row: "catch-up", unit: "ms", value: caughtUpMs },
      latencyRow("catch-up-p99-before", before),
      latencyRow("catch-up-p99-meanwhile", meanwhile),
    ];
  },
};

/** Puts at the leader until they are stopped: enough to notice a pause, not to fill the machine. */
function leaderLoad(
  leader: ServerProcess,
  { startJob }: WorkloadOptions,
): ReturnType<WorkloadOptions["startJob"]> {
  return startJob({
    kind: "closedLoop",
    ports: [leader.port],
    connections: 4,
    streams: 1,
    request: PUT,
    warmUpSeconds: 0,
    limit: "stop",
    ...SAME_KEY,
  });
}

function latencyRow(row: string, result: LoadResult): Measurement {
  return { row, unit: "ms", value: result.latency.p99Ms, result };
}

async function warnWithoutSnapshot(follower: ServerProcess): Promise<void> {
  const received = (await follower.metric(RECEIVED_SNAPSHOTS)) ?? 0;
  if (received > 0) return;
  console.warn(`catch-up: ${RECEIVED_SNAPSHOTS} does not say that a snapshot was received`);
}

export const CLUSTER_WORKLOADS: readonly ClusterWorkload[] = [
  throughput(
    "cluster-put",
    { connections: 50, streams: 10, request: PUT, ...SAME_KEY },
    allMembers,
    false,
  ),
  throughput(
    "cluster-put-one-by-one",
    { connections: 1, streams: 1, request: PUT, ...SAME_KEY },
    theLeader,
    false,
  ),
  throughput(
    "cluster-put-one-by-one-follower",
    { connections: 1, streams: 1, request: PUT, ...SAME_KEY },
    oneFollower,
    false,
  ),
  throughput(
    "cluster-get-linearizable",
    {
      connections: 50,
      streams: 10,
      request: { kind: "get", isSerializable: false },
      ...LOADED,
    },
    allMembers,
    true,
  ),
  failover,
  manyKeys,
  catchUp,
];
