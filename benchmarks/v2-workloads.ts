/** Loads on the v2 API, for which both servers are started with `--enable-v2`. */
import type { LoadJob } from "./load/jobs.ts";
import { shapeOfOne } from "./server-process.ts";
import { type MemberWorkload, VALUE_BYTES, WARM_UP_SECONDS } from "./workloads.ts";

const WAITERS = 1000;
const CONNECTIONS = 100;

function workload(row: string, jobOf: (port: number, seconds: number) => LoadJob): MemberWorkload {
  return {
    kind: "member",
    rows: [row],
    isLong: false,
    shape: () => shapeOfOne(["--enable-v2"]),
    async run(server, { seconds, runJob }) {
      await runJob(jobOf(server.port, WARM_UP_SECONDS));
      const result = await runJob(jobOf(server.port, seconds));
      return [{ row, unit: "op/s", value: result.operations / result.seconds, result }];
    },
  };
}

function keys(operation: "set" | "get"): MemberWorkload {
  return workload(`v2-${operation}`, (port, seconds) => {
    return {
      kind: "v2",
      port,
      connections: CONNECTIONS,
      operation,
      valueBytes: VALUE_BYTES,
      seconds,
    };
  });
}

export const V2_WORKLOADS: readonly MemberWorkload[] = [
  keys("set"),
  keys("get"),
  workload("v2-waiters", (port, seconds) => {
    return { kind: "v2Wait", port, waiters: WAITERS, valueBytes: VALUE_BYTES, seconds };
  }),
];
